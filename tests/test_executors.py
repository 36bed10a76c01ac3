"""Every hatchery keeps one contract, and every executor carries a run to the same end."""

from __future__ import annotations

import os
import select
import sys
from dataclasses import replace
from multiprocessing import Pipe
from typing import TYPE_CHECKING

import pytest

from pixmill.collector import Collector
from pixmill.coordinator import Coordinator
from pixmill.errors import RunError
from pixmill.executors.hatchery import Hatchery, NurseryHatchery, SpawnHatchery
from pixmill.executors.hearing import heard
from pixmill.executors.inline import InlineExecutor
from pixmill.executors.listening import Listener, PollListener, WaitListener
from pixmill.executors.local import LocalExecutor
from pixmill.feeding import Feeder
from pixmill.model import FailureKind, Job, SourceRef, Status
from pixmill.protocol import JobEnded, RetireWorker, Send, Setup, WorkerReady
from pixmill.recall import Recall
from pixmill.reporting import FanOut, RunFacts
from pixmill.rules import Rules
from pixmill.settings import Settings
from pixmill.stats import Ahead
from pixmill.storage.local import Destination
from pixmill.walking import Walker
from runs import HALVED, archive, by_path, digests, left_running, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pixmill.executors.base import Executor
    from pixmill.executors.hatchery import Hatchling
    from pixmill.model import Outcome

LISTENERS = [PollListener, WaitListener] if hasattr(select, "poll") else [WaitListener]
NAMES = ("a.jpg", "b.png", "deep/c.webp", "deep/d.jpg")
RESIDENT_BYTES = 1


@pytest.fixture(params=[NurseryHatchery, SpawnHatchery], ids=["nursery", "spawn"])
def hatchery(request: pytest.FixtureRequest) -> Iterator[Hatchery]:
    """Give one hatchery of each kind, and see that closing it leaves nothing running."""
    made: Hatchery = request.param()
    yield made
    made.close()
    assert not left_running()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a small archive."""
    return archive(tmp_path / "in", *NAMES)


def setup_of(source: Path, destination: Path, mill: str = "pixmill.milling:mill") -> Setup:
    """Return what a worker must know."""
    return Setup(
        slot=0,
        source_root=str(source),
        destination_root=str(destination),
        recipe=HALVED,
        lease_bytes=100_000_000,
        base_bytes=8_000_000,
        can_replace=False,
        is_dry_run=False,
        mill=mill,
    )


def job(source: Path, name: str, number: int = 0) -> Job:
    """Return a job for a JPEG of an archive."""
    status = (source / name).stat()
    return Job(number, SourceRef(name, status.st_size, status.st_mtime_ns, "jpg"), name)


def ready(hatchery: Hatchery, setup: Setup) -> Hatchling:
    """Start a worker and hear that it is ready."""
    worker = hatchery.hatch()
    worker.connection.send(setup)
    assert worker.connection.poll(60)  # the nursery has codecs to load first
    assert heard(worker.connection, 0) == WorkerReady(0)
    return worker


def has_hung_up(worker: Hatchling) -> bool:
    """Wait for the end of a worker's pipe."""
    with pytest.raises((EOFError, ConnectionResetError)):
        worker.connection.recv()
    return True


def test_a_worker_makes_a_job_and_retires(hatchery: Hatchery, photos: Path, tmp_path: Path) -> None:
    """It starts, is named by its process id, makes what it is sent, and ends when told to."""
    worker = ready(hatchery, setup_of(photos, tmp_path / "out"))
    assert worker.pid in {each.pid for each in left_running()}
    worker.connection.send(Send(0, (job(photos, "a.jpg", number=7),)))
    ended = heard(worker.connection, 0)
    assert isinstance(ended, JobEnded)
    assert (ended.number, ended.outcome.status) == (7, Status.OPTIMIZED)
    assert ended.resident_bytes > 0
    worker.connection.send(RetireWorker(0))
    assert has_hung_up(worker)
    assert worker.note.in_hand is None
    assert worker.reason() == "exit status 0"


@pytest.mark.parametrize("kind", LISTENERS)
def test_a_listener_names_who_speaks_and_who_has_gone(kind: Callable[[], Listener]) -> None:
    """A slot is ready while its pipe holds a word or has ended, and never once it is dropped."""
    listener, pipes = kind(), [Pipe() for _ in range(3)]
    for slot, (ours, _) in enumerate(pipes):
        listener.add(slot, ours)
    assert listener.ready(0.001) == []
    pipes[2][1].send("a word")
    assert listener.ready(1.0) == [2]
    assert listener.ready(0.0) == [2]
    pipes[2][0].recv()
    pipes[0][1].close()
    assert listener.ready(1.0) == [0]
    listener.drop(0)
    pipes[0][0].close()
    assert listener.ready(0.0) == []


def test_a_killed_worker_tells_what_it_had_in_hand(
    hatchery: Hatchery, photos: Path, tmp_path: Path
) -> None:
    """Its note outlives it, its pipe ends, and its end has a name."""
    archive(photos, "hang.jpg")
    worker = ready(hatchery, setup_of(photos, tmp_path / "out", "faults.hanging:mill"))
    assert worker.note.in_hand is None
    worker.connection.send(Send(0, (job(photos, "hang.jpg", number=41),)))
    until(lambda: worker.note.in_hand == 41)
    worker.kill()
    assert has_hung_up(worker)
    assert worker.note.in_hand == 41
    assert worker.reason() == "signal 9 (SIGKILL)"


def test_workers_do_not_depend_on_each_other(
    hatchery: Hatchery, photos: Path, tmp_path: Path
) -> None:
    """One dies, the other works on."""
    first = ready(hatchery, setup_of(photos, tmp_path / "out"))
    second = ready(hatchery, setup_of(photos, tmp_path / "out"))
    first.kill()
    assert has_hung_up(first)
    second.connection.send(Send(0, (job(photos, "a.jpg"),)))
    assert isinstance(heard(second.connection, 0), JobEnded)


def test_closing_ends_even_what_hangs(hatchery: Hatchery, photos: Path, tmp_path: Path) -> None:
    """Closing waits for nobody's goodwill, and may be done twice."""
    archive(photos, "hang.jpg")
    worker = ready(hatchery, setup_of(photos, tmp_path / "out", "faults.hanging:mill"))
    worker.connection.send(Send(0, (job(photos, "hang.jpg"),)))
    until(lambda: worker.note.in_hand == 0)
    hatchery.close()
    hatchery.close()
    assert not left_running()


def test_a_dead_nursery_is_replaced_at_once(photos: Path, tmp_path: Path) -> None:
    """The next worker comes from a new one, and nobody waits for words of the old."""
    hatchery = NurseryHatchery()
    setup = setup_of(photos, tmp_path / "out")
    old = ready(hatchery, setup)
    (nursery,) = hatchery.processes()
    os.kill(nursery, 9)
    new = ready(hatchery, setup)
    assert has_hung_up(old)
    assert old.reason() == "an unknown end"
    old.kill()  # whoever has its number now is spared
    new.connection.send(Send(0, (job(photos, "a.jpg"),)))
    assert isinstance(heard(new.connection, 0), JobEnded)
    assert hatchery.processes() != [nursery]
    hatchery.close()
    assert not left_running()


def test_a_nursery_that_cannot_start_is_an_error_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is told once, and not tried for ever."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    hatchery = NurseryHatchery()
    with pytest.raises(RunError, match="cannot start a worker"):
        hatchery.hatch()
    hatchery.close()


def run_with(
    source: Path, destination: Path, executor: Executor, *, resident_bytes: int = 1 << 62
) -> Iterator[Outcome]:
    """Return the outcomes of a run on an executor of the caller's."""
    settings = Settings()
    publisher = Destination(str(destination))
    facts = RunFacts(
        source=str(source),
        destination=str(destination),
        recipe=HALVED.canonical(),
        fingerprint=HALVED.fingerprint(),
        workers=2,
        memory_bytes=0,
        lease_bytes=0,
        is_dry_run=False,
        warnings=(),
    )
    rules = Rules(
        slots=2,
        budget_bytes=200_000_000,
        base_bytes=8_000_000,
        timeout_s=60.0,
        retries=2,
        resident_bytes=resident_bytes,
    )
    walker = Walker(str(source), settings)
    return Coordinator(
        found=Feeder(
            walker, HALVED, settings, publisher, Recall(None, settings, publisher, "")
        ).jobs(),
        rules=rules,
        executor=executor,
        collector=Collector(facts, FanOut(), Ahead(has_ended=True), executor.processes),
        destination=publisher,
    ).outcomes()


EXECUTORS: dict[str, Callable[[Setup], Executor]] = {
    "inline": InlineExecutor,
    "nursery": LocalExecutor,
    "spawn": lambda setup: LocalExecutor(setup, SpawnHatchery()),
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_ends_a_run_alike(name: str, photos: Path, tmp_path: Path) -> None:
    """The same files, the same bytes, and nothing left running."""
    out = tmp_path / "out"
    executor = EXECUTORS[name](setup_of(photos, out))
    outcomes = by_path(list(run_with(photos, out, executor)))
    assert {path: str(each.status) for path, each in outcomes.items()} == dict.fromkeys(
        NAMES, "optimized"
    )
    assert executor.processes() == []
    assert not left_running()
    reference = tmp_path / "reference"
    list(run_with(photos, reference, InlineExecutor(setup_of(photos, reference))))
    assert digests(out) == digests(reference)


@pytest.mark.skipif(sys.platform != "linux", reason="only a confined worker has limits")
def test_the_kernel_ends_what_spins(tmp_path: Path) -> None:
    """Behind a clock that never strikes, CPU time ends a worker, and its file is a timeout."""
    photos = archive(tmp_path / "in", "a.jpg", "spin.jpg", "z.jpg")
    setup = replace(setup_of(photos, tmp_path / "out", "faults.spinning:mill"), timeout_s=0.01)
    outcomes = by_path(list(run_with(photos, tmp_path / "out", LocalExecutor(setup))))
    failure = outcomes["spin.jpg"].failure
    assert failure is not None
    assert (failure.kind, outcomes["spin.jpg"].attempts) == (FailureKind.TIMEOUT, 1)
    assert "CPU" in failure.message
    assert all(outcomes[name].status is Status.OPTIMIZED for name in ("a.jpg", "z.jpg"))


def test_a_worker_grown_too_large_is_replaced(tmp_path: Path) -> None:
    """It is replaced between two files; the run goes on and nothing is tried twice."""
    photos = archive(tmp_path / "in", *(f"{number:02}.jpg" for number in range(30)))
    executor = LocalExecutor(setup_of(photos, tmp_path / "out"))
    pids: set[int] = set()
    outcomes = []
    for outcome in run_with(photos, tmp_path / "out", executor, resident_bytes=RESIDENT_BYTES):
        outcomes.append(outcome)
        pids.update(executor.processes())
    assert len(by_path(outcomes)) == 30
    assert {(outcome.status, outcome.attempts) for outcome in outcomes} == {(Status.OPTIMIZED, 1)}
    assert len(pids) > 4
