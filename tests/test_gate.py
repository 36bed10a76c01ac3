"""Requests to a store that stops answering: what waits, what fails, and what is said of it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pixmill.executors.gate import QUIET_S, ForsakenError, Gate, Watch
from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.answers import StoreError

if TYPE_CHECKING:
    from pixmill.freight import Contact

_THREADS = 8


@dataclass(slots=True)
class _Store:
    """Answers, or not.

    Args:
        is_up: Whether it does.
        is_busy: Whether it says that it is asked for too much while it does not.
        poison: A request that it never answers.
    """

    is_up: bool = True
    is_busy: bool = False
    poison: int = -1
    told: list[Contact] = field(default_factory=list)
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, number: int) -> int:
        with self.lock:
            self.asked += 1
        if not self.is_up or number == self.poison:
            failure = Failed(FailureKind.IO, Stage.READ, "no answer", is_retryable=True)
            raise StoreError(failure, is_busy=self.is_busy)
        return number

    def gate(self, patience_s: float = 20.0, *, has_answered: bool = True) -> Gate:
        watch = Watch(self.told.append, patience_s)
        return Gate("s3://b", lambda: self.is_up or self.is_busy, watch, has_answered)


@pytest.fixture(autouse=True)
def _briskly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixmill.executors.gate._PAUSE_S", 0.01)


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_outage_costs_time(*, is_busy: bool) -> None:
    """However many requests are made meanwhile all are answered, few ask, and it is told once."""
    store = _Store(is_busy=is_busy)
    gate = store.gate()
    with ThreadPoolExecutor(_THREADS) as pool:
        store.is_up = False
        answers = [pool.submit(gate.through, lambda at=at: store.ask(at)) for at in range(100)]
        time.sleep(0.3)
        asked = store.asked
        store.is_up = True
        assert [each.result() for each in answers] == list(range(100))
    assert asked < 3 * _THREADS, "those that waited asked as well"
    assert [each.is_lost for each in store.told] == [True, False]
    assert "s3://b does not answer: no answer; waiting for it, up to 20 s" in store.told[0].words


@pytest.mark.parametrize("beside", [0, 50])
def test_what_one_request_fails_for_is_its_own(beside: int) -> None:
    """A request that is never answered fails by itself, whether or not there are others."""
    store = _Store(poison=1000)
    gate = store.gate()
    with ThreadPoolExecutor(_THREADS) as pool:
        failed = pool.submit(gate.through, lambda: store.ask(1000))
        answers = [pool.submit(gate.through, lambda at=at: store.ask(at)) for at in range(beside)]
        assert [each.result() for each in answers] == list(range(beside))
        with pytest.raises(StoreError):
            failed.result()
    assert store.asked - beside == 3
    assert not store.told


def test_patience_ends() -> None:
    """What lasts for longer than the patience is given up, by all that wait, and told once."""
    store = _Store(is_up=False)
    gate = store.gate(0.2)
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting = [pool.submit(gate.through, lambda: store.ask(1)) for _ in range(_THREADS)]
        assert {type(each.exception()) for each in waiting} == {ForsakenError}
    assert [(each.is_lost, each.is_over) for each in store.told] == [(True, False), (True, True)]
    assert "has not answered for 0.2 s" in store.told[1].words


def test_a_store_that_never_answered_is_not_waited_for() -> None:
    """A name that is misspelled is told at once; one that has answered is waited for."""
    store = _Store(is_up=False)
    gate = store.gate(has_answered=False)
    with pytest.raises(StoreError):
        gate.through(lambda: store.ask(1))
    assert not store.told
    store.is_up = True
    assert gate.through(lambda: store.ask(1)) == 1
    store.is_up = False
    threading.Timer(0.1, lambda: setattr(store, "is_up", True)).start()
    assert gate.through(lambda: store.ask(2)) == 2


def test_one_outage_is_told_once() -> None:
    """Fetches and puts that stop together are one outage, which ends with the last of them."""
    told: list[Contact] = []
    watch = Watch(told.append, 60.0)
    for store in ("s3://in", "s3://out"):
        watch.closed(store, "no answer")
    for store in ("s3://in", "s3://out"):
        watch.opened(store)
    assert [each.is_lost for each in told] == [True, False]


def test_trouble_of_this_machine_leaves_the_gate() -> None:
    """A deed that fails for a reason of this machine does not keep the others out."""
    store = _Store(is_up=False)
    gate = store.gate()

    def full() -> int:
        if store.asked < 2:
            return store.ask(0)
        raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        gate.through(full)
    store.is_up = True
    assert gate.through(lambda: store.ask(1)) == 1


def test_a_store_that_hangs_is_told_of() -> None:
    """Where requests neither fail nor are answered it is told once, and that they are again."""
    told: list[Contact] = []
    now_s = [0.0]
    watch = Watch(told.append, 300.0, clock=lambda: now_s[0])
    gate = Gate("s3://b", lambda: True, watch)

    def hanging() -> int:
        for _ in range(3):
            now_s[0] += 0.6 * QUIET_S
            watch.look()
        return 1

    assert gate.through(hanging) == 1
    assert [each.words for each in told] == [
        "no request to a store was answered for 30 s; waiting on",
        "stores answer again",
    ]
    assert not any(each.is_lost for each in told)
    now_s[0] += 2 * QUIET_S
    watch.look()
    assert len(told) == 2, "nobody had asked for anything"
