"""Encode luma and chroma apart, for codecs whose record weaves them into one file.

Must not know a format, nor choose qualities: both are the record's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.imaging.metadata import keep_flags, valid_profile, without_profile
from pixmill.imaging.pages import page_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixmill.codecs.spec import CodecSpec, Encoding, Planes

__all__ = ["encoded_by_planes"]

_LUMA: Final = (0.299, 0.587, 0.114)
_CHROMA: Final = ((-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
"""What of red, green and blue makes each plane: JFIF 1.02, which is ITU-R BT.601 in full range."""

_ROUNDED: Final = 0.5
_NOTHING: Final = 0
_MIDDLE: Final = 128.0
_BANDS: Final = 3
_COLOURS: Final = frozenset({"srgb", "rgb"})


def encoded_by_planes(image: pyvips.Image, spec: CodecSpec, encoding: Encoding) -> bytes | None:
    """Return the image encoded plane by plane; `None` where it is to be encoded as a whole.

    Args:
        image: Pinned: it is read once for each plane.
        spec: Of the codec.
        encoding: How.
    """
    planes = spec.planes(encoding) if spec.planes and _is_plain(image) else None
    if planes is None or spec.woven is None:
        return None
    return spec.woven([*_encoded(image, spec, planes)], valid_profile(image))


def _is_plain(image: pyvips.Image) -> bool:
    is_still = page_count(image) == 1 and image.bands == _BANDS
    return is_still and image.format == "uchar" and image.interpretation in _COLOURS


def _encoded(image: pyvips.Image, spec: CodecSpec, planes: Planes) -> Iterator[bytes]:
    luma = without_profile(_plane(image, _LUMA, 0.0))
    yield _saved(luma, spec, planes.luma, keep=keep_flags(luma))
    # Averaged before it is weighed: half the CPU, and rounding twice is lost in coding.
    small = image.shrink(2, 2, ceil=True) if planes.is_halved else image
    for weights in _CHROMA:
        yield _saved(_plane(small, weights, _MIDDLE), spec, planes.chroma, keep=_NOTHING)


def _plane(image: pyvips.Image, weights: Sequence[float], offset: float) -> pyvips.Image:
    weighed = image.recomb([[*weights]]).linear(1, offset + _ROUNDED, uchar=True)
    return weighed.copy(interpretation="b-w")


def _saved(image: pyvips.Image, spec: CodecSpec, encoding: Encoding, *, keep: int) -> bytes:
    return bytes(pyvips.Operation.call(spec.saver, image, **spec.options(encoding), keep=keep))
