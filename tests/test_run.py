"""Whole runs in worker processes: nothing is lost, blamed wrongly, polluted or left behind."""

from __future__ import annotations

import fcntl
import gc
import os
import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest
from PIL import Image

import pixmill
from faults.plugin import LOG, MARKERS
from pixmill.errors import OptionError, RunError
from pixmill.model import FailureKind, Status
from pixmill.recipe import Recipe
from pixmill.settings import Settings
from runs import (
    HALVED,
    TESTS,
    TWO_WORKERS,
    Ended,
    archive,
    by_path,
    digests,
    left_running,
    ran,
    scripted,
    temporary_files,
    until,
    workers,
)

if TYPE_CHECKING:
    from pathlib import Path

SOUND = ("a.jpg", "b.png", "deep/c.webp", "deep/er/d.jpg", "deep/er/e.png", "f.webp")
SCRIPT = """\
import sys
import pixmill
from pixmill.settings import Settings

if __name__ == "__main__":
    folder, mill = sys.argv[1:]
    settings = Settings(parallel=2)
    with pixmill.optimize(folder + "/in", folder + "/out", settings=settings, mill=mill) as run:
        for outcome in run:
            print(outcome.path, outcome.status)
    print("loaded" if "pyvips" in sys.modules else "not loaded")
"""
ENDLESS = """\
import sys
import pixmill
from pixmill.settings import Settings

settings = Settings(parallel=2)
run = pixmill.optimize(sys.argv[1], sys.argv[2], settings=settings, mill="faults.hanging:mill")
for outcome in run:
    print(outcome.path, flush=True)
"""


@pytest.fixture(autouse=True)
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give faults a folder to remember in, and see that no test leaves a process behind."""
    folder = tmp_path / "markers"
    folder.mkdir()
    monkeypatch.setenv(MARKERS, str(folder))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return an archive of six sound files."""
    return archive(tmp_path / "in", *SOUND)


def many(root: Path, count: int = 200) -> Path:
    """Make an archive of so many files over folders of twenty."""
    return archive(root, *(f"{number // 20:02}/{number:03}.jpg" for number in range(count)))


def only_faulty(ended: Ended, name: str) -> pixmill.Outcome:
    """Return the outcome of one file, after all the others were seen to be optimised at once."""
    found = by_path(ended.outcomes)
    faulty = found.pop(name)
    assert {path: str(each.status) for path, each in found.items()} == dict.fromkeys(
        SOUND, "optimized"
    )
    assert {each.attempts for each in found.values()} == {1}
    assert not left_running()
    return faulty


def test_a_file_that_hangs_its_worker_times_out(photos: Path, tmp_path: Path) -> None:
    """Its worker is replaced, it is recorded as a timeout, and everything else is optimised."""
    archive(photos, "deep/hang.jpg")
    settings = Settings(parallel=2, timeout_s=1.0)
    ended = ran(photos, tmp_path / "out", settings=settings, mill="faults.hanging:mill")
    hung = only_faulty(ended, "deep/hang.jpg")
    assert hung.failure is not None
    assert hung.failure.kind is FailureKind.TIMEOUT
    assert hung.attempts == 1
    assert not temporary_files(tmp_path / "out")


@pytest.mark.parametrize(
    ("word", "name"), [("segv", "SIGSEGV"), ("abort", "SIGABRT"), ("killed", "SIGKILL")]
)
def test_a_file_that_crashes_its_worker_is_tried_twice(
    word: str, name: str, photos: Path, tmp_path: Path
) -> None:
    """A second crash, alone in a fresh worker, records it; everything else is optimised."""
    archive(photos, f"deep/{word}.jpg")
    ended = ran(photos, tmp_path / "out", mill="faults.crashing:mill")
    crashed = only_faulty(ended, f"deep/{word}.jpg")
    assert crashed.failure is not None
    assert crashed.failure.kind is FailureKind.CRASHED
    assert name in crashed.failure.message
    assert crashed.attempts == 2


def test_a_file_that_crashes_once_is_optimised(photos: Path, tmp_path: Path) -> None:
    """An accident is no verdict."""
    archive(photos, "once-segv.jpg")
    ended = ran(photos, tmp_path / "out", mill="faults.crashing:mill")
    crashed = only_faulty(ended, "once-segv.jpg")
    assert crashed.status is Status.OPTIMIZED
    assert crashed.attempts == 2


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_workers_lose_no_file(seed: int, tmp_path: Path) -> None:
    """However many workers are killed, every file ends, and one at most is tried again a kill."""
    rng = random.Random(seed)
    source = many(tmp_path / "in")
    kills, outcomes = 0, []
    with pixmill.optimize(source, tmp_path / "out", HALVED, settings=TWO_WORKERS) as run:
        for outcome in run:
            outcomes.append(outcome)
            alive = workers()
            if alive and rng.random() < 0.08:
                kills += 1
                rng.choice(alive).kill()
    found = by_path(outcomes)
    assert set(found) == set(digests(source))
    assert kills > 5
    assert sum(outcome.attempts > 1 for outcome in outcomes) <= kills
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    assert 2 * len(failed) <= kills
    assert {outcome.attempts for outcome in failed} <= {2}
    published = {str(outcome.destination) for outcome in outcomes if outcome.destination}
    there = set(digests(tmp_path / "out"))
    # killed twice, the second time between the rename and the news of it
    assert published <= there <= published | {outcome.path for outcome in failed}


def test_a_killed_nursery_is_replaced(tmp_path: Path) -> None:
    """The process that workers come from may die, too, and costs what its workers held."""
    source = many(tmp_path / "in", 60)
    outcomes, kills = [], 0
    with pixmill.optimize(source, tmp_path / "out", HALVED, settings=TWO_WORKERS) as run:
        for number, outcome in enumerate(run):
            outcomes.append(outcome)
            if number in {5, 30}:
                (nursery,) = left_running()[:1]
                nursery.kill()
                kills += 1
    assert set(by_path(outcomes)) == set(digests(source))
    assert {outcome.status for outcome in outcomes} == {Status.OPTIMIZED}
    assert sum(outcome.attempts > 1 for outcome in outcomes) <= 2 * kills


def test_a_nursery_that_stands_still_is_replaced(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs is killed without it, and where it starts no worker any more another does."""
    monkeypatch.setattr("pixmill.executors.hatchery._HATCH_TIMEOUT_S", 2.0)
    monkeypatch.setattr("pixmill.executors.hatchery._END_TIMEOUT_S", 0.5)
    archive(photos, "aa-hang.jpg")
    settings = Settings(parallel=1, timeout_s=2.0)
    mill = "faults.hanging:mill"
    with pixmill.optimize(photos, tmp_path / "out", HALVED, settings=settings, mill=mill) as run:
        outcomes = [next(run)]
        (nursery,) = left_running()[:1]
        nursery.suspend()
        outcomes += list(run)
    hung = only_faulty(Ended(outcomes, run.summary), "aa-hang.jpg")
    assert hung.failure is not None
    assert hung.failure.kind is FailureKind.TIMEOUT


def test_a_killed_coordinator_takes_everything_along(photos: Path, tmp_path: Path) -> None:
    """Nothing survives it, and the next run removes what was left half-written."""
    archive(photos, "hang-1.jpg", "hang-2.jpg")
    out = tmp_path / "out"
    (tmp_path / "endless.py").write_text(ENDLESS, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "endless.py"), str(photos), str(out)],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(TESTS), MARKERS: os.environ[MARKERS]},
    ) as coordinator:
        assert coordinator.stdout is not None
        coordinator.stdout.readline()
        until(lambda: len(left_running(coordinator.pid)) == 3)
        tree = left_running(coordinator.pid)
        coordinator.kill()
    until(lambda: not any(each.is_running() for each in tree), patience_s=5.0)
    (out / ".pixmill-0123456789abcdef.tmp").write_bytes(b"half")
    ended = ran(photos, out)
    assert not temporary_files(out)
    assert set(by_path(ended.outcomes)) == set(digests(photos))


def test_what_another_held_that_dies_meanwhile_is_swept(tmp_path: Path) -> None:
    """As a worker far away may, whose run was killed before this one began: nothing is left."""
    source, place = archive(tmp_path / "in", "a/0.jpg", "a/1.jpg"), tmp_path / "out"
    (place / "a").mkdir(parents=True)
    with (place / "a" / ".pixmill-0123456789abcdef.tmp").open("wb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pixmill.optimize(source, place, HALVED, settings=TWO_WORKERS) as run:
            next(run)
            assert temporary_files(place), "swept from under its owner"
            theirs.close()
            list(run)
    assert not temporary_files(place)


def test_draining_finishes_what_is_in_hand(tmp_path: Path) -> None:
    """The first stop takes no new work, and every file that was begun ends well."""
    source = many(tmp_path / "in")
    outcomes = []
    with pixmill.optimize(source, tmp_path / "out", HALVED, settings=TWO_WORKERS) as run:
        for outcome in run:
            outcomes.append(outcome)
            run.drain()
    assert 1 <= len(outcomes) < 200
    assert {outcome.status for outcome in outcomes} == {Status.OPTIMIZED}
    assert set(digests(tmp_path / "out")) == {str(each.destination) for each in outcomes}
    assert run.summary.is_interrupted
    assert not left_running()


def test_aborting_leaves_nothing_half_done(photos: Path, tmp_path: Path) -> None:
    """The second stop ends at once, even what hangs, without a trace."""
    archive(photos, "hang-1.jpg", "hang-2.jpg")
    mill = "faults.hanging:mill"
    run = pixmill.optimize(photos, tmp_path / "out", HALVED, settings=TWO_WORKERS, mill=mill)
    with run:
        for _ in run:
            run.abort()
    assert run.summary.is_interrupted
    assert not left_running()
    assert not temporary_files(tmp_path / "out")


def test_closing_half_way_leaves_nothing_running(tmp_path: Path) -> None:
    """`close` may come at any time, comes twice without harm, and gives a summary."""
    run = pixmill.optimize(many(tmp_path / "in"), tmp_path / "out", HALVED, settings=TWO_WORKERS)
    with pytest.raises(RunError, match="not ended"):
        run.summary  # noqa: B018 - raises
    first = [next(run) for _ in range(5)]
    run.close()
    run.close()
    assert not left_running()
    assert run.summary.is_interrupted
    assert run.summary.walked >= len(first)
    assert not temporary_files(tmp_path / "out")
    assert list(run) == []


def test_an_abandoned_run_leaves_nothing_running(tmp_path: Path) -> None:
    """A run that nobody holds any more has ended."""
    run = pixmill.optimize(many(tmp_path / "in"), tmp_path / "out", HALVED, settings=TWO_WORKERS)
    next(run)
    assert left_running()
    del run
    gc.collect()
    assert not left_running()


def test_the_thread_that_began_a_run_may_end(tmp_path: Path) -> None:
    """A run may be continued from another thread: none of its processes depends on the first."""
    source = many(tmp_path / "in", 60)
    run = pixmill.optimize(source, tmp_path / "out", HALVED, settings=TWO_WORKERS)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(next(run)))
    thread.start()
    thread.join()
    with run:
        outcomes += list(run)
    assert set(by_path(outcomes)) == set(digests(source))
    assert {outcome.attempts for outcome in outcomes} == {1}


@pytest.mark.parametrize("on_stdin", [False, True], ids=["script", "stdin"])
def test_a_script_keeps_its_stdout_and_never_loads_pyvips(
    on_stdin: bool,  # noqa: FBT001 - pytest passes it by name
    photos: Path,
    tmp_path: Path,
) -> None:
    """By path or fed like a notebook cell, it sees its own output alone and no codec."""
    result = scripted(SCRIPT, tmp_path, "faults.talking:mill", on_stdin=on_stdin)
    lines = result.stdout.splitlines()
    assert lines.pop() == "not loaded"
    assert sorted(line.split()[0] for line in lines) == sorted(digests(photos))
    assert result.stderr.count("a word from C") == len(SOUND)


def test_memory_beyond_the_lease_is_a_clean_failure(photos: Path, tmp_path: Path) -> None:
    """An estimate that was wrong costs its own file; the worker lives on."""
    ended = ran(photos, tmp_path / "out", mill="faults.hungry:mill")
    failures = [outcome.failure for outcome in ended.outcomes]
    assert {failure.kind for failure in failures if failure} == {FailureKind.MEMORY}
    assert len(ended.outcomes) == len(SOUND)
    assert {outcome.attempts for outcome in ended.outcomes} == {1}


def test_what_may_pass_is_tried_again(photos: Path, tmp_path: Path, marked: Path) -> None:
    """A busy file succeeds at the third attempt, a lost one fails then, a denied one at once."""
    archive(photos, "busy.jpg", "lost.jpg", "denied.jpg")
    found = by_path(ran(photos, tmp_path / "out", mill="faults.retrying:mill").outcomes)
    assert (found["busy.jpg"].status, found["busy.jpg"].attempts) == (Status.OPTIMIZED, 3)
    lost, denied = found["lost.jpg"], found["denied.jpg"]
    assert lost.failure is not None
    assert (lost.failure.kind, lost.attempts) == (FailureKind.IO, 3)
    assert denied.failure is not None
    assert (denied.failure.kind, denied.attempts) == (FailureKind.PERMISSION, 1)
    assert (marked / LOG).read_text().splitlines().count("denied.jpg") == 1


def test_sources_stay_and_times_are_kept(photos: Path, tmp_path: Path) -> None:
    """No source changes, and what is published has its source's modification time."""
    before = digests(photos)
    for number, path in enumerate(sorted(before)):
        os.utime(photos / path, ns=(number, 1_500_000_000_123_456_789 + number))
    ended = ran(photos, tmp_path / "out")
    assert digests(photos) == before
    for outcome in ended.outcomes:
        published = tmp_path / "out" / str(outcome.destination)
        assert published.stat().st_mtime_ns == (photos / outcome.path).stat().st_mtime_ns
        assert published.stat().st_size == outcome.bytes_written


def test_a_dry_run_publishes_nothing(photos: Path, tmp_path: Path) -> None:
    """It says what would come of every file, and touches nothing."""
    settings = Settings(parallel=2, dry_run=True)
    dry = ran(photos, tmp_path / "out", settings=settings)
    assert not (tmp_path / "out").exists()
    real = ran(photos, tmp_path / "out")
    sizes = {path: each.bytes_written for path, each in by_path(dry.outcomes).items()}
    assert sizes == {path: each.bytes_written for path, each in by_path(real.outcomes).items()}


def test_bytes_do_not_depend_on_the_number_of_workers(photos: Path, tmp_path: Path) -> None:
    """One worker or two: the same source under the same recipe gives the same bytes."""
    for count in (1, 2):
        settings = Settings(parallel=count, memory_bytes=300_000_000)
        ran(photos, tmp_path / str(count), settings=settings)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    assert len(digests(tmp_path / "1")) == len(SOUND)


def test_an_interrupt_between_two_outcomes_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C in a program without handlers of its own ends the run with everything it started."""
    source = many(tmp_path / "in")
    run = pixmill.optimize(source, tmp_path / "out", HALVED, settings=TWO_WORKERS)

    def interrupted() -> None:
        with run:
            for _ in run:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not left_running()
    assert run.summary.is_interrupted


def test_one_image_is_made_from_bytes(photos: Path) -> None:
    """`optimize_bytes` makes one image in this process."""
    content = (photos / "a.jpg").read_bytes()
    made = pixmill.optimize_bytes(content, HALVED)
    assert len(made) < len(content)
    with pytest.raises(pixmill.ImageError, match="no image"):
        pixmill.optimize_bytes(b"no image at all")


def test_one_image_is_made_from_a_file(photos: Path, tmp_path: Path) -> None:
    """`optimize_file` publishes one image, with its time, and never over its source."""
    target = tmp_path / "made" / "a.jpg"
    size_bytes = pixmill.optimize_file(photos / "a.jpg", target, HALVED)
    assert target.stat().st_size == size_bytes
    assert target.stat().st_mtime_ns == (photos / "a.jpg").stat().st_mtime_ns
    with Image.open(target) as made:
        assert made.width == 24
    with pytest.raises(OptionError, match="one file"):
        pixmill.optimize_file(photos / "a.jpg", photos / "deep" / ".." / "a.jpg", Recipe())


def test_processes_are_named_to_the_collector(photos: Path, tmp_path: Path) -> None:
    """Peak memory counts the whole tree: more than this process alone."""
    ended = ran(photos, tmp_path / "out")
    assert ended.summary.peak_memory_bytes > psutil.Process().memory_full_info().pss


def test_workers_that_cannot_start_end_the_run_in_good_order(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary says why, nothing is counted as failed, and the next run makes everything."""
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", "/bin/false")
        ended = ran(photos, tmp_path / "out")
    assert "cannot start a worker" in ended.summary.fatal
    assert (ended.summary.failed, ended.summary.is_interrupted) == (0, False)
    assert not left_running()
    assert len(ran(photos, tmp_path / "out").outcomes) == len(SOUND)
