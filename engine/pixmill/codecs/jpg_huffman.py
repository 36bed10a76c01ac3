"""Take the coded symbols out of a sequential JPEG, and put them back under other codes.

Must not look at coefficients, nor code symbols: who calls it says what does.
"""

from __future__ import annotations

import io
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

from pixmill.codecs.jpg_segments import DHT, SOF_MARKERS, SOS, Segment, segments, spelled
from pixmill.codecs.spec import Coded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["coded", "recoded"]

_TABLES, _TABLE_BYTES, _LENGTHS = 8, 272, 16
_FIRST_OF_AC: Final = 4
_SEQUENTIAL: Final = frozenset({0xC0, 0xC1})
_RESTARTS: Final = 0xDD
_BLOCK_PX, _SAMPLES = 8, 64
_FEWEST_SAMPLES_A_BYTE: Final = 3
"""Of denser symbols more is held, four bytes of each, than libjpeg holds of coefficients."""
_FEW_SAMPLES: Final = 1_000_000
_END: Final = b"\xff\xd9"


def recoded(data: bytes, recode: Callable[[Coded], Coded | None]) -> bytes | None:
    """Return a JPEG of the same symbols under other codes.

    Args:
        data: A JPEG of one scan, as an encoder of pixmill's wrote it.
        recode: Returns its symbols under other codes, or `None`.

    Returns:
        The JPEG; `None` where that takes more than the symbols: restarts, several scans, or
        arithmetic coding.
    """
    try:
        parts = [*segments(io.BytesIO(data))]
        given = coded(parts, data)
    except (ValueError, IndexError):
        return None
    made = recode(given) if given else None
    if made is None:
        return None
    return b"".join([b"\xff\xd8", *_respelled(parts, made.tables), made.scan, _END])


def coded(parts: list[Segment], data: bytes) -> Coded | None:
    """Return the symbols of a JPEG; `None` where it is none of those that are understood.

    Raises:
        ValueError: It ends too early, or
        IndexError: likewise.
    """
    frames = [part for part in parts if part.marker in SOF_MARKERS]
    has_restarts = any(part.marker == _RESTARTS for part in parts)
    is_plain = len(frames) == 1 and frames[0].marker in _SEQUENTIAL and not has_restarts
    scan = parts[-1]
    if not is_plain or scan.marker != SOS or not data.endswith(_END):
        return None
    frame = frames[0].body
    height_px, width_px = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    blocks = {frame[at]: divmod(frame[at + 1], 16) for at in range(6, len(frame), 3)}
    named = {scan.body[at]: divmod(scan.body[at + 1], 16) for at in range(1, 2 * len(blocks), 2)}
    if scan.body[0] != len(blocks) or named.keys() != blocks.keys():
        return None
    if len(blocks) == 1:
        blocks = dict.fromkeys(blocks, (1, 1))  # ITU-T T.81 A.2.2: alone, whatever it is said to be
    pairs = chain.from_iterable(
        repeat((dc, ac + _FIRST_OF_AC), blocks[name][0] * blocks[name][1])
        for name, (dc, ac) in named.items()
    )
    across_px = _BLOCK_PX * max(across for across, _ in blocks.values())
    down_px = _BLOCK_PX * max(down for _, down in blocks.values())
    units = -(-width_px // across_px) * -(-height_px // down_px)
    layout = bytes(chain.from_iterable(pairs))
    if len(data) * _FEWEST_SAMPLES_A_BYTE > max(units * len(layout) // 2 * _SAMPLES, _FEW_SAMPLES):
        return None
    return Coded(data[scan.end : -len(_END)], _joined(parts), layout, units)


def _joined(parts: list[Segment]) -> bytes:
    """Return the tables that a file comes with, each in its place."""
    tables = bytearray(_TABLES * _TABLE_BYTES)
    for part in parts:
        for place, table in _tables(part) if part.marker == DHT else ():
            at = place * _TABLE_BYTES
            tables[at : at + len(table)] = table
    return bytes(tables)


def _tables(part: Segment) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(part.body):
        kind, number = divmod(part.body[at], 16)
        end = at + 1 + _LENGTHS + sum(part.body[at + 1 : at + 1 + _LENGTHS])
        found.append((_FIRST_OF_AC * kind + number, part.body[at + 1 : end]))
        at = end
    return found


def _respelled(parts: list[Segment], tables: bytes) -> Iterator[bytes]:
    for part in parts:
        body = part.body
        if part.marker == DHT:
            body = b"".join(_spelled_table(place, tables) for place, _ in _tables(part))
        yield spelled(part.marker, body)


def _spelled_table(place: int, tables: bytes) -> bytes:
    table = tables[place * _TABLE_BYTES : (place + 1) * _TABLE_BYTES]
    kind, number = divmod(place, _FIRST_OF_AC)
    return bytes((16 * kind + number,)) + table[: _LENGTHS + sum(table[:_LENGTHS])]
