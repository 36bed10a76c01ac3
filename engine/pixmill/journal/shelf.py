"""Where a journal is kept that cannot lie beside its output: what is asked of such a place.

Must not know what it is; an object store is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.address import ObjectFacts

__all__ = ["Shelf"]


class Shelf(Protocol):
    """A place for a few named things, each of which is put as a whole."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    def seen(self, name: str) -> ObjectFacts | None:
        """Return what stands under a name.

        Raises:
            RunError: The shelf cannot be reached.
        """

    def names(self) -> list[str]:
        """Return the names under which anything stands.

        Raises:
            RunError: The shelf cannot be reached.
        """

    def fetch(self, standing: ObjectFacts, name: str, path: Path) -> bool:
        """Write what was seen under a name to a file; return whether it still stood there.

        Raises:
            RunError: The shelf cannot be reached, or the file not be written.
        """

    def put(self, name: str, path: Path, *, over: ObjectFacts | None) -> ObjectFacts | None:
        """Put a file where still stands what was seen, or nothing; return `None` if it does not.

        Raises:
            RunError: The shelf cannot be reached, or the file not be read.
        """

    def remove(self, name: str) -> None:
        """Remove what stands under a name.

        Raises:
            RunError: The shelf cannot be reached.
        """
