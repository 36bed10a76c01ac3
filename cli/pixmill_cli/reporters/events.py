"""`--events`: one JSON object a line, as things happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.events import (
    file_event,
    line,
    notice_event,
    progress_event,
    run_event,
    summary_event,
)

if TYPE_CHECKING:
    from pixmill.model import Outcome
    from pixmill.reporting import Progress, RunFacts, Summary
    from pixmill_cli.sink import Sink

__all__ = ["Events"]

_PROGRESS_INTERVAL_S: Final = 1.0


class Events:
    """Write every event at once; progress at most once a second of the run's own clock.

    Args:
        sink: Where the lines go.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._next_s = 0.0

    def started(self, facts: RunFacts) -> None:
        """Write the `run` event."""
        self._sink.write(line(run_event(facts)))

    def finished_file(self, outcome: Outcome) -> None:
        """Write a `file` event."""
        self._sink.write(line(file_event(outcome)))

    def progressed(self, progress: Progress) -> None:
        """Write a `progress` event, when it is time to."""
        if progress.elapsed_s >= self._next_s:
            self._next_s = progress.elapsed_s + _PROGRESS_INTERVAL_S
            self._sink.write(line(progress_event(progress)))

    def noticed(self, message: str) -> None:
        """Write a `notice` event."""
        self._sink.write(line(notice_event(message)))

    def ended(self, summary: Summary) -> None:
        """Write the `summary` event."""
        self._sink.write(line(summary_event(summary)))
