"""Damage an encoded file at random, mostly so that a decoder gets far before it notices.

Pure: bytes and a random source in, bytes out; the same seed makes the same damage. Must not judge
what becomes of it.
"""

from __future__ import annotations

import io
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from pixmill.codecs import isobmff, jpg_segments, png_chunks, webp_chunks

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["mutated", "pieces"]

_MAX_BYTES: Final = 100_000
_MAX_EDITS: Final = 4
_HEAD_BYTES: Final = 64
_HEAD_SHARE: Final = 0.5  # of edits; headers are where lengths, sizes and types stand
_BLOCK_BYTES: Final = 64
_PNG_FRAME_BYTES: Final = 12
_SUMS_RIGHT_SHARE: Final = 0.7  # libpng looks no further than at a wrong checksum
_WIDTHS: Final = (1, 2, 4, 8)
_ORDERS: Final[tuple[Literal["little", "big"], ...]] = ("little", "big")


def mutated(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Return the file with one to four edits.

    Args:
        data: A file, or any bytes.
        others: Files of the same format, to splice with.
        rng: Chooses the edits and their places.
    """
    for _ in range(rng.randint(1, _MAX_EDITS)):
        data = rng.choice(_EDITS)(data, rng)
        if others and not rng.randrange(8):
            data = _spliced(data, rng.choice(others), rng)
    data = data[:_MAX_BYTES]
    if data.startswith(png_chunks.SIGNATURE) and rng.random() < _SUMS_RIGHT_SHARE:
        data = _with_right_sums(data)
    return data


def pieces(data: bytes) -> tuple[bytes, ...]:
    """Return the parts that a file's own structure has, or blocks where none is found.

    Joined, they are the file.
    """
    edges = {0, len(data)}
    for walk in (_png, _webp, _jpg, _boxes):
        try:
            edges |= {edge for edge in walk(data) if 0 < edge < len(data)}
        except ValueError:
            continue
        break
    else:
        edges |= set(range(0, len(data), _BLOCK_BYTES))
    ordered = sorted(edges)
    return tuple(data[a:b] for a, b in pairwise(ordered))


def _png(data: bytes) -> list[int]:
    return [chunk.offset for chunk in png_chunks.chunks(io.BytesIO(data))]


def _webp(data: bytes) -> list[int]:
    file = io.BytesIO(data)
    return [chunk.offset for chunk in webp_chunks.chunks(file, webp_chunks.riff_end(file))]


def _jpg(data: bytes) -> list[int]:
    return [segment.end for segment in jpg_segments.segments(io.BytesIO(data))]


def _boxes(data: bytes) -> list[int]:
    if not isobmff.brands(data):
        raise ValueError("expected boxes")
    return [box.end for box in isobmff.boxes(io.BytesIO(data), 0, len(data))]


def _place(data: bytes, rng: random.Random) -> int:
    """Choose an offset, every other time near the start."""
    end = min(len(data), _HEAD_BYTES) if rng.random() < _HEAD_SHARE else len(data)
    return rng.randrange(max(1, end))


def _bits_flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _bytes_written(data: bytes, rng: random.Random) -> bytes:
    at, count = _place(data, rng), rng.randint(1, 8)
    fill = rng.choice((bytes(count), b"\xff" * count, rng.randbytes(count)))
    return data[:at] + fill + data[at + count :]


def _number_edited(data: bytes, rng: random.Random) -> bytes:
    """Make what may be a length or a size nothing, one, one off, the file's, or the largest."""
    at, width, order = _place(data, rng), rng.choice(_WIDTHS), rng.choice(_ORDERS)
    found = int.from_bytes(data[at : at + width], order)
    largest = (1 << 8 * width) - 1
    chosen = rng.choice(
        (0, 1, found + 1, found - 1, found * 2, len(data), len(data) - at, largest, largest // 2)
    )
    number = (chosen & largest).to_bytes(width, order)
    return data[:at] + number + data[at + width :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: _place(data, rng)]


def _block_removed(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.choice((1, 2, 4, 16, 256)) :]


def _block_doubled(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    block = data[at : at + rng.choice((1, 2, 4, 16, 256))]
    return data[:at] + block * rng.choice((2, 2, 40)) + data[at + len(block) :]


def _piece_removed(data: bytes, rng: random.Random) -> bytes:
    parts = list(pieces(data))
    if parts:
        del parts[rng.randrange(len(parts))]
    return b"".join(parts)


def _piece_doubled(data: bytes, rng: random.Random) -> bytes:
    parts = list(pieces(data))
    if parts:
        at = rng.randrange(len(parts))
        parts[at:at] = parts[at : at + 1] * rng.choice((1, 1, 30))
    return b"".join(parts)


def _pieces_swapped(data: bytes, rng: random.Random) -> bytes:
    parts = list(pieces(data))
    if parts:
        a, b = rng.randrange(len(parts)), rng.randrange(len(parts))
        parts[a], parts[b] = parts[b], parts[a]
    return b"".join(parts)


_EDITS: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (
    _bits_flipped,
    _bytes_written,
    _number_edited,
    _number_edited,
    _cut,
    _block_removed,
    _block_doubled,
    _piece_removed,
    _piece_doubled,
    _pieces_swapped,
)


def _spliced(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Put a piece of another file among this one's, or its end after this one's beginning."""
    mine, theirs = list(pieces(data)), pieces(other)
    if mine and theirs and rng.randrange(2):
        mine.insert(rng.randrange(len(mine) + 1), rng.choice(theirs))
        return b"".join(mine)
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _with_right_sums(data: bytes) -> bytes:
    """Return a PNG with the checksum that each chunk should have."""
    return b"".join(_summed(data))


def _summed(data: bytes) -> Iterator[bytes]:
    at = len(png_chunks.SIGNATURE)
    yield data[:at]
    while at + _PNG_FRAME_BYTES <= len(data):
        end = at + _PNG_FRAME_BYTES + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        body = data[at : end - 4]
        yield body + zlib.crc32(body[4:]).to_bytes(4, "big")
        at = end
    yield data[at:]
