"""JPEG: read and written by libvips with mozjpeg; facts from its markers."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import jpg_gain_map as gain_maps
from pixmill.codecs import jpg_segments as parts
from pixmill.codecs.costs import FIXED_BYTES, streamed
from pixmill.codecs.jpg_head import head_of
from pixmill.codecs.jpg_tables import MSSIM
from pixmill.codecs.spec import CodecSpec, Encoding, Library, SaveValue, Scan, Tunable
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
        tables=head.tables,
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


def _transform_cost(header: Header) -> int:
    # Coefficients of two bytes, twice where they are turned.
    samples = header.bands * (0.5 if header.is_subsampled else 1)
    return FIXED_BYTES + round(5 * samples * header.pixels)


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    """Return jpegsave options, with tables that say with fewer bytes what the IJG's say.

    Bytes at equal SSIMULACRA2 against Pillow's default and CPU of an encode, 9 photos of 1400 px:
    Pillow 4.2 ms/MP; with the IJG's tables fast -5.4 %, 9.5 and balanced -7.7 %, 17; with these
    balanced -16.7 %, 17 and best -21.6 %, 85; with mozjpeg's own default, 3, -13.1 and -18.4 %.
    Drawings at 4:4:4 do not care (0.2 %). At the same quality these score no lower than the IJG's.
    It grows with size: 28 photos of 1000 px come to -14.0 and -18.6 %, 14 of 1600 px to -20.3 % at
    best. jpegli (pyjpegli 0.3) says as much as fast at a third of its CPU, -12.6 % at 5.9 ms/MP,
    and -20.6 % at 44 with its scans optimised; left out, since it takes RGB at 4:2:0 alone: no
    grey, no CMYK, no metadata.
    """
    quality = _DEFAULT_QUALITY if encoding.quality is None else encoding.quality
    is_whole, is_best = not encoding.is_lean, encoding.effort is Effort.BEST
    options: dict[str, SaveValue] = {
        "Q": quality,
        "quant_table": MSSIM.number if encoding.tables is None else encoding.tables,
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
    media_type="image/jpeg",
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
        -1.661,
        -1.135,
        -0.822,
        -0.618,
        -0.453,
        -0.291,
        -0.101,
        0.000,
        0.147,
        0.304,
        0.439,
        0.769,
        0.878,
        0.999,
        1.154,
        1.361,
        1.587,
    ),
    size_jitter=0.004,
    # bench/score_curves.py, likewise.
    score_curve=(
        *(-7.2, 33.4, 49.8, 58.9, 64.5, 68.8, 75.2, 78.8, 82.3, 85.7),
        *(88.3, 89.6, 90.7, 91.9, 92.9, 93.4, 93.6),
    ),
    full_score_curve=(
        *(-2.6, 37.9, 53.9, 62.5, 68.0, 72.1, 78.0, 81.2, 84.6, 88.4),
        *(91.6, 93.4, 93.9, 95.2, 96.5, 97.2, 97.5),
    ),
    # Bytes at an equal score, full chroma over halved, 10 photos: 0.78 to 1.27 at 90, where 8 of 9
    # are smaller halved; 0.57 to 1.21 at 93, where 5 of 8 are larger, those above quality 93.
    halved_until=93,
    # Of 28 photos 0.0033, 0.0036, 0.0038 and 0.0037 at scores of 40, 55, 65 and 75 to 85; WebP and
    # AVIF show no bias beside their spread.
    sample_flattery=0.0036,
    scan=_scan,
    can_stream=lambda header: not header.is_progressive,
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
    tunables=(
        Tunable(
            name="tables",
            about="family of quantisation tables, as mozjpeg counts them",
            saver_option="quant_table",
            least=0,
            most=8,
        ),
    ),
    rewrapped=parts.rewrapped,
    transform_cost=_transform_cost,
    with_gain_map=gain_maps.bundled,
)
