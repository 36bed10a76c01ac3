"""What feeding asks of where sources come from and where results go: a folder, or a bucket.

Must not do either's work: `walking` and `storage` do, and `remote`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pixmill.recall import Results
from pixmill.recall import Sources as KnownSources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from pixmill.model import Failed, SourceRef
    from pixmill.storage.local import Head
    from pixmill.walking import Folder, Met

    Ahead: TypeAlias = Callable[[Iterator[list[Met]]], Iterator[list[Met]]]

__all__ = ["Places", "Sources", "UnreachedError"]


class UnreachedError(Exception):
    """Say that a source cannot be looked into, for a reason that is no system error."""

    def __init__(self, source: SourceRef, failure: Failed) -> None:
        super().__init__(failure.message)
        self.source = source
        self.failure = failure


class Places(Results, Protocol):
    """Where results go: a folder, or a bucket."""

    def exists(self, relative: str) -> bool:
        """Return whether anything stands at this name."""

    def names(self, folder: str) -> list[str]:
        """Return the bare names in a folder."""

    def sweep(self, relative_folder: str) -> int:
        """Remove what runs that died have left there under names of their own."""

    def sweep_again(self) -> None:
        """Do so once more wherever somebody was at work who was not of this run."""


class Sources(KnownSources, Protocol):
    """Where sources come from: a folder, or a bucket."""

    root: str

    def folders(self) -> Iterator[Folder]:
        """Yield every folder; see `walking.Walker`."""

    def head(self, met: Met) -> Head:
        """Return the beginning of a source; see `walking.Walker`."""
