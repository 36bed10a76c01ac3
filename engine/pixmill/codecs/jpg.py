"""JPEG: read and written by libvips with mozjpeg; facts from its markers."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import jpg_segments as parts
from pixmill.codecs.costs import FIXED_BYTES, streamed
from pixmill.codecs.fields import big
from pixmill.codecs.jpg_quality import origin
from pixmill.codecs.jpg_tables import MSSIM
from pixmill.codecs.spec import CodecSpec, Encoding, Library, SaveValue, Scan, Tunable
from pixmill.header import Header, Metadata
from pixmill.recipe import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC"]

_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_STEPS_IN_TABLE = 64
_DEFAULT_QUALITY = 80
_FULL_CHROMA_QUALITY = 90  # where libvips' `auto` stops halving chroma


def _recognises(head: bytes) -> bool:
    return head.startswith(b"\xff\xd8\xff")


def _scan(file: BinaryIO, size_bytes: int) -> Scan:
    frame: parts.Segment | None = None
    tables: dict[int, tuple[int, ...]] = {}
    metadata: set[Metadata] = set()
    is_multi_picture = has_gain_map_claim = False
    end = 0
    for segment in parts.segments(file):
        end = segment.end
        if segment.marker in parts.SOF_MARKERS:
            frame = frame or segment
        elif segment.marker == parts.DQT:
            tables.update(_tables(segment.body))
        elif kind := parts.metadata_kind(segment):
            metadata.add(kind)
            is_multi_picture |= parts.is_multi_picture(segment)
            has_gain_map_claim |= parts.has_gain_map_claim(segment)
        if segment.marker == parts.EOI:
            raise ValueError("expected pixels before the end of the image, found none")
    if frame is None:
        raise ValueError("expected a frame header before the pixels, found none")
    return _described(
        frame,
        tables=tables,
        metadata=frozenset(metadata),
        has_gain_map=is_multi_picture and has_gain_map_claim,
        defect=""
        if parts.has_image_end(file, size_bytes, end)
        else "expected an end of image marker after the pixels, found none: the file is cut off",
    )


def _described(
    frame: parts.Segment,
    *,
    tables: dict[int, tuple[int, ...]],
    metadata: frozenset[Metadata],
    has_gain_map: bool,
    defect: str,
) -> Scan:
    """Return the facts of a frame header: ITU-T T.81 B.2.2."""
    body = frame.body
    height_px, width_px, components = big(body, 1, 2), big(body, 3, 2), big(body, 5, 1)
    if not width_px or not components:
        raise ValueError(f"expected a width and components, got {width_px} and {components}")
    fields = [(big(body, 7 + 3 * n, 1), big(body, 8 + 3 * n, 1)) for n in range(components)]
    used = [tables.get(table) for _, table in fields]
    luma, chroma = used[0], used[1] if len(used) > 1 and used[1] != used[0] else None
    made = origin(luma, chroma) if luma else None
    return Scan(
        width_px=width_px,
        height_px=height_px or None,  # 0: the height follows the first scan, in a DNL segment
        pages=1,
        quality=made.quality if made else None,
        tables=made.family if made else None,
        is_lossless=False,
        is_progressive=frame.marker in _PROGRESSIVE,
        is_subsampled=len({sampling for sampling, _ in fields}) > 1,
        is_animated=False,
        has_alpha=False,
        metadata=metadata,
        has_gain_map=has_gain_map,
        defect=defect,
    )


def _tables(body: bytes) -> dict[int, tuple[int, ...]]:
    """Return the quantisation tables of a DQT segment by number: ITU-T T.81 B.2.4.1."""
    tables: dict[int, tuple[int, ...]] = {}
    offset = 0
    while offset < len(body):
        step_bytes, number = (2 if body[offset] >> 4 else 1), body[offset] & 15
        offset += 1
        end = offset + _STEPS_IN_TABLE * step_bytes
        if end > len(body):
            break  # a short table decodes with what there is; it only costs the estimate
        steps = body[offset:end]
        tables[number] = tuple(steps if step_bytes == 1 else struct.unpack(">64H", steps))
        offset = end
    return tables


def _decode_cost(header: Header, shrink: int) -> int:
    if header.is_progressive:
        # Measured 3 B/px at 4:2:0 for 3 bands, of the full size at any shrink: coefficients.
        return streamed(header, lines=1000, shrink=shrink) + round(
            header.width_px * header.height_px * header.bands * (1 if header.is_subsampled else 2)
        )
    # Measured 880 lines at 1:1 (30000 px: 79 MB), 420 full-width ones at 1/8 (38 MB).
    return streamed(header, lines=600 + 400 * shrink, shrink=shrink)


def _encode_cost(encoding: Encoding, pixels: int, bands: int) -> int:
    # mozjpeg holds coefficients whole, twice, unless it streams: measured 7.1 B/px for 3 bands with
    # chroma halved, 13.2 at full resolution (16 MP).
    if encoding.is_lean:
        return FIXED_BYTES
    is_halved = not encoding.is_full_chroma and (encoding.quality or 100) < _FULL_CHROMA_QUALITY
    return FIXED_BYTES + round(bands * pixels * (2.2 if is_halved else 4.4))


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
    reader=Library.VIPS,
    writer=Library.VIPS,
    recognises=_recognises,
    loader="jpegload",
    saver="jpegsave_buffer",
    pillow_format="JPEG",
    fallback="jpg",
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
)
