"""Copies of a journal on a shelf, so that the next run finds it on whatever machine it is.

One is fetched before a run; one is put as the run begins, every half minute, and at its end. Each
is consistent and whole, and says only what was in place before: what was done after the last copy
is done again by the run after a crash. Must not look at what the journal says.

A thread puts them, through a connection of its own: the thread that drives the run waits for a
shelf before its first file and after its last.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pixmill.errors import RunError, UnansweredError
from pixmill.journal.rows import telling

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixmill.address import ObjectFacts
    from pixmill.journal.claim import Claim
    from pixmill.journal.held import Held
    from pixmill.journal.shelf import Shelf

__all__ = ["Copies", "fetched"]

_EVERY_S: Final = 30.0
# The journal of ten million files takes its time: copying shall take a twentieth of it at most.
_PAUSES: Final = 19
_RENEWALS: Final = 4
_AGAIN_S: Final = 5.0  # while the shelf does not answer; sooner where there is little patience
_TRIES: Final = 4


@dataclass(slots=True)
class Copies:
    """The copies of one journal while a run writes it.

    Args:
        shelf: Where they stand.
        path: The journal itself, on a disc of this machine.
        claim: The run's claim on the output, renewed before each copy: while it is ours nobody
            else puts copies.
        every_s: Seconds between two copies, or more where one takes long.
        patience_s: How long the shelf may fail to answer meanwhile. Default: not at all.
        elder: A journal that is read beside it and never put, or `None`.
        enter: Called once the output is claimed; sees to runs that divide it otherwise. Default:
            there are none.
        held: Notes what is in hand beside them, or `None`.
    """

    shelf: Shelf
    path: Path
    claim: Claim
    every_s: float = _EVERY_S
    patience_s: float = 0.0
    elder: Path | None = None
    enter: Callable[[], object] = lambda: None
    held: Held | None = None
    _standing: ObjectFacts | None = None
    _took_s: float = 0.0
    _unanswered_s: float | None = None
    _trouble: str = ""
    _is_lost: bool = False
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def fetch(self) -> None:
        """Claim the output, and have the journal as the last run left it.

        Raises:
            RunError: Another run works there, or the shelf cannot be reached.
        """
        self.claim.take()
        try:
            self.enter()
            began_s = time.monotonic()
            self._standing = fetched(self.shelf, self.path)
            self._took_s = time.monotonic() - began_s
            if self.elder is not None:
                fetched(self.shelf, self.elder)
        except BaseException:
            self.abandon()
            raise

    def start(self) -> None:
        """Begin to copy."""
        self._thread = threading.Thread(target=self._keep, name="journal copies", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Have the trouble of a copy be the run's, once.

        Raises:
            RunError: A copy could not be put, or another run works on the output.
        """
        if self._trouble:
            trouble, self._trouble = self._trouble, ""
            raise RunError(trouble)

    def settle(self) -> None:
        """Put a copy while the run can still say that it could not; no more are put after it.

        Raises:
            RunError: It could not be put, or another run works on the output.
        """
        if self._thread is None:
            return
        self._end.set()
        self._thread.join()
        self._thread = None
        if self.held is not None:
            self.held.stop()
        if not self._is_lost:
            self._try(is_last=True)
        self.look()

    def close(self, *, is_done: bool) -> None:
        """Put the journal, closed by now, for good, and let the output go.

        Where that is not possible the run looks like one that was killed, which resumes as well.

        Args:
            is_done: Whether the run came to every source, so that the journal knows all results.
        """
        with contextlib.suppress(RunError):
            if self._unanswered_s is not None:
                self.claim.forsake()
            elif self._is_lost:
                self.claim.give_up()
            else:
                self._put(self.path)
                if self.held is not None:
                    self.held.clear()
                self.claim.release() if is_done else self.claim.leave()

    def abandon(self) -> None:
        """Let the output go as it was found, where the run has not begun."""
        self._end.set()
        if self.held is not None:
            self.held.stop()
        with contextlib.suppress(RunError):
            self.claim.leave()

    def _keep(self) -> None:
        pause_s = 0.0
        while not self._end.wait(pause_s) and not self._is_lost:
            pause_s = self._try()

    def _try(self, *, is_last: bool = False) -> float:
        """Put a copy, keep its trouble, and return the seconds until the next."""
        began_s = time.monotonic()
        try:
            self._copy()
            self._unanswered_s = None
            if self.held is not None and not is_last:
                self.held.start(is_wary=bool(self.claim.since_ns))
        except UnansweredError as error:
            since_s = self._unanswered_s = self._unanswered_s or began_s
            if not is_last and time.monotonic() - since_s < self.patience_s:
                return min(_AGAIN_S, self.patience_s / _TRIES)
            self._trouble, self._is_lost = str(error), True
        except RunError as error:
            self._trouble, self._is_lost = str(error), True
        except Exception as error:  # noqa: BLE001 - a thread's edge: no copy may fail unheard
            self._trouble, self._is_lost = f"the journal cannot be copied: {error!r}", True
        self._took_s = time.monotonic() - began_s
        return self._pause_s

    @property
    def _pause_s(self) -> float:
        return max(self.every_s, _PAUSES * self._took_s)

    def _copy(self) -> None:
        copy = self.path.with_name(f"{self.path.name}.copy")
        copy.unlink(missing_ok=True)
        with (
            telling("copied"),
            contextlib.closing(_opened(f"{self.path.as_uri()}?mode=ro")) as source,
            contextlib.closing(_opened(copy.as_uri())) as target,
        ):
            source.backup(target)
        self.claim.renew(_RENEWALS * self._pause_s)
        self._put(copy)
        copy.unlink()

    def _put(self, path: Path) -> None:
        standing = self.shelf.put(self.path.name, path, over=self._standing)
        if standing is None:
            self._is_lost = True
            raise RunError(
                f"another run has written the journal in {self.shelf.name}: wait for it or stop it"
            )
        self._standing = standing


def fetched(shelf: Shelf, path: Path) -> ObjectFacts | None:
    """Have the journal that stands on a shelf under a path's name at that path, if there is one.

    Raises:
        RunError: The shelf cannot be reached, or a run puts copies all the while.
    """
    for _ in range(3):
        standing = shelf.seen(path.name)
        if standing is None:
            path.unlink(missing_ok=True)
            return None
        if shelf.fetch(standing, path.name, path):
            return standing
    raise RunError(f"the journal in {shelf.name} changes all the while: a run writes it")


def _opened(uri: str) -> sqlite3.Connection:
    """Open a database that is gone through once: its pages need not be held."""
    connection = sqlite3.connect(uri, uri=True)
    connection.execute("PRAGMA cache_size = -100")
    return connection
