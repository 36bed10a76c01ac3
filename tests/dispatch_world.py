"""A simulated world around the dispatcher: workers that die, hang and dawdle, and a referee.

The world knows what a real executor guarantees and no more: one pipe a worker in order, and a
worker's loss told after its last words. The referee keeps books of its own and compares.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from pixmill.dispatch import Dispatcher
from pixmill.model import Failed, FailureKind, Job, Outcome, SourceRef, Stage, Status
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
    import random
    from collections.abc import Iterable

    from pixmill.protocol import Command, Event

__all__ = ["Referee", "World", "done", "failed", "job"]

BASE_BYTES = 10
ALONE_BYTES = 500
MOST_DEFERRED = 32
SIZES_BYTES = (100, 20_000, 70_000, 3_000_000)


def job(number: int, size_bytes: int = 100_000) -> Job:
    """Return a job that has not been tried."""
    return Job(number, SourceRef(str(number), size_bytes, 0, "png"), f"{number}.png")


def done(one: Job) -> Outcome:
    """Return how a job ends well."""
    return _of(one, Outcome(path="", status=Status.OPTIMIZED))


def failed(
    one: Job,
    kind: FailureKind = FailureKind.CORRUPT,
    *,
    is_retryable: bool = False,
    is_fatal: bool = False,
) -> Outcome:
    """Return how a job ends badly."""
    failure = Failed(kind, Stage.READ, "it did not work", is_retryable, is_fatal)
    return _of(one, Outcome(path="", status=Status.FAILED, failure=failure))


def _of(one: Job, outcome: Outcome) -> Outcome:
    source = one.source
    return replace(
        outcome, path=source.path, codec=source.codec, bytes_read=source.size_bytes, mtime_ns=0
    )


@dataclass(slots=True)
class _Fate:
    """What the referee knows of one job."""

    attempt: int = 1
    crashes: int = 0
    is_suspect: bool = False
    is_timed_out: bool = False
    is_breach: bool = False
    is_deferred: bool = False
    last: Outcome | None = None


@dataclass(slots=True)
class _Known:
    """What the referee knows of one worker."""

    is_ready: bool = False
    is_going: bool = False
    was_used: bool = False
    jobs: deque[int] = field(default_factory=deque)
    lease_bytes: int = 0
    since_s: float = 0.0
    overdue: int | None = None
    must_defer: bool = False
    is_deferring: bool = False
    is_alone: bool = False


@dataclass(slots=True)
class Referee:
    """Keeps books of its own of one run, and asserts every promise after every event."""

    rules: Rules
    dispatcher: Dispatcher
    now_s: float = 0.0
    fates: dict[int, _Fate] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    recorded: dict[int, Outcome] = field(default_factory=dict)
    expected: set[int] = field(default_factory=set)
    workers: dict[int, _Known] = field(default_factory=dict)
    queue: list[CostKnown] = field(default_factory=list)
    awaited: int = 0
    unread: dict[str, int] = field(default_factory=lambda: {"walk": 0, "work": 0})
    despair: str = ""
    stop: StopMode | None = None
    has_walk_ended: bool = False
    is_finished: bool = False
    seen: Counter[str] = field(default_factory=Counter)

    def handle(self, event: Event, now_s: float) -> list[Command]:
        """Pass an event to the dispatcher, check what it says, and return it."""
        self.now_s = now_s
        self.despair = ""
        self._hear(event)
        has_stopped = self.stop is not None
        commands = self.dispatcher.handle(event, now_s)
        if any(isinstance(command, GiveUp) for command in commands):
            assert self.despair or isinstance(event, WorkerLost), "gave up without a reason"
            self.seen[self.despair or "barren"] += 1
            self._hear_stop(StopMode.DRAIN)
        else:
            assert has_stopped or not self.despair, "went on in spite of everything"
        for command in commands:
            self._check(command, event)
        assert not any(each.must_defer for each in self.workers.values()), "granted beside others"
        self._check_books()
        return commands

    # What events mean.

    def _hear(self, event: Event) -> None:  # noqa: C901 - a case an event
        match event:
            case JobFound(found):
                self.fates[found.number] = _Fate()
                self.awaited = max(0, self.awaited - 1)
                if self.stop is None:
                    self.pending.add(found.number)
                self.unread["walk"] = 0
            case SourceFailed(outcome):
                self.seen["source failed"] += 1
                number = int(outcome.path)
                self.fates[number] = _Fate(last=outcome)
                self.expected.add(number)
                self._hear_failure(outcome, "walk")
            case WalkEnded():
                self.has_walk_ended, self.awaited = True, 0
            case WorkerReady(slot):
                self.workers[slot].is_ready = True
            case CostKnown(slot):
                self._hear_cost(event, self.workers[slot])
            case JobEnded(slot):
                self._hear_end(event, self.workers[slot])
            case WorkerLost(slot):
                self._hear_loss(event, self.workers.pop(slot))
            case StopAsked(mode):
                self._hear_stop(mode)
            case Tick():
                pass

    def _hear_cost(self, event: CostKnown, worker: _Known) -> None:
        if worker.overdue is None and not self.is_finished:
            assert worker.jobs[0] == event.number
            worker.must_defer = event.cost_bytes > self.rules.common_bytes and not worker.is_alone
            self.queue += [] if worker.must_defer else [event]

    def _hear_end(self, event: JobEnded, worker: _Known) -> None:
        number = worker.jobs.popleft()
        assert number == event.number
        worker.lease_bytes = BASE_BYTES if worker.jobs else 0
        worker.since_s = self.now_s
        fate, was_deferring, worker.is_deferring = self.fates[number], worker.is_deferring, False
        if was_deferring:
            self._hear_deferred(number, fate)
            return
        fate.last = replace(event.outcome, attempts=fate.attempt)
        fate.is_suspect = False
        failure = event.outcome.failure
        may_pass = failure is not None and failure.is_retryable and self.stop is None
        if may_pass and fate.attempt <= self.rules.retries:
            self.seen["retry"] += 1
            fate.attempt += 1
        else:
            self.expected.add(number)
            self._hear_failure(event.outcome, "work")

    def _hear_deferred(self, number: int, fate: _Fate) -> None:
        """Whatever was said of it, it was not made: it waits, unless the run is stopping."""
        fate.is_deferred = self.stop is None
        if fate.is_suspect and self.stop is not None:
            self.expected.add(number)

    def _hear_failure(self, outcome: Outcome, where: str) -> None:
        """Count what could not be read; `done` and `corrupt` are the ends that show reading."""
        kind = outcome.failure.kind if outcome.failure else None
        if outcome.failure and outcome.failure.is_fatal:
            self.despair = "fatal"
        elif kind is FailureKind.IO:
            self.unread[where] += 1
            self.despair = "unread" if self.unread[where] >= 8 else ""
        else:
            self.unread[where] = 0

    def _hear_loss(self, event: WorkerLost, worker: _Known) -> None:
        self.queue = [each for each in self.queue if each.slot != event.slot]
        for number in worker.jobs:
            fate = self.fates[number]
            if self.stop is StopMode.ABORT:
                continue
            if number != event.in_hand or worker.overdue not in {None, number}:
                self.seen["returned"] += 1
                self._hear_return(number, fate, is_alone=worker.is_alone)
            elif worker.overdue == number or event.is_spent:
                fate.is_timed_out = True
                self.expected.add(number)
            elif event.is_breach:
                fate.is_breach = True
                self.expected.add(number)
            else:
                fate.crashes += 1
                self._hear_crash(number, fate)
                fate.is_deferred = worker.is_alone and fate.is_suspect

    def _hear_return(self, number: int, fate: _Fate, *, is_alone: bool) -> None:
        if self.stop is None and is_alone:
            fate.is_deferred = True
        elif self.stop is None and not fate.crashes:
            self.pending.add(number)
        elif self.stop is not None and fate.is_suspect:
            self.expected.add(number)

    def _hear_crash(self, number: int, fate: _Fate) -> None:
        fate.is_suspect = fate.crashes == 1 and self.stop is None
        fate.attempt += fate.is_suspect
        if not fate.is_suspect:
            self.expected.add(number)

    def _hear_stop(self, mode: StopMode) -> None:
        self.stop = mode
        self.pending.clear()
        held = self._held()
        for number, fate in self.fates.items():
            fate.is_deferred = False
            if fate.is_suspect and number not in held and number not in self.recorded:
                self.expected.add(number)

    # What commands may be.

    def _check(self, command: Command, event: Event) -> None:  # noqa: C901 - a case a command
        if self.is_finished:
            assert isinstance(command, Record | KillWorker), f"{command} after the end"
        match command:
            case StartWorker(slot):
                assert slot not in self.workers, "two workers in one slot"
                assert self.stop is None, "a worker started while stopping"
                self.workers[slot] = _Known(since_s=self.now_s)
            case Send(slot, jobs):
                self._check_send(self.workers[slot], jobs)
            case Grant(slot, number):
                self._check_grant(self.workers[slot], number)
            case Defer(slot, number):
                self._check_defer(self.workers[slot], number)
            case RetireWorker(slot):
                assert not self.workers[slot].jobs, "retired with jobs in hand"
                self._leave(self.workers[slot])
            case KillWorker(slot):
                self._check_kill(self.workers[slot], event)
            case PullMore(count):
                self._check_pull(count)
            case Record(outcome):
                self._check_record(outcome)
            case Finish():
                self._check_finish()
            case GiveUp():
                pass  # `handle` has looked at why

    def _check_send(self, worker: _Known, jobs: tuple[Job, ...]) -> None:
        assert worker.is_ready, "work for a worker that is not ready"
        assert not worker.is_going, "work for a worker that is leaving"
        assert not worker.jobs, "work for a worker that has some"
        assert not self.queue, "new work before a grant that was asked for"
        assert self.stop is None, "new work while stopping"
        self._check_company(worker, jobs)
        for one in jobs:
            fate = self.fates[one.number]
            assert one.number not in self._held(), "one job in two hands"
            assert one.number not in self.recorded, "a job begun after it was recorded"
            assert (one.attempt, one.crashes) == (fate.attempt, fate.crashes), "a wrong blame"
            if fate.is_suspect:
                self.seen["suspect"] += 1
                assert len(jobs) == 1, "a suspect in company"
                assert not worker.was_used, "a suspect in a used worker"
            self.pending.discard(one.number)
        self.seen["batch"] += len(jobs) > 1
        worker.jobs.extend(one.number for one in jobs)
        worker.lease_bytes, worker.since_s, worker.was_used = BASE_BYTES, self.now_s, True

    def _check_company(self, worker: _Known, jobs: tuple[Job, ...]) -> None:
        """Hold that what was deferred is made alone, and nothing else meanwhile."""
        worker.is_alone = any(self.fates[one.number].is_deferred for one in jobs)
        if worker.is_alone:
            self.seen["alone"] += 1
            assert len(jobs) == len(self.workers) == 1, "a deferred job in company"
            assert not worker.was_used, "a deferred job in a used worker"
            self.fates[jobs[0].number].is_deferred = False
        else:
            assert not any(each.is_alone and each.jobs for each in self.workers.values())
            waiting = sum(fate.is_deferred for fate in self.fates.values())
            assert waiting < MOST_DEFERRED, "deferred jobs that do not get their turn"

    def _check_defer(self, worker: _Known, number: int) -> None:
        assert worker.must_defer, "a job deferred that could be made beside others"
        assert worker.jobs[0] == number
        worker.must_defer, worker.is_deferring, worker.since_s = False, True, self.now_s

    def _check_grant(self, worker: _Known, number: int) -> None:
        head = self.queue.pop(0)
        assert head.number == number == worker.jobs[0], "a grant out of order"
        self.seen["grant"] += 1
        worker.lease_bytes, worker.since_s = max(head.cost_bytes, BASE_BYTES), self.now_s

    def _check_kill(self, worker: _Known, event: Event) -> None:
        if isinstance(event, StopAsked):
            return
        assert isinstance(event, Tick), "a kill without a reason"
        self.seen["killed"] += 1
        if worker.jobs:
            worker.overdue = worker.jobs[0]
            assert self.now_s - worker.since_s > self.rules.timeout_s - 1e-9, (
                "killed before its time"
            )
            assert all(each.number != worker.overdue for each in self.queue), "killed in the queue"
        worker.is_going = True

    def _check_pull(self, count: int) -> None:
        assert count > 0
        assert self.stop is None, "a stopping run wants more"
        assert not self.has_walk_ended, "more is wanted from a walk that has ended"
        assert len(self.pending) + self.awaited < self.rules.pending_jobs, "pulled with enough"
        self.awaited += count
        assert len(self.pending) + self.awaited <= self.rules.pending_jobs, "pulled too much"

    def _check_record(self, outcome: Outcome) -> None:
        number = int(outcome.path)
        assert number not in self.recorded, "a job recorded twice"
        assert number not in self._held(), "a job recorded while it is in hand"
        fate = self.fates[number]
        kind = outcome.failure.kind if outcome.failure else None
        if kind is FailureKind.CRASHED:
            self.seen["crashed"] += 1
            assert fate.crashes == 2 or self.stop is not None, "crashed after too few crashes"
            assert fate.crashes > 0, "crashed without a crash"
        elif kind is FailureKind.TIMEOUT:
            self.seen["timeout"] += 1
            assert fate.is_timed_out, "a timeout before its time"
        elif kind is FailureKind.SANDBOX:
            self.seen["sandbox"] += 1
            assert fate.is_breach, "a breach that nobody saw"
        else:
            assert outcome == fate.last, "another outcome than the worker's"
        self.recorded[number] = outcome
        self.expected.discard(number)
        self.pending.discard(number)

    def _check_finish(self) -> None:
        assert not self.is_finished, "finished twice"
        self.is_finished = True
        if self.stop is not StopMode.ABORT:
            assert not self._held(), "finished with jobs in hand"
        if self.stop is None:
            assert self.has_walk_ended, "finished before the walk"
            assert self.recorded.keys() == self.fates.keys(), "a job was lost"

    def _leave(self, worker: _Known) -> None:
        worker.is_going, worker.since_s = True, self.now_s
        self.seen["retired"] += 1

    def _check_books(self) -> None:
        leased_bytes = sum(worker.lease_bytes for worker in self.workers.values())
        assert leased_bytes == self.dispatcher.leased_bytes, "a lease that nobody holds"
        if any(worker.is_alone and worker.jobs for worker in self.workers.values()):
            assert len(self.workers) == 1, "a worker beside one that needs all the memory"
        else:
            assert leased_bytes <= self.rules.budget_bytes, "more leased than the budget"
        assert len(self._held()) == self.dispatcher.in_hand
        assert not self.expected, f"not recorded: {self.expected}"

    def _held(self) -> set[int]:
        return {number for worker in self.workers.values() for number in worker.jobs}


class _Phase(Enum):
    STARTING = auto()
    IDLE = auto()
    TAKING = auto()
    WORKING = auto()
    WAITING = auto()
    CLEARING = auto()
    HUNG = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True)
class _Weather:
    """How probable each trouble is at each step of a worker."""

    death: float = 0.0
    breach: float = 0.0
    hang: float = 0.0
    cost: float = 0.3
    large: float = 0.3
    failure: float = 0.0
    retryable: float = 0.0
    fatal: float = 0.0
    unread: float = 0.0
    unfound: float = 0.0
    stop: float = 0.0


@dataclass(slots=True)
class _Worker:
    """A simulated worker: it takes jobs, notes the one in hand, asks, works, and tells."""

    slot: int
    phase: _Phase = _Phase.STARTING
    inbox: deque[Command] = field(default_factory=deque)
    pipe: deque[Event] = field(default_factory=deque)
    jobs: deque[Job] = field(default_factory=deque)
    note: int | None = None
    is_doomed: bool = False
    has_asked: bool = False

    @property
    def can_step(self) -> bool:
        if self.phase is _Phase.DEAD:
            return False
        if self.is_doomed:
            return True
        is_listening = self.phase in {_Phase.IDLE, _Phase.WAITING}
        return bool(self.inbox) if is_listening else self.phase is not _Phase.HUNG


@dataclass(slots=True)
class World:
    """One simulated run.

    Args:
        rng: Decides everything.
    """

    rng: random.Random
    referee: Referee = field(init=False)
    weather: _Weather = field(init=False)
    now_s: float = 0.0
    jobs_left: int = field(init=False)
    workers: dict[int, _Worker] = field(default_factory=dict)
    next_number: int = 0
    wanted: int = 0

    def __post_init__(self) -> None:
        """Draw the rules and the weather."""
        rng = self.rng
        slots = rng.randint(1, 5)
        rules = Rules(
            slots=slots,
            budget_bytes=slots * BASE_BYTES + rng.randint(20, 120),
            base_bytes=BASE_BYTES,
            common_bytes=rng.choice((1 << 62, 1 << 62, BASE_BYTES, BASE_BYTES + 15)),
            timeout_s=rng.choice((1.0, 5.0)),
            retries=rng.randint(0, 2),
            pending_jobs=rng.choice((4, 8, 64)),
            resident_bytes=100,
        )
        self.referee = Referee(rules, Dispatcher(rules, rng))
        self.jobs_left = rng.randint(0, rng.choice((6, 12, 30, 60)))
        self.weather = _Weather(
            death=rng.choice((0.0, 0.01, 0.05, 0.15)),
            breach=rng.choice((0.0, 0.3)),
            hang=rng.choice((0.0, 0.0, 0.01, 0.05)),
            cost=rng.choice((0.1, 0.9)),
            large=rng.choice((0.1, 1.0)),
            failure=rng.choice((0.0, 0.2)),
            retryable=rng.choice((0.0, 0.2)),
            fatal=rng.choice((0.0, 0.0, 0.0, 0.1)),
            unread=rng.choice((0.0, 0.0, 0.2, 0.95)),
            unfound=rng.choice((0.0, 0.0, 0.2, 0.95)),
            stop=rng.choice((0.0, 0.0, 0.0, 0.005)),
        )

    def run(self) -> Referee:
        """Run to the end: a storm, then weather in which everything must end soon."""
        storm = self.rng.choice((50, 200, 500))
        bound = storm + 200 * (self.jobs_left + 10)
        self._tell(Tick())
        steps = 0
        while not self.referee.is_finished:
            steps += 1
            assert steps < bound, "the run does not end"
            if steps == storm:
                self.weather = _Weather()
            self._step()
        self._wind_up()
        return self.referee

    def _step(self) -> None:
        if self.rng.random() < self.weather.stop:
            self._tell(StopAsked(self.rng.choice(tuple(StopMode))))
            return
        if self.workers and self.rng.random() < self.weather.death / 2:
            struck = self.rng.choice(list(self.workers.values()))
            struck.phase = _Phase.DEAD  # even while it waits, for work or for memory
        able = [worker for worker in self.workers.values() if worker.can_step]
        speaking = [
            worker for worker in self.workers.values() if worker.pipe or worker.phase is _Phase.DEAD
        ]
        choice = self.rng.random()
        if self.wanted and choice < 0.3:
            self._walk()
        elif able and choice < 0.65:
            self._work(self.rng.choice(able))
        elif speaking and choice < 0.95:
            self._deliver(self.rng.choice(speaking))
        elif choice > 0.95 or not (self.wanted or able or speaking):
            self._pass_time(is_stuck=not (self.wanted or able or speaking))

    def _wind_up(self) -> None:
        """Hear out workers that are still there: what they say may add no more than records."""
        for slot in list(self.workers):
            worker = self.workers[slot]
            worker.phase = _Phase.DEAD
            while slot in self.workers:
                self._deliver(worker)

    def _pass_time(self, *, is_stuck: bool) -> None:
        self.now_s += self.rng.choice((0.01, 0.3, 2.0))
        if is_stuck:
            due_s = self.referee.dispatcher.next_due_s
            assert due_s is not None, "nothing can happen any more"
            self.now_s = max(self.now_s, due_s)
        self._tell(Tick())

    def _walk(self) -> None:
        if self.jobs_left == 0 or self.rng.random() < 0.002:
            self.wanted = 0
            self._tell(WalkEnded())
            return
        self.wanted -= 1
        self.jobs_left -= 1
        found = job(self.next_number, self.rng.choice(SIZES_BYTES))
        self.next_number += 1
        if self.rng.random() < self.weather.unfound:
            self.wanted += 1  # it is no job, so the walk goes on for another
            self._tell(SourceFailed(failed(found, FailureKind.IO)))
        else:
            self._tell(JobFound(found))

    def _deliver(self, worker: _Worker) -> None:
        if worker.pipe:
            self._tell(worker.pipe.popleft())
        else:
            del self.workers[worker.slot]
            is_breach = self.rng.random() < self.weather.breach
            is_spent = not is_breach and self.rng.random() < self.weather.breach
            reason = "signal 9 (SIGKILL)"
            self._tell(WorkerLost(worker.slot, worker.note, reason, is_breach, is_spent))

    def _tell(self, event: Event) -> None:
        self._obey(self.referee.handle(event, self.now_s))

    def _obey(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case PullMore(count):
                    self.wanted += count
                case StartWorker(slot):
                    self.workers[slot] = _Worker(slot)
                case Send(slot) | Grant(slot) | Defer(slot) | RetireWorker(slot):
                    self.workers[slot].inbox.append(command)
                case KillWorker(slot):
                    self.workers[slot].is_doomed = True
                case GiveUp() | Finish():
                    self.wanted = 0
                case Record():
                    pass

    def _work(self, worker: _Worker) -> None:
        weather, rng = self.weather, self.rng
        is_killed = worker.is_doomed and (worker.phase is _Phase.HUNG or rng.random() < 0.5)
        if is_killed or rng.random() < weather.death:
            worker.phase = _Phase.DEAD
        elif rng.random() < weather.hang:
            worker.phase = _Phase.HUNG
        else:
            self._go_on(worker)

    def _go_on(self, worker: _Worker) -> None:
        match worker.phase:
            case _Phase.STARTING:
                worker.pipe.append(WorkerReady(worker.slot))
                worker.phase = _Phase.IDLE
            case _Phase.IDLE | _Phase.WAITING if worker.inbox:
                self._read(worker, worker.inbox.popleft())
            case _Phase.TAKING:
                worker.note = worker.jobs[0].number
                worker.has_asked = False
                worker.phase = _Phase.WORKING
            case _Phase.WORKING if not worker.has_asked and self.rng.random() < self.weather.cost:
                self._ask(worker)
            case _Phase.WORKING:
                self._end(worker)
            case _Phase.CLEARING:
                worker.note = None
                worker.phase = _Phase.TAKING if worker.jobs else _Phase.IDLE
            case _:
                pass

    def _read(self, worker: _Worker, command: Command) -> None:
        if isinstance(command, RetireWorker):
            worker.phase = _Phase.DEAD
        elif isinstance(command, Send):
            worker.jobs.extend(command.jobs)
            worker.phase = _Phase.TAKING
        else:
            assert isinstance(command, Grant | Defer)
            assert worker.phase is _Phase.WAITING
            assert command.number == worker.jobs[0].number
            worker.phase = _Phase.WORKING

    def _ask(self, worker: _Worker) -> None:
        rules = self.referee.rules
        most_bytes = rules.budget_bytes - (rules.slots - 1) * BASE_BYTES
        is_large = most_bytes > rules.common_bytes and self.rng.random() < self.weather.large
        cost_bytes = self.rng.randint(BASE_BYTES + 1, ALONE_BYTES if is_large else most_bytes)
        worker.pipe.append(CostKnown(worker.slot, worker.jobs[0].number, cost_bytes))
        worker.has_asked = True
        worker.phase = _Phase.WAITING

    def _end(self, worker: _Worker) -> None:
        ended = worker.jobs.popleft()
        resident_bytes = self.rng.choice((50, 50, 50, 150))
        outcome = self._outcome(ended)
        worker.pipe.append(JobEnded(worker.slot, ended.number, outcome, resident_bytes))
        worker.phase = _Phase.CLEARING

    def _outcome(self, ended: Job) -> Outcome:
        weather, rng = self.weather, self.rng
        if rng.random() < weather.fatal:
            return failed(ended, FailureKind.NO_SPACE, is_fatal=True)
        if rng.random() < weather.unread:
            return failed(ended, FailureKind.IO)
        if rng.random() < weather.retryable:
            return failed(ended, FailureKind.IO, is_retryable=True)
        return failed(ended) if rng.random() < weather.failure else done(ended)
