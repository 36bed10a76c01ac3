"""One run as its caller holds it: outcomes while it works, a summary once it has ended.

Must not do the work, which `coordinator` drives, nor put a run together: `assembling` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pixmill.errors import RunError
from pixmill.protocol import StopMode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pixmill.coordinator import Coordinator
    from pixmill.executors.note import Hands
    from pixmill.journal.session import Session
    from pixmill.model import Outcome
    from pixmill.reporting import Summary
    from pixmill.shelving import Shelved
    from pixmill.survey import Survey

__all__ = ["Run"]


@dataclass(slots=True)
class Run:
    """A run over a folder: an iterator of outcomes and a context manager.

    Work goes on while outcomes are taken; a caller that takes none for a while finds the workers
    at rest behind a bounded queue. Leaving the `with` block, or `close`, ends it.
    """

    _coordinator: Coordinator
    _survey: Survey | None = None
    _session: Session | None = None
    _hands: Hands | None = None
    _shelved: Shelved | None = None
    _outcomes: Iterator[Outcome] = field(init=False)
    _summary: Summary | None = None

    def __post_init__(self) -> None:
        """Make ready; workers start with the first outcome that is asked for."""
        self._outcomes = self._coordinator.outcomes()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Outcome:
        try:
            return next(self._outcomes)
        except BaseException:  # the end of the run included
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def summary(self) -> Summary:
        """How the run ended.

        Raises:
            RunError: It has not ended yet.
        """
        if self._summary is None:
            raise RunError("the run has not ended: take its outcomes or close it first")
        return self._summary

    def drain(self) -> None:
        """Take no more work, finish what is in hand; safe in a signal handler."""
        self._coordinator.stop(StopMode.DRAIN)

    def abort(self) -> None:
        """Stop at once; safe in a signal handler."""
        self._coordinator.stop(StopMode.ABORT)

    def close(self) -> None:
        """Cancel what is not done and leave nothing running; may be called twice."""
        if self._summary is None:
            self._coordinator.end()
            if self._survey is not None:
                self._survey.stop()
            self._summary = self._coordinator.summary()
            if self._session is not None:
                self._session.close(self._summary)
            if self._hands is not None:
                self._hands.clear()
            if self._shelved is not None:
                self._shelved.close()
