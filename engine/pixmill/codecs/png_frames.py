"""Stills, each a PNG, joined into an animated one: the PNG specification, third edition, 11.3.4.

Must not look at compressed pixels, nor know which part of a frame has changed.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Final

from pixmill.codecs.fields import big
from pixmill.codecs.png_chunks import SIGNATURE, Chunk, chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.codecs.spec import Frame

__all__ = ["joined"]

_MS_IN_S: Final = 1000
_MAX_FIELD: Final = 0xFFFF
_LEFT_STANDING: Final = 0
"""`dispose_op`: a frame stays when the next one comes."""

_IN_PLACE: Final = 0
"""`blend_op`: a frame replaces what was there, transparency included."""

_HEAD_BYTES, _CHECKSUM_BYTES = 8, 4


def joined(frames: Iterator[Frame], count: int, plays: int) -> Iterator[bytes]:
    """Yield an animated PNG piece by piece, one frame held at a time.

    Args:
        frames: Stills of one colour type and depth, the first of the whole canvas; its metadata
            is that of the animation.
        count: Their number.
        plays: How often they are played, 0 for ever.
    """
    number = 0
    for frame in frames:
        stored = [*chunks(io.BytesIO(frame.content))]
        pixels = [each for each in stored if each.kind == b"IDAT"]
        if number == 0:
            yield SIGNATURE
            for chunk in stored[: stored.index(pixels[0])]:
                yield frame.content[chunk.offset : chunk.end]
            yield _chunk(b"acTL", struct.pack(">II", count, plays))
        yield _chunk(b"fcTL", _control(frame, stored[0], number))
        is_first, number = number == 0, number + 1
        for chunk in pixels:
            if is_first:
                yield frame.content[chunk.offset : chunk.end]
                continue
            body = frame.content[chunk.offset + _HEAD_BYTES : chunk.end - _CHECKSUM_BYTES]
            yield _chunk(b"fdAT", struct.pack(">I", number) + body)
            number += 1
    yield _chunk(b"IEND", b"")


def _control(frame: Frame, header: Chunk, number: int) -> bytes:
    return struct.pack(
        ">IIIIIHHBB",
        number,
        big(header.opening, 0, 4),
        big(header.opening, 4, 4),
        frame.left_px,
        frame.top_px,
        *_fraction(frame.delay_ms),
        _LEFT_STANDING,
        _IN_PLACE,
    )


def _fraction(delay_ms: int) -> tuple[int, int]:
    """Return seconds as a fraction of two 16-bit numbers, the exact one where there is one."""
    for per_s in (_MS_IN_S, 100, 10, 1):
        ticks = round(max(0, delay_ms) * per_s / _MS_IN_S)
        if ticks <= _MAX_FIELD:
            return ticks, per_s
    return _MAX_FIELD, 1


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)
