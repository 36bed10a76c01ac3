"""The RIFF chunks of a WebP: walking them, naming their metadata, taking metadata out.

Must not look at coded pixels. The container is described in RFC 9649.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.codecs.fields import MAX_STEPS, little, read_exact
from pixmill.header import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

__all__ = ["RIFF_BYTES", "Chunk", "chunks", "mended", "metadata_kind", "rewrapped", "riff_end"]

RIFF_BYTES: Final = 12
_MAX_MENDED_BYTES: Final = 32_000_000
_LEAST_SHARE = 10  # of a file with less than a tenth left, nothing is worth showing
_OPENING_BYTES = 40  # a frame's own header, then that of the bitstream inside it
_VP8X_FLAGS: Final = {Metadata.ICC: 0x20, Metadata.EXIF: 0x08, Metadata.XMP: 0x04}
_PIXEL_CHUNKS: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"})
_KINDS: Final = {b"ICCP": Metadata.ICC, b"EXIF": Metadata.EXIF, b"XMP ": Metadata.XMP}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk.

    Attributes:
        kind: Its four-letter type.
        offset: Where its type begins.
        size_bytes: Bytes of its body, padding left out.
        opening: The first bytes of its body.
    """

    kind: bytes
    offset: int
    size_bytes: int
    opening: bytes

    @property
    def end(self) -> int:
        """Offset of the first byte after its body, padding left out."""
        return self.offset + 8 + self.size_bytes

    @property
    def padded_end(self) -> int:
        """Offset of the chunk after it."""
        return self.end + (self.size_bytes & 1)


def riff_end(file: BinaryIO) -> int:
    """Return where the RIFF header at the start of the file says that the file ends.

    Raises:
        ValueError: The file does not begin as a WebP.
    """
    file.seek(0)
    head = read_exact(file, RIFF_BYTES, what="a webp")
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise ValueError("expected a webp to begin with RIFF and WEBP")
    return 8 + little(head, 4, 4)


def chunks(file: BinaryIO, end: int) -> Iterator[Chunk]:
    """Yield the chunks that begin before `end` and inside the file.

    Raises:
        ValueError: There are more of them than any real file has.
    """
    offset = RIFF_BYTES
    for _ in range(MAX_STEPS):
        if offset + 8 > end:
            return
        file.seek(offset)
        frame = file.read(8 + _OPENING_BYTES)
        if len(frame) < 8:  # noqa: PLR2004 - a type and a length
            return
        size_bytes = little(frame, 4, 4)
        chunk = Chunk(frame[:4], offset, size_bytes, frame[8 : 8 + size_bytes])
        yield chunk
        offset = chunk.padded_end
    raise ValueError(f"expected fewer than {MAX_STEPS} chunks")


def metadata_kind(chunk: Chunk) -> Metadata | None:
    """Return the kind of metadata that a chunk holds; `None` when pixels depend on it."""
    if chunk.kind in _PIXEL_CHUNKS:
        return None
    return _KINDS.get(chunk.kind, Metadata.OTHER)


def rewrapped(data: bytes, kinds: frozenset[Metadata]) -> bytes | None:
    """Return a WebP without the metadata that is not of these kinds, flags corrected.

    Returns:
        The WebP; `None` for one that is cut off or whose chunks cannot be walked.
    """
    try:
        file = io.BytesIO(data)
        end = riff_end(file)
        if end > len(data):
            return None
        body = b"".join(_retained(data, chunks(file, end), kinds))
    except ValueError:
        return None
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def mended(data: bytes) -> bytes | None:
    """Return a WebP that is cut off made whole: the decoder takes no other.

    A still is filled up with zeros, which decode as something that continues what came before; an
    animation ends with its last whole frame.

    Returns:
        The WebP; `None` for one that is not cut off, too large, or has nothing to be saved.
    """
    try:
        file = io.BytesIO(data)
        end = riff_end(file)
        if not len(data) < end <= min(_MAX_MENDED_BYTES, _LEAST_SHARE * len(data)):
            return None
        frames = whole_frames = whole_end = 0
        for chunk in chunks(file, end):
            frames += chunk.kind == b"ANMF"
            if chunk.padded_end <= len(data):
                whole_frames, whole_end = frames, chunk.padded_end
    except ValueError:
        return None
    if not frames:
        return data + bytes(end - len(data))
    if not whole_frames:
        return None
    body = data[RIFF_BYTES:whole_end]
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def _retained(data: bytes, walked: Iterable[Chunk], kinds: frozenset[Metadata]) -> Iterator[bytes]:
    cleared = sum(bit for kind, bit in _VP8X_FLAGS.items() if kind not in kinds)
    for chunk in walked:
        if chunk.end > len(data):
            raise ValueError("a chunk is cut off")
        kind = metadata_kind(chunk)
        if kind is not None and kind not in kinds:
            continue
        body = bytearray(data[chunk.offset : chunk.end])
        if chunk.kind == b"VP8X" and chunk.size_bytes:
            body[8] &= ~cleared & 0xFF
        yield bytes(body) + b"\0" * (chunk.size_bytes & 1)
