"""A colour JPEG woven from three grey ones: luma and two planes of chroma.

Each plane's scans are copied as they are, since in a JPEG whose scans hold one component each a
component is coded as it would be alone: ITU-T T.81 A.2.2. Must not look at coded pixels.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.codecs import jpg_segments as parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["woven"]

_ALONE: Final = 0x11
_DOUBLE: Final = 0x22
"""Sampling factors, horizontal and vertical: of the same edges as chroma's, and of twice them."""

_SIZE: Final = slice(1, 5)
"""Of a frame's body: its height and width."""

_COUNT: Final = 3


@dataclass(frozen=True, slots=True)
class _Plane:
    """A grey JPEG, taken apart.

    Attributes:
        opening: Its metadata, as it stands.
        steps: Its quantisation table, the number left out.
        frame: The marker of its frame, which says whether it is progressive.
        size: Height and width, two bytes each.
        scans: Each with the tables before it; the number of its component left out.
    """

    opening: bytes
    steps: bytes
    frame: int
    size: bytes
    scans: tuple[_Scan, ...]


@dataclass(frozen=True, slots=True)
class _Scan:
    """One scan: the tables before it, what follows its component's number, and its data."""

    tables: bytes
    rest: bytes
    coded: bytes

    def of(self, component: int) -> bytes:
        """Return the scan as that of a component."""
        head = parts.spelled(parts.SOS, bytes((1, component)) + self.rest)
        return self.tables + head + self.coded


def woven(planes: Sequence[bytes], profile: bytes) -> bytes:
    """Return a JPEG in colour.

    Every plane's first, coarse scan comes before all others, so that no viewer shows grey for long.

    Args:
        planes: Luma, blue and red chroma as JFIF has them, each a grey JPEG that defines the
            Huffman tables of each scan right before it, as libjpeg does where it optimises them.
            Chroma is of the size of luma, or of half its edges, rounded up.
        profile: ICC profile, or nothing. All other metadata is that of the first plane.

    Raises:
        ValueError: These are no three grey JPEGs of a kind.
    """
    luma, *chroma = taken = [_plane(plane) for plane in planes]
    if len(taken) != _COUNT or len({plane.frame for plane in taken}) != 1:
        raise ValueError("expected three planes, all progressive or none")
    tables = [*dict.fromkeys(plane.steps for plane in taken)]
    sampling = _ALONE if chroma[0].size == luma.size else _DOUBLE
    return b"".join(
        (
            b"\xff\xd8",
            luma.opening,
            parts.profile_segments(profile),
            *_spelled_tables(tables),
            _spelled_frame(taken, sampling, tables),
            *(plane.scans[0].of(number) for number, plane in enumerate(taken, start=1)),
            *(
                scan.of(number)
                for number, plane in enumerate(taken, start=1)
                for scan in plane.scans[1:]
            ),
            b"\xff\xd9",
        )
    )


def _spelled_tables(tables: Iterable[bytes]) -> Iterator[bytes]:
    for number, steps in enumerate(tables):
        yield parts.spelled(parts.DQT, bytes((number,)) + steps)


def _spelled_frame(planes: Sequence[_Plane], sampling: int, tables: Sequence[bytes]) -> bytes:
    luma = planes[0]
    body = b"\x08" + luma.size + bytes((_COUNT,))
    for number, plane in enumerate(planes, start=1):
        body += bytes((number, sampling if plane is luma else _ALONE, tables.index(plane.steps)))
    return parts.spelled(luma.frame, body)


def _plane(content: bytes) -> _Plane:
    opening, tables, steps, frame, size = b"", b"", b"", 0, b""
    for segment in parts.segments(io.BytesIO(content)):
        if segment.marker == parts.SOS:
            scans = tuple(_scans(content, segment, tables))
            return _Plane(opening, steps, frame, size, scans)
        if segment.marker == parts.DQT:
            steps = segment.body[1:]
        elif segment.marker in parts.SOF_MARKERS:
            frame, size = segment.marker, segment.body[_SIZE]
        elif segment.marker == parts.DHT:
            tables += parts.spelled(segment.marker, segment.body)
        else:
            opening += parts.spelled(segment.marker, segment.body)
    raise ValueError("expected a plane to hold pixels, found none")


def _scans(content: bytes, head: parts.Segment, tables: bytes) -> Iterator[_Scan]:
    """Yield the scans from the first one's head on."""
    held = coming = b""
    for coded, segment in parts.coded_parts(content, head.end):
        held += coded
        if segment.marker in {parts.SOS, parts.EOI}:
            yield _Scan(tables, head.body[2:], held)
            head, tables, held, coming = segment, coming, b"", b""
        else:
            coming += parts.spelled(segment.marker, segment.body)
