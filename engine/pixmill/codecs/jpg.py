"""JPEG: read and written by libvips with mozjpeg; facts from its markers.

Not decoded by libjpeg-turbo, whose pixels are the same to the bit at every shrink. Decoding 31
photographs at 1/2 and 1/4 takes 0.91 of libvips' CPU with Pillow 13, 0.88 with simplejpeg 1.9, and
0.93 with Debian's libturbojpeg 2.1.5, resizing included. Whole runs of 96 to 400 px take 0.95 to
0.97 with that one; runs to 1920 px 1.05, as it holds all pixels at once where libvips streams
strips that stay in the cache. Pillow tells of no warning of libjpeg's; simplejpeg brings numpy:
50 ms at the start and 7 MB.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import jpg_gain_map as gain_maps
from pixmill.codecs import jpg_light as light
from pixmill.codecs import jpg_segments as parts
from pixmill.codecs.costs import FIXED_BYTES, streamed
from pixmill.codecs.jpg_head import head_of
from pixmill.codecs.jpg_huffman import recoded
from pixmill.codecs.jpg_planes import woven
from pixmill.codecs.jpg_tables import MSSIM, ROBIDOUX, WOVEN, WOVEN_WHOLE, lowered
from pixmill.codecs.light import Light
from pixmill.codecs.spec import (
    CodecSpec,
    Draft,
    Encoding,
    Handing,
    Library,
    Planes,
    SaveValue,
    Scan,
    Tunable,
)
from pixmill.header import Header, Metadata
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC"]

_DEFAULT_QUALITY = 80
_FULL_CHROMA_QUALITY = 90  # where libvips' `auto` stops halving chroma
_WOVEN: Final = {family.number: family for family in (WOVEN, WOVEN_WHOLE)}
# Progressive over baseline, 9 photographs and drawings of 32, 64, 96, 128, 192, 256, 384 px: at 50
# +56 %, +32, +20, +12, +6, +3, +1; at 80 +46, +22, +12, +6, +2, -0.3, -2; at 90 +32, +12, +5, +2,
# -1, -2, -3. They are even at about 90,000, 45,000 and 30,000 pixels.
_EVEN_PX_A_STEP = 1500
_EVEN_QUALITY = 110
_FEWEST_DRAFTED_PX: Final = 200_000
_BEYOND_CODES: Final = ("interlace", "trellis_quant", "optimize_scans")
"""Saver options with which libjpeg decides more than the codes."""


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
        samples_per_px=head.samples_per_px,
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
        # Coefficients of two bytes, of the full size at any shrink: measured 3 B/px at 4:2:0 and
        # 4 at 4:2:2 for 3 bands.
        return streamed(header, lines=400, shrink=shrink) + round(2 * _samples(header))
    # Measured 388 lines at 1:1 (12000 px: 14 MB), 389 at 1/8 (65500 px: 10 MB).
    return streamed(header, lines=400, shrink=shrink)


def _encode_cost(encoding: Encoding, pixels: int, bands: int) -> int:
    # mozjpeg holds coefficients whole, twice, unless it streams: measured 7.1 B/px for 3 bands with
    # chroma halved, 13.2 at full resolution (16 MP). Of planes it holds one at a time: 4.4.
    if encoding.is_lean:
        return FIXED_BYTES
    return FIXED_BYTES + round(bands * pixels * (2.2 if _is_halved(encoding) else 4.4))


def _is_halved(encoding: Encoding) -> bool:
    is_low = (encoding.quality or _DEFAULT_QUALITY) < _FULL_CHROMA_QUALITY
    return not encoding.is_full_chroma and (encoding.is_subsampled or is_low)


def _transform_cost(header: Header) -> int:
    # Coefficients of two bytes, twice where they are turned.
    return FIXED_BYTES + round(5 * _samples(header))


def _samples(header: Header) -> float:
    return header.width_px * header.height_px * (header.samples_per_px or header.bands)


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    """Return jpegsave options, with tables that say with fewer bytes what the IJG's say.

    Bytes at equal SSIMULACRA2 against Pillow's default and CPU of an encode, 9 photos of 1400 px:
    Pillow 4.2 ms/MP; with the IJG's tables fast -5.4 %, 9.5 and balanced -7.7 %, 17; with these
    balanced -16.7 %, 17 and best -21.6 %, 85; with mozjpeg's own default, 3, -13.1 and -18.4 %.
    Drawings do not care for tables (0.2 %); 12 of them take 8.3 ms/MP at fast, and 69 with
    mozjpeg's trellis and scans optimised, which saves 14 % for 1.9 points, or 6 % at equal score.
    Balanced does so too, since choosing their chroma takes as much again at every effort. At the
    same quality these score no lower than the IJG's.
    It grows with size: 28 photos of 1000 px come to -14.0 and -18.6 %, 14 of 1600 px to -20.3 % at
    best, before planes were encoded apart. jpegli (pyjpegli 0.3) says as much as fast at a third of
    its CPU, -12.6 % at 5.9 ms/MP, and -20.6 % at 44 with its scans optimised; left out, since it
    takes RGB at 4:2:0 alone: no grey, no CMYK, no metadata.
    """
    quality = _DEFAULT_QUALITY if encoding.quality is None else encoding.quality
    tables = encoding.tables
    is_whole, is_fast = not encoding.is_lean, encoding.effort is Effort.FAST
    is_thorough = encoding.effort is Effort.BEST or (encoding.is_flat and not is_fast)
    is_tiny = _is_tiny(encoding)
    options: dict[str, SaveValue] = {
        "Q": quality,
        "quant_table": MSSIM.number if tables is None or tables in _WOVEN else tables,
        "subsample_mode": "off"
        if encoding.is_full_chroma
        else ("on" if encoding.is_subsampled else "auto"),
        "optimize_coding": is_whole,
        "interlace": is_whole and not is_fast and not is_tiny,
    }
    if is_whole and is_thorough:
        options |= {"trellis_quant": True, "overshoot_deringing": True}
        options |= {"optimize_scans": not is_tiny}
    return options


def _is_tiny(encoding: Encoding) -> bool:
    """Whether scans cost more than they save."""
    quality = _DEFAULT_QUALITY if encoding.quality is None else encoding.quality
    return 0 < encoding.pixels < _EVEN_PX_A_STEP * (_EVEN_QUALITY - quality)


def _between(encoding: Encoding, _pixels: int) -> tuple[Encoding, ...]:
    """Return the best effort, whose trellis scores lower in fewer bytes, and coarser tables.

    28 photos at scores of 45, 50, 55, 80 and 90: 89, 96, 96, 89 and 96 % in the band without these,
    96, 96, 100, 96 and 100 % with, the mean over all of them in 0.4 to 1.9 % fewer bytes.
    """
    others = replace(encoding, tables=ROBIDOUX.number)
    if encoding.effort is not Effort.BALANCED:
        return (others,)
    return replace(encoding, effort=Effort.BEST), others


def _draft(options: Mapping[str, SaveValue], pixels: int) -> Draft | None:
    """Return how the codes of a baseline JPEG's own are had without libjpeg's second pass.

    That one holds all coefficients, and is built for size. Symbols alone give the same to the
    byte: 28 photos at fast take 7.3 ms/MP for 12.5 at 1920 px and 10.0 for 12.7 at 800; at 400
    both are even, at 64 it would take 1.17 of libjpeg's.
    """
    is_plain = options["optimize_coding"] and not any(map(options.get, _BEYOND_CODES))
    if pixels < _FEWEST_DRAFTED_PX or not is_plain:
        return None
    return Draft({**options, "optimize_coding": False}, recoded)


def _planes(encoding: Encoding) -> Planes | None:
    """Return how planes are encoded at best, or what was encoded so is stored again.

    libvips has no table for chroma but the one that goes with luma's. Alone, chroma gets luma's:
    on 7 photos of 800 px -20.3 % of Pillow's bytes instead of -18.2 % at 4:2:0, with a tenth more
    CPU; 5 points less with mozjpeg's other tables. At 4:4:4, 10 below luma's quality, on 5 of them
    -12.9 instead of -2.5 %, on 6 drawings -25.3 instead of -18.9 %, against Pillow at 4:4:4.
    Qualities keep their scores, within 0.5 for halved chroma and 1.4 for whole from 60 on; at 40,
    20 and 10 12 photos score 1.4, 2.5 and 3.5 less, 8 of them whole 1.7, 3.3 and 5.1, in 3 to 11 %
    fewer bytes at an equal score.
    """
    is_ours = encoding.effort is Effort.BEST and encoding.tables is None
    is_whole = encoding.is_lean or bool(encoding.tuned) or _is_tiny(encoding)
    if is_whole or not (is_ours or encoding.tables in _WOVEN):
        return None
    quality, is_halved = encoding.quality or _DEFAULT_QUALITY, _is_halved(encoding)
    choice = WOVEN if is_halved else WOVEN_WHOLE
    family = choice if encoding.tables is None else _WOVEN[encoding.tables]
    chroma = replace(encoding, quality=lowered(quality, family.chroma_gap))
    return Planes(luma=encoding, chroma=chroma, is_halved=is_halved)


def _lightly(encoding: Encoding, bands: int) -> Handing | None:
    """Return how Pillow writes it, where no more than the codes is chosen by its encoder."""
    options = _save_options(encoding)
    is_chosen = bool(encoding.tuned) or any(map(options.get, _BEYOND_CODES))
    if is_chosen or not options["optimize_coding"] or _planes(encoding) is not None:
        return None
    is_halved = _is_halved(encoding)
    family, quality = int(options["quant_table"]), int(options["Q"])
    return light.handed(family, quality, is_halved=is_halved, bands=bands)


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
        *(1.2, 37.0, 51.8, 60.0, 65.7, 70.3, 75.9, 78.5, 82.3, 86.1),
        *(88.7, 89.4, 90.9, 92.1, 92.9, 93.4, 93.6),
    ),
    full_score_curve=(
        *(4.4, 39.8, 54.3, 62.4, 68.0, 72.4, 78.0, 80.6, 84.6, 88.7),
        *(91.6, 92.4, 93.9, 95.4, 96.5, 97.2, 97.5),
    ),
    # Bytes at an equal score, full chroma over halved, 10 photos: 0.78 to 1.27 at 90, where 8 of 9
    # are smaller halved; 0.57 to 1.21 at 93, where 5 of 8 are larger, those above quality 93.
    halved_until=93,
    # 4 drawings to JPEG at fast take 300 kB for 390, in 142 ms/MP for 59. WebP, which has no whole
    # chroma, would save 9 % and take three times as long; encodes of AVIF are dear.
    can_try_chroma=True,
    # Of 28 photos 0.0033, 0.0036, 0.0038 and 0.0037 at scores of 40, 55, 65 and 75 to 85; WebP and
    # AVIF show no bias beside their spread.
    sample_flattery=0.0036,
    scan=_scan,
    can_stream=lambda header: not header.is_progressive,
    # With its own 400: 790 to 950 of 2,400 to 12,000 px, scaled to 300, 1000 and 2000 px.
    scaled_lines=600,
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
    between=_between,
    tunables=(
        Tunable(
            name="tables",
            about="family of quantisation tables, as mozjpeg counts them",
            saver_option="quant_table",
            least=0,
            most=8,
        ),
    ),
    draft=_draft,
    light=Light(
        plugin=light.PLUGIN,
        is_plain=light.is_plain,
        handed=_lightly,
        finished=light.without_jfif,
    ),
    planes=_planes,
    woven=woven,
    rewrapped=parts.rewrapped,
    transform_cost=_transform_cost,
    with_gain_map=gain_maps.bundled,
)
