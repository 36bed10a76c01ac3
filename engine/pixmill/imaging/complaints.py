"""Hear what libvips and Pillow complain of while one image is made, and put it in few words.

Must not redirect anything in a process that is not pixmill's own: only a worker has an `Ear`.
libvips logs through GLib, from any of its threads; no Python is called there. GLib's own handler
writes to standard error, which an ear points at shared memory while an image is made.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Complaints", "Ear", "complaints_of_pillow"]

_STDERR: Final = 2
_MAX_NOTES: Final = 3
_MAX_CHARS: Final = 120
_LOGGED: Final = re.compile(
    rb"^\(.{1,64}?\): (?:VIPS|GLib[\w-]*|librsvg)-(?:WARNING|CRITICAL) \*\*: "
    rb"(?:\d\d:\d\d:\d\d\.\d+: )?(?:Vips\w+: )?(.*)\n?",
    re.MULTILINE,
)
_DIGITS: Final = re.compile(r"\d+")
_MEANINGLESS: Final = re.compile(
    # of profiles, which are looked at anyway and survived: iCCP warns of most that Photoshop wrote
    r"iCCP: |profile incompatible|fallback to suggested"
    # of what has no bearing on the picture, such as the order of tags and chunks
    r"|hIST: |not sorted in ascending order|Unknown Adobe color transform"
    # counts of what was told already, and places in the strips that libvips happens to read
    r"|read gave \d+ warnings|error in tile",
)
"""What the corpora's sound files give rise to, and nobody can act upon."""


@dataclass(slots=True)
class Complaints:
    """What was complained of, in order.

    Args:
        library: Whose words they are.
        lines: The words.
    """

    library: str
    lines: list[str] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """At most three notes for the user: no two that differ in numbers alone, none of no use."""
        told = (_printable(line) for line in self.lines if not _MEANINGLESS.search(line))
        distinct = {_DIGITS.sub("0", line): line for line in reversed([*told]) if line}
        return tuple(
            f"{self.library}: {line}" for line in [*reversed(distinct.values())][:_MAX_NOTES]
        )


class _Recorder(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def complaints_of_pillow() -> Iterator[Complaints]:
    """Gather Pillow's warnings and log inside the block, instead of showing them."""
    heard = Complaints("Pillow")
    recorder, logger = _Recorder(heard.lines), logging.getLogger("PIL")
    logger.addHandler(recorder)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                yield heard
            finally:
                heard.lines += [str(each.message) for each in told]
    finally:
        logger.removeHandler(recorder)


class Ear:
    """Standard error of a worker, listened to image by image.

    Args:
        descriptor: Memory of a fixed size, sealed against growing: a library that will not stop
            complaining is not heard beyond it. The coordinator sees it too, and in it the last
            words of a worker that died.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._stderr = os.dup(_STDERR)

    @contextmanager
    def image(self) -> Iterator[Complaints]:
        """Listen while one image is made; what is no complaint goes on to standard error.

        Measured 7 us for an image that nobody complains of.
        """
        heard = Complaints("libvips")
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.dup2(self.descriptor, _STDERR)
        try:
            yield heard
        finally:
            os.dup2(self._stderr, _STDERR)
            length_bytes = os.lseek(self.descriptor, 0, os.SEEK_CUR)
            if length_bytes > 0:
                heard.lines += self._taken(length_bytes)

    def _taken(self, length_bytes: int) -> Iterable[str]:
        """Return the complaints, pass the rest on, and leave no words behind."""
        words = os.pread(self.descriptor, length_bytes, 0)
        os.pwrite(self.descriptor, bytes(len(words)), 0)
        rest = _LOGGED.sub(b"", words).strip()
        if rest:
            os.write(self._stderr, rest + b"\n")
        return [line.decode(errors="replace") for line in _LOGGED.findall(words)]


def _printable(line: str) -> str:
    shown = "".join(each if each.isprintable() else " " for each in line)
    return " ".join(shown.split())[:_MAX_CHARS]
