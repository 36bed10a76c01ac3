"""A run's hold on the state of its output: locks and journal, taken and let go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import RunError
from pixmill.journal.division import Division
from pixmill.journal.lock import Lock
from pixmill.journal.store import Journal, opened, opened_to_read
from pixmill.lasting import made

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixmill.journal.copies import Copies
    from pixmill.journal.place import Place
    from pixmill.reporting import RunFacts, Summary

__all__ = ["Session"]


@dataclass(slots=True)
class Session:
    """The state of an output while one run works on it.

    Attributes:
        journal: What was done, and what this run does.
    """

    journal: Journal
    _lock: Lock
    _division: Division

    @classmethod
    def begun(  # noqa: PLR0913 - all that a run begins with
        cls,
        place: Place,
        facts: RunFacts,
        *,
        version: str,
        sync: Callable[[set[str]], None],
        held: Callable[[], list[int]] = list,
        change: Callable[[], object] = lambda: None,
        copies: Copies | None = None,
    ) -> Session:
        """Take the locks, open the journal, and note that a run begins.

        Args:
            place: Where the state of the output is, or of the shard.
            facts: What is fixed for the run.
            version: Version of pixmill.
            sync: Called before every commit; see `Journal`.
            held: Returns the numbers of the jobs that the last run had in its hands, should it
                have ended without a word. Default: none are known.
            change: Called where runs divided the output otherwise before, while none works on it.
            copies: What keeps the journal where the output is, if that is not on this machine.
                Default: nothing, it stays at its place.

        Raises:
            RunError: Another run holds the output, or its state cannot be written.
        """
        lock, division = Lock(place.lock), Division(place.whole)
        try:
            # lost in a power cut, it would leave half-written results that nobody calls his own
            made(str(place.lock.parent))
            lock.take()
            division.enter(place.shard, change)
            journal = _fetched(place.journal, sync, copies)
            journal.elder = None if place.elder is None else opened_to_read(place.elder.journal)
            journal.blame(held())
            journal.begin(facts, version)
        except BaseException as error:
            if copies is not None:
                copies.abandon()
            lock.release()
            division.release()
            if not isinstance(error, OSError):
                raise
            raise RunError(
                f"cannot write the state of the output to {place.lock.parent}: "
                f"{error.strerror or error}; name another place with --journal"
            ) from error
        if copies is not None:
            copies.start()
        return cls(journal, lock, division)

    @property
    def unknown_since_ns(self) -> int:
        """Since when results may stand that no journal knows, by their store's clock; 0: none."""
        return 0 if self.journal.copies is None else self.journal.copies.claim.since_ns

    def close(self, summary: Summary) -> None:
        """Note how the run ended and let go."""
        try:
            self.journal.close(summary)
        finally:
            self._lock.release()
            self._division.release()


def _fetched(path: Path, sync: Callable[[set[str]], None], copies: Copies | None) -> Journal:
    """Open the journal, as the last run left it on whatever machine that was."""
    if copies is not None:
        copies.fetch()
    journal = opened(path, sync)
    journal.copies = copies
    if copies is not None and copies.held is not None:
        journal.accuse(copies.held.left())
    return journal
