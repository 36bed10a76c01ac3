"""Ctrl-C and SIGTERM: the first finishes what is in hand, the second stops at once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from pixmill_cli.reporters.silent import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from pixmill.model import Outcome
    from pixmill.reporting import Progress, Reporter

__all__ = ["Interrupts", "Stoppable", "caught"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_NOTICE: Final = "finishing what is in hand; press Ctrl-C again to stop at once"


class Stoppable(Protocol):
    """A run that can be asked to stop."""

    def drain(self) -> None:
        """Take no new files and finish those in hand."""

    def abort(self) -> None:
        """Stop at once."""


class Interrupts(Silent):
    """Pass signals on to a run, and say so from the run's own loop.

    Nothing is printed inside the signal handler: it may have interrupted a print.

    Args:
        reporter: Who is told of the first signal.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._run: Stoppable | None = None
        self._count = 0
        self._is_said = False

    def watch(self, run: Stoppable) -> None:
        """Send signals to this run; before that they raise `KeyboardInterrupt`."""
        self._run = run

    def caught(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler
        """Drain at the first signal, abort at the next."""
        if self._run is None:
            raise KeyboardInterrupt
        self._count += 1
        if self._count == 1:
            self._run.drain()
        else:
            self._run.abort()

    def progressed(self, progress: Progress) -> None:  # noqa: ARG002 - only the moment matters
        """Say what was asked, soon after it was."""
        self._say()

    def finished_file(self, outcome: Outcome) -> None:  # noqa: ARG002 - only the moment matters
        """Say what was asked, soon after it was."""
        self._say()

    def _say(self) -> None:
        if self._count == 1 and not self._is_said:
            self._is_said = True
            self._reporter.noticed(_NOTICE)


@contextmanager
def caught(interrupts: Interrupts) -> Iterator[None]:
    """Have signals go to `interrupts` until the block ends."""
    previous = {number: signal.signal(number, interrupts.caught) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
