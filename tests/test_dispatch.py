"""The dispatcher keeps its promises, rule by rule and over random runs.

`PIXMILL_SIMULATIONS` sets how many runs are simulated. Default: 2000; `make soak` runs 20,000.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest

from dispatch_world import World, done, failed, job
from pixmill.dispatch import Dispatcher
from pixmill.model import FailureKind, Status
from pixmill.protocol import (
    CostKnown,
    Defer,
    Finish,
    GiveUp,
    Grant,
    JobEnded,
    JobFound,
    KillWorker,
    PullMore,
    Record,
    RetireWorker,
    Send,
    SourceFailed,
    StartWorker,
    StopAsked,
    StopMode,
    Tick,
    WalkEnded,
    WorkerLost,
    WorkerReady,
)
from pixmill.rules import Rules

if TYPE_CHECKING:
    from pixmill.model import Outcome
    from pixmill.protocol import Command, Event

_C = TypeVar("_C")

SIMULATIONS = int(os.environ.get("PIXMILL_SIMULATIONS", "2000"))
CHUNKS = 8
KILLED = "signal 9 (SIGKILL)"
RULES = Rules(
    slots=1, budget_bytes=100, base_bytes=10, timeout_s=5.0, retries=2, resident_bytes=1000
)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_runs_keep_every_promise(chunk: int) -> None:
    """Whatever dies, hangs, fails or is stopped, the referee agrees after every event."""
    seen: Counter[str] = Counter()
    for seed in range(chunk, SIMULATIONS, CHUNKS):
        try:
            seen += World(random.Random(seed)).run().seen
        except AssertionError as error:
            error.add_note(f"World(random.Random({seed})).run()")
            raise
    if SIMULATIONS >= 2000:
        rare = {"grant", "retry", "suspect", "crashed", "timeout", "returned", "batch", "killed"}
        rare |= {"sandbox", "source failed", "fatal", "unread", "alone"}
        assert rare <= {name for name, count in seen.items() if count > 5}, seen


def _dispatcher(**changes: float) -> Dispatcher:
    return Dispatcher(replace(RULES, **changes), random.Random(7))  # type: ignore[arg-type]  # ints


def _tell(dispatcher: Dispatcher, *events: Event, now_s: float = 0.0) -> list[Command]:
    return [command for event in events for command in dispatcher.handle(event, now_s)]


def _of(kind: type[_C], commands: list[Command]) -> list[_C]:
    return [command for command in commands if isinstance(command, kind)]


def _found(*numbers: int, size_bytes: int = 100_000) -> list[JobFound]:
    return [JobFound(job(number, size_bytes)) for number in numbers]


def _ended(number: int, *, slot: int = 0, resident_bytes: int = 0) -> JobEnded:
    return JobEnded(slot, number, done(job(number)), resident_bytes)


def _busy(failure: FailureKind = FailureKind.IO) -> JobEnded:
    return JobEnded(0, 0, failed(job(0), failure, is_retryable=failure is FailureKind.IO))


def test_a_run_of_one_file_goes_from_the_walk_to_the_end() -> None:
    """One file is pulled, sent once its worker is ready, recorded, and the worker is let go."""
    dispatcher = _dispatcher()
    assert _tell(dispatcher, Tick()) == [PullMore(256)]
    assert _tell(dispatcher, *_found(0)) == [StartWorker(0)]
    assert _tell(dispatcher, WorkerReady(0)) == [Send(0, (job(0, 100_000),))]
    assert _tell(dispatcher, WalkEnded()) == []
    outcome = done(job(0))
    assert _tell(dispatcher, _ended(0)) == [Record(outcome), RetireWorker(0), Finish()]
    assert dispatcher.is_finished


def test_an_empty_walk_starts_no_worker() -> None:
    """Where nothing was found, nothing is started."""
    dispatcher = _dispatcher()
    assert _tell(dispatcher, Tick(), WalkEnded()) == [PullMore(256), Finish()]


def test_more_is_pulled_only_once_half_of_the_pending_jobs_are_gone() -> None:
    """What waits and what is awaited never exceed the limit together."""
    dispatcher = _dispatcher(pending_jobs=8)
    assert _tell(dispatcher, Tick()) == [PullMore(8)]
    commands = _tell(dispatcher, *_found(*range(8)), WorkerReady(0))
    assert not _of(PullMore, commands)
    for number in range(3):
        commands = _tell(dispatcher, _ended(number))
    assert _of(PullMore, commands) == [PullMore(4)]


def test_no_more_workers_start_than_there_is_work() -> None:
    """Two jobs need two workers, however many slots there are."""
    commands = _tell(_dispatcher(slots=5), *_found(0, 1))
    assert commands[-1] != StartWorker(2)
    assert _of(StartWorker, commands) == [StartWorker(0), StartWorker(1)]


def test_small_files_travel_together_and_large_ones_alone() -> None:
    """A batch holds a fair share of what waits, small files alone, a megabyte at most."""
    dispatcher = _dispatcher()
    small = _found(*range(40), size_bytes=1000)
    (sent,) = _of(Send, _tell(dispatcher, *small, WorkerReady(0)))
    assert [one.number for one in sent.jobs] == list(range(21))
    large = _dispatcher()
    (sent,) = _of(Send, _tell(large, *_found(*range(40)), WorkerReady(0)))
    assert len(sent.jobs) == 1
    mixed = _dispatcher()
    found = [*_found(0, 1, size_bytes=1000), *_found(2), *_found(*range(3, 40), size_bytes=1000)]
    (sent,) = _of(Send, _tell(mixed, *found, WorkerReady(0)))
    assert [one.number for one in sent.jobs] == [0, 1]
    middling = _dispatcher()
    found = _found(*range(100), size_bytes=64 * 1024)
    (sent,) = _of(Send, _tell(middling, *found, WorkerReady(0)))
    assert sum(one.source.size_bytes for one in sent.jobs) <= 1024 * 1024


def test_the_last_jobs_are_shared_among_workers() -> None:
    """A batch leaves work for the other slots."""
    dispatcher = _dispatcher(slots=4)
    commands = _tell(dispatcher, *_found(*range(8), size_bytes=1000), WorkerReady(0))
    (sent,) = _of(Send, commands)
    assert len(sent.jobs) == 2


def test_a_lease_that_does_not_fit_waits_for_one_to_return() -> None:
    """Grants go in order of arrival, and a small one may not overtake a large one."""
    dispatcher = _dispatcher(slots=3)
    ready = [WorkerReady(0), WorkerReady(1), WorkerReady(2)]
    _tell(dispatcher, *_found(0, 1, 2, 3), *ready)
    assert _tell(dispatcher, CostKnown(0, 0, 70)) == [Grant(0, 0)]
    assert _tell(dispatcher, CostKnown(1, 1, 60)) == []
    assert _tell(dispatcher, CostKnown(2, 2, 11)) == []
    assert dispatcher.leased_bytes == 90
    commands = _tell(dispatcher, _ended(0))
    assert _of(Grant, commands) == [Grant(1, 1), Grant(2, 2)]
    (sent,) = _of(Send, commands)
    assert isinstance(commands[1], Grant), "a grant goes before new work"
    assert sent.jobs[0].number == 3


def _deferred(*numbers: int, slot: int = 0) -> list[Event]:
    """Return how a worker asks for each of its jobs and leaves it, as it is told."""
    each = ((CostKnown(slot, number, 51), _refused(number, slot)) for number in numbers)
    return [event for pair in each for event in pair]


def _refused(number: int, slot: int) -> JobEnded:
    return JobEnded(slot, number, failed(job(number), FailureKind.TOO_LARGE))


def test_what_needs_more_than_it_may_have_beside_others_is_made_alone() -> None:
    """Its worker leaves it; once nothing else is to do, all others go and a fresh one makes it."""
    dispatcher = _dispatcher(slots=2, common_bytes=50, budget_bytes=60)
    _tell(dispatcher, *_found(0, 1), WalkEnded(), WorkerReady(0), WorkerReady(1))
    assert _tell(dispatcher, CostKnown(0, 0, 90)) == [Defer(0, 0)]
    assert _tell(dispatcher, _refused(0, 0)) == [], "the other is still at work"
    commands = _tell(dispatcher, _ended(1, slot=1))
    assert commands == [Record(done(job(1))), RetireWorker(0), RetireWorker(1)]
    assert _tell(dispatcher, WorkerLost(0, None, "its end")) == [], "not beside the other"
    assert _tell(dispatcher, WorkerLost(1, None, "its end")) == [StartWorker(0)]
    assert _tell(dispatcher, WorkerReady(0)) == [Send(0, (job(0),))]
    assert _tell(dispatcher, CostKnown(0, 0, 90)) == [Grant(0, 0)]
    assert dispatcher.leased_bytes == 90
    assert _tell(dispatcher, _ended(0))[-1] == Finish()


def test_each_deferred_job_has_a_worker_of_its_own() -> None:
    """They go in order, one after the other, and what was found meanwhile goes after them."""
    dispatcher = _dispatcher(common_bytes=50)
    _tell(dispatcher, *_found(0, 1), WorkerReady(0), *_deferred(0), *_deferred(1))
    sent = []
    for number in (0, 1):
        commands = _tell(dispatcher, WorkerLost(0, None, "its end"), WorkerReady(0), *_found(2))
        sent += [one.number for each in _of(Send, commands) for one in each.jobs]
        assert sent[-1] == number
        commands = _tell(dispatcher, CostKnown(0, number, 99), _ended(number))
    assert sent == [0, 1]
    assert [one.number for each in _of(Send, commands) for one in each.jobs] == [2]


def test_deferred_jobs_get_their_turn_while_others_wait() -> None:
    """As many as may wait are made before anything else is sent, however much there is."""
    dispatcher = _dispatcher(common_bytes=50)
    commands = _tell(dispatcher, *_found(*range(60)), WorkerReady(0))
    for number in range(31):
        assert _of(Send, commands), number
        commands = _tell(dispatcher, *_deferred(number))
    assert _of(RetireWorker, _tell(dispatcher, *_deferred(31))) == [RetireWorker(0)]
    commands = _tell(dispatcher, WorkerLost(0, None, "its end"), WorkerReady(0))
    assert [one.number for each in _of(Send, commands) for one in each.jobs] == [0]


def test_a_deferred_job_that_kills_its_worker_is_tried_once_more() -> None:
    """Alone in a fresh worker it was already, so it goes there again, and then has crashed."""
    dispatcher = _dispatcher(common_bytes=50)
    _tell(dispatcher, *_found(0), WalkEnded(), WorkerReady(0), *_deferred(0))
    _tell(dispatcher, WorkerLost(0, None, "its end"), WorkerReady(0), CostKnown(0, 0, 90))
    assert _tell(dispatcher, WorkerLost(0, 0, KILLED)) == [StartWorker(0)]
    (sent,) = _of(Send, _tell(dispatcher, WorkerReady(0)))
    assert [(one.number, one.attempt, one.crashes) for one in sent.jobs] == [(0, 2, 1)]
    assert _tell(dispatcher, CostKnown(0, 0, 90)) == [Grant(0, 0)], "it is not deferred again"
    (record,) = _of(Record, _tell(dispatcher, WorkerLost(0, 0, KILLED)))
    assert record.outcome.failure is not None
    assert record.outcome.failure.kind is FailureKind.CRASHED


def test_a_drained_run_makes_no_deferred_job() -> None:
    """It was not begun, so it is left for another run and nothing is told of it."""
    dispatcher = _dispatcher(slots=2, common_bytes=50)
    _tell(dispatcher, *_found(0, 1), WorkerReady(0), WorkerReady(1), *_deferred(0))
    assert _tell(dispatcher, StopAsked(StopMode.DRAIN), CostKnown(1, 1, 60)) == [Defer(1, 1)]
    commands = _tell(dispatcher, _refused(1, 1))
    assert commands == [RetireWorker(0), RetireWorker(1), Finish()]


def test_a_worker_that_does_not_leave_a_deferred_job_is_overdue() -> None:
    """Its clock runs again, and what holds up the others has failed."""
    dispatcher = _dispatcher(common_bytes=50)
    _tell(dispatcher, *_found(0), WorkerReady(0))
    _tell(dispatcher, CostKnown(0, 0, 60), now_s=4.0)
    assert KillWorker(0, "it took too long") in _tell(dispatcher, Tick(), now_s=9.0)


def test_a_worker_that_waits_for_memory_cannot_time_out() -> None:
    """The clock of a file stands while it waits for a grant and starts anew with it."""
    dispatcher = _dispatcher(slots=2)
    _tell(dispatcher, *_found(0, 1), WorkerReady(0), WorkerReady(1))
    _tell(dispatcher, CostKnown(0, 0, 80), CostKnown(1, 1, 80))
    assert _of(KillWorker, _tell(dispatcher, Tick(), now_s=4.9)) == []
    _tell(dispatcher, _ended(0), now_s=4.9)
    assert _of(KillWorker, _tell(dispatcher, Tick(), now_s=9.8)) == []
    assert _of(KillWorker, _tell(dispatcher, Tick(), now_s=9.9)) == [
        KillWorker(1, "it took too long")
    ]


def test_a_passing_failure_is_tried_again_later_each_time() -> None:
    """Delays grow twofold, spread by half either way, and the last failure is recorded."""
    dispatcher = _dispatcher(retries=3)
    _tell(dispatcher, *_found(0), WorkerReady(0))
    delays_s, now_s = [], 0.0
    for attempt in range(1, 4):
        assert _of(Record, _tell(dispatcher, _busy(), now_s=now_s)) == []
        due_s = dispatcher.next_due_s
        assert due_s is not None
        assert _of(Send, _tell(dispatcher, Tick(), now_s=due_s - 0.001)) == []
        (sent,) = _of(Send, _tell(dispatcher, Tick(), now_s=due_s))
        assert sent.jobs[0].attempt == attempt + 1
        delays_s.append(due_s - now_s)
        now_s = due_s
    for delay_s, expected_s in zip(delays_s, (0.25, 0.5, 1.0), strict=True):
        assert 0.5 * expected_s <= delay_s <= 1.5 * expected_s
    (record,) = _of(Record, _tell(dispatcher, _busy(), now_s=now_s))
    assert record.outcome.status is Status.FAILED
    assert record.outcome.attempts == 4


def test_jitter_parts_files_that_failed_together() -> None:
    """Two files that fail at one moment are not tried again at one moment."""
    dispatcher = _dispatcher(slots=2)
    _tell(dispatcher, *_found(0, 1), WorkerReady(0), WorkerReady(1))
    dues = []
    for number in range(2):
        outcome = failed(job(number), FailureKind.IO, is_retryable=True)
        _tell(dispatcher, JobEnded(number, number, outcome))
        dues = [retry.due_s for retry in dispatcher._retries._heap]
    assert len(set(dues)) == 2


def test_a_lasting_failure_is_not_tried_again() -> None:
    """What cannot pass is recorded at once."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0), WorkerReady(0))
    (record,) = _of(Record, _tell(dispatcher, _busy(FailureKind.CORRUPT)))
    assert record.outcome.attempts == 1


def test_a_death_blames_the_file_in_hand_alone() -> None:
    """Of a batch, what was done stays done, one is tried once more, the rest goes back unblamed."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(*range(6), size_bytes=1000), WorkerReady(0))
    held = dispatcher.jobs_of(0)
    assert len(held) == 4
    _tell(dispatcher, _ended(0))
    assert _tell(dispatcher, WorkerLost(0, 1, KILLED)) == [StartWorker(0)]
    (alone,) = _of(Send, _tell(dispatcher, WorkerReady(0)))
    assert [(one.number, one.attempt) for one in alone.jobs] == [(1, 2)]
    (rest,) = _of(Send, _tell(dispatcher, _ended(1)))
    assert [(one.number, one.attempt) for one in rest.jobs] == [(2, 1), (3, 1), (4, 1)]


def test_a_suspect_waits_for_a_fresh_worker() -> None:
    """A worker that has made a file gets other work while a suspect waits."""
    dispatcher = _dispatcher(slots=2)
    _tell(dispatcher, *_found(0, 1, 2), WorkerReady(0), WorkerReady(1))
    _tell(dispatcher, WorkerLost(0, 0, KILLED))
    (sent,) = _of(Send, _tell(dispatcher, _ended(1, slot=1)))
    assert (sent.slot, sent.jobs[0].number) == (1, 2)
    (sent,) = _of(Send, _tell(dispatcher, WorkerReady(0)))
    assert (sent.slot, sent.jobs[0].number) == (0, 0)


def test_a_suspect_that_nobody_took_up_stays_a_suspect() -> None:
    """A fresh worker that dies before it opens the suspect leaves it to another, alone again."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(*range(9), size_bytes=1000), WorkerReady(0))
    _tell(dispatcher, WorkerLost(0, 0, KILLED), WorkerReady(0), WorkerLost(0, None, KILLED))
    (sent,) = _of(Send, _tell(dispatcher, WorkerReady(0)))
    assert [(one.number, one.attempt, one.crashes) for one in sent.jobs] == [(0, 2, 1)]


def test_a_breach_of_the_sandbox_is_recorded_at_once() -> None:
    """A file whose worker broke the sandbox's rules is not given a second one; others go on."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(*range(6), size_bytes=1000), WorkerReady(0))
    commands = _tell(dispatcher, WorkerLost(0, 0, "signal 31 (SIGSYS)", is_breach=True))
    (record,) = _of(Record, commands)
    assert record.outcome.failure is not None
    assert record.outcome.failure.kind is FailureKind.SANDBOX
    assert record.outcome.attempts == 1
    (sent,) = _of(Send, _tell(dispatcher, WorkerReady(0)))
    assert sent.jobs[0].number == 1
    assert {(one.attempt, one.crashes) for one in sent.jobs} == {(1, 0)}


def test_spent_cpu_time_is_a_timeout() -> None:
    """A file whose worker the kernel ended for its CPU time has failed as timeout, at once."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0), WorkerReady(0))
    commands = _tell(dispatcher, WorkerLost(0, 0, "signal 24 (SIGXCPU)", is_spent=True))
    (record,) = _of(Record, commands)
    assert record.outcome.failure is not None
    assert record.outcome.failure.kind is FailureKind.TIMEOUT
    assert record.outcome.attempts == 1


def test_a_second_crash_is_recorded() -> None:
    """A file that kills two workers has failed as crashed, with both attempts counted."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0), WorkerReady(0), WorkerLost(0, 0, "signal 11 (SIGSEGV)"))
    commands = _tell(dispatcher, WorkerReady(0), WorkerLost(0, 0, "signal 11 (SIGSEGV)"))
    (record,) = _of(Record, commands)
    assert record.outcome.failure is not None
    assert record.outcome.failure.kind is FailureKind.CRASHED
    assert record.outcome.failure.message == "its worker died twice, by signal 11 (SIGSEGV)"
    assert record.outcome.attempts == 2


def test_a_file_past_its_deadline_is_a_timeout() -> None:
    """Its worker is killed, the file recorded once the worker has gone, and not tried again."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0, 1), WorkerReady(0))
    assert _tell(dispatcher, Tick(), now_s=5.0) == [KillWorker(0, "it took too long")]
    assert _tell(dispatcher, Tick(), now_s=9.0) == [], "killed once"
    commands = _tell(dispatcher, WorkerLost(0, 0, KILLED), now_s=9.0)
    (record,) = _of(Record, commands)
    assert record.outcome.failure is not None
    assert record.outcome.failure.kind is FailureKind.TIMEOUT
    assert record.outcome.failure.message == "took longer than 5 s"
    assert StartWorker(0) in commands


def test_what_is_timed_afar_is_overdue_when_it_is_told_so() -> None:
    """No silence of a worker ends it; a loss told as overdue is a timeout of the file in hand."""
    dispatcher = _dispatcher(is_timed_afar=True)
    _tell(dispatcher, Tick(), JobFound(job(0)), WorkerReady(0))
    assert not _of(KillWorker, _tell(dispatcher, Tick(), now_s=1000.0))
    assert dispatcher.next_due_s is None
    (record,) = _of(Record, _tell(dispatcher, WorkerLost(0, 0, KILLED, is_overdue=True)))
    assert record.outcome.failure is not None
    assert record.outcome.failure.kind is FailureKind.TIMEOUT


def test_asking_again_does_not_stop_the_clock_again() -> None:
    """A worker asks once a job: one that goes on asking is overdue like any other."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0), WorkerReady(0))
    for now_s in (1.0, 2.0, 3.0):
        _tell(dispatcher, CostKnown(0, 0, 11), now_s=now_s)
    assert dispatcher.next_due_s == 6.0, "granted at 1.0, once"
    assert KillWorker(0, "it took too long") in _tell(dispatcher, Tick(), now_s=6.0)


def test_a_file_that_ended_while_its_worker_was_killed_is_done() -> None:
    """Last words count: the file is done, and the next one was hit by mistake, so goes back."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(*range(6), size_bytes=1000), WorkerReady(0))
    _tell(dispatcher, Tick(), now_s=5.0)
    assert _tell(dispatcher, _ended(0), now_s=5.1) == [Record(done(job(0, 1000)))]
    commands = _tell(dispatcher, WorkerLost(0, 1, KILLED), now_s=5.1)
    assert commands == [StartWorker(0)]
    (sent,) = _of(Send, _tell(dispatcher, WorkerReady(0), now_s=5.2))
    assert (sent.jobs[0].number, sent.jobs[0].attempt) == (1, 1)


def test_a_worker_that_hangs_between_files_costs_nothing() -> None:
    """A worker that never took up what it was sent is killed, and the files go back unblamed."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0), WorkerReady(0))
    _tell(dispatcher, Tick(), now_s=5.0)
    assert _tell(dispatcher, WorkerLost(0, None, KILLED)) == [StartWorker(0)]


def test_a_bloated_worker_is_replaced_between_files() -> None:
    """Resident memory above the limit retires a worker once there is more to do."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0, 1), WorkerReady(0))
    assert _tell(dispatcher, _ended(0, resident_bytes=1001)) == [
        Record(done(job(0))),
        RetireWorker(0),
    ]
    assert _tell(dispatcher, WorkerLost(0, None, "exit status 0")) == [StartWorker(0)]


def test_a_worker_that_does_not_leave_is_killed() -> None:
    """Retiring has a deadline, too."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0, 1), WorkerReady(0), _ended(0, resident_bytes=1001))
    assert _tell(dispatcher, Tick(), now_s=10.0) == [KillWorker(0, "it took too long")]


def test_workers_that_die_without_doing_anything_end_the_run() -> None:
    """Twelve losses with nothing done between them say that workers cannot work here."""
    dispatcher = _dispatcher(slots=3)
    commands = _tell(dispatcher, *_found(0, 1, 2))
    for loss in range(12):
        assert not _of(GiveUp, commands)
        commands = _tell(dispatcher, WorkerLost(loss % 3, None, "exit status 1"))
    assert _of(GiveUp, commands) == [
        GiveUp("workers cannot work here: the last one ended with exit status 1")
    ]
    assert commands[-1] == Finish()


def test_workers_that_never_get_ready_end_the_run() -> None:
    """A start that hangs is a loss as well, so that the run cannot go on starting for ever."""
    dispatcher, now_s = _dispatcher(), 0.0
    commands = _tell(dispatcher, *_found(0))
    for _ in range(12):
        assert not _of(GiveUp, commands)
        now_s += 60.0
        assert _of(KillWorker, _tell(dispatcher, Tick(), now_s=now_s)) != []
        commands = _tell(dispatcher, WorkerLost(0, None, KILLED), now_s=now_s)
    assert _of(GiveUp, commands)
    assert dispatcher.is_finished


def test_random_deaths_with_work_done_between_them_do_not_end_the_run() -> None:
    """Every file that ends, however it ends, shows that workers can work here."""
    dispatcher = _dispatcher()
    commands = _tell(dispatcher, *_found(*range(40)))
    for number in range(40):
        for _ in range(10):
            commands += _tell(dispatcher, WorkerLost(0, None, KILLED))
        commands += _tell(dispatcher, WorkerReady(0), _ended(number))
        commands += _tell(dispatcher, WorkerLost(0, None, KILLED))
        commands += _tell(dispatcher, WalkEnded())
    assert not _of(GiveUp, commands)
    assert len(_of(Record, commands)) == 40


def test_a_full_disc_ends_the_run_and_keeps_its_books() -> None:
    """Giving up drops what was not begun, records what waits after a failure, finishes hands."""
    dispatcher = _dispatcher(slots=3)
    ready = [WorkerReady(0), WorkerReady(1), WorkerReady(2)]
    _tell(dispatcher, *_found(0, 1, 2), *ready, *_found(3, 4))
    _tell(dispatcher, _busy())
    full = JobEnded(1, 1, failed(job(1), FailureKind.NO_SPACE, is_fatal=True))
    commands = _tell(dispatcher, full)
    assert _of(GiveUp, commands) == [GiveUp("1: it did not work")]
    assert {record.outcome.path for record in _of(Record, commands)} == {"0", "1"}
    assert not _of(Finish, commands)
    commands = _tell(dispatcher, _ended(3), _ended(2, slot=2))
    assert {record.outcome.path for record in _of(Record, commands)} == {"2", "3"}
    assert commands[-1] == Finish()


def test_a_scratch_disc_that_is_full_costs_one_file() -> None:
    """What has no room before it is published says nothing of the destination."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0, 1), WorkerReady(0))
    commands = _tell(dispatcher, _busy(FailureKind.NO_SPACE))
    assert not _of(GiveUp, commands)
    assert _of(Send, commands)


def test_a_broken_destination_ends_the_run_once_retries_have_failed() -> None:
    """An error that may pass is tried again first, though no other file could be published."""
    dispatcher = _dispatcher(retries=1)
    broken = failed(job(0), FailureKind.IO, is_retryable=True, is_fatal=True)
    _tell(dispatcher, *_found(0), WorkerReady(0))
    assert not _of(GiveUp, _tell(dispatcher, JobEnded(0, 0, broken)))
    (sent,) = _of(Send, _tell(dispatcher, Tick(), now_s=1.0))
    assert sent.jobs[0].attempt == 2
    commands = _tell(dispatcher, JobEnded(0, 0, broken), now_s=1.0)
    assert _of(GiveUp, commands) == [GiveUp("0: it did not work")]
    assert commands[-1] == Finish()


def _lost(number: int, kind: FailureKind = FailureKind.IO) -> JobEnded:
    return JobEnded(0, number, failed(job(number), kind))


def test_sources_in_a_row_that_cannot_be_read_end_the_run() -> None:
    """Eight different ones with none read in between say that their disc is failing."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(*range(20)), WorkerReady(0))
    for number in range(7):
        assert not _of(GiveUp, _tell(dispatcher, _lost(number)))
    (given_up,) = _of(GiveUp, _tell(dispatcher, _lost(7)))
    assert given_up.reason == (
        "8 sources in a row could not be read, the last of them 7: it did not work; look at the "
        "disc that holds them, then run again"
    )
    assert dispatcher.is_finished


@pytest.mark.parametrize("end", [done(job(7)), failed(job(7))], ids=["made", "corrupt"])
def test_one_source_read_in_between_keeps_the_run_going(end: Outcome) -> None:
    """Bad sectors here and there are those files' own; a damaged file was read as well."""
    dispatcher = _dispatcher()
    commands = _tell(dispatcher, *_found(*range(20)), WorkerReady(0))
    for number in range(7):
        commands += _tell(dispatcher, _lost(number))
    commands += _tell(dispatcher, JobEnded(0, 7, end))
    for number in range(8, 15):
        commands += _tell(dispatcher, _lost(number))
    assert not _of(GiveUp, commands)


def test_what_says_nothing_of_the_disc_is_not_counted() -> None:
    """Files that vanish or may not be read neither add to a row of unread sources nor break it."""
    dispatcher = _dispatcher()
    commands = _tell(dispatcher, *_found(*range(40)), WorkerReady(0))
    for number in range(20):
        commands += _tell(dispatcher, _lost(number, FailureKind.VANISHED))
    for number in range(20, 27):
        commands += _tell(dispatcher, _lost(number))
    assert not _of(GiveUp, commands)
    _tell(dispatcher, _lost(27, FailureKind.PERMISSION))
    assert _of(GiveUp, _tell(dispatcher, _lost(28)))


def test_the_walk_may_give_up_as_well() -> None:
    """Sources whose first bytes cannot be read are counted and recorded; a job breaks the row."""
    dispatcher = _dispatcher()
    lost = [SourceFailed(failed(job(number), FailureKind.IO)) for number in range(15)]
    commands = _tell(dispatcher, Tick(), *lost[:7], *_found(99), *lost[7:14])
    assert not _of(GiveUp, commands)
    commands += _tell(dispatcher, lost[14])
    assert commands[-1] == Finish()
    assert [record.outcome for record in _of(Record, commands)] == [each.outcome for each in lost]


def test_draining_finishes_what_is_in_hand() -> None:
    """A drained run sends, starts and pulls nothing more, still grants, and then ends."""
    dispatcher = _dispatcher(slots=2)
    _tell(dispatcher, Tick(), *_found(0, 1, 2), WorkerReady(0))
    assert _tell(dispatcher, StopAsked(StopMode.DRAIN)) == []
    assert _tell(dispatcher, WorkerReady(1), *_found(3)) == []
    assert _tell(dispatcher, CostKnown(0, 0, 50)) == [Grant(0, 0)]
    commands = _tell(dispatcher, _busy())
    assert isinstance(commands[0], Record), "no time to try again"
    assert commands[1:] == [RetireWorker(0), RetireWorker(1), Finish()]


def test_a_suspect_is_recorded_when_the_run_is_drained() -> None:
    """What has killed a worker and waits to be tried again has failed."""
    dispatcher = _dispatcher()
    _tell(dispatcher, *_found(0, 1), WorkerReady(0), WorkerLost(0, 0, KILLED))
    commands = _tell(dispatcher, StopAsked(StopMode.DRAIN))
    (record,) = _of(Record, commands)
    assert (record.outcome.path, record.outcome.attempts) == ("0", 1)
    assert commands[-1] == Finish()


def test_an_abort_kills_every_worker_and_blames_nobody() -> None:
    """What an abort kills has not crashed; what had ended already is still recorded."""
    dispatcher = _dispatcher(slots=3)
    _tell(dispatcher, *_found(0, 1, 2), WorkerReady(0), WorkerReady(1))
    commands = _tell(dispatcher, StopAsked(StopMode.ABORT))
    assert [command.slot for command in _of(KillWorker, commands)] == [0, 1, 2]
    assert commands[-1] == Finish()
    assert _tell(dispatcher, _ended(1, slot=1)) == [Record(done(job(1)))]
    lost = [WorkerLost(0, 0, KILLED), WorkerLost(1, None, KILLED), WorkerLost(2, None, KILLED)]
    assert _tell(dispatcher, *lost) == []


def test_a_suspect_is_no_crash_when_a_passing_failure_follows() -> None:
    """Crash and passing failure share the count of attempts."""
    dispatcher = _dispatcher(retries=1)
    _tell(dispatcher, *_found(0), WorkerReady(0), WorkerLost(0, 0, KILLED), WorkerReady(0))
    (record,) = _of(Record, _tell(dispatcher, _busy()))
    assert record.outcome.attempts == 2
