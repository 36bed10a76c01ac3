"""The marker segments of a JPEG: walking them, naming their metadata, taking metadata out.

Must not look at coded pixels beyond finding where they end.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.codecs.fields import read_exact, read_up_to
from pixmill.header import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = [
    "APP0",
    "DHT",
    "DQT",
    "EOI",
    "SOF0",
    "SOF_MARKERS",
    "SOS",
    "Segment",
    "application_segment",
    "coded_parts",
    "has_gain_map_claim",
    "has_image_end",
    "is_iso_gain_map",
    "is_leading",
    "is_multi_picture",
    "metadata_kind",
    "profile_segments",
    "rewrapped",
    "segments",
    "spelled",
    "xmp_of",
    "xmp_segment",
]

SOF0: Final = 0xC0
SOI: Final = 0xD8
EOI: Final = 0xD9
SOS: Final = 0xDA
DHT: Final = 0xC4
DQT: Final = 0xDB
APP0: Final = 0xE0
_APP1: Final = 0xE1
_APP2: Final = 0xE2
_APP13: Final = 0xED
_APP14: Final = 0xEE
_APP_LAST: Final = 0xEF
_COM: Final = 0xFE
SOF_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})

_MAX_SEGMENTS = 20_000  # the longest real header, a depth map in extended XMP, has a few hundred
_MAX_GARBAGE_BYTES = 65_536  # libjpeg skips any amount between segments; real files have a few
_MAX_LENGTH = 0xFFFF
_TAIL_BYTES = 65_536
_BLOCK_BYTES = 1 << 20

_DECODING_SEGMENTS: Final = frozenset({(APP0, b"JFIF\0"), (_APP14, b"Adobe")})
_ICC = b"ICC_PROFILE\0"
_SIGNED_SEGMENTS: Final = (
    (Metadata.EXIF, _APP1, (b"Exif\0",)),
    (
        Metadata.XMP,
        _APP1,
        (b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"),
    ),
    (Metadata.ICC, _APP2, (_ICC,)),
    (Metadata.IPTC, _APP13, (b"Photoshop 3.0\0", b"Adobe_Photoshop2.5:")),
)
_MPF = b"MPF\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MAX_PIECES = 255
_PIECE_BYTES = 65_519  # a segment less its length, the name and two numbers
_ISO = b"urn:iso:std:iso:ts:21496:-1\0"
_GAIN_MAP_CLAIMS: Final = (
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"http://ns.apple.com/HDRGainMap/1.0/",
)

# A marker inside coded data: not a stuffed zero, not a restart, fill bytes allowed before it.
_NEXT_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment.

    Attributes:
        marker: The second byte of its marker.
        offset: Where the body begins, after the length.
        body: The body; empty for a marker without one.
    """

    marker: int
    offset: int
    body: bytes

    @property
    def end(self) -> int:
        """Offset of the first byte after it."""
        return self.offset + len(self.body)


def segments(file: BinaryIO) -> Iterator[Segment]:
    """Yield the segments from the start of the file up to and including the first SOS or EOI.

    Raises:
        ValueError: The file does not begin as a JPEG, is cut off before its pixels, or holds no
            marker where one must be.
    """
    if read_exact(file, 2, what="a jpeg") != bytes((0xFF, SOI)):
        raise ValueError("expected a jpeg to begin with ff d8")
    for _ in range(_MAX_SEGMENTS):
        marker = _next_marker(file)
        if marker in _BARE_MARKERS:
            continue
        if marker == EOI:
            yield Segment(marker, file.tell(), b"")
            return
        length = int.from_bytes(read_exact(file, 2, what="a segment length"), "big")
        if length < 2:  # noqa: PLR2004 - the length counts its own two bytes
            raise ValueError(f"expected a segment length of at least 2, got {length}")
        offset = file.tell()
        yield Segment(marker, offset, read_exact(file, length - 2, what=f"segment {marker:02x}"))
        if marker == SOS:
            return
    raise ValueError(f"expected pixels within {_MAX_SEGMENTS} segments, found none")


def _next_marker(file: BinaryIO) -> int:
    """Return the next marker, skipping fill bytes and, as libjpeg does, garbage."""
    for _ in range(_MAX_GARBAGE_BYTES):
        if read_exact(file, 1, what="a marker") != b"\xff":
            continue
        marker = read_exact(file, 1, what="a marker")
        while marker == b"\xff":
            marker = read_exact(file, 1, what="a marker")
        if marker != b"\0":
            return marker[0]
    raise ValueError(f"expected a marker within {_MAX_GARBAGE_BYTES} bytes, found none")


def metadata_kind(segment: Segment) -> Metadata | None:
    """Return the kind of metadata that a segment holds; `None` when decoding needs it."""
    if segment.marker == _COM:
        return Metadata.COMMENT
    if not APP0 <= segment.marker <= _APP_LAST:
        return None
    if (segment.marker, segment.body[:5]) in _DECODING_SEGMENTS:
        return None
    for kind, marker, openings in _SIGNED_SEGMENTS:
        if segment.marker == marker and segment.body.startswith(openings):
            return kind
    return Metadata.OTHER


def is_multi_picture(segment: Segment) -> bool:
    """Tell whether a segment is the index of an MPO or Ultra HDR file's further images."""
    return segment.marker == _APP2 and segment.body.startswith(_MPF)


def has_gain_map_claim(segment: Segment) -> bool:
    """Tell whether a segment says, as XMP or by ISO 21496-1, that a gain map is or goes with it."""
    return is_iso_gain_map(segment) or (
        segment.marker == _APP1 and any(claim in segment.body for claim in _GAIN_MAP_CLAIMS)
    )


def is_iso_gain_map(segment: Segment) -> bool:
    """Tell whether a segment is what ISO 21496-1 has to say of a gain map."""
    return segment.marker == _APP2 and segment.body.startswith(_ISO)


def is_leading(segment: Segment) -> bool:
    """Tell whether a segment is one that must come first: JFIF or EXIF."""
    is_jfif = segment.marker == APP0
    return is_jfif or (segment.marker == _APP1 and segment.body.startswith(b"Exif\0"))


def xmp_of(segment: Segment) -> bytes:
    """Return the XMP packet that a segment holds, the first 65 kB of it; else nothing."""
    is_xmp = segment.marker == _APP1 and segment.body.startswith(_XMP)
    return segment.body.removeprefix(_XMP) if is_xmp else b""


def xmp_segment(packet: bytes) -> bytes:
    """Return a segment that holds an XMP packet.

    Raises:
        ValueError: The packet is too large for one.
    """
    return spelled(_APP1, _XMP + packet)


def application_segment(body: bytes) -> bytes:
    """Return an APP2 segment, as indexes and ISO 21496-1 are stored.

    Raises:
        ValueError: The body is too large for one.
    """
    return spelled(_APP2, body)


def profile_segments(profile: bytes) -> bytes:
    """Return the segments that hold an ICC profile, as its annex B.4 cuts it up.

    Raises:
        ValueError: The profile is too large to be numbered.
    """
    pieces = [profile[at : at + _PIECE_BYTES] for at in range(0, len(profile), _PIECE_BYTES)]
    if len(pieces) > _MAX_PIECES:
        raise ValueError(f"expected a profile of {_MAX_PIECES} segments, got {len(pieces)}")
    return b"".join(
        spelled(_APP2, _ICC + bytes((number, len(pieces))) + piece)
        for number, piece in enumerate(pieces, start=1)
    )


def has_image_end(file: BinaryIO, size_bytes: int, start: int) -> bool:
    """Tell whether an EOI marker stands anywhere after `start`, where coded data begins.

    The tail is looked at first, since nearly every file ends within it.
    """
    tail_start = max(start, size_bytes - _TAIL_BYTES)
    if b"\xff\xd9" in read_up_to(file, tail_start, _TAIL_BYTES):
        return True
    file.seek(start)
    last = b""
    while block := file.read(_BLOCK_BYTES):
        if b"\xff\xd9" in last + block:
            return True
        last = block[-1:]
    return False


def rewrapped(data: bytes, kinds: frozenset[Metadata]) -> bytes | None:
    """Return the first image of a JPEG without the metadata that is not of these kinds.

    What follows its EOI (further pictures, gain maps, videos) goes, and with it the index that
    points there. Coded pixels, tables, JFIF and Adobe segments stay byte for byte.

    Returns:
        The JPEG; `None` for one that is cut off, or whose retained XMP would go on claiming a
        gain map that is gone.
    """
    try:
        parts = [b"\xff\xd8", *_retained(data, kinds)]
    except ValueError:
        return None
    return b"".join(parts)


def _retained(data: bytes, kinds: frozenset[Metadata]) -> Iterator[bytes]:
    end = 2
    for segment in segments(io.BytesIO(data)):
        if segment.marker == EOI:
            raise ValueError("expected pixels before the end of the image, found none")
        if _is_retained(segment, kinds):
            yield spelled(segment.marker, segment.body)
        end = segment.end
    yield from _retained_scans(data, end, kinds)


def _retained_scans(data: bytes, start: int, kinds: frozenset[Metadata]) -> Iterator[bytes]:
    """Yield coded data from `start`, and the tables and scans between, up to the first EOI."""
    for coded, segment in coded_parts(data, start):
        yield coded
        if segment.marker == EOI:
            yield b"\xff\xd9"
        elif _is_retained(segment, kinds):
            yield spelled(segment.marker, segment.body)


def coded_parts(data: bytes, start: int) -> Iterator[tuple[bytes, Segment]]:
    """Yield coded data from `start` with the segment behind it, up to and including the first EOI.

    A crafted megabyte can hold 250,000 segments of four bytes; a progressive JPEG has some twenty.

    Raises:
        ValueError: What stands between scans is cut off, or is none of that.
    """
    for _ in range(_MAX_SEGMENTS):
        match = _NEXT_MARKER.search(data, start)
        if match is None:
            break
        coded = data[start : match.start()]
        marker = data[match.end() - 1]
        if marker == EOI:
            yield coded, Segment(marker, match.end(), b"")
            return
        if marker in _BARE_MARKERS:
            raise ValueError(f"expected no marker {marker:02x} between scans")
        offset = match.end() + 2
        length = int.from_bytes(data[match.end() : offset], "big")
        segment = Segment(marker, offset, data[offset : offset + length - 2])
        if length < 2 or len(segment.body) != length - 2:  # noqa: PLR2004 - counts itself
            raise ValueError(f"segment {marker:02x} between scans is cut off")
        yield coded, segment
        start = segment.end
    raise ValueError(f"expected an end of image within {_MAX_SEGMENTS} segments, found none")


def _is_retained(segment: Segment, kinds: frozenset[Metadata]) -> bool:
    kind = metadata_kind(segment)
    if kind is None:
        return True
    if kind not in kinds or is_multi_picture(segment):
        return False
    if has_gain_map_claim(segment):
        raise ValueError("the retained xmp claims a gain map that would be gone")
    return True


def spelled(marker: int, body: bytes) -> bytes:
    """Return a marker segment with its length.

    Raises:
        ValueError: The body is too large for one.
    """
    length = len(body) + 2
    if length > _MAX_LENGTH:
        raise ValueError(f"expected at most {_MAX_LENGTH} bytes of a segment, got {length}")
    return bytes((0xFF, marker)) + length.to_bytes(2, "big") + body
