"""PNG: read and written by libvips; facts from its chunks, which tell of APNG frames too.

libvips 8.18 neither reads nor writes frames: Pillow composes them, stills are joined into them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs.costs import FIXED_BYTES, pillow_cost, streamed, whole
from pixmill.codecs.fields import big
from pixmill.codecs.png_chunks import (
    SIGNATURE,
    Chunk,
    chunks,
    held_bytes,
    metadata_kind,
    rewrapped,
)
from pixmill.codecs.png_colour import implied_profile
from pixmill.codecs.png_frames import joined
from pixmill.codecs.spec import CodecSpec, Encoding, Library, SaveValue, Scan, Tunable, oversized
from pixmill.header import MAX_METADATA_BYTES, Header, Metadata
from pixmill.recipe import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC"]

_ALPHA_COLOUR_TYPES: Final = frozenset({4, 6})
_PALETTE_BYTES_PER_PX = 7
_EXACT_QUALITY = 100
# From 4 on up to 256 opaque colours come back exactly, below it each is off by one. Colours of
# much differing alpha may be merged at any effort: past about 100 of them the caller must compare.
_EXACT_EFFORT = 4

# CPU of an encode and bytes on 6 photos, then on 8 screenshots and drawings, filter all:
# 3: 101 ms/MP 6.65 MB, 44 ms/MP 1.01 MB; 6: 120, 6.58, 52, 0.96; 9: 501, 6.46, 176, 0.95.
# Without filters photos grow by 42 %, drawings shrink by 13 %.
_COMPRESSION: Final = {Effort.FAST: 3, Effort.BALANCED: 6, Effort.BEST: 9}
# libimagequant on the same: 1: 359 ms/MP 2.51 MB; 4: 532, 2.49; 7: 2154, 2.25; 10: 3930, 2.24.
# By how much colours are mixed: 0.5 for 1.0 saves 3 to 14 % of four screenshots at Q80 and scores
# 0 to 2.4 better; 0 saves 9 to 18 % more, and bands show.
_DITHER: Final = 0.5
_PALETTE_EFFORT: Final = {Effort.FAST: 1, Effort.BALANCED: 4, Effort.BEST: 7}
# oxipng on the same pixels, 16 drawings of 19 MP, 8 screenshots of 12 MP, 4 photographs of 1.6 MP:
# libvips at 6: 4.69 MB, 1.94, 3.20 in 12 ms/MP (photographs 77); level 0: 3.71, 1.71, 3.11 in 60;
# 1: 3.73, 1.55, 2.99 in 195; 2, its default: 3.63, 1.38, 2.99 in 430; 4: 3.53 (against 3.55), 1.39
# in 2300.
_PACK_LEVELS: Final = {Effort.FAST: (1,), Effort.BALANCED: (2,), Effort.BEST: (2, 4)}
_MOST_PACKED_PX = 40_000_000
"""Beyond it packing could take a good part of the time that one file has."""


def _recognises(head: bytes) -> bool:
    """Take a signature whose line ends were mangled too, for its scan to name the damage."""
    return head.startswith(SIGNATURE[:4])


def _scan(file: BinaryIO, size_bytes: int) -> Scan:
    walk = chunks(file)
    header = next(walk, None)
    if header is not None and header.kind == b"CgBI":
        raise ValueError(
            "a png rewritten for iOS (CgBI) is not supported: take the one it was made of"
        )
    if header is None or header.kind != b"IHDR":
        arrived = header.kind.decode("ascii", "replace") if header else "nothing"
        raise ValueError(f"expected a png to open with IHDR, got {arrived}")
    frames, has_pixels, has_transparency, last = 1, False, False, header
    metadata: Counter[Metadata] = Counter()
    for last in walk:
        has_pixels |= last.kind == b"IDAT"
        has_transparency |= last.kind == b"tRNS"
        if last.kind == b"acTL" and not has_pixels:
            frames = max(1, big(last.opening, 0, 4))
        if (kind := metadata_kind(last)) and metadata[kind] <= MAX_METADATA_BYTES:
            metadata[kind] += held_bytes(file, last)
    described = _described(
        header,
        frames=frames,
        has_transparency=has_transparency,
        metadata=frozenset(metadata),
        defect=_defect(last, has_pixels=has_pixels, size_bytes=size_bytes),
    )
    return replace(described, oversized=oversized(metadata))


def _described(
    header: Chunk,
    *,
    frames: int,
    has_transparency: bool,
    metadata: frozenset[Metadata],
    defect: str,
) -> Scan:
    """Return the facts of an IHDR chunk: the PNG specification 11.2.1."""
    width_px, height_px = big(header.opening, 0, 4), big(header.opening, 4, 4)
    if not width_px or not height_px:
        raise ValueError(f"expected edges of at least 1 px, got {width_px} x {height_px}")
    return Scan(
        width_px=width_px,
        height_px=height_px,
        pages=frames,
        is_lossless=True,
        is_progressive=big(header.opening, 12, 1) != 0,
        is_subsampled=False,
        is_animated=frames > 1,
        has_alpha=has_transparency or big(header.opening, 9, 1) in _ALPHA_COLOUR_TYPES,
        metadata=metadata,
        defect=defect,
    )


def _defect(last: Chunk, *, has_pixels: bool, size_bytes: int) -> str:
    if not has_pixels:
        return "expected pixels in an IDAT chunk, found none"
    if last.kind != b"IEND" or last.end > size_bytes:
        return "expected an IEND chunk at the end, found none: the file is cut off"
    return ""


def _decode_cost(header: Header, shrink: int) -> int:
    if header.is_animated:
        return pillow_cost(header, shrink)
    if header.is_progressive:
        return whole(header)  # libpng holds all of an interlaced image: 469 MB for 12000 x 12000
    return streamed(header, lines=300)  # measured 273 (12000 px), 264 (30000 px: 24 MB)


def _encode_cost(encoding: Encoding, pixels: int, bands: int) -> int:
    if encoding.is_moving:
        # The stills and the file they are joined into, or the frames they are cut from.
        return FIXED_BYTES + 2 * pixels * bands
    # Measured 115 MB for 16 MP as a palette; otherwise rows stream.
    return FIXED_BYTES + (_PALETTE_BYTES_PER_PX * pixels if encoding.is_palette else 0)


def _pack_levels(effort: Effort, pixels: int) -> tuple[int, ...]:
    return _PACK_LEVELS[effort] if pixels <= _MOST_PACKED_PX else ()


def _pack_cost(effort: Effort, raster_bytes: int) -> int:
    # Measured on 4 MP, what is asked for in bytes a byte of the pixels: level 1: 3.7; level 2: 7.7,
    # with alpha 7.3, of 16 bits 5.6.
    return FIXED_BYTES + raster_bytes * (4 if effort is Effort.FAST else 8)


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    """Return pngsave options; a palette without a quality is meant for 256 colours or fewer."""
    options: dict[str, SaveValue] = {"compression": _COMPRESSION[encoding.effort]}
    if not encoding.is_palette:
        return options | {"filter": "none" if encoding.is_flat else "all"}
    options |= {
        "filter": "none",  # neighbouring indices say nothing about each other
        "palette": True,
        "bitdepth": 8,  # without it a 16-bit image ignores the palette
    }
    if encoding.quality is None:
        return options | {"Q": _EXACT_QUALITY, "dither": 0.0, "effort": _EXACT_EFFORT}
    return options | {
        "Q": encoding.quality,
        "dither": _DITHER,
        "effort": _PALETTE_EFFORT[encoding.effort],
    }


SPEC: Final = CodecSpec(
    name="png",
    title="PNG",
    suffixes=(".png", ".apng"),
    media_type="image/png",
    reader=Library.VIPS,
    writer=Library.VIPS,
    recognises=_recognises,
    loader="pngload",
    saver="pngsave_buffer",
    pillow_format="PNG",
    is_candidate=True,
    supports_animation=True,
    supports_lossless=True,
    supports_palette=True,
    has_lossy_palette=True,
    supports_metadata=frozenset({Metadata.EXIF, Metadata.XMP, Metadata.ICC, Metadata.COMMENT}),
    max_bits=16,
    max_edge_px=1_000_000,  # PNG_USER_WIDTH_MAX of libpng
    scan=_scan,
    implied_profile=implied_profile,
    can_stream=lambda header: not (header.is_progressive or header.is_animated),
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
    tunables=(
        Tunable(
            name="compression",
            about="level of deflate",
            saver_option="compression",
            least=0,
            most=9,
        ),
        Tunable(
            name="effort",
            about="CPU spent on a palette",
            saver_option="effort",
            least=1,
            most=10,
        ),
    ),
    pack_levels=_pack_levels,
    pack_cost=_pack_cost,
    rewrapped=rewrapped,
    joined=joined,
)
