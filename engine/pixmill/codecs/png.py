"""PNG: read and written by libvips; facts from its chunks, which tell of APNG frames too.

libvips 8.18 neither reads nor writes frames: Pillow composes them, stills are joined into them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs.costs import FIXED_BYTES, palette_cost, pillow_cost, streamed, whole
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
from pixmill.codecs.png_light import LIGHT
from pixmill.codecs.spec import (
    CodecSpec,
    Encoding,
    Library,
    Packing,
    RowFilter,
    SaveValue,
    Scan,
    Tunable,
    oversized,
)
from pixmill.header import MAX_METADATA_BYTES, Header, Metadata
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC"]

_ALPHA_COLOUR_TYPES: Final = frozenset({4, 6})
_EXACT_QUALITY = 100
# From 4 on up to 256 opaque colours come back exactly, below it each is off by one. Colours of
# much differing alpha may be merged at any effort: past about 100 of them the caller must compare.
_EXACT_EFFORT = 4

# CPU of an encode and bytes on 6 photos, then on 8 screenshots and drawings, filter all:
# 3: 101 ms/MP 6.65 MB, 44 ms/MP 1.01 MB; 6: 120, 6.58, 52, 0.96; 9: 501, 6.46, 176, 0.95.
# Without filters photos grow by 42 %, drawings shrink by 13 %.
_COMPRESSION: Final = {Effort.FAST: 3, Effort.BALANCED: 6, Effort.BEST: 9}
# libimagequant at Q80, 11 screenshots and drawings: 1: 36 ms/MP 718 kB, score 86.4; 4: 57, 701,
# 88.5; 5: 63, 638, 88.4; 6: 86, 593, 88.4; 7: 94, 604, 89.2; beyond 8 it costs more and saves
# nothing. Below 4 flat areas are dithered too, which made one screenshot four times as large.
# By how much colours are mixed: 0.5 for 1.0 saves 3 to 14 % of four screenshots at Q80 and scores
# 0 to 2.4 better; 0 saves 9 to 18 % more, and bands show.
_DITHER: Final = 0.5
_PALETTE_EFFORT: Final = {Effort.FAST: 4, Effort.BALANCED: 7, Effort.BEST: 8}
# Photographs take up to ten times as long. 10 of 0.25 MP in 256 colours, bytes beside those of the
# exact form, score and CPU: 3: 39.3 %, 80.3, 290 ms/MP; 4: 40.2, 81.4, 460; 5: 39.5, 82.4, 800;
# 6: 37.6, 82.0, 1500; 8: 37.6, 82.0, 2360; 10: 37.6, 82.2, 3230. Mixed by 1.0: 41.0, 80.4 at 5.
_PHOTOGRAPH_EFFORT: Final = {Effort.FAST: 4, Effort.BALANCED: 5, Effort.BEST: 6}
# oxipng: bytes of 8 drawings, 3 screenshots and 4 photographs cut to 0.6 MP, and CPU (ms/MP):
#   libvips at 6:                    1691 kB (15)  586 (28)  2520 (77)
#   level 0: Bigrams, deflate 5:     1526 (67)     552 (73)  2507 (111)
#   level 1: Bigrams, deflate 10:    1435 (212)    487 (329) 2430 (270)
#   level 2: four filters, 11:       1348 (481)    445 (769) 2428 (586)
#   None or Bigrams, deflate 9:      1481 (127)    490 (177) 2501 (236)
#   None or Bigrams, deflate 10:     1357 (250)    454 (377) 2430 (346)
# Level 4 saves 2 % more of drawings, nothing of screenshots, in 2300 ms/MP. What takes more than a
# byte a pixel is photographic, and never better off without a filter. Any cheaper fast would put
# balanced at more than twice its CPU; any cheaper balanced would be behind oxipng's default: one
# or two filters take 1 to 3 % more of photographs of 0.06 MP.
_DENSE_BYTES_PER_PX: Final = 1.0
# Bigrams clears 8 kB a filter and row, however short: images of 32 to 64 px take 13.6 million
# instructions with it, 4.5 with the least sums. At 32, 64, 128 and 256 px 16 photographs take -0.7,
# -0.5, -0.1 and +0.2 % of the bytes, 16 drawings -0.6, -0.8, +0.0 and -0.1 %.
_FEW_PX: Final = 16_384
_SPARE_PACKINGS: Final = (
    Packing(2, (RowFilter.NONE, RowFilter.LEAST_SUM), 10, is_estimated=False),
)
_SPARE_DENSE_PACKINGS: Final = (Packing(1, (RowFilter.LEAST_SUM,), 10, is_estimated=False),)
_DENSE_PACKINGS: Final = (Packing(1),)
_PACKINGS: Final = {
    Effort.FAST: (Packing(2, (RowFilter.NONE, RowFilter.BIGRAMS), 10),),
    Effort.BALANCED: (Packing(2),),
    Effort.BEST: (Packing(2), Packing(4)),
}
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
    if not encoding.is_palette:
        return FIXED_BYTES  # rows stream
    return FIXED_BYTES + palette_cost(pixels, has_few=encoding.quality is None)


def _packings(effort: Effort, pixels: int, size_bytes: int) -> tuple[Packing, ...]:
    if pixels > _MOST_PACKED_PX:
        return ()
    is_dense = size_bytes > _DENSE_BYTES_PER_PX * pixels
    if effort is not Effort.FAST:
        return _PACKINGS[effort]
    if pixels <= _FEW_PX:
        return _SPARE_DENSE_PACKINGS if is_dense else _SPARE_PACKINGS
    return _DENSE_PACKINGS if is_dense else _PACKINGS[effort]


def _pack_cost(_effort: Effort, raster_bytes: int) -> int:
    # Measured on 4 MP, what is asked for in bytes a byte of the pixels: level 2: 7.7, with alpha
    # 7.3, of 16 bits 5.6; two filters hold 5.3 where level 2 holds 5.5.
    return FIXED_BYTES + raster_bytes * 8


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
    effort = (_PALETTE_EFFORT if encoding.is_flat else _PHOTOGRAPH_EFFORT)[encoding.effort]
    return options | {"Q": encoding.quality, "dither": _DITHER, "effort": effort}


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
    # 8 drawings of up to 1.5 MP, effort 7.
    palette_score_curve=(
        *(70.8, 75.2, 77.9, 79.8, 81.8, 82.5, 84.8, 85.8, 86.4, 87.1),
        *(89.0, 89.4, 90.4, 91.1, 92.0, 92.9, 93.3),
    ),
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
            about="level of deflate, in place of oxipng's search",
            saver_option="compression",
            least=0,
            most=9,
            is_final=True,
        ),
        Tunable(
            name="effort",
            about="CPU spent on a palette",
            saver_option="effort",
            least=1,
            most=10,
        ),
    ),
    light=LIGHT,
    packings=_packings,
    pack_cost=_pack_cost,
    rewrapped=rewrapped,
    joined=joined,
)
