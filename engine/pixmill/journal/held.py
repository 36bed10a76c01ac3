"""A note on a shelf of what a run has in its hands, so that the next knows what it went down with.

On a disc workers note that themselves (`executors.note`), and what they noted outlasts the run. A
machine that went down with a bucket's run may be gone with its disc: so what is in hand for longer
than a second is noted where the journal is, two requests a file that takes so long. After a run
that ended without a word it is noted at once, as far as one thread puts notes.
Must not be needed: a note that cannot be put costs nothing but what the next run would have known.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pixmill.errors import RunError
from pixmill.model import Job, SourceRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pixmill.journal.shelf import Shelf

__all__ = ["Held"]

_LONG_S: Final = 1.0
_LOOK_S: Final = 0.25
_WARY_LOOK_S: Final = 0.02
# What came after the last copy of the journal comes first again; copies are half a minute apart.
_WARY_S: Final = 300.0


@dataclass(slots=True)
class Held:
    """The note of one run.

    Args:
        shelf: Where it stands.
        name: Its name there.
        scratch: A file that it is written to and read from.
        numbers: Returns the numbers of the jobs that workers have in their hands.
        jobs: Returns the jobs that are under way. Default: none.
        fingerprint: Of the recipe they are made under.
        long_s: Seconds in hand from which a job is noted.
    """

    shelf: Shelf
    name: str
    scratch: Path
    numbers: Callable[[], list[int]]
    jobs: Callable[[], Iterable[Job]] = tuple
    fingerprint: str = ""
    long_s: float = _LONG_S
    _since_s: dict[int, float] = field(default_factory=dict)
    _noted: set[int] | None = None
    _wary_until_s: float = 0.0
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def left(self) -> list[tuple[Job, str]]:
        """Return what the last run noted and went down with, each with its recipe's fingerprint.

        Raises:
            RunError: The shelf cannot be reached.
        """
        standing = self.shelf.seen(self.name)
        if standing is None or not self.shelf.fetch(standing, self.name, self.scratch):
            self._noted = set()
            return []
        try:
            told: list[dict[str, Any]] = json.loads(self.scratch.read_bytes())
            return [_job(each) for each in told]
        except (ValueError, TypeError, KeyError):  # of a newer version
            return []

    def start(self, *, is_wary: bool) -> None:
        """Begin to note, in place of what the last run did; it must be in the journal by now.

        Args:
            is_wary: Whether the last run ended without a word.
        """
        if self._thread is None:
            self._wary_until_s = time.monotonic() + _WARY_S if is_wary else 0.0
            self._thread = threading.Thread(target=self._watch, name="held", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Note nothing more; may be called twice."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def clear(self) -> None:
        """Have the next run find nothing, since this one ends in good order."""
        if self._noted != set():
            with contextlib.suppress(RunError):
                self.shelf.remove(self.name)

    def _watch(self) -> None:
        while not self._end.is_set():
            is_wary = time.monotonic() < self._wary_until_s
            with contextlib.suppress(RunError, OSError):
                self.look(0.0 if is_wary else self.long_s)
            self._end.wait(_WARY_LOOK_S if is_wary else _LOOK_S)

    def look(self, long_s: float) -> None:
        """Note what is in hand for so long by now, if that is anything else than before.

        Raises:
            RunError: The shelf cannot be reached.
            OSError: The note cannot be written.
        """
        now_s = time.monotonic()
        self._since_s = {number: self._since_s.get(number, now_s) for number in self.numbers()}
        held = {number for number, since_s in self._since_s.items() if now_s - since_s >= long_s}
        if held == self._noted:
            return
        told = [_told(job, self.fingerprint) for job in self.jobs() if job.number in held]
        if told:
            self.scratch.write_text(json.dumps(told), encoding="ascii")
            self.shelf.put(self.name, self.scratch, over=self.shelf.seen(self.name))
        elif self._noted != set():
            self.shelf.remove(self.name)
        self._noted = held if told else set()


def _told(job: Job, fingerprint: str) -> dict[str, str | int]:
    source = job.source
    return {
        "path": source.path,
        "size_bytes": source.size_bytes,
        "mtime_ns": source.mtime_ns,
        "codec": source.codec,
        "destination": job.destination,
        "number": job.number,
        "fingerprint": fingerprint,
    }


def _job(told: dict[str, Any]) -> tuple[Job, str]:
    source = SourceRef(told["path"], told["size_bytes"], told["mtime_ns"], told["codec"])
    return Job(told["number"], source, told["destination"]), str(told["fingerprint"])
