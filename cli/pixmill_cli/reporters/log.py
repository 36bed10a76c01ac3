"""`--log-file`: one line a file, each with the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill_cli.reporters.silent import Silent
from pixmill_cli.reporters.talk import file_line
from pixmill_cli.screen import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pixmill.model import Outcome
    from pixmill.reporting import RunFacts, Summary
    from pixmill_cli.sink import Sink

__all__ = ["Log"]


class Log(Silent):
    """Write a line for every file, notice, start and end.

    Args:
        sink: Where the lines go.
        now: The clock, which knows its time zone.
    """

    def __init__(self, sink: Sink, *, now: Callable[[], datetime]) -> None:
        self._sink = sink
        self._now = now

    def started(self, facts: RunFacts) -> None:
        """Write what the run is about."""
        self._line(
            f"start     {facts.source} to {facts.destination}, recipe {facts.fingerprint}, "
            + counted(facts.workers, "worker")
        )
        for warning in facts.warnings:
            self._line(f"warning   {warning}")

    def finished_file(self, outcome: Outcome) -> None:
        """Write how one file ended."""
        self._line(file_line(outcome).plain)

    def noticed(self, message: str) -> None:
        """Write a notice."""
        self._line(f"notice    {message}")

    def ended(self, summary: Summary) -> None:
        """Write the counts."""
        self._line(
            f"end       {summary.walked} walked: {summary.optimized} optimized, "
            f"{summary.kept} kept, {summary.skipped} skipped, {summary.failed} failed"
        )

    def _line(self, text: str) -> None:
        self._sink.write(f"{self._now().isoformat(timespec='milliseconds')}  {text}\n")
