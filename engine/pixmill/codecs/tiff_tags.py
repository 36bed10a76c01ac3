"""The directories of a TIFF, classic and BigTIFF: enough of them to count and to tell raws apart.

Must not decode strips.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pixmill.codecs.fields import read_exact, read_up_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

__all__ = ["SIGNATURES", "Directory", "Field", "directories", "first_short", "tree"]

SIGNATURES: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_DIRECTORIES = 10_000
_MAX_FIELDS = 4096  # a directory has a few dozen
_TYPES_OF_WIDTH: Final = {1: (1, 2, 6, 7), 2: (3, 8), 4: (4, 9, 11, 13), 8: (5, 10, 12, 16, 17, 18)}
_TYPE_BYTES: Final = {kind: width for width, kinds in _TYPES_OF_WIDTH.items() for kind in kinds}
_FRACTIONS: Final = frozenset({5, 10, 11, 12})
_SHORTEST = 8
_SUB_DIRECTORIES = 0x14A
_MAX_BRANCHES = 64


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a directory.

    Attributes:
        type: Its type's number.
        count: How many values it has.
        number: Its first value where that is an unsigned number held in place, else 0.
        offset: Where its values lie if they are not held in place.
        end: Where they end; 0 if they are held in place, or of a type unknown here.
    """

    type: int
    count: int
    number: int
    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class _Layout:
    order: Literal["little", "big"]
    is_large: bool

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, self.order)


Directory = dict[int, Field]


def directories(file: BinaryIO) -> Iterator[Mapping[int, Field]]:
    """Yield the fields of each directory in the main chain, by tag.

    Raises:
        ValueError: The file does not begin as a TIFF, its chain of directories runs in a circle or
            out of the file, or a directory has more fields than any real one.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = read_exact(file, _SHORTEST, what="a tiff header")
    if not head.startswith(SIGNATURES):
        raise ValueError("expected a tiff to begin with II or MM and 42 or 43")
    layout = _Layout("little" if head.startswith(b"I") else "big", is_large=b"+" in head[2:4])
    offset = layout.number(read_exact(file, 8, what="an offset") if layout.is_large else head[4:8])
    met: set[int] = set()
    while offset:
        if offset in met or len(met) > _MAX_DIRECTORIES:
            raise ValueError(f"expected the chain of directories to end, got {offset} once more")
        met.add(offset)
        file.seek(min(offset, end))  # file systems refuse offsets beyond their largest file
        yield _read_directory(file, layout)
        link = read_up_to(file, file.tell(), 8 if layout.is_large else 4)
        offset = layout.number(link)  # a file cut off right here has no further directory


def tree(file: BinaryIO) -> Iterator[Mapping[int, Field]]:
    """Yield the directories of a classic TIFF or its kin, and those that they call their own.

    A directory that is damaged is passed over: raws are looked through, not judged.

    Raises:
        ValueError: The file is too short to be one.
    """
    end = file.seek(0, io.SEEK_END)
    head = read_up_to(file, 0, _SHORTEST)
    if len(head) < _SHORTEST:
        raise ValueError("expected a tiff header, got less: the file is cut off")
    layout = _Layout("little" if head.startswith(b"I") else "big", is_large=False)
    waiting, met = [layout.number(head[4:8])], set[int]()
    while waiting and len(met) < _MAX_BRANCHES:
        offset = waiting.pop(0)
        if not 0 < offset < end or offset in met:
            continue
        met.add(offset)
        file.seek(offset)
        try:
            directory = _read_directory(file, layout)
        except ValueError:
            continue
        waiting.append(layout.number(read_up_to(file, file.tell(), 4)))
        if _SUB_DIRECTORIES in directory:
            waiting += _offsets(file, directory[_SUB_DIRECTORIES], layout, end)
        yield directory


def _offsets(file: BinaryIO, field: Field, layout: _Layout, end: int) -> list[int]:
    if field.count == 1:
        return [field.number]
    count = min(field.count, _MAX_BRANCHES)
    data = read_up_to(file, min(field.offset, end), 4 * count)
    return [layout.number(data[at : at + 4]) for at in range(0, len(data), 4)]


def first_short(file: BinaryIO, field: Field) -> int:
    """Return the first of a field's 16-bit numbers, wherever they lie; 0 where the file ends."""
    if field.number:
        return field.number
    order: Literal["little", "big"] = "little" if read_up_to(file, 0, 1) == b"I" else "big"
    end = file.seek(0, io.SEEK_END)
    return int.from_bytes(read_up_to(file, min(field.offset, end), 2), order)


def _read_directory(file: BinaryIO, layout: _Layout) -> Directory:
    count = layout.number(read_exact(file, 8 if layout.is_large else 2, what="a field count"))
    if not 0 < count <= _MAX_FIELDS:
        raise ValueError(f"expected 1 to {_MAX_FIELDS} fields in a directory, got {count}")
    entry_bytes = 20 if layout.is_large else 12
    block = read_exact(file, count * entry_bytes, what="fields")
    entries = [block[at : at + entry_bytes] for at in range(0, len(block), entry_bytes)]
    entries.reverse()  # of fields with one tag libtiff takes the first
    return {layout.number(entry[:2]): _field(entry, layout) for entry in entries}


def _field(entry: bytes, layout: _Layout) -> Field:
    kind = layout.number(entry[2:4])
    middle = 12 if layout.is_large else 8
    count, value = layout.number(entry[4:middle]), entry[middle:]
    width = _TYPE_BYTES.get(kind, 0)
    is_in_place = 0 < width * count <= len(value)
    is_number = is_in_place and kind not in _FRACTIONS
    number = layout.number(value[:width]) if is_number else 0
    offset = layout.number(value)
    end = 0 if is_in_place or not width else offset + width * count
    return Field(kind, count, number, offset, end)
