"""Which records a source is written with: its format under a recipe, before anything is read of it.

Pure, and apart from `planning`, which the coordinator never needs. Must not look at a header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.candidacy import possible
from pixmill.recipe import KEEP_SOURCE_FORMAT
from pixmill.registry import codec

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec
    from pixmill.recipe import Recipe

__all__ = ["target_of", "targets_of"]


def target_of(codec_name: str, recipe: Recipe) -> CodecSpec:
    """Return the record of the codec that a source of this codec is written with.

    `keep` gives the source's own, or its record's fallback where pixmill cannot write it or writes
    it on request alone. A vector image under `keep` stays what it is until a size in pixels is
    asked for. Of several that `auto` may choose, the first.
    """
    if recipe.is_auto:
        return targets_of(codec_name, recipe)[0]
    if recipe.target_format != KEEP_SOURCE_FORMAT:
        return codec(recipe.target_format)
    source = codec(codec_name)
    is_left = source.is_vector and recipe.resize is None
    is_kept = source.can_write and not source.is_on_request
    return source if is_kept or is_left else codec(source.fallback)


def targets_of(codec_name: str, recipe: Recipe) -> tuple[CodecSpec, ...]:
    """Return every record that a source of this codec may be, or is, written with."""
    if recipe.is_auto:
        return possible(codec_name, recipe)
    if recipe.is_series:
        found = (target_of(codec_name, member) for member in recipe.members())
        return tuple(dict.fromkeys(found))
    return (target_of(codec_name, recipe),)
