"""What waits goes by path, but for what would keep one worker busy when the others have nothing."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

import pixmill
from pixmill.dispatch import Dispatcher
from pixmill.lookahead import Lookahead
from pixmill.model import Job, Outcome, SourceRef, Status
from pixmill.options import Options, meant
from pixmill.protocol import (
    Finish,
    JobEnded,
    JobFound,
    PullMore,
    Send,
    StartWorker,
    Tick,
    WalkEnded,
    WorkerReady,
)
from pixmill.rules import Rules
from pixmill.settings import Order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pixmill.protocol import Event

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class File:
    """A source, and how long a worker takes over it."""

    seconds: float
    size_bytes: int = MB
    codec: str = "jpg"

    def job(self, number: int) -> Job:
        """Return the job that makes it."""
        return Job(number, SourceRef(f"{number}", self.size_bytes, 0, self.codec), f"{number}")


@dataclass(slots=True)
class Day:
    """A run in simulated time: workers that take just as long as each file says.

    Attributes:
        sent: Numbers of the jobs, as they were sent.
        now_s: When it ended.
    """

    files: Sequence[File]
    slots: int
    order: Order = Order.AUTO
    sent: list[int] = field(default_factory=list)
    now_s: float = 0.0
    _found: int = 0
    _ends: list[tuple[float, int, JobEnded]] = field(default_factory=list)
    _events: list[Event] = field(default_factory=lambda: [Tick()])

    def run(self) -> Day:
        """Run to the end."""
        rules = Rules(
            slots=self.slots,
            budget_bytes=1 << 40,
            base_bytes=1,
            timeout_s=1e9,
            retries=0,
            order=self.order,
        )
        dispatcher = Dispatcher(rules, random.Random(1))
        while not dispatcher.is_finished:
            if not self._events:
                self.now_s, _, event = heapq.heappop(self._ends)
                self._events.append(event)
            for command in dispatcher.handle(self._events.pop(0), self.now_s):
                self._obey(command)
        return self

    def _obey(self, command: object) -> None:
        match command:
            case PullMore(count):
                found = range(self._found, min(self._found + count, len(self.files)))
                self._found = found.stop
                self._events += [JobFound(self.files[number].job(number)) for number in found]
                self._events += [WalkEnded()] if found.stop == len(self.files) else []
            case StartWorker(slot):
                self._events.append(WorkerReady(slot))
            case Send(slot, jobs):
                end_s = self.now_s
                for job in jobs:
                    took_s = self.files[job.number].seconds
                    end_s += took_s
                    ended = JobEnded(slot, job.number, _made(job, took_s))
                    heapq.heappush(self._ends, (end_s, job.number, ended))
                    self.sent.append(job.number)
            case Finish():
                pass


def _made(job: Job, took_s: float) -> Outcome:
    outcome = Outcome(path=job.source.path, status=Status.OPTIMIZED, wall_s=took_s)
    return replace(outcome, codec=job.source.codec, bytes_read=job.source.size_bytes)


def least_s(files: Sequence[File], slots: int) -> float:
    """Return what no order can beat."""
    return max(sum(file.seconds for file in files) / slots, *(file.seconds for file in files))


LARGE = File(20.0, 60 * MB, "tiff")
PHOTOS = [File(1.0)] * 40


@pytest.mark.parametrize("slots", [2, 3, 16])
def test_a_large_file_that_comes_last_does_not_end_alone(slots: int) -> None:
    """It begins early enough; by path the run lasts as long as it, after all the others."""
    files = [*PHOTOS, LARGE]
    assert Day(files, slots).run().now_s <= 1.05 * least_s(files, slots)
    by_path = Day(files, slots, Order.PATH).run()
    assert by_path.sent == list(range(41))
    assert by_path.now_s >= 20.0 + 40 // slots


def test_what_a_format_takes_is_learned() -> None:
    """A small file of a format whose bytes take long goes early, once one of them has ended."""
    files = [File(8.0, MB, "avif"), *PHOTOS, File(20.0, 3 * MB, "avif")]
    assert Day(files, 2).run().now_s <= 1.05 * least_s(files, 2)


def test_files_of_one_size_go_by_path() -> None:
    """Nothing overtakes where nothing would end last."""
    assert Day([File(1.0)] * 600, 2).run().sent == list(range(600))


def test_one_worker_goes_by_path() -> None:
    """Alone, it ends when it ends, whatever the order."""
    assert Day([*PHOTOS, LARGE], 1).run().sent == list(range(41))


@pytest.mark.parametrize("seed", range(12))
def test_runs_end_soon_after_they_must(seed: int) -> None:
    """Whatever the files, if sizes tell: a tenth later at most than any order, within one sight."""
    rng = random.Random(seed)
    files = []
    for _ in range(rng.choice((100, 250))):
        seconds = rng.choice((0.1, 1.0, 1.0, rng.lognormvariate(0.0, 1.5)))
        files.append(File(seconds, round(MB * seconds * rng.uniform(0.7, 1.4))))
    slots = rng.choice((2, 4, 8))
    assert Day(files, slots).run().now_s <= 1.1 * least_s(files, slots)


def test_a_large_file_is_seen_among_many() -> None:
    """Beyond what may wait nothing is seen; what comes into sight goes early enough even there."""
    files = [File(0.1)] * 2000 + [File(10.0, 100 * MB)]
    day = Day(files, 2).run()
    assert day.sent.index(2000) < 1900
    assert day.now_s <= 1.05 * least_s(files, 2)


@pytest.mark.parametrize("order", [Order.AUTO, Order.PATH])
def test_what_was_taken_is_forgotten(order: Order) -> None:
    """Small files that come and go before large ones leave nothing behind, however many."""
    line = Lookahead(2, order)
    for number in range(20):
        line.add(File(1.0, 100 * MB).job(number))
    peak = 0
    for number in range(20, 5000):
        line.add(File(0.1, number % 7).job(number), is_next=True)
        assert [each.number for each in line.taken()] == [number]
        peak = max(peak, sum(len(kind.largest) for kind in line._kinds.values()))
    assert peak < 400
    left = [job.number for _ in range(len(line)) for job in line.taken()]
    assert sorted(left) == list(range(20))


def test_empty_files_are_taken_too() -> None:
    """A job without bytes waits and goes like any other, and leaves nothing behind."""
    lookahead = Lookahead(slots=2)
    for number, size_bytes in enumerate((0, 5, 0)):
        lookahead.add(File(1.0, size_bytes).job(number))
    taken = [job.number for _ in range(3) for job in lookahead.taken()]
    assert sorted(taken) == [0, 1, 2]
    assert len(lookahead) == 0


def test_a_job_that_returns_goes_next() -> None:
    """What no worker had begun comes back to the front, and again before a larger one's time."""
    lookahead = Lookahead(slots=2)
    for number in range(50):
        lookahead.add(File(1.0).job(number))
    (first,) = lookahead.taken()
    lookahead.add(first, is_next=True)
    assert lookahead.taken() == (first,)


@pytest.mark.parametrize("order", Order)
def test_the_order_that_is_asked_for_is_kept(tmp_path: Path, order: Order) -> None:
    """From its option to what decides."""
    settings = meant(Options(order=order)).settings
    assert settings.order is order
    (tmp_path / "in").mkdir()
    with pixmill.optimize(tmp_path / "in", tmp_path / "out", settings=settings) as run:
        assert run._coordinator.rules.order is order


def learned(chunk_s: float, *, slots: int = 2, waiting: int = 1000) -> Lookahead:
    """Return files that wait and take a second each, as one that has ended tells."""
    pending = Lookahead(slots, Order.AUTO, chunk_s)
    for number in range(waiting):
        pending.add(File(1.0).job(number))
    pending.learn(File(1.0).job(waiting), 1.0)
    return pending


def test_a_chunk_is_worth_the_seconds_that_were_asked_for() -> None:
    """Files of any size travel together as far as what they will take can be guessed."""
    assert [job.number for job in learned(5.0).taken()] == [0, 1, 2, 3, 4]


def test_a_chunk_is_one_file_until_one_has_told_what_it_takes() -> None:
    """Nothing is guessed of what was never made."""
    pending = Lookahead(2, Order.AUTO, 5.0)
    for number in range(100):
        pending.add(File(0.0, size_bytes=10).job(number))
    assert len(pending.taken()) == 1


def test_the_last_chunks_shrink_to_a_fair_share() -> None:
    """With little left to do, nobody takes so much of it that the others have nothing."""
    pending = learned(10.0, slots=4, waiting=64)
    lengths = []
    while pending:
        lengths.append(len(pending.taken()))
    assert lengths[0] == 8
    assert lengths[-4:] == [1, 1, 1, 1]


def test_a_chunk_of_what_takes_no_time_has_an_end() -> None:
    """A machine that is lost takes a thousand files along at most."""
    pending = Lookahead(1, Order.PATH, 5.0)
    for number in range(1500):
        pending.add(File(0.0).job(number))
    pending.learn(File(0.0).job(1500), 0.0)
    assert [len(pending.taken()), len(pending.taken())] == [1000, 500]
