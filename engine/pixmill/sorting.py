"""More than fits into memory, in order: sorted in chunks on disc and merged as it is taken.

Must not know what it sorts.
"""

from __future__ import annotations

import heapq
import pickle
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sorter"]

_CHUNK = 20_000
_SPILLED = 64  # entries of a chunk that are read back from disc at a time

# Whatever compares with its like; of tuples mypy can say no better.
Entry = TypeVar("Entry", bound=tuple[Any, ...])


@dataclass(slots=True)
class Sorter(Generic[Entry]):
    """Entries to be sorted: in memory, or in runs on disc where they are many."""

    _chunk: list[Entry] = field(default_factory=list)
    _runs: list[Iterator[Entry]] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Take in one entry."""
        self._chunk.append(entry)
        if len(self._chunk) >= _CHUNK:
            self._runs.append(_on_disc(sorted(self._chunk)))
            self._chunk = []

    def ordered(self) -> Iterator[Entry]:
        """Yield all entries in order; may be called once."""
        chunk, self._chunk = sorted(self._chunk), []
        return heapq.merge(*self._runs, chunk) if self._runs else iter(chunk)


def _on_disc(chunk: list[Entry]) -> Iterator[Entry]:
    """Write a sorted chunk to an unnamed file and return an iterator that reads it back."""
    spill = tempfile.TemporaryFile(prefix="pixmill-walk-")  # noqa: SIM115 - closed by its reader
    starts = range(0, len(chunk), _SPILLED)
    for start in starts:
        pickle.dump(chunk[start : start + _SPILLED], spill)
    spill.seek(0)

    def read_back() -> Iterator[Entry]:
        with spill:
            for _ in starts:
                yield from pickle.load(spill)  # noqa: S301 - our own, unnamed file

    return read_back()
