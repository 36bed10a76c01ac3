"""A reporter that ignores everything, to be told what it should not ignore."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.model import Outcome
    from pixmill.reporting import Progress, RunFacts, Summary

__all__ = ["Silent"]


class Silent:
    """Ignore every call; a subclass overrides those it is about."""

    def started(self, facts: RunFacts) -> None:
        """Ignore the start."""

    def finished_file(self, outcome: Outcome) -> None:
        """Ignore one outcome."""

    def progressed(self, progress: Progress) -> None:
        """Ignore where the run stands."""

    def noticed(self, message: str) -> None:
        """Ignore a notice."""

    def ended(self, summary: Summary) -> None:
        """Ignore the end."""
