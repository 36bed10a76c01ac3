"""Workers that are told jobs by the names of staged files, whoever runs them.

Must not move a byte: the ferry does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixmill.protocol import JobEnded, Send

if TYPE_CHECKING:
    from pixmill.executors.base import Delivery, Executor, Report
    from pixmill.staging import Staging

__all__ = ["StagedExecutor"]


@dataclass(frozen=True, slots=True)
class StagedExecutor:
    """An executor between a run that knows keys and workers that know numbers.

    Args:
        inner: Runs the workers.
        staging: Knows both names.
    """

    inner: Executor
    staging: Staging

    def deliver(self, command: Delivery) -> None:
        """Carry out a command."""
        if isinstance(command, Send):
            command = replace(command, jobs=tuple(map(self.staging.staged, command.jobs)))
        self.inner.deliver(command)

    def wait(self, timeout_s: float) -> list[Report]:
        """Return what workers said, in the order each said it; nothing once the time is up."""
        return [self._unstaged(report) for report in self.inner.wait(timeout_s)]

    def processes(self) -> list[int]:
        """Return the process ids of every process this executor runs."""
        return self.inner.processes()

    def close(self) -> None:
        """End every process at once and leave nothing running; may be called twice."""
        self.inner.close()

    def _unstaged(self, report: Report) -> Report:
        if not isinstance(report, JobEnded):
            return report
        return replace(report, outcome=self.staging.unstaged(report.number, report.outcome))
