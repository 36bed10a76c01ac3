"""WebP: read and written by libvips; facts from its chunks, which tell of losslessness."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs.costs import FIXED_BYTES, whole
from pixmill.codecs.fields import little
from pixmill.codecs.light import Light
from pixmill.codecs.spec import (
    CodecSpec,
    Encoding,
    Handing,
    Library,
    SaveValue,
    Scan,
    Tunable,
    oversized,
)
from pixmill.codecs.webp_chunks import Chunk, chunks, mended, metadata_kind, rewrapped, riff_end
from pixmill.header import Header, Metadata
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC"]

_DEFAULT_QUALITY = 78
_ANIMATION_FLAG, _ALPHA_FLAG = 0x02, 0x10
_KIND_AT, _FLAGS_AT = 12, 20
_EXTENDED: Final = b"VP8X\x0a\0\0\0"
_FRAME_HEADER_BYTES = 16
_RGBA_BYTES = 4
_PLUGIN = "WebPImagePlugin"
_EDGE_MASK = 0x3FFF
_PLAIN_KINDS: Final = ([b"VP8 "], [b"VP8L"], [b"VP8X", b"ALPH", b"VP8 "], [b"VP8X", b"VP8L"])
_NO_PIXELS = "expected pixels in a VP8, VP8L or ANMF chunk, found none"

# Bytes at equal SSIMULACRA2 and CPU of a lossy encode, 9 photos: 2: +5.2 %, 49 ms/MP;
# 3: +1.1 %, 99; 4, the default of cwebp: 0 %, 98; 6: -4.1 %, 223. Presets come to 2 % at most.
# cwebp 1.2.4 makes the same bytes of 5 photos for 58, 111 and 250 ms/MP at 2, 4 and 6, start and
# reading included, where these took 50, 102 and 281. At 6 more passes gain 0.2 % for five times the
# CPU, and sharper chroma, deblocking and presets lose 0.5 to 1 %.
_LOSSY_EFFORT: Final = {Effort.FAST: 2, Effort.BALANCED: 4, Effort.BEST: 6}
# Lossless, where quality too is CPU, 8 screenshots: 1/50: 187 ms/MP 556 kB; 2/75: 212, 494;
# 4/100: 1058, 474; 6/100: 11398, 472.
_LOSSLESS_EFFORT: Final = {Effort.FAST: 1, Effort.BALANCED: 2, Effort.BEST: 4}
_LOSSLESS_QUALITY: Final = {Effort.FAST: 50, Effort.BALANCED: 75, Effort.BEST: 100}
_MOST_BETWEEN_PX = 30_000_000  # at most 14 s an encode
_MOST_HANDED_PX = 4_000_000  # beyond it the copy would be a good part of what there is
_HANDED_BYTES = 7  # a pixel: measured 55 MB for 4 MP, 14 for 1 MP, where libvips' are 6.5 a pixel
_DETAIL_BYTES = 3.2  # likewise, for what is coded of leaves and masonry: 28 MB in all for 2.5 MP
_MOST_DETAILED_PX = 2_500_000


def _recognises(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:15] == b"WEBPVP8"


def _scan(file: BinaryIO, size_bytes: int) -> Scan:
    end = riff_end(file)
    walk = chunks(file, end)
    first = last = next(walk, None)
    if first is None or last is None:
        raise ValueError("expected a webp to hold a chunk, found none")
    frames, stills, metadata = Counter[bool](), Counter[bool](), Counter[Metadata]()
    for last in chain((first,), walk):
        if last.kind == b"ANMF":
            frames[last.opening[_FRAME_HEADER_BYTES:].startswith(b"VP8L")] += 1
        elif last.kind in {b"VP8 ", b"VP8L"}:
            stills[last.kind == b"VP8L"] += 1
        elif kind := metadata_kind(last):
            metadata[kind] += last.size_bytes
    coded = frames or stills
    is_lossless = bool(coded) and not coded[False]
    return replace(
        _described(first),
        pages=max(1, frames.total()),
        is_lossless=is_lossless,
        is_progressive=False,
        is_subsampled=not is_lossless,
        is_animated=frames.total() > 1,
        metadata=frozenset(metadata),
        oversized=oversized(metadata),
        defect=_defect(last, end=end, size_bytes=size_bytes) if coded else _NO_PIXELS,
    )


def _described(first: Chunk) -> Scan:
    """Return the size and the alpha that the first chunk tells: RFC 9649 2.7, 3.4 and 6386 9.1."""
    opening = first.opening
    match first.kind:
        case b"VP8X":
            has_alpha = bool(little(opening, 0, 1) & _ALPHA_FLAG)
            width_px, height_px = little(opening, 4, 3) + 1, little(opening, 7, 3) + 1
        case b"VP8L":
            bits = little(opening, 1, 4)
            has_alpha = bool(bits >> 28 & 1)
            width_px, height_px = (bits & _EDGE_MASK) + 1, (bits >> 14 & _EDGE_MASK) + 1
        case b"VP8 ":
            has_alpha = False
            width_px, height_px = little(opening, 6, 2) & _EDGE_MASK, little(opening, 8, 2)
            height_px &= _EDGE_MASK
        case kind:
            raise ValueError(f"expected a webp to open with VP8, VP8L or VP8X, got {kind!r}")
    if not width_px or not height_px:
        raise ValueError(f"expected edges of at least 1 px, got {width_px} x {height_px}")
    return Scan(width_px=width_px, height_px=height_px, has_alpha=has_alpha)


def _defect(last: Chunk, *, end: int, size_bytes: int) -> str:
    if end > size_bytes:
        return f"expected {end} bytes, as its header says, got {size_bytes}: the file is cut off"
    if last.end > size_bytes:
        return f"expected the last chunk to end within {size_bytes} bytes: the file is cut off"
    return ""


def _decode_cost(header: Header, shrink: int) -> int:
    if header.is_animated:
        # The canvas, the frame and the one before it, RGBA; pages then stream.
        return whole(header, bytes_per_px=3 * _RGBA_BYTES)
    if header.is_lossless:
        # Measured 133 MB for 16 MP whole, 70 MB scaled to a tenth.
        return whole(header, bytes_per_px=_RGBA_BYTES * (1 + 1 / shrink**2))
    # Measured 8 B/px at full size (12000 px: 1114 MB); scaled, the canvas has the smaller size,
    # and the header alone takes 4 B a scaled pixel.
    return whole(header, bytes_per_px=2 * _RGBA_BYTES / shrink**2)


def _encode_cost(encoding: Encoding, pixels: int, _bands: int) -> int:
    # Measured 901 MB for 144 MP lossy; lossless 36 B/px; the sharper halving 267 MB for 16 MP.
    handed_bytes = 0 if encoding.is_frugal else _HANDED_BYTES * min(pixels, _MOST_HANDED_PX)
    if encoding.quality is None or encoding.is_near_lossless:
        return FIXED_BYTES + 36 * pixels + handed_bytes
    if encoding.is_full_chroma:
        return FIXED_BYTES + 17 * pixels
    detail_bytes = _DETAIL_BYTES * min(pixels, _MOST_DETAILED_PX)
    return FIXED_BYTES + round(6.5 * pixels + detail_bytes) + handed_bytes


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    """Return webpsave options; WebP has no 4:4:4, so full chroma asks for the sharper halving."""
    if encoding.quality is None:
        return {
            "lossless": True,
            "exact": encoding.has_hidden,
            "Q": _LOSSLESS_QUALITY[encoding.effort],
            "effort": _LOSSLESS_EFFORT[encoding.effort],
        }
    if encoding.is_near_lossless:
        effort = _LOSSLESS_EFFORT[encoding.effort]
        return {"near_lossless": True, "Q": encoding.quality, "effort": effort}
    return {
        "Q": encoding.quality,
        "effort": _LOSSY_EFFORT[encoding.effort],
        "smart_subsample": encoding.is_full_chroma,  # doubles the CPU, so not by default
    }


def _handed(encoding: Encoding, pixels: int) -> Handing | None:
    """Return what Pillow makes the same bytes of for less CPU, the pixels' way there included.

    Its libwebp is built for speed, that of libvips' wheel for size: 6 photos of 1000 px take 98 in
    place of 105 ms/MP at 4 and 242 in place of 287 at 6, as much at 2; 6 screenshots without loss
    195 in place of 217 at 1 and 268 in place of 307 at 2. It has no sharper halving.
    """
    is_quick = encoding.quality is not None and encoding.effort is Effort.FAST
    is_spare = encoding.is_frugal or pixels > _MOST_HANDED_PX
    return None if is_quick or is_spare else _handing(encoding)


def _handing(encoding: Encoding) -> Handing | None:
    if encoding.is_moving or encoding.is_near_lossless or encoding.tuned:
        return None
    if encoding.quality is None:
        options = _save_options(encoding)
        told = {"lossless": True, "exact": options["exact"]}
        return Handing(
            plugin=_PLUGIN,
            options=told | {"quality": options["Q"], "method": options["effort"]},
        )
    if encoding.is_full_chroma:
        return None
    return Handing(
        plugin=_PLUGIN,
        options={"quality": encoding.quality, "method": _LOSSY_EFFORT[encoding.effort]},
    )


def _is_plain(content: bytes, _recode: object) -> bool:
    """Whether it is a still and nothing else, with or without alpha, to the end of the file.

    Both libraries decode by the same libwebp, which takes a file or refuses it, and never warns.
    """
    file = io.BytesIO(content)
    try:
        end = riff_end(file)
        parts = [*chunks(file, end)]
    except ValueError:
        return False
    kinds = [part.kind for part in parts]
    if kinds not in _PLAIN_KINDS or not end == parts[-1].padded_end == len(content):
        return False
    return len(parts) == 1 or little(parts[0].opening, 0, 1) == _ALPHA_FLAG


def _amended(opening: bytes) -> bytes:
    """Return the opening of an animation with its alpha flag set: RFC 9649 2.7.

    libwebp sets it where a frame holds transparent pixels. A frame that leaves them out, since the
    canvas is clear anyway, has none: readers that go by the flag show black. Frames that are all
    the same become a still, whose flag is right.
    """
    flags = opening[_FLAGS_AT]
    if opening[_KIND_AT:_FLAGS_AT] != _EXTENDED or not flags & _ANIMATION_FLAG:
        return opening
    return opening[:_FLAGS_AT] + bytes((flags | _ALPHA_FLAG,)) + opening[_FLAGS_AT + 1 :]


def _between(encoding: Encoding, pixels: int) -> tuple[Encoding, ...]:
    """Return more effort, which takes 4 to 6 % fewer bytes, and the sharper halving with it.

    28 photos at scores of 40, 50, 60 and 70: 86, 89, 100 and 96 % in the band without these, 86,
    100, 100 and 100 % with.
    libwebp takes qualities between two, libvips does not; Pillow does, to the same bytes, but most
    such files are a neighbour's, for a quality is about one step of libwebp's quantiser.
    """
    if pixels > _MOST_BETWEEN_PX:
        return ()
    slower = replace(encoding, effort=encoding.effort.slower)
    return slower, replace(slower, is_full_chroma=True, is_subsampled=False)


SPEC: Final = CodecSpec(
    name="webp",
    title="WebP",
    suffixes=(".webp",),
    media_type="image/webp",
    reader=Library.VIPS,
    writer=Library.VIPS,
    recognises=_recognises,
    loader="webpload",
    saver="webpsave_buffer",
    pillow_format="WEBP",
    is_candidate=True,
    is_moving_candidate=True,
    supports_animation=True,
    supports_lossy=True,
    supports_lossless=True,
    supports_metadata=frozenset({Metadata.EXIF, Metadata.XMP, Metadata.ICC}),
    max_edge_px=16_383,  # 14 bits an edge
    default_quality=_DEFAULT_QUALITY,
    has_scale_on_load=True,
    # bench/size_curves.py: the tuning half of the photos, balanced.
    size_curve=(
        *(-1.126, -0.852, -0.640, -0.460, -0.316, -0.186, -0.064, 0.000, 0.199),
        *(0.419, 0.634, 0.698, 0.906, 1.056, 1.187, 1.322, 1.341),
    ),
    # A step below quality 75 is 1.3 %; of 28 photos it strays by 0.8 % (standard deviation) from
    # the curve, and by 1.3 % from what a sample of either side tells.
    sample_reach=12,
    size_jitter=0.015,
    # bench/score_curves.py, likewise.
    score_curve=(
        *(30.1, 41.9, 50.2, 56.6, 61.6, 65.6, 69.3, 70.8, 75.4, 79.8),
        *(83.3, 84.1, 86.6, 87.9, 88.9, 89.6, 89.6),
    ),
    full_score_curve=(
        *(30.7, 42.5, 50.9, 57.4, 62.2, 66.4, 69.9, 71.8, 76.2, 80.5),
        *(84.2, 85.1, 87.6, 89.0, 90.2, 90.9, 91.0),
    ),
    # Scores of 6 photos: 89 to 93 at 40, 93 to 95 at 60, 95 to 96 at 80; lossy at best 88 to 92.
    near_lossless=(40, 60, 80),
    scan=_scan,
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
    handed=_handed,
    light=Light(
        plugin=_PLUGIN,
        is_plain=_is_plain,
        handed=lambda encoding, _bands: _handing(encoding),
        finished=lambda content: content,
    ),
    between=_between,
    tunables=(
        Tunable(
            name="effort",
            about="CPU spent on a smaller file",
            saver_option="effort",
            least=0,
            most=6,
        ),
    ),
    rewrapped=rewrapped,
    amended=_amended,
    mended=mended,
)
