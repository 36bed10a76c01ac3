"""Where a journal is kept that cannot lie beside its output: what is asked of such a place.

Must not know what it is; an object store is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Shelf", "Standing"]


class Standing(Protocol):
    """One thing on a shelf, as it was seen."""

    @property
    def size_bytes(self) -> int:
        """Its size."""

    @property
    def mtime_ns(self) -> int:
        """When it was put there, by the shelf's own clock; 0 where that was not told."""

    @property
    def tag(self) -> str:
        """What tells it from anything else that stood there."""

    @property
    def version(self) -> str:
        """What else does, where the shelf has such a thing; else empty."""


class Shelf(Protocol):
    """A place for a few named things, each of which is put as a whole."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    def seen(self, name: str) -> Standing | None:
        """Return what stands under a name.

        Raises:
            RunError: The shelf cannot be reached.
        """

    def fetch(self, standing: Standing, name: str, path: Path) -> bool:
        """Write what was seen under a name to a file; return whether it still stood there.

        Raises:
            RunError: The shelf cannot be reached, or the file not be written.
        """

    def put(self, name: str, path: Path, *, over: Standing | None) -> Standing | None:
        """Put a file where still stands what was seen, or nothing; return `None` if it does not.

        Raises:
            RunError: The shelf cannot be reached, or the file not be read.
        """

    def remove(self, name: str) -> None:
        """Remove what stands under a name.

        Raises:
            RunError: The shelf cannot be reached.
        """
