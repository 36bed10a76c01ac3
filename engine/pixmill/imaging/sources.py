"""Open what an image is read from, a path or bytes in memory, in one place.

Must not know formats. libvips maps a JPEG, WebP, GIF or HEIF file whole: the mapping counts as
resident memory and kills the process with SIGBUS when somebody truncates the file (research:
libvips.md, "What moves RSS"). So small files are read into memory, once for all that is asked of
them, and large ones are streamed through Python where the loader reads forwards.
"""

from __future__ import annotations

import io
import os
import stat
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

import pyvips

from pixmill.imaging.errors import translating
from pixmill.model import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Source", "inhaled", "reading", "size_of", "vips_source"]

Source = str | os.PathLike[str] | bytes

_INHALED_BYTES: Final = 1 << 20
_STREAMED_BYTES: Final = 4_000_000
"""What is mapped counts beside an image's cost. Through Python 6.7 MB of a progressive JPEG take 1%
more CPU of decoding it, 4.4 MB of a baseline one at half its size 86 ms for 79."""
_STREAMABLE: Final = frozenset({"jpegload"})


class _Bounded(io.BufferedReader):
    """A file that sets no more memory aside than it has bytes, however many it is asked for.

    Pillow reads as many as a header says: 15 bytes of a DDS or JPEG 2000 asked for 4 GB, failed as
    `memory`, and said nothing of the damage.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _INHALED_BYTES:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


def inhaled(source: Source) -> Source:
    """Return the bytes of a small file, which is then opened once; a larger file as it came.

    Raises:
        ImagingError: It cannot be opened or read.
    """
    if isinstance(source, bytes):
        return source
    with translating(Stage.READ), io.FileIO(source) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > _INHALED_BYTES:
            return source
        return file.readall()


@contextmanager
def reading(source: Source) -> Iterator[BinaryIO]:
    """Open a source for reading from its start."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    with _Bounded(io.FileIO(source)) as file:
        yield file


def size_of(file: BinaryIO) -> int:
    """Return the size of an open source in bytes, leaving it at its start."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size_bytes


def vips_source(source: Source, loader: str) -> pyvips.Source:
    """Return the libvips source that a loader reads from without mapping what it need not.

    Args:
        source: What to read.
        loader: libvips operation that will read it, as its codec's record names it.
    """
    if isinstance(source, bytes):
        return pyvips.Source.new_from_memory(source)
    with reading(source) as file:
        size_bytes = size_of(file)
        if size_bytes <= _INHALED_BYTES:
            return pyvips.Source.new_from_memory(file.read())
        if size_bytes <= _STREAMED_BYTES or loader not in _STREAMABLE:
            return pyvips.Source.new_from_descriptor(file.fileno())
    return _streamed(source)


def _streamed(source: str | os.PathLike[str]) -> pyvips.Source:
    """Return a source whose bytes pass through Python; its file closes with its last reference."""
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)

    def read(size_bytes: int) -> bytes | None:
        try:
            return os.read(descriptor, size_bytes) or None
        except OSError:
            return None  # an exception cannot cross libvips: the decoder reports a short file

    def seek(offset: int, whence: int) -> int:
        try:
            return os.lseek(descriptor, offset, whence)
        except OSError:
            return -1

    stream = pyvips.SourceCustom()
    weakref.finalize(stream, os.close, descriptor)
    stream.on_read(read)
    stream.on_seek(seek)
    return stream
