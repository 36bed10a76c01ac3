"""Performance checks that noise cannot fail: CPU time against a rival within the same run."""

from __future__ import annotations

import os
import random
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pyvips
from PIL import Image

import pixmill
from done import write_done
from pixmill.dispatch import Dispatcher, Rules
from pixmill.feeding import Feeder
from pixmill.milling import mill
from pixmill.model import Job, Outcome, SkipReason, SourceRef, Status
from pixmill.planning import Limits
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
from pixmill.recall import Recall
from pixmill.recipe import Effort, Operation, Recipe, StrategyName
from pixmill.reporting import FanOut
from pixmill.settings import Settings
from pixmill.storage.local import Destination
from pixmill.units import Geometry
from pixmill.walking import Walker

if TYPE_CHECKING:
    from collections.abc import Callable

THRESHOLDS = tomllib.loads((Path(__file__).parent / "thresholds.toml").read_text())
EDGE_PX = 1920
# One candidate at the fast effort: what a rival does, so that the ratio is about the engine.
RECIPE = Recipe(
    operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
    resize=Geometry(EDGE_PX, EDGE_PX),
    quality=85,
    effort=Effort.FAST,
    strategy=StrategyName.FIXED,
)
UNIQUE = 8
PHOTOS = 40  # enough that starting the workers does not decide
ROUNDS = 3


def cpu_s() -> float:
    """Return CPU seconds of this process and its ended children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def fastest(work: Callable[[], None]) -> float:
    """Return the least CPU seconds of several rounds: noise only ever adds."""
    spent = []
    for _ in range(ROUNDS):
        before_s = cpu_s()
        work()
        spent.append(cpu_s() - before_s)
    return min(spent)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of photograph-like JPEGs of 8 megapixels, made up."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(UNIQUE):
        clouds = pyvips.Image.perlin(3264, 2448, cell_size=180, seed=number)
        grain = pyvips.Image.gaussnoise(3264, 2448, sigma=9, mean=128, seed=number)
        bands = [(clouds * gain + grain).cast("uchar") for gain in (70, 55, 40)]
        image = bands[0].bandjoin(bands[1:]).copy(interpretation="srgb")
        image.jpegsave(str(folder / f"photo-{number:02}.jpg"), Q=90)
    for number in range(UNIQUE, PHOTOS):
        copy = folder / f"photo-{number:02}.jpg"
        copy.write_bytes((folder / f"photo-{number % UNIQUE:02}.jpg").read_bytes())
    return folder


def test_engine_efficiency(photos: Path, tmp_path: Path) -> None:
    """A run of the pool costs little more CPU than a bare loop over the same codec calls."""

    def bare() -> None:
        for path in sorted(photos.iterdir()):
            product = mill(
                str(path), "jpg", RECIPE, Limits(1 << 30), lease=lambda _cost_bytes: None
            )
            assert not isinstance(product, pixmill.Failed)

    def run() -> None:
        optimize_all(photos, tmp_path / f"out-{time.monotonic_ns()}")

    efficiency = fastest(bare) / fastest(run)
    print(f"engine efficiency {efficiency:.2f}")
    assert efficiency >= THRESHOLDS["ratio"]["engine_efficiency"]


def test_against_pillow(photos: Path, tmp_path: Path) -> None:
    """A run costs less CPU than a Pillow loop that does the same with its own shortcuts."""

    def pillow() -> None:
        for path in sorted(photos.iterdir()):
            with Image.open(path) as image:
                image.draft("RGB", (EDGE_PX, EDGE_PX))
                image.thumbnail((EDGE_PX, EDGE_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
                image.save(tmp_path / path.name, quality=85, optimize=True)

    def run() -> None:
        optimize_all(photos, tmp_path / f"out-{time.monotonic_ns()}")

    ratio = fastest(pillow) / fastest(run)
    print(f"Pillow / pixmill {ratio:.2f}")
    assert ratio >= THRESHOLDS["ratio"]["pillow"]


def optimize_all(source: Path, destination: Path) -> None:
    """Run pixmill over a folder and see that everything came out."""
    with pixmill.optimize(source, destination, RECIPE, settings=Settings(parallel=2)) as run:
        statuses = [outcome.status for outcome in run]
    assert statuses == [Status.OPTIMIZED] * PHOTOS


def test_dispatch_cpu() -> None:
    """A job costs the dispatcher little, so that one coordinator feeds many cores."""
    jobs = 20_000
    before_s = time.process_time()
    dispatch_all(jobs, slots=16)
    per_job_us = (time.process_time() - before_s) / jobs * 1e6
    print(f"dispatch {per_job_us:.0f} us a job, {1e6 / per_job_us:.0f} jobs/s")
    assert per_job_us <= THRESHOLDS["cpu"]["dispatch_us"]


def dispatch_all(jobs: int, slots: int) -> None:
    """Drive a dispatcher with workers that end each job at once."""
    rules = Rules(slots=slots, budget_bytes=1 << 34, base_bytes=1 << 20, timeout_s=60, retries=0)
    dispatcher = Dispatcher(rules, random.Random(1))
    found = 0
    queue = dispatcher.handle(Tick(), 0.0)
    while queue:
        command = queue.pop(0)
        match command:
            case PullMore(count):
                for _ in range(min(count, jobs - found)):
                    source = SourceRef(f"{found}.jpg", 40_000, 0, "jpg")
                    queue += dispatcher.handle(JobFound(Job(found, source, f"{found}.jpg")), 0.0)
                    found += 1
                if found == jobs:
                    queue += dispatcher.handle(WalkEnded(), 0.0)
            case StartWorker(slot):
                queue += dispatcher.handle(WorkerReady(slot), 0.0)
            case Send(slot, batch):
                for job in batch:
                    outcome = Outcome(path=job.source.path, status=Status.OPTIMIZED)
                    queue += dispatcher.handle(JobEnded(slot, job.number, outcome), 0.0)
            case Finish():
                return
    raise AssertionError("the dispatcher did not finish")


def test_feeding_cpu(tmp_path: Path) -> None:
    """Walking, recognising and naming a file costs the coordinator little."""
    files = 3_000
    small = pyvips.Image.black(8, 8).pngsave_buffer()
    for number in range(files):
        folder = tmp_path / "in" / f"{number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(small)
    settings = Settings()
    walker = Walker(str(tmp_path / "in"), settings)
    destination = Destination(str(tmp_path / "out"))
    recall = Recall(None, settings, destination, "")
    feeder = Feeder(walker, Recipe(), settings, destination, recall)
    before_s = time.process_time()
    met = sum(1 for _ in feeder.jobs())
    per_file_us = (time.process_time() - before_s) / files * 1e6
    print(f"feeding {per_file_us:.0f} us a file")
    assert met == files
    assert per_file_us <= THRESHOLDS["cpu"]["feed_us"]


def test_done_cpu(tmp_path: Path) -> None:
    """A run over what is done costs little more than to list and look at every file twice."""
    files = 10_000
    source, destination = write_done(tmp_path, files, Recipe(), flat_files=files // 2)

    def bare() -> None:
        for folder in os.scandir(source):
            for entry in os.scandir(folder):
                written = os.lstat(f"{destination}/{folder.name}/{entry.name}")
                assert entry.stat().st_size == written.st_size

    def run() -> None:
        with pixmill.optimize(source, destination, Recipe(), reporter=FanOut()) as again:
            assert all(outcome.reason is SkipReason.DONE for outcome in again)
        assert again.summary.skipped == files

    bare_us, run_us = (least_us(work, files) for work in (bare, run))
    print(f"done {run_us:.0f} us a file, bare loop / run {bare_us / run_us:.2f}")
    assert run_us <= THRESHOLDS["cpu"]["done_us"]
    assert bare_us / run_us >= THRESHOLDS["ratio"]["done"]


def least_us(work: Callable[[], None], files: int) -> float:
    """Return the least microseconds of this process's CPU a file, of several rounds."""
    spent = []
    for _ in range(ROUNDS * 3):
        before_s = time.process_time()
        work()
        spent.append(time.process_time() - before_s)
    return min(spent) / files * 1e6
