"""What becomes of chunks on a cluster: promise by promise, and over random clusters."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import pytest

from dispatch_world import done, failed, job
from pixmill.executors.chunks import Chunks
from pixmill.executors.orders import Breakage, Fell, Order, Quit, Recall, Watch
from pixmill.model import FailureKind
from pixmill.protocol import Advanced, CostKnown, JobEnded, Remark, WorkerLost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.executors.base import Report
    from pixmill.executors.orders import Answer
    from pixmill.model import Job

_A = TypeVar("_A")

SHARE_BYTES = 100
WATCH = Watch()
SIMULATIONS = 400


def of(kind: type[_A], answers: list[Answer]) -> list[_A]:
    """Return the answers of a kind."""
    return [answer for answer in answers if isinstance(answer, kind)]


def ordered(answers: list[Answer]) -> Order:
    """Return the one order among answers."""
    (order,) = of(Order, answers)
    return order


def numbers(jobs: Iterable[Job]) -> list[int]:
    """Return which jobs they are."""
    return [each.number for each in jobs]


def ended(number: int) -> JobEnded:
    """Return what a worker says of a job that it has made."""
    return JobEnded(0, number, done(job(number)))


def jobs_of(count: int) -> tuple[Job, ...]:
    """Return jobs that nobody has made."""
    return tuple(job(number) for number in range(count))


@dataclass(slots=True)
class Begun:
    """A chunk of some jobs in slot 3 of 4, and the order that it began with."""

    count: int
    chunks: Chunks = field(default_factory=lambda: Chunks(4, SHARE_BYTES, WATCH))
    order: Order = field(init=False)

    def __post_init__(self) -> None:
        """Begin."""
        self.order = ordered(self.chunks.begin(3, jobs_of(self.count), 0.0))


def test_a_chunk_is_ordered_whole_and_reported_as_it_is_made() -> None:
    """Its jobs go out once, for the share that everybody has, and come back in their slot."""
    begun = Begun(2)
    assert (numbers(begun.order.jobs), begun.order.grant_bytes) == ([0, 1], SHARE_BYTES)
    assert not any(each.can_replace for each in begun.order.jobs)
    said = (Advanced(0, 0, 50), ended(0), ended(1))
    answers = begun.chunks.hear(begun.order.copy, said, 1.0)
    assert [type(each) for each in answers] == [Advanced, JobEnded, JobEnded]
    assert {each.slot for each in of(JobEnded, answers)} == {3}
    assert begun.chunks.over(begun.order.copy, 1.0) == []


def test_a_lost_node_costs_its_jobs_a_retry() -> None:
    """What had not ended is ordered again, whole, and may replace what was published meanwhile."""
    begun = Begun(3)
    begun.chunks.hear(begun.order.copy, (ended(0),), 1.0)
    answers = begun.chunks.broken(begun.order.copy, Breakage.NODE, "a lost node", 2.0)
    again = ordered(answers)
    assert numbers(again.jobs) == [1, 2]
    assert all(each.can_replace for each in again.jobs)
    assert of(Remark, answers)
    assert not of(WorkerLost, answers)


def test_a_crash_that_names_nobody_is_halved_until_one_is_alone() -> None:
    """The first half goes before the second, and a job that breaks its copy alone is to blame."""
    begun = Begun(4)
    first = ordered(begun.chunks.broken(begun.order.copy, Breakage.WORKER, "a kill", 1.0))
    assert numbers(first.jobs) == [0, 1]
    second = ordered(begun.chunks.hear(first.copy, (ended(0), ended(1)), 2.0))
    assert numbers(second.jobs) == [2, 3]
    alone = ordered(begun.chunks.broken(second.copy, Breakage.WORKER, "a kill", 3.0))
    assert numbers(alone.jobs) == [2]
    (loss,) = begun.chunks.broken(alone.copy, Breakage.WORKER, "a kill", 4.0)
    assert loss == WorkerLost(3, 2, "a kill")


def between(nodes: tuple[str, ...]) -> Begun:
    """Return a chunk that the first of some nodes has begun to make."""
    begun = Begun(2, Chunks(4, SHARE_BYTES, WATCH, nodes))
    begun.chunks.hear(begun.order.copy, (), 1.0, "a")
    return begun


def test_a_store_that_does_not_answer_one_node_blames_nobody() -> None:
    """Its jobs are made elsewhere as often as that takes, as long as others are made."""
    begun = between(("a", "b"))
    order = begun.order
    for now_s, here in zip(range(2, 8), "abbaba", strict=True):
        begun.chunks.hear(order.copy, (), now_s, here)  # where there is a CPU, shunned or not
        order = ordered(begun.chunks.broken(order.copy, Breakage.STORE, "silence", now_s))
        assert numbers(order.jobs) == [0, 1]
        assert now_s > 2 or order.shunned == ("a",)
        other = ordered(begun.chunks.begin(1, (job(9 + now_s),), now_s))
        begun.chunks.hear(other.copy, (ended(9 + now_s),), now_s)


def test_a_store_that_answers_no_node_ends_the_run() -> None:
    """Once all have waited for as long as they may, and nothing was made in between."""
    begun = between(("a", "b"))
    second = ordered(begun.chunks.broken(begun.order.copy, Breakage.STORE, "silence", 2.0))
    begun.chunks.hear(second.copy, (), 3.0, "b")
    assert begun.chunks.broken(second.copy, Breakage.STORE, "silence", 4.0) == [Quit("silence")]


def test_an_outage_is_told_by_the_first_and_the_last() -> None:
    """However many tasks wait for a store; one that has ended waits no more."""
    begun = between(("a", "b"))
    other, third = (
        ordered(begun.chunks.begin(slot, (job(7 + slot),), 1.0)).copy for slot in (1, 2)
    )
    away, back = Remark("away", is_outage=True), Remark("back", is_outage=False)
    assert begun.chunks.hear(begun.order.copy, (away,), 2.0) == [away]
    assert begun.chunks.hear(other, (away,), 2.0) == []
    assert begun.chunks.hear(third, (away,), 2.0) == []
    assert begun.chunks.hear(begun.order.copy, (back,), 3.0) == []
    begun.chunks.drop(1)
    assert begun.chunks.hear(third, (back,), 4.0) == [back]
    assert begun.chunks.hear(third, (back,), 4.0) == []


def test_what_takes_node_after_node_down_is_found() -> None:
    """Two lost nodes blame nobody; what goes on losing them is halved as well, and ends."""
    begun = Begun(2)
    order = begun.order
    for _ in range(3):
        answers = begun.chunks.broken(order.copy, Breakage.NODE, "a lost node", 1.0)
        order = ordered(answers)
    assert numbers(order.jobs) == [0]
    (loss,) = begun.chunks.broken(order.copy, Breakage.NODE, "a lost node", 1.0)
    assert loss == WorkerLost(3, 0, "a lost node")


def starved(begun: Begun, node: str) -> list[Answer]:
    """Have a copy begin on a node, and Ray kill it there for want of memory."""
    begun.chunks.hear(begun.order.copy, (), 10.0, node)
    return begun.chunks.broken(begun.order.copy, Breakage.MEMORY, "a kill", 10.0)


def test_a_kill_for_want_of_memory_sends_its_jobs_elsewhere() -> None:
    """Its node gets no work for a while: whoever is started last there is killed next."""
    begun = Begun(2, Chunks(4, SHARE_BYTES, WATCH, ("near", "far")))
    order = ordered(starved(begun, "near"))
    assert (numbers(order.jobs), order.shunned) == ([0], ("near",))
    assert ordered(begun.chunks.begin(1, (job(2),), 69.0)).shunned == ("near",)
    assert ordered(begun.chunks.begin(2, (job(3),), 71.0)).shunned == ()


@pytest.mark.parametrize("node", ["only", ""], ids=["known", "before its first word"])
def test_where_no_node_has_memory_all_work_waits(node: str) -> None:
    """Twice as long after each kill behind which nothing was made."""
    begun = Begun(2, Chunks(4, SHARE_BYTES, WATCH, ("only",)))
    assert not of(Order, starved(begun, node))
    assert not of(Order, begun.chunks.begin(1, (job(2),), 10.5))
    assert not begun.chunks.look(10.9)
    first, other = of(Order, begun.chunks.look(11.0))
    assert (numbers(first.jobs), numbers(other.jobs)) == ([0], [2])
    begun.chunks.drop(1)
    begun.chunks.broken(first.copy, Breakage.MEMORY, "a kill", 12.0)
    assert not of(Order, begun.chunks.begin(1, (job(2),), 12.0))
    assert not begun.chunks.look(13.9)
    again = ordered(begun.chunks.look(14.0))
    begun.chunks.hear(again.copy, (ended(0),), 15.0)
    begun.chunks.drop(1)
    last = ordered(begun.chunks.begin(2, jobs_of(2), 15.0))
    begun.chunks.broken(last.copy, Breakage.MEMORY, "a kill", 16.0)
    assert numbers(ordered(begun.chunks.look(17.0)).jobs) == [0]


def test_a_job_that_is_killed_for_memory_is_blamed_once_it_was_with_nothing_beside_it() -> None:
    """Who has eaten may be another on its node: all others end first, and wait meanwhile."""
    begun = Begun(1, Chunks(4, SHARE_BYTES, WATCH, ("near", "far")))
    beside = ordered(begun.chunks.begin(1, (job(1),), 9.0))
    assert not of(Order, starved(begun, "near")), "not beside the other"
    assert not of(Order, begun.chunks.begin(2, (job(2),), 10.0))
    assert not begun.chunks.look(11.0)
    begun.chunks.hear(beside.copy, (ended(1),), 12.0)
    for now_s in (12.0, 13.0):
        lonely = ordered(begun.chunks.look(now_s))
        assert numbers(lonely.jobs) == [0]
        answers = begun.chunks.broken(lonely.copy, Breakage.MEMORY, "a kill", now_s)
    (blamed,) = of(JobEnded, answers)
    assert (blamed.slot, blamed.number) == (3, 0)
    assert blamed.outcome.failure is not None
    assert blamed.outcome.failure.kind is FailureKind.CRASHED
    assert blamed.outcome.failure.message == "its worker died 3 times, by a kill"
    assert numbers(ordered(begun.chunks.look(14.0)).jobs) == [2]


def test_who_was_killed_for_memory_and_is_dropped_keeps_nobody_waiting() -> None:
    """Others are ordered as ever."""
    begun = Begun(1, Chunks(4, SHARE_BYTES, WATCH, ("near", "far")))
    begun.chunks.begin(1, (job(1),), 9.0)
    starved(begun, "near")
    begun.chunks.drop(3)
    assert numbers(ordered(begun.chunks.begin(2, (job(2),), 10.0)).jobs) == [2]


def test_a_chunk_that_waits_can_be_dropped() -> None:
    """It is ordered no more."""
    begun = Begun(2, Chunks(4, SHARE_BYTES, WATCH, ("only",)))
    starved(begun, "only")
    assert begun.chunks.drop(3) == []
    assert not begun.chunks.look(100.0)


def test_a_child_that_dies_names_its_job() -> None:
    """Its loss goes up as in a local run, after what it made; what it left is not touched."""
    begun = Begun(3)
    lost = WorkerLost(0, 1, "signal 11 (SIGSEGV)")
    answers = begun.chunks.hear(begun.order.copy, (ended(0), lost), 1.0)
    assert [type(each) for each in answers] == [JobEnded, WorkerLost]
    assert of(WorkerLost, answers)[0].slot == 3
    again = ordered(begun.chunks.begin(1, (job(2),), 2.0))
    assert not again.jobs[0].can_replace


def test_a_job_that_needs_more_than_its_share_has_it_set_aside_alone() -> None:
    """It is ordered for what it costs, and what comes after it for everybody's share again."""
    begun = Begun(3)
    said = (ended(0), CostKnown(0, 1, 5000))
    large = ordered(begun.chunks.hear(begun.order.copy, said, 1.0))
    assert (numbers(large.jobs), large.grant_bytes) == ([1], 5000)
    rest = ordered(begun.chunks.hear(large.copy, (ended(1),), 2.0))
    assert (numbers(rest.jobs), rest.grant_bytes) == ([2], SHARE_BYTES)


def test_a_silent_copy_is_given_a_spare_and_the_first_result_counts() -> None:
    """What a copy says after its spare was quicker changes nothing."""
    begun = Begun(2)
    begun.chunks.hear(begun.order.copy, (), 1.0)
    assert not begun.chunks.look(WATCH.silence_s)
    answers = begun.chunks.look(WATCH.silence_s + 2.0)
    spare = ordered(answers)
    assert of(Fell, answers) == [Fell(begun.order.copy)]
    assert all(each.can_replace for each in spare.jobs)
    answers = begun.chunks.hear(spare.copy, (ended(0), ended(1)), 40.0)
    assert numbers_of(answers) == [0, 1]
    assert of(Recall, answers) == [Recall(begun.order.copy)]
    assert begun.chunks.hear(begun.order.copy, (ended(0), ended(1)), 41.0) == []
    assert begun.chunks.broken(begun.order.copy, Breakage.NODE, "late", 42.0) == []


def numbers_of(answers: list[Answer]) -> list[int]:
    """Return which jobs were reported, in order."""
    return [each.number for each in of(JobEnded, answers)]


def test_no_failure_of_a_copy_counts_while_another_is_at_work() -> None:
    """A frozen node that wakes up finds its files published, or overdue: its spare tells how."""
    begun = Begun(2)
    begun.chunks.hear(begun.order.copy, (), 1.0)
    spare = ordered(begun.chunks.look(WATCH.silence_s + 2.0))
    taken = JobEnded(0, 0, failed(job(0), FailureKind.EXISTS))
    late = WorkerLost(0, 1, "it took too long", is_overdue=True)
    assert begun.chunks.hear(begun.order.copy, (taken, late), 40.0) == []
    assert numbers_of(begun.chunks.hear(spare.copy, (ended(0), ended(1)), 41.0)) == [0, 1]


def test_nobody_is_blamed_for_a_copy_that_was_to_be_ended() -> None:
    """Though its spare was lost before: what stood still was a process, whatever it made."""
    begun = Begun(1)
    begun.chunks.hear(begun.order.copy, (), 1.0)
    spare = ordered(begun.chunks.look(WATCH.silence_s + 2.0))
    begun.chunks.broken(spare.copy, Breakage.NODE, "a lost node", 40.0)
    answers = begun.chunks.broken(begun.order.copy, Breakage.WORKER, "a kill", 41.0)
    assert numbers(ordered(answers).jobs) == [0]


def test_a_file_that_stands_there_before_any_copy_made_it_is_a_failure() -> None:
    """Of a chunk that was ordered once, nobody else of this run can have published anything."""
    begun = Begun(1)
    taken = JobEnded(0, 0, failed(job(0), FailureKind.EXISTS))
    assert of(JobEnded, begun.chunks.hear(begun.order.copy, (taken,), 1.0))


def test_the_last_chunk_of_a_run_is_given_a_spare_once_it_takes_too_long() -> None:
    """Too long is five times as long as the others took; while all slots are busy nobody is."""
    chunks = Chunks(2, SHARE_BYTES, WATCH)
    for number in range(10):
        order = ordered(chunks.begin(0, (job(number),), 0.0))
        chunks.hear(order.copy, (ended(number),), 20.0)
    slow, other = (
        ordered(chunks.begin(slot, (job(number),), 20.0)) for slot, number in ((0, 90), (1, 91))
    )
    for second in range(20, 170, 10):
        for order in (slow, other):
            chunks.hear(order.copy, (), float(second))
    assert not chunks.look(169.0)
    chunks.drop(1)
    assert numbers(ordered(chunks.look(170.0)).jobs) == [90]
    assert not chunks.look(171.0)


def test_a_cluster_that_takes_up_no_work_is_remarked_once() -> None:
    """Ray waits for a node without a word; the user is told where to look."""
    begun = Begun(1)
    assert not begun.chunks.look(WATCH.unbegun_s)
    assert [type(each) for each in begun.chunks.look(WATCH.unbegun_s + 1)] == [Remark]
    assert not begun.chunks.look(10 * WATCH.unbegun_s)


def test_what_is_dropped_is_recalled_and_heard_no_more() -> None:
    """A slot that is emptied has no copies left."""
    begun = Begun(2)
    assert begun.chunks.drop(3) == [Recall(begun.order.copy)]
    assert begun.chunks.hear(begun.order.copy, (ended(0),), 1.0) == []
    assert begun.chunks.drop(3) == []


@dataclass(slots=True)
class _Task:
    """A copy on the simulated cluster; recalled or not, it works on, as a zombie does."""

    copy: int
    jobs: deque[Job]
    grant_bytes: int
    said: list[Report] = field(default_factory=list)
    is_frozen: bool = False
    is_felled: bool = False
    has_ended: bool = False


@dataclass(slots=True)
class Cluster:
    """A cluster in which tasks break, freeze, thaw and publish behind everybody's back."""

    rng: random.Random
    now_s: float = 0.0
    tasks: list[_Task] = field(default_factory=list)
    published: set[int] = field(default_factory=set)
    reported: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    poison: int | None = None
    breakage: Breakage = Breakage.WORKER
    large: int | None = None
    is_lost: bool = False

    def run(self) -> None:
        """Make jobs until all have ended or the poison among them was named; check what is said."""
        rng = self.rng
        chunks = Chunks(2, SHARE_BYTES, Watch(silence_s=5.0), ("only",))
        jobs = jobs_of(rng.randint(1, 12))
        self.poison = rng.choice([None, rng.randrange(len(jobs))])
        self.breakage = rng.choice([Breakage.WORKER, Breakage.MEMORY])
        self.large = rng.choice([None, rng.randrange(len(jobs))])
        if self.poison == self.large:
            self.large = None
        self.left = numbers(jobs)
        self._take(chunks.begin(0, jobs, 0.0))
        for _ in range(5000):
            if self.is_lost or not self.left:
                break
            self.now_s += rng.choice((0.0, 0.1, 3.0))
            for task in [task for task in self.tasks if not task.has_ended]:
                self._take(self._step(chunks, task))
            self._take(chunks.look(self.now_s))
        else:
            raise AssertionError("the chunk does not end")
        assert self.is_lost or self.reported == numbers(jobs)

    def _take(self, answers: list[Answer]) -> None:
        for answer in answers:
            match answer:
                case Order(copy, jobs, grant_bytes):
                    self.tasks.append(_Task(copy, deque(jobs), grant_bytes))
                case Fell(copy):
                    self.tasks[copy - 1].is_felled = self.rng.random() < 0.5
                case JobEnded(_, number, outcome) if outcome.failure is not None:
                    assert self.left.pop(0) == number == self.poison
                    assert self.breakage is Breakage.MEMORY
                    self.reported.append(number)
                case JobEnded(_, number, outcome):
                    assert self.left.pop(0) == number
                    assert number in self.published
                    self.reported.append(number)
                case WorkerLost(_, in_hand, _):
                    assert in_hand == self.poison
                    self.is_lost = True

    def _step(self, chunks: Chunks, task: _Task) -> list[Answer]:
        rng = self.rng
        if rng.random() < 0.05:
            task.is_frozen = not task.is_frozen
        if task.is_frozen and not task.is_felled:
            return []
        if (by := self._breakage_of(task)) is not None:
            task.has_ended = True
            return chunks.broken(task.copy, by, "a loss", self.now_s)
        if task.jobs:
            self._make(task)
        if task.jobs and rng.random() < 0.5:  # reports are gathered, and lost with the task
            return []
        said, task.said = task.said, []
        answers = chunks.hear(task.copy, said, self.now_s)
        if task.jobs:
            return answers
        task.has_ended = True
        return [*answers, *chunks.over(task.copy, self.now_s)]

    def _breakage_of(self, task: _Task) -> Breakage | None:
        if task.is_felled:
            return Breakage.WORKER
        if task.jobs and self.rng.random() < 0.01:
            return Breakage.NODE
        is_poisoned = bool(task.jobs) and task.jobs[0].number == self.poison
        return self.breakage if is_poisoned else None

    def _make(self, task: _Task) -> None:
        one = task.jobs.popleft()
        if one.number == self.large and task.grant_bytes == SHARE_BYTES:
            task.said.append(CostKnown(0, one.number, 5000))
            task.jobs.clear()
        elif one.number in self.published and not one.can_replace:
            task.said.append(JobEnded(0, one.number, failed(one, FailureKind.EXISTS)))
        else:
            self.published.add(one.number)
            task.said.append(ended(one.number))


@pytest.mark.parametrize("part", range(4))
def test_random_clusters_lose_no_job_and_blame_nobody_but_the_poison(part: int) -> None:
    """Whatever breaks, freezes and wakes up, each job is reported once, in order, and published."""
    for seed in range(part, SIMULATIONS, 4):
        try:
            Cluster(random.Random(seed)).run()
        except AssertionError as error:
            error.add_note(f"Cluster(random.Random({seed})).run()")
            raise


@dataclass(slots=True)
class Famine:
    """A node on which one job eats all memory: whoever was started last is killed, then who ate."""

    rng: random.Random
    slots: int = 16
    now_s: float = 0.0
    waiting: deque[Job] = field(init=False)
    glutton: int = field(init=False)
    tasks: dict[int, deque[Job]] = field(default_factory=dict)
    ended: dict[int, bool] = field(default_factory=dict)
    held: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose who eats."""
        jobs = jobs_of(self.rng.randint(1, 64))
        self.waiting = deque(jobs)
        self.glutton = self.rng.randrange(len(jobs))

    def run(self) -> None:
        """Make all jobs, and see that nobody fails but the glutton."""
        chunks, count = Chunks(self.slots, SHARE_BYTES, WATCH, ("only",)), len(self.waiting)
        for _ in range(5000):
            if len(self.ended) == count:
                break
            self.now_s += 0.5
            self._send(chunks)
            for copy in list(self.tasks):
                self._take(self._step(chunks, copy))
            if any(jobs and jobs[0].number == self.glutton for jobs in self.tasks.values()):
                last = max(self.tasks)
                del self.tasks[last]
                self._take(chunks.broken(last, Breakage.MEMORY, "a kill", self.now_s))
            self._take(chunks.look(self.now_s))
        assert {number for number, is_well in self.ended.items() if not is_well} == {self.glutton}
        assert len(self.ended) == count

    def _send(self, chunks: Chunks) -> None:
        for slot in range(self.slots):
            if self.waiting and not self.held.get(slot):
                size = min(len(self.waiting), self.rng.randint(1, 3))
                jobs = tuple(self.waiting.popleft() for _ in range(size))
                self.held[slot] = set(numbers(jobs))
                self._take(chunks.begin(slot, jobs, self.now_s))

    def _step(self, chunks: Chunks, copy: int) -> list[Answer]:
        jobs, said = self.tasks[copy], []
        if jobs and jobs[0].number != self.glutton and self.rng.random() < 0.1:
            said = [ended(jobs.popleft().number)]
        answers = chunks.hear(copy, said, self.now_s, "only")
        if not jobs:
            del self.tasks[copy]
            answers = [*answers, *chunks.over(copy, self.now_s)]
        return answers

    def _take(self, answers: list[Answer]) -> None:
        for answer in answers:
            match answer:
                case Order(copy, jobs):
                    self.tasks[copy] = deque(jobs)
                case JobEnded(slot, number, outcome):
                    self.held[slot].discard(number)
                    self.ended[number] = outcome.failure is None
                case WorkerLost():
                    raise AssertionError(answer)


def test_where_one_eats_all_memory_no_other_fails() -> None:
    """Though Ray kills whoever was started last, again and again, and what is left alone first."""
    for seed in range(SIMULATIONS // 8):
        try:
            Famine(random.Random(seed)).run()
        except AssertionError as error:
            error.add_note(f"Famine(random.Random({seed})).run()")
            raise
