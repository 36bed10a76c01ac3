"""The coordinator's brain: events in, commands out, and nothing else.

Pure: `now` and `rng` are passed in; it knows no pipe, process or file. What it promises, and what
`tests/test_dispatch.py` checks after every event of random runs:

- the leases in force never exceed the budget, and no job is ever in two hands;
- grants go before new work, in order of arrival, so that a large job cannot starve;
- a job that needs more than it may have beside others is made later, alone in a fresh worker;
- of what waits, `lookahead` says what goes next: bytes never depend on it;
- a lost worker costs at most the file in its hands: that one is tried once more, alone, in a
  fresh worker, and every other job it held goes back unblamed; one whose worker broke a rule of
  the sandbox is not tried again;
- every job found ends in exactly one `Record`, unless the run is aborted;
- the run gives up, and finishes what is in hand, once trouble is no single file's: workers that
  only die, a destination that takes nothing, a disc of sources that cannot be read.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from pixmill.lookahead import Lookahead
from pixmill.model import FailureKind, Job, Outcome
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
from pixmill.retries import Retries
from pixmill.slots import Deadlines, Slot, Slots, State
from pixmill.solitude import Solitude
from pixmill.verdicts import BREACH, Patience, failed

if TYPE_CHECKING:
    import random

    from pixmill.protocol import Command, Event
    from pixmill.rules import Rules
    from pixmill.verdicts import Unread

__all__ = ["Dispatcher"]

_START_TIMEOUT_S = 60.0
_LEAVE_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Dispatcher:
    """The state of one run's scheduling.

    Args:
        rules: What is fixed for the run.
        rng: Source of the jitter in backoff.
    """

    rules: Rules
    rng: random.Random
    _slots: Slots = field(init=False)
    _deadlines: Deadlines = field(default_factory=Deadlines)
    _pending: Lookahead = field(init=False)
    _suspects: deque[Job] = field(default_factory=deque)
    _solitude: Solitude = field(default_factory=Solitude)
    _waiting: deque[CostKnown] = field(default_factory=deque)
    _retries: Retries = field(init=False)
    _awaited: int = 0
    _has_walk_ended: bool = False
    _is_finished: bool = False
    _patience: Patience = field(default_factory=Patience)
    _stop: StopMode | None = None
    _now_s: float = 0.0
    _out: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the slots and the lines, empty."""
        self._slots = Slots(self.rules.slots)
        self._retries = Retries(self.rng)
        self._pending = Lookahead(self.rules.slots, self.rules.order, self.rules.chunk_s)

    @property
    def is_finished(self) -> bool:
        """Whether `Finish` was said."""
        return self._is_finished

    @property
    def in_hand(self) -> int:
        """Jobs that workers hold."""
        return self._slots.held_jobs

    def jobs_of(self, slot: int) -> tuple[Job, ...]:
        """Return the jobs that a slot's worker holds."""
        return tuple(self._slots[slot].jobs)

    @property
    def leased_bytes(self) -> int:
        """Sum of the leases in force."""
        return self._slots.leased_bytes

    @property
    def next_due_s(self) -> float | None:
        """When the next deadline or retry falls due, on the clock of `now_s`."""
        times = (self._deadlines.next_s, self._retries.next_s)
        return min((each for each in times if each is not None), default=None)

    def handle(self, event: Event, now_s: float) -> list[Command]:
        """Take in one event and return what is to be done, in order."""
        self._now_s = now_s
        self._out = []
        match event:
            case JobFound():
                self._found(event)
            case SourceFailed():
                self._record(event.outcome, self._patience.walk)
            case WalkEnded():
                self._has_walk_ended, self._awaited = True, 0
            case WorkerReady():
                self._ready(self._slots[event.slot])
            case CostKnown():
                self._cost_known(event)
            case JobEnded():
                self._job_ended(event)
            case WorkerLost():
                self._worker_lost(event)
            case Tick():
                self._kill_overdue()
            case StopAsked():
                self._stop_asked(event.mode)
            case _:
                assert_never(event)
        self._advance()
        return self._out

    def _found(self, event: JobFound) -> None:
        self._awaited = max(0, self._awaited - 1)
        self._patience.walk.count = 0
        if self._stop is None:
            self._pending.add(event.job)

    def _ready(self, slot: Slot) -> None:
        if slot.state is State.STARTING:
            self._slots.enter(slot, State.IDLE)
            self._deadlines.drop(slot.number)

    def _cost_known(self, event: CostKnown) -> None:
        slot = self._slots[event.slot]
        is_of_hand = bool(slot.jobs) and slot.jobs[0].number == event.number
        if is_of_hand and slot.overdue is None and not (slot.has_asked or self._is_finished):
            slot.has_asked = True
            self._deadlines.drop(slot.number)
            if event.cost_bytes > self.rules.common_bytes and slot.number != self._solitude.slot:
                slot.is_deferring = True
                self._time(slot)
                self._out.append(Defer(slot.number, event.number))
            else:
                self._waiting.append(event)

    def _job_ended(self, event: JobEnded) -> None:
        slot = self._slots[event.slot]
        if not slot.jobs or slot.jobs[0].number != event.number:
            return
        job, is_deferred = self._slots.take(slot), slot.is_deferring
        slot.is_fresh = slot.has_asked = slot.is_deferring = False
        self._slots.lease(slot, self.rules.base_bytes if slot.jobs else 0)
        self._solitude.leave(slot.number)
        if is_deferred:
            self._solitude.add(job)
            if self._stop is not None:
                self._drop_unstarted()
        else:
            self._patience.losses = 0
            self._settle(job, event.outcome)
        if slot.overdue is not None:
            return
        if slot.jobs:
            self._time(slot)
        elif event.resident_bytes > self.rules.resident_bytes and self._stop is None:
            self._retire(slot)
        else:
            self._slots.enter(slot, State.IDLE)
            self._deadlines.drop(slot.number)

    def _settle(self, job: Job, outcome: Outcome) -> None:
        """Record an outcome, or put a job that failed for a passing reason aside for a while."""
        outcome = job.vouched(outcome)
        failure = outcome.failure
        if failure is None:  # no worker's word may weigh more than all that it can have taken
            self._pending.learn(job, min(max(0.0, outcome.wall_s), self.rules.timeout_s))
        may_pass = failure is not None and failure.is_retryable and self._stop is None
        if may_pass and job.attempt <= self.rules.retries:
            self._retries.add(job, outcome, self._now_s)
        else:
            self._record(outcome, self._patience.work)

    def _record(self, outcome: Outcome, unread: Unread) -> None:
        self._out.append(Record(outcome))
        if reason := unread.despair(outcome):
            self._give_up(reason)

    def _worker_lost(self, event: WorkerLost) -> None:
        slot = self._slots[event.slot]
        was_wanted, was_alone = slot.state is not State.LEAVING, self._solitude.leave(slot.number)
        self._slots.vacate(slot)
        self._deadlines.drop(slot.number)
        self._waiting = deque(each for each in self._waiting if each.slot != slot.number)
        self._patience.losses += was_wanted
        if reason := self._patience.despair(event.reason):
            self._give_up(reason)
        if self._stop is StopMode.ABORT:
            return  # it was killed on purpose, so no job is to blame
        for job in reversed(slot.jobs):
            is_blamed = job.number == event.in_hand and slot.overdue in {None, job.number}
            if not is_blamed:
                self._return(job, is_alone=was_alone)
            elif slot.overdue is not None or event.is_overdue:
                self._fail(job, FailureKind.TIMEOUT, f"took longer than {self.rules.timeout_s:g} s")
            elif event.is_spent:
                message = f"used all the CPU that {self.rules.timeout_s:g} s can give"
                self._fail(job, FailureKind.TIMEOUT, message)
            elif event.is_breach:
                self._fail(job, FailureKind.SANDBOX, BREACH)
            else:
                self._crashed(job, event.reason, is_alone=was_alone)
        if self._stop is not None:
            self._drop_unstarted()

    def _return(self, job: Job, *, is_alone: bool) -> None:
        """Put a job back to the front of its line: of those made alone, of suspects, of all."""
        if is_alone:
            self._solitude.add(job, is_next=True)
        elif job.crashes:
            self._suspects.appendleft(job)
        else:
            self._pending.add(job, is_next=True)

    def _crashed(self, job: Job, reason: str, *, is_alone: bool) -> None:
        self._patience.losses = 0
        if job.crashes or self._stop is not None:
            times = "twice" if job.crashes else "once"
            self._fail(job, FailureKind.CRASHED, f"its worker died {times}, by {reason}")
        else:
            self._return(replace(job, attempt=job.attempt + 1, crashes=1), is_alone=is_alone)

    def _fail(self, job: Job, kind: FailureKind, message: str) -> None:
        self._patience.losses = 0
        self._out.append(Record(failed(job, kind, message)))

    def _kill_overdue(self) -> None:
        for number in self._deadlines.overdue(self._now_s):
            slot = self._slots[number]
            slot.overdue = slot.jobs[0].number if slot.jobs else None
            # One that never got ready counts as lost now: leaving, its end no longer will.
            self._patience.losses += slot.state is State.STARTING
            if not slot.jobs:
                self._slots.enter(slot, State.LEAVING)
            self._out.append(KillWorker(number, "it took too long"))

    def _stop_asked(self, mode: StopMode) -> None:
        self._drop_unstarted()
        self._stop = mode
        if mode is StopMode.ABORT:
            for slot in self._slots.manned():
                self._out.append(KillWorker(slot.number, "the run was aborted"))
            self._finish()

    def _give_up(self, reason: str) -> None:
        if self._stop is None:
            self._drop_unstarted()
            self._stop = StopMode.DRAIN
            self._out.append(GiveUp(reason))

    def _drop_unstarted(self) -> None:
        """Forget what was not begun; what has failed and waits to be tried again has failed."""
        self._pending.clear()
        self._out += map(Record, self._retries.clear())
        deferred = self._solitude.clear()
        for job in (*self._suspects, *(each for each in deferred if each.crashes)):
            once = replace(job, attempt=job.attempt - 1)
            self._fail(once, FailureKind.CRASHED, "its worker died, and the run was stopped")
        self._suspects.clear()

    def _advance(self) -> None:
        if self._is_finished:
            return
        if self._waiting:
            self._grant()
        if self._stop is None:
            for job in self._retries.due(self._now_s):
                self._pending.add(job, is_next=True)
            if not (self._waiting or self._slots.are_all_taken):
                self._assign()
            self._pull()
        waits = self._pending or self._suspects or self._retries or self._solitude
        if not (waits or self.in_hand) and (self._has_walk_ended or self._stop is not None):
            for slot in self._slots.manned():
                self._retire(slot)
            self._finish()

    def _finish(self) -> None:
        if not self._is_finished:
            self._is_finished = True
            self._out.append(Finish())

    def _grant(self) -> None:
        while self._waiting:
            head = self._waiting[0]
            slot = self._slots[head.slot]
            others_bytes = self.leased_bytes - slot.lease_bytes
            is_alone = head.slot == self._solitude.slot  # which is beyond the budget by design
            if not is_alone and others_bytes + head.cost_bytes > self.rules.budget_bytes:
                return
            self._waiting.popleft()
            self._slots.lease(slot, max(head.cost_bytes, self.rules.base_bytes))
            self._time(slot)
            self._out.append(Grant(head.slot, head.number))

    def _assign(self) -> None:
        if self._solitude.has_turn(is_rest=not (self._pending or self._suspects)):
            if not self.in_hand:
                self._isolate()
            return
        while (slot := self._chosen()) is not None:
            self._send(slot)
        work = len(self._pending) + len(self._suspects)
        while work > self._slots.starting and (empty := self._slots.first(State.EMPTY)) is not None:
            self._start(empty)

    def _isolate(self) -> None:
        """Send a deferred job to a fresh worker, once there is no other."""
        manned = self._slots.manned()
        fresh = (slot for slot in manned if slot.is_fresh and slot.state is not State.LEAVING)
        chosen = next(fresh, None)
        for slot in manned:
            if slot is not chosen:
                self._retire(slot)
        if not manned:
            self._start(self._slots[0])
        elif chosen is not None and len(manned) == 1 and chosen.state is State.IDLE:
            self._hand(chosen, (self._solitude.take(chosen.number),))

    def _start(self, slot: Slot) -> None:
        self._slots.enter(slot, State.STARTING)
        self._set_deadline(slot, _START_TIMEOUT_S)
        self._out.append(StartWorker(slot.number))

    def _chosen(self) -> Slot | None:
        """Return the slot that is sent work next: a fresh one for a suspect, or the first idle."""
        if self.leased_bytes + self.rules.base_bytes > self.rules.budget_bytes:
            return None
        fresh = self._slots.first_fresh() if self._suspects else None
        if fresh is None and self._pending:
            return self._slots.first(State.IDLE)
        return fresh

    def _send(self, slot: Slot) -> None:
        is_for_suspect = self._suspects and slot.is_fresh
        self._hand(slot, (self._suspects.popleft(),) if is_for_suspect else self._pending.taken())

    def _hand(self, slot: Slot, jobs: tuple[Job, ...]) -> None:
        self._slots.give(slot, jobs)
        self._slots.enter(slot, State.BUSY)
        self._slots.lease(slot, self.rules.base_bytes)
        self._time(slot)
        self._out.append(Send(slot.number, jobs))

    def _retire(self, slot: Slot) -> None:
        if slot.state is not State.LEAVING:
            self._slots.enter(slot, State.LEAVING)
            self._set_deadline(slot, _LEAVE_TIMEOUT_S)
            self._out.append(RetireWorker(slot.number))

    def _time(self, slot: Slot) -> None:
        if not self.rules.is_timed_afar:
            self._set_deadline(slot, self.rules.timeout_s)

    def _set_deadline(self, slot: Slot, ahead_s: float) -> None:
        self._deadlines.put(slot.number, now_s=self._now_s, ahead_s=ahead_s)

    def _pull(self) -> None:
        expected = len(self._pending) + self._awaited
        if not self._has_walk_ended and 2 * expected <= self.rules.pending_jobs:
            self._awaited += self.rules.pending_jobs - expected
            self._out.append(PullMore(self.rules.pending_jobs - expected))
