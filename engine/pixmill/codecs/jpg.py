"""JPEG: read and written by libvips with mozjpeg; facts from its markers."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import jpg_gain_map as gain_maps
from pixmill.codecs import jpg_segments as parts
from pixmill.codecs.costs import FIXED_BYTES, streamed
from pixmill.codecs.jpg_head import head_of
from pixmill.codecs.spec import CodecSpec, Encoding, Library, SaveValue, Scan
from pixmill.header import Header, Metadata
from pixmill.recipe import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC"]

_DEFAULT_QUALITY = 80
_FULL_CHROMA_QUALITY = 90  # where libvips' `auto` stops halving chroma


def _recognises(head: bytes) -> bool:
    return head.startswith(b"\xff\xd8\xff")


def _scan(file: BinaryIO, size_bytes: int) -> Scan:
    head = head_of(file)
    gain_map = gain_maps.found(file, size_bytes, head)
    return Scan(
        width_px=head.width_px,
        height_px=head.height_px or None,
        pages=1,
        quality=head.quality,
        is_lossless=False,
        is_progressive=head.is_progressive,
        is_subsampled=head.is_subsampled,
        is_animated=False,
        has_alpha=False,
        metadata=head.metadata,
        has_gain_map=gain_map is not None or bool(head.index and head.described),
        gain_map=gain_map,
        defect=""
        if parts.has_image_end(file, size_bytes, head.end)
        else "expected an end of image marker after the pixels, found none: the file is cut off",
    )


def _decode_cost(header: Header, shrink: int) -> int:
    if header.is_progressive:
        # Measured 3 B/px at 4:2:0 for 3 bands, of the full size at any shrink: coefficients.
        return streamed(header, lines=400, shrink=shrink) + round(
            header.width_px * header.height_px * header.bands * (1 if header.is_subsampled else 2)
        )
    # Measured 388 lines at 1:1 (12000 px: 14 MB), 389 at 1/8 (65500 px: 10 MB).
    return streamed(header, lines=400, shrink=shrink)


def _encode_cost(encoding: Encoding, pixels: int, bands: int) -> int:
    # mozjpeg holds coefficients whole, twice, unless it streams: measured 7.1 B/px for 3 bands with
    # chroma halved, 13.2 at full resolution (16 MP).
    if encoding.is_lean:
        return FIXED_BYTES
    is_halved = not encoding.is_full_chroma and (encoding.quality or 100) < _FULL_CHROMA_QUALITY
    return FIXED_BYTES + round(bands * pixels * (2.2 if is_halved else 4.4))


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    """Return jpegsave options.

    CPU of an encode and bytes, 6 corpus photos at Q80 (decoding them: 14 ms/MP): plain 8 ms/MP;
    fast 16, -1.3 %; balanced 30, -4.4 %; best 160, -13 %.
    """
    quality = _DEFAULT_QUALITY if encoding.quality is None else encoding.quality
    is_whole, is_best = not encoding.is_lean, encoding.effort is Effort.BEST
    options: dict[str, SaveValue] = {
        "Q": quality,
        "subsample_mode": "off"
        if encoding.is_full_chroma
        else ("on" if encoding.is_subsampled else "auto"),
        "optimize_coding": is_whole,
        "interlace": is_whole and encoding.effort is not Effort.FAST,
    }
    if is_whole and is_best:
        options |= {"trellis_quant": True, "overshoot_deringing": True, "optimize_scans": True}
    return options


SPEC: Final = CodecSpec(
    name="jpg",
    title="JPEG",
    suffixes=(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    reader=Library.VIPS,
    writer=Library.VIPS,
    recognises=_recognises,
    loader="jpegload",
    saver="jpegsave_buffer",
    pillow_format="JPEG",
    fallback="jpg",
    is_candidate=True,
    supports_alpha=False,
    supports_lossy=True,
    supports_cmyk=True,
    supports_metadata=frozenset(
        {Metadata.EXIF, Metadata.XMP, Metadata.IPTC, Metadata.ICC, Metadata.COMMENT, Metadata.OTHER}
    ),
    max_xmp_bytes=60_000,  # what libvips 8.18 puts into the one segment that it writes
    max_edge_px=65_500,  # JPEG_MAX_DIMENSION of libjpeg
    default_quality=_DEFAULT_QUALITY,
    has_shrink_on_load=True,
    # bench/size_curves.py: the tuning half of the photos, balanced.
    size_curve=(
        -1.530,
        -1.036,
        -0.746,
        -0.589,
        -0.457,
        -0.253,
        -0.076,
        0.000,
        0.135,
        0.298,
        0.397,
        0.674,
        0.781,
        0.918,
        1.077,
        1.300,
        1.530,
    ),
    size_jitter=0.004,
    scan=_scan,
    can_stream=lambda header: not header.is_progressive,
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
    rewrapped=parts.rewrapped,
    with_gain_map=gain_maps.bundled,
)
