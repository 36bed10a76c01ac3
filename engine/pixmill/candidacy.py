"""Which formats `auto` may write of a source, which of them its content deserves, and their order.

Pure: asks records alone. Must not encode, and names no format but the yardstick.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pixmill.content import ContentClass
from pixmill.registry import codec, codecs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.codecs.spec import CodecSpec
    from pixmill.recipe import Recipe

__all__ = ["YARDSTICK", "Subject", "deserving", "possible", "yardstick_quality"]

YARDSTICK: Final = "jpg"
"""Whose scale of quality people know: what it loses of an image, a candidate may lose of it."""

_TRANSPARENT_QUALITY: Final = 92
"""Of the yardstick, at which a photograph shows no difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the pixels of one image are.

    Attributes:
        codec: What it is stored as.
        shown: What it shows.
        has_alpha: Whether it has transparency.
        is_moving: Whether its frames are wanted.
        is_lossless: Whether nothing was lost of it yet.
    """

    codec: str
    shown: ContentClass
    has_alpha: bool
    is_moving: bool
    is_lossless: bool


def possible(codec_name: str, recipe: Recipe) -> tuple[CodecSpec, ...]:
    """Return every format that a source of this codec may become, whatever its content.

    Known before a pixel is, so that names can be claimed. A vector image stays what it is until a
    size in pixels or a format is asked for.
    """
    return _possible(codec_name, recipe.candidates, recipe.resize is not None)


@lru_cache
def _possible(codec_name: str, named: tuple[str, ...], is_sized: bool) -> tuple[CodecSpec, ...]:  # noqa: FBT001 - a key
    if named:
        return tuple(codec(name) for name in named)
    if codec(codec_name).is_vector and not is_sized:
        return (codec(codec_name),)
    return tuple(spec for spec in codecs() if spec.is_candidate or spec.is_moving_candidate)


def deserving(subject: Subject, recipe: Recipe) -> tuple[str, ...]:
    """Return the formats that are worth a look, of those that are possible, in their order.

    - What has transparency or moves loses neither, unless no candidate holds it.
    - Of those that the user did not name: photographs and what has lost already become lossy
      formats, drawings that nothing is lost of those that can be exact. A source may stay its own.
    """
    specs = possible(subject.codec, recipe)
    if recipe.is_lossless:
        specs = _preferred(specs, [spec.supports_lossless for spec in specs])
    if subject.has_alpha:
        specs = _preferred(specs, [spec.supports_alpha for spec in specs])
    if subject.is_moving:
        specs = _preferred(specs, [spec.supports_animation for spec in specs])
    if not recipe.candidates:
        is_fit = [_is_fit(spec, subject) or spec.name == subject.codec for spec in specs]
        specs = _preferred(specs, is_fit)
    return tuple(spec.name for spec in specs)


def yardstick_quality(recipe: Recipe, own: int | None) -> int:
    """Return the quality whose looks every candidate is to keep.

    Args:
        recipe: What is wanted.
        own: Quality that the source was stored at, above which there are only bytes.
    """
    if not recipe.has_compression:
        return own or _TRANSPARENT_QUALITY
    asked = recipe.quality or codec(YARDSTICK).default_quality
    return min(asked, own) if own else asked


def _is_fit(spec: CodecSpec, subject: Subject) -> bool:
    if subject.is_moving:
        return spec.is_moving_candidate
    if not spec.is_candidate:
        return False
    is_drawn = subject.shown is not ContentClass.PHOTOGRAPH
    return spec.supports_lossless if is_drawn and subject.is_lossless else spec.supports_lossy


def _preferred(specs: tuple[CodecSpec, ...], is_fit: Sequence[bool]) -> tuple[CodecSpec, ...]:
    """Return those that fit, or all where none does."""
    return tuple(spec for spec, fits in zip(specs, is_fit, strict=True) if fits) or specs
