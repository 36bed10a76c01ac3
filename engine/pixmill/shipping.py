"""What a run with a bucket at either end has beside its workers: the ferry, and both ways of it.

Must not decide, nor record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import RunError
from pixmill.executors.ferry import Ferry
from pixmill.freight import Delivered
from pixmill.incoming import Incoming
from pixmill.outgoing import Outgoing
from pixmill.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.executors.scratch import Scratch
    from pixmill.feeding import Feeder
    from pixmill.freight import Pause, Voyage
    from pixmill.model import Job, Outcome
    from pixmill.stats import Ahead

__all__ = ["Shipping", "shipping_of"]


@dataclass(slots=True)
class Shipping:
    """The traffic of one run.

    Args:
        ferry: Carries it.
        scratch: Holds what is under way, and goes with the run.
        staging: What that is.
        incoming: Sources on their way.
        outgoing: Results on their way.
    """

    ferry: Ferry
    scratch: Scratch
    staging: Staging
    incoming: Incoming
    outgoing: Outgoing
    _is_closed: bool = False

    @property
    def is_full(self) -> bool:
        """Whether nothing new should be begun."""
        return self.outgoing.is_full

    @property
    def is_empty(self) -> bool:
        """Whether every outcome that was taken has landed."""
        return self.outgoing.is_empty

    def found(self) -> Iterator[Job | Outcome | Pause]:
        """Yield the walk: jobs whose sources are here, outcomes, and `PAUSE`."""
        yield from self.incoming.found()

    def takes(self, outcome: Outcome) -> bool:
        """Whether an outcome has results to be put first; it lands later, then."""
        return self.outgoing.takes(outcome)

    def landed(self) -> list[Outcome]:
        """Hear the ferry, and return the outcomes whose results are in their places.

        Raises:
            RunError: The ferry has ended for good, or a store cannot be listed.
        """
        try:
            for reply in self.ferry.heard():
                if isinstance(reply, Delivered):
                    self.outgoing.hear(reply)
                else:
                    self.incoming.hear(reply)
        except RunError:
            if self.ferry.is_lost:
                self.outgoing.lose()
            if self.outgoing.is_empty:
                raise
        return self.outgoing.landed()

    def remarks(self) -> list[str]:
        """Return, once, what the user should know of."""
        told = list(self.ferry.remarks)
        self.ferry.remarks.clear()
        return told

    def processes_beside(self, others: Callable[[], list[int]]) -> Callable[[], list[int]]:
        """Return what tells the process ids of others, and the ferry's."""
        return lambda: [*others(), *self.ferry.processes()]

    def close(self) -> None:
        """End the ferry and remove what is under way; may be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self.ferry.close()
            self.scratch.close()


def shipping_of(
    voyage: Voyage, scratch: Scratch, feeder: Feeder, *, limit_bytes: int, ahead: Ahead
) -> Shipping:
    """Return the traffic of a run; nothing is asked of a store yet.

    Args:
        voyage: Where it goes.
        scratch: Where files may be while they are under way.
        feeder: Decides what becomes of sources.
        limit_bytes: What may be under way each way.
        ahead: Told what the listing of the source has counted.

    Raises:
        RunError: Nothing can be written there.
    """
    staging = Staging(
        scratch.path,
        is_source_staged=voyage.source is not None,
        is_result_staged=voyage.destination is not None,
    )
    try:
        staging.prepare()
    except OSError as error:
        raise RunError(f"cannot make {scratch.path}: {error.strerror or error}") from error
    ferry = Ferry(voyage)
    incoming = Incoming(feeder, staging, ferry.send, limit_bytes, ahead, voyage.crew)
    outgoing = Outgoing(staging, voyage.settings, ferry.send, limit_bytes)
    return Shipping(ferry, scratch, staging, incoming, outgoing)
