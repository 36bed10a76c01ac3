"""Performance checks that noise cannot fail: CPU time against a rival within the same run.

Noise only ever adds CPU time, and takes turns with nobody: rivals are measured in turn, in as many
processes, and the least of several rounds counts. Rounds go on until a ratio is met or there have
been many; no number of them makes a slow engine meet it, as a mill that is slow on purpose shows.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import shutil
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import pyvips

import pixmill
from contest.contestants import FLOOR, PEERS, PIXMILL, Order
from contest.jobs import STRATEGY, Job, Place, Task
from contest.measuring import Command, spent_on
from done import write_done, write_small
from mills import MEETING, MET, recipe_of
from pixmill.dispatch import Dispatcher
from pixmill.feeding import Feeder
from pixmill.machine import usable_cpus
from pixmill.model import Job as FileJob
from pixmill.model import Outcome, SkipReason, SourceRef, Status
from pixmill.protocol import (
    Finish,
    JobEnded,
    JobFound,
    PullMore,
    Send,
    Setup,
    StartWorker,
    Tick,
    WalkEnded,
    WorkerReady,
)
from pixmill.recall import Recall
from pixmill.recipe import Recipe
from pixmill.registry import recognised
from pixmill.reporting import FanOut
from pixmill.rules import Rules
from pixmill.settings import Sandbox, Settings
from pixmill.storage.local import Destination
from pixmill.vocabulary import Effort
from pixmill.walking import Walker
from pixmill.worker import Worker
from soaking import small_images

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

THRESHOLDS: Final = tomllib.loads((Path(__file__).parent / "thresholds.toml").read_text())
UNIQUE: Final = 7
SIZE_PX: Final = (4000, 3000)
PHOTOS: Final = 28  # enough that starting the workers does not decide
FEWEST_ROUNDS: Final = 2
MOST_ROUNDS: Final = 6
SLOW: Final = "slow on purpose"


class Race:
    """Commands over the same files in turn: the least CPU seconds of each.

    Args:
        folder: Holds the photographs in `source`.
        edge_px: Longest edge of the results.
        names: Who takes part, pixmill aside.
    """

    def __init__(self, folder: Path, edge_px: int, names: tuple[str, ...]) -> None:
        self.results = folder / "results"
        self.least_s: dict[str, float] = {}
        task = Task(".jpg", edge_px=edge_px, quality=85)
        place = Place(folder / "source", self.results)
        files = tuple(sorted(place.source.iterdir()))
        job = Job(
            key="", title="", task=task, files=PHOTOS, quick_files=PHOTOS, prepare=lambda *_: place
        )
        order = Order(job, place, files, 2, folder)
        self.commands = {
            each.name: each.command(order)
            for each in (PIXMILL, FLOOR, *PEERS)
            if each.name in {PIXMILL.name, *names}
        }
        if SLOW in names:
            self.commands[SLOW] = slow(place, edge_px)

    def go_round(self) -> None:
        """Let everybody do the job once."""
        for name, command in self.commands.items():
            for folder in (self.results, Path(f"{self.results}.pixmill")):
                emptied(folder)
            spent = spent_on(command)
            assert not spent.complaint, f"{name}: {spent.complaint}"
            assert len(list(self.results.iterdir())) == PHOTOS, name
            self.least_s[name] = min(spent.cpu_s, self.least_s.get(name, spent.cpu_s))

    def ratios(self, to: str = PIXMILL.name) -> dict[str, float]:
        """Return everybody's CPU over that of one of them."""
        return {name: least_s / self.least_s[to] for name, least_s in self.least_s.items()}

    def run_until(self, wanted: Mapping[str, float]) -> bool:
        """Return whether everybody's CPU over pixmill's is as high as wanted, in some rounds."""
        for number in range(MOST_ROUNDS):
            self.go_round()
            ratios = self.ratios()
            is_met = all(ratios[name] >= least for name, least in wanted.items())
            if is_met and number + 1 >= FEWEST_ROUNDS:
                break
        print(", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
        return is_met


def slow(place: Place, edge_px: int) -> Command:
    """Return a run of pixmill that decodes all pixels."""
    script = str(Path(__file__).with_name("mills.py"))
    return Command(
        [sys.executable, script, str(place.source), str(place.destination), str(edge_px)]
    )


def emptied(folder: Path) -> None:
    """Make a folder empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with photograph-like JPEGs of 12 megapixels, made up, in `source`.

    They take 2.3 bits a pixel; the corpora's photographs 2.2 on the median.
    """
    folder = tmp_path_factory.mktemp("photos") / "source"
    folder.mkdir()
    for number in range(UNIQUE):
        clouds = pyvips.Image.perlin(*SIZE_PX, cell_size=180, seed=number)
        grain = pyvips.Image.gaussnoise(*SIZE_PX, sigma=6, mean=128, seed=number)
        bands = [(clouds * gain + grain).cast("uchar") for gain in (70, 55, 40)]
        image = bands[0].bandjoin(bands[1:]).copy(interpretation="srgb")
        image.jpegsave(str(folder / f"photo-{number:02}.jpg"), Q=90)
    for number in range(UNIQUE, PHOTOS):
        copy = folder / f"photo-{number:02}.jpg"
        copy.write_bytes((folder / f"photo-{number % UNIQUE:02}.jpg").read_bytes())
    return folder.parent


@pytest.mark.parametrize("edge_px", [1920, 400])
def test_photographs(photos: Path, edge_px: int) -> None:
    """A run costs little more CPU than bare codec calls, and less than a Pillow pool's."""
    race = Race(photos, edge_px, ("floor", "pillow"))
    assert race.run_until(THRESHOLDS["ratio"][f"to_{edge_px}_px"])


def test_slow_decoding_is_seen(photos: Path) -> None:
    """An engine that decodes without shrink-on-load is held to fail the check of thumbnails."""
    race = Race(photos, 400, ("floor", "pillow", SLOW))
    wanted = THRESHOLDS["ratio"]["to_400_px"]
    is_seen = False
    for number in range(MOST_ROUNDS):
        race.go_round()
        ratios = race.ratios(to=SLOW)
        is_seen = all(ratios[name] < least for name, least in wanted.items())
        if is_seen and number + 1 >= FEWEST_ROUNDS:
            break
    print(", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
    assert is_seen


@pytest.mark.parametrize(("parallel", "has_met"), [(None, True), (1, False)])
def test_concurrency(photos: Path, tmp_path: Path, parallel: int | None, *, has_met: bool) -> None:
    """As many files as there are CPUs are made at once; with one worker they are seen not to be."""
    workers = max(2, usable_cpus()) if parallel else usable_cpus()
    limit_s = 60.0 if has_met else 1.0  # a slow machine may take as long as it likes to meet
    source = tmp_path / "source"
    source.mkdir()
    for photo in sorted((photos / "source").iterdir())[: 2 * workers]:
        (source / photo.name).hardlink_to(photo)
    (tmp_path / MEETING).write_text(json.dumps({"workers": workers, "limit_s": limit_s}))
    settings = Settings(parallel=parallel, sandbox=Sandbox.OFF)
    recipe = recipe_of(400)
    mill = "mills:meet"
    with pixmill.optimize(source, tmp_path / "out", recipe, settings=settings, mill=mill) as run:
        assert {outcome.status for outcome in run} == {Status.OPTIMIZED}
    assert (tmp_path / MET).exists() is has_met


def yardstick() -> None:
    """Do a fixed piece of plain Python, to measure the coordinator's against."""
    heap: list[tuple[int, str]] = []
    rng = random.Random(1)
    for number in range(20_000):
        heapq.heappush(heap, (rng.randrange(1000), f"{number}.jpg"))
    counts: dict[int, int] = {}
    while heap:
        key, name = heapq.heappop(heap)
        counts[key] = counts.get(key, 0) + len(name)


def least_s(*works: Callable[[], object], rounds: int) -> list[float]:
    """Return the least seconds of this process's CPU that each took, in turn."""
    spent = [float("inf")] * len(works)
    for _ in range(rounds):
        for place, work in enumerate(works):
            before_s = time.process_time()
            work()
            spent[place] = min(spent[place], time.process_time() - before_s)
    return spent


def yards(work: Callable[[], object], *, what: str, times: int) -> float:
    """Return what one of so many pieces of work costs, in thousandths of the yardstick."""
    work_s, yard_s = least_s(work, yardstick, rounds=5)
    cost = 1000 * work_s / times / yard_s
    print(f"{what}: {1e6 * work_s / times:.0f} us, {cost:.2f} thousandths of {yard_s:.3f} s")
    return cost


def calls(work: Callable[[], object], *, what: str, times: int) -> float:
    """Return how many functions, Python's and C's, one of so many pieces of work calls.

    The same on every machine and under every load, for what this thread does.
    """
    counted = itertools.count()

    def count(_frame: object, event: str, _argument: object) -> None:
        if event in {"call", "c_call"}:
            next(counted)

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    each = next(counted) / times
    print(f"{what}: {each:.1f} calls")
    return each


def test_dispatch_cpu() -> None:
    """A job costs the dispatcher little, so that one coordinator feeds many cores."""
    jobs = 4_000

    def dispatch() -> None:
        dispatch_all(jobs, slots=16)

    assert yards(dispatch, what="a job dispatched", times=jobs) <= THRESHOLDS["cost"]["dispatch"]
    assert calls(dispatch, what="a job dispatched", times=jobs) <= THRESHOLDS["calls"]["dispatch"]


def test_dispatch_is_flat() -> None:
    """A job costs the dispatcher about the same however many workers there are."""
    few_s, many_s = least_s(
        lambda: dispatch_all(4_000, slots=2), lambda: dispatch_all(4_000, slots=256), rounds=5
    )
    print(f"a job dispatched, 256 workers / 2 workers {many_s / few_s:.2f}")
    assert many_s / few_s <= THRESHOLDS["ratio"]["dispatch"]


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
                    queue += dispatcher.handle(
                        JobFound(FileJob(found, source, f"{found}.jpg")), 0.0
                    )
                    found += 1
                if found == jobs:
                    queue += dispatcher.handle(WalkEnded(), 0.0)
            case StartWorker(slot):
                queue += dispatcher.handle(WorkerReady(slot), 0.0)
            case Send(slot, batch):
                for job in batch:
                    source = job.source
                    outcome = Outcome(
                        path=source.path,
                        status=Status.OPTIMIZED,
                        codec=source.codec,
                        bytes_read=source.size_bytes,
                        wall_s=0.01,
                    )
                    queue += dispatcher.handle(JobEnded(slot, job.number, outcome), 0.0)
            case Finish():
                return
    raise AssertionError("the dispatcher did not finish")


def test_feeding_cpu(tmp_path: Path) -> None:
    """Walking, recognising and naming a file costs the coordinator little."""
    files = 2_000
    small = pyvips.Image.black(8, 8).pngsave_buffer()
    for number in range(files):
        folder = tmp_path / "in" / f"{number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(small)
    settings = Settings()
    destination = Destination(str(tmp_path / "out"))

    def feed() -> None:
        walker = Walker(str(tmp_path / "in"), settings)
        recall = Recall(None, settings, destination, "")
        feeder = Feeder(walker, Recipe(), settings, destination, recall)
        assert sum(1 for _ in feeder.jobs()) == files

    assert yards(feed, what="a file fed", times=files) <= THRESHOLDS["cost"]["feed"]
    assert calls(feed, what="a file fed", times=files) <= THRESHOLDS["calls"]["feed"]


def test_run_cpu(tmp_path: Path) -> None:
    """From the walk to the journal a file costs the coordinator little, whatever workers do."""
    files = 3_000
    source = write_small(tmp_path / "in", files)
    numbers = itertools.count()

    def run() -> None:
        with pixmill.optimize(
            source,
            tmp_path / f"out-{next(numbers)}",
            settings=Settings(parallel=2),
            reporter=FanOut(),
            mill="mills:idle",
        ) as outcomes:
            assert all(outcome.status is Status.SKIPPED for outcome in outcomes)

    cost = yards(run, what="a file of a run whose workers do nothing", times=files)
    assert cost <= THRESHOLDS["cost"]["run"]


def test_small_calls(tmp_path: Path) -> None:
    """A worker takes few steps for a small file, whatever its format."""
    files = 60
    source, destination = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    jobs = []
    for number, (suffix, content) in enumerate(small_images(files, random.Random(1), edge_px=64)):
        path = source / f"{number:05}.{suffix}"
        path.write_bytes(content)
        found = SourceRef(path.name, len(content), path.stat().st_mtime_ns, recognised(content))
        jobs.append(FileJob(number, found, path.name))
    setup = Setup(
        slot=0,
        source_root=str(source),
        destination_root=str(destination),
        recipe=Recipe(quality=80, effort=Effort.FAST, strategy=STRATEGY),
        lease_bytes=100_000_000,
        base_bytes=8_000_000,
        can_replace=True,
        is_dry_run=False,
        sandbox=Sandbox.OFF,
    )
    worker = Worker(setup, lambda _number, _cost: True)

    def make() -> None:
        statuses = {worker.outcome(job).status for job in jobs}
        assert statuses <= {Status.OPTIMIZED, Status.KEPT}

    make()  # what is loaded, and worked out, once
    assert calls(make, what="a small file made", times=files) <= THRESHOLDS["calls"]["small"]


def test_done_cpu(tmp_path: Path) -> None:
    """To find that a file is done costs little."""
    files = 10_000
    source, destination = write_done(tmp_path, files, Recipe(), flat_files=files // 2)

    def run() -> None:
        with pixmill.optimize(source, destination, Recipe(), reporter=FanOut()) as again:
            assert all(outcome.reason is SkipReason.DONE for outcome in again)
        assert again.summary.skipped == files

    what = "a file that is done"
    assert yards(run, what=what, times=files) <= THRESHOLDS["cost"]["done"]
    assert calls(run, what=what, times=files) <= THRESHOLDS["calls"]["done"]
