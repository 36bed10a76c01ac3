"""A prefix of an object store as a journal sees it: a shelf for a few files."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.errors import RefusedError, RunError, UnansweredError
from pixmill.model import FailureKind
from pixmill.storage.answers import StoreError
from pixmill.storage.objects import IfAbsent, IfMatch
from pixmill.storage.probing import check_puts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.address import ObjectFacts
    from pixmill.storage.objects import ObjectStore

__all__ = ["ObjectShelf"]

# On a condition a file is held in memory whole, in the process that must stay small.
_CONDITIONAL_BYTES: Final = 8_000_000
_OVERTAKEN: Final = frozenset({FailureKind.CHANGED, FailureKind.VANISHED, FailureKind.EXISTS})


@dataclass(frozen=True, slots=True)
class ObjectShelf:
    """A shelf in an object store; see `journal.shelf.Shelf`.

    Args:
        store: The prefix.
    """

    store: ObjectStore

    @property
    def name(self) -> str:
        """What a person calls it."""
        return str(self.store.address)

    def seen(self, name: str) -> ObjectFacts | None:
        """Return what stands under a name."""
        with self._telling():
            try:
                return self.store.facts(name)
            except StoreError as error:
                if error.failure.kind is FailureKind.PERMISSION:
                    check_puts(
                        self.store
                    )  # is told why, which the answer to a look has no room for
                raise

    def names(self) -> list[str]:
        """Return the names under which anything stands."""
        with self._telling():
            return [facts.key for facts in self.store.within("")]

    def fetch(self, standing: ObjectFacts, name: str, path: Path) -> bool:
        """Write what was seen under a name to a file; return whether it still stood there."""
        with self._telling():
            try:
                with path.open("wb") as file:
                    self.store.fetch(name, file.fileno(), expected=standing)
            except StoreError as error:
                if error.failure.kind in _OVERTAKEN:
                    return False
                raise
        return True

    def put(self, name: str, path: Path, *, over: ObjectFacts | None) -> ObjectFacts | None:
        """Put a file where still stands what was seen, or nothing; return `None` if it does not.

        Files beyond 8 MB are put over whatever stands there, after a look at it.
        """
        with self._telling():
            if os.stat(path).st_size > _CONDITIONAL_BYTES:
                found = self.seen(name)
                is_it = getattr(found, "tag", "") == getattr(over, "tag", "")
                return self.store.put(name, str(path)) if is_it else None
            condition = IfAbsent() if over is None else IfMatch(over)
            try:
                return self.store.put(name, str(path), condition=condition)
            except StoreError as error:
                if error.failure.kind in _OVERTAKEN:
                    return None
                raise

    def remove(self, name: str) -> None:
        """Remove what stands under a name."""
        with self._telling():
            self.store.remove(name)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn trouble into the run's, and say what to do."""
        try:
            yield
        except (StoreError, OSError) as error:
            raise _trouble(error)(
                f"the journal cannot be kept in {self.name}: {error}; see to it or name a local "
                f"one with --journal, then run again"
            ) from error


def _trouble(error: StoreError | OSError) -> type[RunError]:
    if isinstance(error, OSError):
        return RunError
    if error.failure.is_retryable:
        return UnansweredError
    return RefusedError if error.is_configured else RunError
