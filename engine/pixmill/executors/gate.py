"""Requests to a store that may stop answering: made through a gate, which closes while it does not.

While a gate is closed one request at a time finds out whether the store is back, with growing
pauses; the others wait, and none of them is counted as tried. So an outage costs time and no file.
What one object alone is refused for is told from that: others are answered meanwhile.
Must not decide what a refusal means: only failures that may pass are waited for.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from pixmill.freight import Contact
from pixmill.storage.answers import StoreError
from pixmill.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["QUIET_S", "ForsakenError", "Gate", "Watch"]

_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 15.0
_LEAST_PAUSES: Final = 20
"""So many of the first pause are less than all patience."""
_LEAST_WAIT_S: Final = 0.05
_TRIES: Final = 3
"""Of one request while others are answered; each is six of obstore's."""

QUIET_S: Final = 30.0
"""Longer than any answer but that of a large body; obstore's own limit is ten times that."""

Done = TypeVar("Done")


class ForsakenError(Exception):
    """The store has not answered for as long as it is waited for: nothing is asked any more."""


@dataclass(slots=True)
class Watch:
    """Tells of outages, once each, however many gates are closed by one.

    Args:
        tell: Is told.
        patience_s: How long a store may fail to answer.
        clock: Seconds on any monotonic clock.
    """

    tell: Callable[[Contact], None]
    patience_s: float
    clock: Callable[[], float] = time.monotonic
    _closed: int = 0
    _since_s: float = 0.0
    _is_forsaken: bool = False
    _asked: int = 0
    _quiet_s: float = 0.0
    _is_quiet: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def closed(self, store: str, why: str) -> None:
        """Take in that a gate has closed."""
        with self._lock:
            self._closed += 1
            if self._closed == 1:
                self._since_s = self.clock()
                longest = format_duration(self.patience_s)
                words = f"{store} does not answer: {why}; waiting for it, up to {longest}"
                self.tell(Contact(words, is_lost=True))

    def opened(self, store: str) -> None:
        """Take in that a gate is open again."""
        with self._lock:
            self._closed -= 1
            if not (self._closed or self._is_forsaken):
                lasted = format_duration(self.clock() - self._since_s)
                self.tell(Contact(f"{store} answers again, after {lasted}"))

    def asked(self) -> None:
        """Take in that a request is made."""
        with self._lock:
            if not self._asked:
                self._quiet_s = self.clock()
            self._asked += 1

    def left(self) -> None:
        """Take in that a request has ended, in whatever way."""
        with self._lock:
            self._asked -= 1

    def answered(self) -> None:
        """Take in that a store has answered."""
        with self._lock:
            self._quiet_s = self.clock()
            if self._is_quiet:
                self._is_quiet = False
                self.tell(Contact("stores answer again"))

    def look(self) -> None:
        """Tell once that nothing was answered for long, though nothing has failed either."""
        with self._lock:
            is_due = self._asked and self.clock() - self._quiet_s > QUIET_S
            if is_due and not (self._closed or self._is_quiet):
                self._is_quiet = True
                waited = format_duration(QUIET_S)
                words = f"no request to a store was answered for {waited}; waiting on"
                self.tell(Contact(words, is_slow=True))

    def forsaken(self, store: str, why: str) -> None:
        """Take in that a gate stays closed."""
        with self._lock:
            if not self._is_forsaken:
                self._is_forsaken = True
                longest = format_duration(self.patience_s)
                words = f"{store} has not answered for {longest}: {why}; run again once it does"
                self.tell(Contact(words, is_lost=True, is_over=True))


@dataclass(slots=True)
class Gate:
    """One kind of request to one store, made by several threads.

    Args:
        store: What a person calls it.
        does_answer: Asks it something that no object is to blame for.
        watch: Is told when it stops answering, and when it is back.
        has_answered: Whether it ever has; one that never did is not waited for.
    """

    store: str
    does_answer: Callable[[], bool]
    watch: Watch
    has_answered: bool = True
    _answers: int = 0
    _closed_s: float | None = None
    _due_s: float = 0.0
    _misses: int = 0
    _prober: int | None = None
    _why: str = ""
    _turn: threading.Condition = field(default_factory=threading.Condition)

    def through(self, deed: Callable[[], Done]) -> Done:
        """Return what a request returns, having made it as often as that takes.

        Args:
            deed: Makes it; may be called again where it has raised.

        Raises:
            StoreError: The store refuses it, or answers others and not this one.
            ForsakenError: The store has not answered for long.
        """
        tries, until_s = 0, self.watch.clock() + self.watch.patience_s
        while True:
            answers = self._admitted()
            self.watch.asked()
            try:
                done = deed()
            except StoreError as error:
                if not error.failure.is_retryable:
                    self._answered()
                    raise
                if not self.has_answered:
                    raise
                if self._is_closed_by(error, answers):
                    continue
                tries += 1
                is_spent = self.watch.clock() > until_s if error.is_busy else tries >= _TRIES
                if is_spent:
                    raise
                time.sleep(self._pause_s(tries))
            else:
                self._answered()
                return done
            finally:
                self.watch.left()
                self._leave()

    def _admitted(self) -> int:
        """Wait for the gate to be open, or for the turn to find out; return the answers so far."""
        with self._turn:
            while self._closed_s is not None:
                now_s = self.watch.clock()
                if now_s - self._closed_s > self.watch.patience_s:
                    self.watch.forsaken(self.store, self._why)
                    raise ForsakenError
                if self._prober is None and now_s >= self._due_s:
                    self._prober = threading.get_ident()
                    break
                self._turn.wait(max(_LEAST_WAIT_S, self._due_s - now_s))
            return self._answers

    def _leave(self) -> None:
        with self._turn:
            if self._prober == threading.get_ident():
                self._prober = None
                self._turn.notify_all()

    def _answered(self) -> None:
        self.watch.answered()
        with self._turn:
            self.has_answered = True
            self._answers += 1
            if self._closed_s is not None:
                self._closed_s, self._misses = None, 0
                self.watch.opened(self.store)
                self._turn.notify_all()

    def _is_closed_by(self, error: StoreError, answers: int) -> bool:
        """Close the gate, unless others were answered since, or are."""
        if self._answers != answers:
            return False
        if not error.is_busy and self.does_answer():
            self._answered()
            return False
        with self._turn:
            if self._closed_s is None:
                self._closed_s, self._why = self.watch.clock(), error.failure.message
                self.watch.closed(self.store, self._why)
            elif self._prober != threading.get_ident():
                return True  # it was under way when the gate closed
            self._misses += 1
            self._due_s = self.watch.clock() + self._pause_s(self._misses)
        return True

    def _pause_s(self, misses: int) -> float:
        first_s = min(_PAUSE_S, self.watch.patience_s / _LEAST_PAUSES)
        longest_s = min(_LONGEST_PAUSE_S, first_s * 2.0 ** (misses - 1))
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
