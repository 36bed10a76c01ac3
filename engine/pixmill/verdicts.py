"""What the dispatcher makes of trouble: one file's failure, or the end of the whole run.

Pure: told how files and workers end, it answers why the run cannot go on, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pixmill.model import Failed, FailureKind, Outcome, Stage

if TYPE_CHECKING:
    from pixmill.model import Job

__all__ = ["BREACH", "Patience", "Unread", "failed"]

BREACH: Final = (
    "its worker broke a rule of the sandbox and was ended: it asked for what no image needs, such "
    "as a program, a connection or another process"
)

# Workers that die one after the other without one job ended between them: the machine cannot
# run workers at all. Random kills never come near it.
_MAX_BARREN = 12
# Different sources, each tried again, with none read in between: single bad sectors do not do that.
_MAX_UNREAD = 8
_READING: Final = frozenset({Stage.WALK, Stage.READ, Stage.DECODE})
_UNTELLING: Final = frozenset(
    {
        FailureKind.IO,
        FailureKind.VANISHED,
        FailureKind.PERMISSION,
        FailureKind.CRASHED,
        FailureKind.TIMEOUT,
    }
)
"""Ways to fail that do not show that a source could be read."""


@dataclass(slots=True)
class Unread:
    """Sources in a row that could not be read.

    Attributes:
        count: How many.
    """

    count: int = 0

    def despair(self, outcome: Outcome) -> str:
        """Return why the run cannot go on after a file has ended for good, or nothing."""
        failure = outcome.failure
        if failure is not None and failure.is_fatal:
            return f"{outcome.path}: {failure.message}"
        if failure is None or failure.kind not in _UNTELLING:
            self.count = 0
            return ""
        self.count += failure.kind is FailureKind.IO and failure.stage in _READING
        if self.count < _MAX_UNREAD:
            return ""
        return (
            f"{self.count} sources in a row could not be read, the last of them {outcome.path}: "
            f"{failure.message}; look at the disc that holds them, then run again"
        )


@dataclass(slots=True)
class Patience:
    """How much trouble a run has had.

    Attributes:
        losses: Workers lost in a row with nothing done in between.
        walk: Sources in a row that failed before they were jobs.
        work: Sources in a row that failed in workers' hands. Apart from the walk's: it is ahead,
            and what it reads says nothing of what workers read.
    """

    losses: int = 0
    walk: Unread = field(default_factory=Unread)
    work: Unread = field(default_factory=Unread)

    def despair(self, reason: str) -> str:
        """Return why the run cannot go on after a worker's end for a reason, or nothing."""
        if self.losses < _MAX_BARREN:
            return ""
        return f"workers cannot work here: the last one ended with {reason}"


def failed(job: Job, kind: FailureKind, message: str) -> Outcome:
    """Return the outcome of a job that cost its worker."""
    failure = Failed(kind, Stage.PROCESS, message)
    return Outcome.failed(job.source, failure, attempts=job.attempt, notes=job.notes)
