"""Which tasks of a cluster wait for a store: a person is told of the first and of the last.

Pure. Must not decide what becomes of what waits; `chunks` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.protocol import Remark

__all__ = ["Outages"]


@dataclass(slots=True)
class Outages:
    """The copies of chunks whose ferries have said that a store does not answer."""

    _waiting: set[int] = field(default_factory=set)

    def is_news(self, copy: int, remark: Remark) -> bool:
        """Take in what a copy says; return whether it has not been told for another by now."""
        if remark.is_outage is None:
            return True
        was_one = bool(self._waiting)
        if remark.is_outage:
            self._waiting.add(copy)
        else:
            self._waiting.discard(copy)
        return was_one is not bool(self._waiting)

    def ended(self, copy: int) -> None:
        """Wait no more for a copy."""
        self._waiting.discard(copy)
