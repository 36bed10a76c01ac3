"""AVIF: read and written by libvips with libheif and aom; brands tell stills from sequences.

Sequences are Pillow's, since libheif 1.21 as libvips calls it has stills alone. Pillow offers no
matrix that is exact: at quality 100 and 4:4:4 a green of 100 came back as 101.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import isobmff
from pixmill.codecs.avif_plays import plays_of, settled
from pixmill.codecs.costs import FIXED_BYTES, whole
from pixmill.codecs.spec import CodecSpec, Encoding, Library, SaveValue, Scan, Tunable
from pixmill.header import Header, Metadata
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC"]

_BRANDS: Final = frozenset({b"avif", b"avis"})
_SEQUENCE = b"avis"
_DEFAULT_QUALITY = 55
_FULL_CHROMA_QUALITY = 90  # where libvips' `auto` stops halving chroma
_HEAD_BYTES = 4096
_SLOWEST_SPEED = 9

# Bytes at equal SSIMULACRA2 against avifenc 0.11 at speed 6, 4:2:0 in 8 bits, 622 ms/MP, and CPU of
# an encode, 5 photos of 560 px: 0: +7.3 %, 89 ms/MP; 1: -4.0, 329; 2: -7.2, 489; 3: -11.4, 901;
# avifenc at 7: +5.6, 343; at 8: +9.3, 266. 4 costs six times what 3 does. In 10 bits 1: -5.4, 438;
# 2: -7.7, 672; 3: -13.0, 1118. Most of it is aom's tuning for stills, which libheif asks for:
# tuned for SSIM, 2 comes to +5.4 % and 3 to +0.2.
_EFFORT: Final = {Effort.FAST: 1, Effort.BALANCED: 2, Effort.BEST: 3}

_SAME_AS_NEXT: Final = frozenset(
    (*range(4, 33, 2), 35, 37, 40, 42, 45, 47, 50, 52, *range(56, 97, 4))
)
"""Qualities whose file is that of the next: libheif gives aom one of 64 steps."""
_MOST_BETWEEN_PX = 12_000_000  # at most 15 s an encode


def _recognises(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and not _BRANDS.isdisjoint(isobmff.brands(head))


def _scan(file: BinaryIO, size_bytes: int) -> Scan:
    brands = isobmff.brands(file.read(_HEAD_BYTES))
    if _BRANDS.isdisjoint(brands):
        raise ValueError("expected an avif to open with a brand of avif or avis")
    frames = isobmff.sample_count(file, size_bytes) if _SEQUENCE in brands else 1
    return Scan(
        pages=max(1, frames),
        is_progressive=False,
        is_animated=frames > 1,
        plays=plays_of(file, size_bytes) if frames > 1 else None,
        has_gain_map=isobmff.has_gain_map(file, size_bytes),
        defect=isobmff.cut_off(file, size_bytes),
    )


def _implied_profile(file: BinaryIO) -> bytes:
    """Return the profile that its numbers stand for, by which libheif turns YCbCr to RGB alone."""
    told = isobmff.told_colours(file)
    return told.shown_profile() if told else b""


def _decode_cost(header: Header, _shrink: int) -> int:
    # Measured 535 MB for 36 MP at 4:2:0 (15 B/px), 235 MB for 12 MP at 4:4:4 (19); never streamed.
    return whole(header, bytes_per_px=19)


def _encode_cost(encoding: Encoding, pixels: int, bands: int) -> int:
    # Measured for 16 MP: 441 MB asked for and 333 MB used with chroma halved, 681 and 368 at full
    # resolution. What is asked for counts, since that is what a worker is held to.
    is_halved = not encoding.is_full_chroma and (encoding.quality or 100) < _FULL_CHROMA_QUALITY
    if encoding.is_moving:
        # aom holds some frames, whatever their number: measured for two of 1 MP noise 27 B/px of
        # both with chroma halved, 37 without, 37 and 48 with alpha; for 40 frames 8.
        return FIXED_BYTES + pixels * bands * (10 if is_halved else 13)
    return FIXED_BYTES + pixels * (28 if is_halved else 44)


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    """Return heifsave options; 8 bits, since browsers' decoders are fastest there."""
    if encoding.is_moving:
        return _frame_options(encoding)
    options: dict[str, SaveValue] = {
        "compression": "av1",
        "bitdepth": 8,
        "effort": _EFFORT[encoding.effort],
    }
    if encoding.quality is None:
        return options | {"lossless": True}
    mode = "off" if encoding.is_full_chroma else ("on" if encoding.is_subsampled else "auto")
    return options | {"Q": encoding.quality, "subsample_mode": mode}


def _frame_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    """Return the options of Pillow's saver, whose speeds count the other way."""
    quality = 100 if encoding.quality is None else encoding.quality
    is_halved = not encoding.is_full_chroma and (
        encoding.is_subsampled or quality < _FULL_CHROMA_QUALITY
    )
    return {
        "quality": quality,
        "speed": _SLOWEST_SPEED - _EFFORT[encoding.effort],
        "subsampling": "4:2:0" if is_halved else "4:4:4",
        "max_threads": 1,
    }


def _lowest_alike(quality: int) -> int:
    return quality - (quality - 1 in _SAME_AS_NEXT)


def _between(encoding: Encoding, pixels: int) -> tuple[Encoding, ...]:
    """Return more effort, which takes 3 to 6 % fewer bytes, and full chroma with it.

    aom's steps are 2 to 4 points apart at scores of 40 to 60, and libheif takes none between. 28
    photos at 45, 50, 55 and 60: 46, 71, 54 and 64 % in the band without these, 89, 100, 93 and 93
    % with, in 3 to 6 % fewer bytes. libheif's other tunes take 8 to 50 % more at equal score; what
    Pillow hands to aom (`deltaq-strength`) lies between its steps, but saves nothing.
    """
    if pixels > _MOST_BETWEEN_PX:
        return ()
    slower = replace(encoding, effort=encoding.effort.slower)
    return slower, replace(slower, is_full_chroma=True, is_subsampled=False)


SPEC: Final = CodecSpec(
    name="avif",
    title="AVIF",
    suffixes=(".avif", ".avifs"),
    media_type="image/avif",
    reader=Library.VIPS,
    writer=Library.VIPS,
    recognises=_recognises,
    loader="heifload",
    saver="heifsave_buffer",
    animator=Library.PILLOW,
    pillow_format="AVIF",
    is_candidate=True,
    is_moving_candidate=True,
    supports_animation=True,
    is_lossy_in_motion=True,
    supports_lossy=True,
    supports_lossless=True,
    supports_metadata=frozenset({Metadata.EXIF, Metadata.XMP, Metadata.ICC}),
    max_edge_px=16_384,  # the limit of libheif
    default_quality=_DEFAULT_QUALITY,
    # bench/size_curves.py: the tuning half of the photos, balanced.
    size_curve=(
        -2.254,
        -1.921,
        -1.586,
        -1.206,
        -0.788,
        -0.426,
        -0.121,
        0.000,
        0.139,
        0.242,
        0.368,
        0.481,
        0.607,
        0.758,
        0.834,
        1.068,
        1.713,
    ),
    size_jitter=0.025,
    # bench/score_curves.py, likewise.
    score_curve=(
        *(8.8, 25.8, 40.8, 55.3, 67.2, 75.7, 81.9, 84.2, 86.4, 87.8),
        *(89.3, 89.6, 90.5, 91.2, 91.8, 92.6, 93.8),
    ),
    full_score_curve=(
        *(10.8, 28.0, 43.0, 56.9, 68.7, 76.9, 83.2, 85.5, 87.6, 89.0),
        *(91.1, 91.6, 93.1, 93.9, 94.6, 95.6, 99.0),
    ),
    # Bytes at an equal score, full chroma over halved, 6 photos: 0.98 to 1.06 at 80, 0.94 to 1.00
    # at 85, which halved takes quality 71 to 79, 0.86 to 0.97 at 90.
    halved_until=75,
    lowest_alike=_lowest_alike,
    scan=_scan,
    implied_profile=_implied_profile,
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
    between=_between,
    settled=settled,
    tunables=(
        Tunable(
            name="effort",
            about="CPU spent on a smaller file",
            saver_option="effort",
            least=0,
            most=9,
        ),
    ),
)
