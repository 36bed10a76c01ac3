"""TIFF: read and written by libvips; its pages, size and metadata from its directories."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs.costs import FIXED_BYTES, pillow_cost, streamed
from pixmill.codecs.fields import read_up_to
from pixmill.codecs.spec import CodecSpec, Encoding, Library, SaveValue, Scan, Tunable
from pixmill.codecs.tiff_tags import SIGNATURES, directories, first_short
from pixmill.header import Header, Metadata
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixmill.codecs.tiff_tags import Field

__all__ = ["SPEC"]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_SAMPLE_FORMAT: Final = 339
_WITHOUT_WHITE: Final = {2: "signed integers", 5: "complex integers", 6: "complex numbers"}
_STRIP_HEIGHT, _TILE_HEIGHT = 278, 323
_BLACK_IS_ZERO, _CIELAB = 1, 8
_LAB_BITS, _PACKED_BITS = 8, 12
_LOSSY_COMPRESSIONS: Final = frozenset({6, 7, 33003, 33005, 34712, 34892, 50001})
_KINDS: Final = {
    700: Metadata.XMP,
    33723: Metadata.IPTC,
    34377: Metadata.IPTC,
    34665: Metadata.EXIF,
    34853: Metadata.EXIF,
    34675: Metadata.ICC,
}
_LEVEL: Final = {Effort.FAST: 3, Effort.BALANCED: 6, Effort.BEST: 9}


def _recognises(head: bytes) -> bool:
    return head.startswith(SIGNATURES)


def _scan(file: BinaryIO, size_bytes: int) -> Scan:
    chain = directories(file)
    first = next(chain, None)
    if first is None:
        raise ValueError("expected a tiff to hold a directory, found none")
    pages, lines, defect = 1, _lines_at_once(first), _cut_off(first, size_bytes)
    try:
        for further in chain:
            pages, lines = pages + 1, max(lines, _lines_at_once(further))
    except ValueError as error:
        defect = defect or str(error)
    compression = _number(first, _COMPRESSION, 1)
    return Scan(
        width_px=_number(first, _WIDTH, 0) or None,
        height_px=_number(first, _HEIGHT, 0) or None,
        pages=None if defect else pages,
        is_lossless=compression not in _LOSSY_COMPRESSIONS,
        is_progressive=False,
        is_animated=False,
        metadata=frozenset(kind for tag, kind in _KINDS.items() if tag in first),
        lines_at_once=lines,
        is_beyond_loader=pages == 1 and _is_beyond_loader(file, first),
        unsupported=_refusal(file, first),
        defect=defect,
    )


def _refusal(file: BinaryIO, first: Mapping[int, Field]) -> str:
    """Refuse numbers that no standard gives a white: libvips clips them at zero and at 65535.

    What is called white in signed ones, 32767 as a rule, came out half as bright.
    """
    kind = first_short(file, first[_SAMPLE_FORMAT]) if _SAMPLE_FORMAT in first else 1
    what = _WITHOUT_WHITE.get(kind)
    return f"TIFF of {what} is not supported" if what else ""


def _cut_off(directory: Mapping[int, Field], size_bytes: int) -> str:
    lost = [tag for tag, field in directory.items() if field.end > size_bytes]
    return f"expected the values of field {lost[0]}, got none: the file is cut off" if lost else ""


def _number(directory: Mapping[int, Field], tag: int, otherwise: int) -> int:
    return directory[tag].number if tag in directory else otherwise


def _lines_at_once(directory: Mapping[int, Field]) -> int:
    """Return the height of a strip, all of the image where it does not tell, or of two tiles."""
    height_px = _number(directory, _HEIGHT, 1)
    tile_px = 2 * _number(directory, _TILE_HEIGHT, 0)
    return tile_px or min(_number(directory, _STRIP_HEIGHT, height_px), height_px)


def _is_beyond_loader(file: BinaryIO, first: Mapping[int, Field]) -> bool:
    """Whether it is Lab of 8 bits or little-endian grey of 12, which libvips 8.18 refuses."""
    bits = first_short(file, first[_BITS]) if _BITS in first else 1
    photometric, samples = _number(first, _PHOTOMETRIC, 0), _number(first, _SAMPLES, 1)
    if photometric == _CIELAB:
        return bits == _LAB_BITS
    is_grey = photometric == _BLACK_IS_ZERO and samples == 1
    return is_grey and bits == _PACKED_BITS and read_up_to(file, 0, 1) == b"I"


def _decode_cost(header: Header, shrink: int) -> int:
    if header.is_beyond_loader:
        return pillow_cost(header, shrink)
    # Measured 280 lines with strips of 16 and tiles of 128 rows, 384 with strips of 128 (40000 px:
    # 46 MB), 764 of 512; 1074 with tiles of 512 rows, 4474 of 2048.
    return streamed(header, lines=280 + header.lines_at_once)


def _encode_cost(_encoding: Encoding, _pixels: int, _bands: int) -> int:
    return FIXED_BYTES  # strips stream


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    return {
        "compression": "deflate",
        "predictor": "horizontal",
        "level": _LEVEL[encoding.effort],
    }


SPEC: Final = CodecSpec(
    name="tiff",
    title="TIFF",
    suffixes=(".tiff", ".tif"),
    media_type="image/tiff",
    reader=Library.VIPS,
    writer=Library.VIPS,
    recognises=_recognises,
    loader="tiffload",
    saver="tiffsave_buffer",
    pillow_format="TIFF",
    supports_pages=True,
    supports_lossless=True,
    supports_cmyk=True,
    supports_metadata=frozenset({Metadata.EXIF, Metadata.XMP, Metadata.IPTC, Metadata.ICC}),
    max_bits=32,
    max_edge_px=1_000_000,
    scan=_scan,
    can_stream=lambda header: not header.is_beyond_loader,
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
    tunables=(
        Tunable(
            name="level",
            about="level of deflate",
            saver_option="level",
            least=1,
            most=9,
        ),
    ),
)
