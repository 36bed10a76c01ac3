"""The chunks of a PNG: walking them, naming their metadata, taking metadata out.

Must not look at compressed pixels.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.codecs.fields import MAX_STEPS, read_exact, read_up_to
from pixmill.header import MAX_METADATA_BYTES, Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["SIGNATURE", "Chunk", "chunks", "held_bytes", "metadata_kind", "rewrapped"]

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_KEYWORD_BYTES = 64  # a keyword has at most 79, those asked for here fewer
_FRAME_BYTES = 12  # length, type and checksum
_ANCILLARY_BIT = 0x20
_APPLE_CHUNK = b"CgBI"

_PIXEL_CHUNKS: Final = frozenset(
    {
        *(b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs", b"cICP"),
        *(b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"acTL", b"fcTL", b"fdAT"),
    }
)
"""Ancillary chunks without which pixels or frames would look different."""

_POSITIONED_CHUNKS: Final = frozenset({b"iDOT"})
"""Chunks that hold offsets into the file, and lie once anything before them is gone."""

_KINDS: Final = {b"eXIf": Metadata.EXIF, b"iCCP": Metadata.ICC}
_KEYWORDS: Final = {
    b"XML:com.adobe.xmp": Metadata.XMP,
    b"Raw profile type exif": Metadata.EXIF,
    b"Raw profile type APP1": Metadata.EXIF,
    b"Raw profile type xmp": Metadata.XMP,
    b"Raw profile type iptc": Metadata.IPTC,
    b"Raw profile type 8bim": Metadata.IPTC,
    b"Raw profile type icc": Metadata.ICC,
    b"Raw profile type icm": Metadata.ICC,
}
"""Texts that hold other metadata: the XMP specification part 3, and ImageMagick's habit."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk.

    Attributes:
        kind: Its four-letter type.
        offset: Where its length field begins.
        size_bytes: Bytes of its body.
        opening: The first bytes of its body.
    """

    kind: bytes
    offset: int
    size_bytes: int
    opening: bytes

    @property
    def end(self) -> int:
        """Offset of the first byte after its checksum."""
        return self.offset + _FRAME_BYTES + self.size_bytes


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks up to and including IEND, or the last one that begins inside the file.

    Raises:
        ValueError: The file does not begin as a PNG, or a chunk's type is no type.
    """
    if read_exact(file, len(SIGNATURE), what="a png") != SIGNATURE:
        raise ValueError("expected a png signature with its line ends intact: copied as text?")
    offset = len(SIGNATURE)
    for _ in range(MAX_STEPS):
        file.seek(offset)
        frame = file.read(8 + _KEYWORD_BYTES)
        if len(frame) < 8:  # noqa: PLR2004 - a length and a type
            return
        kind = frame[4:8]
        if not kind.isalpha():
            message = f"expected a chunk type at offset {offset}, got bytes {kind.hex()}: damaged"
            raise ValueError(message)
        size_bytes = int.from_bytes(frame[:4], "big")
        chunk = Chunk(kind, offset, size_bytes, frame[8 : 8 + size_bytes])
        yield chunk
        if kind == b"IEND":
            return
        offset = chunk.end
    raise ValueError(f"expected fewer than {MAX_STEPS} chunks")


def metadata_kind(chunk: Chunk) -> Metadata | None:
    """Return the kind of metadata that a chunk holds; `None` when pixels depend on it."""
    is_ancillary = chunk.kind[0] & _ANCILLARY_BIT
    if not is_ancillary or chunk.kind in _PIXEL_CHUNKS:
        return None
    if chunk.kind in {b"tEXt", b"zTXt", b"iTXt"}:
        return _KEYWORDS.get(chunk.opening.partition(b"\0")[0], Metadata.COMMENT)
    return _KINDS.get(chunk.kind, Metadata.OTHER)


def held_bytes(file: BinaryIO, chunk: Chunk) -> int:
    """Return how large a chunk of text is once inflated, counted to just above the most kept.

    A megabyte of text can be a gigabyte inflated, and libpng inflates what it meets.
    """
    if chunk.kind not in {b"zTXt", b"iTXt"} or chunk.size_bytes > MAX_METADATA_BYTES:
        return chunk.size_bytes
    body = read_up_to(file, chunk.offset + 8, chunk.size_bytes)
    rest = body.partition(b"\0")[2]
    if chunk.kind == b"zTXt":
        packed = rest[1:]
    elif rest[:1] == b"\1":
        packed = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        return chunk.size_bytes
    try:
        return len(zlib.decompressobj().decompress(packed, MAX_METADATA_BYTES + 1))
    except zlib.error:
        return chunk.size_bytes


def rewrapped(data: bytes, kinds: frozenset[Metadata]) -> bytes | None:
    """Return a PNG without the metadata that is not of these kinds, nor anything after IEND.

    Returns:
        The PNG; `None` for one that is cut off, or an Apple one that only Apple decodes.
    """
    parts = [SIGNATURE]
    last = b""
    try:
        for chunk in chunks(io.BytesIO(data)):
            if chunk.end > len(data) or chunk.kind == _APPLE_CHUNK:
                return None
            last = chunk.kind
            if _is_retained(chunk, kinds):
                parts.append(data[chunk.offset : chunk.end])
    except ValueError:
        return None
    return b"".join(parts) if last == b"IEND" else None


def _is_retained(chunk: Chunk, kinds: frozenset[Metadata]) -> bool:
    kind = metadata_kind(chunk)
    return kind is None or (kind in kinds and chunk.kind not in _POSITIONED_CHUNKS)
