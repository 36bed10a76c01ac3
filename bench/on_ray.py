"""Workers on a Ray of one machine beside the local pool, on the same cores and photographs.

`python bench/on_ray.py FOLDER` makes 1920 px JPEGs of every file of a folder, `--times` as many of
them, by both in turn, `--rounds` times. With `--buckets` and `PYTHONPATH=tests` they come from a
bucket and go to one, on a server of this machine, whose CPU is not counted but takes time from all.
Rates are counted from the first result on, since Ray takes seconds to start its first workers,
which a run that deserves a cluster does not notice; the whole run, after the cluster was joined,
stands beside. CPU is counted likewise, over the whole process tree, Ray's own daemons included.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, Self

import psutil

import pixmill
from pixmill.reporting import FanOut
from pixmill.settings import Durability, ExecutorName, Settings
from pixmill.units import parse_geometry
from pixmill.vocabulary import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

RECIPE: Final = pixmill.Recipe(
    operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
    resize=parse_geometry("1920"),
    quality=82,
)
MEMORY_BYTES: Final = 2_000_000_000
_LOOK_S: Final = 0.2
_runs = count()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one run was, in images a second, and what it took.

    Attributes:
        steady: From its first result on.
        whole: From its start.
        cpu_s: CPU seconds of all its processes from the first result on.
    """

    steady: float
    whole: float
    cpu_s: float


@dataclass(slots=True)
class Meter:
    """Adds up the CPU of this process and all below it, but for those that were there before.

    Ray's daemons are waited for by nobody here, so each process is looked at now and then: what it
    takes after the last look is lost, a tenth of a second or so a process.
    """

    _before: set[int] = field(default_factory=set)
    _spent_s: dict[tuple[int, float], float] = field(default_factory=dict)
    _has_ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._before = {each.pid for each in psutil.Process().children(recursive=True)}
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._has_ended.set()
        self._thread.join()

    def spent_s(self) -> float:
        """Return what was spent up to the last look."""
        return time.process_time() + sum(self._spent_s.copy().values())

    def _look(self) -> None:
        while not self._has_ended.wait(_LOOK_S):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    if process.pid not in self._before:
                        times = process.cpu_times()
                        key = process.pid, process.create_time()
                        self._spent_s[key] = times.user + times.system


@dataclass(frozen=True, slots=True)
class Archive:
    """Where photographs are, and below what their results may go."""

    source: str
    place: str


def pace(archive: Archive, executor: ExecutorName) -> Pace:
    """Run once."""
    settings = Settings(
        executor=executor,
        memory_bytes=MEMORY_BYTES,
        durability=Durability.NONE,
    )
    web = f"{archive.place}/web-{next(_runs)}"
    with (
        Meter() as meter,
        pixmill.optimize(archive.source, web, RECIPE, settings=settings, reporter=FanOut()) as run,
    ):
        next(run)
        began_s, spent_s = time.monotonic(), meter.spent_s()
        others = sum(1 for _ in run)
        steady_s = time.monotonic() - began_s
        summary = run.summary
    assert summary.failed == 0
    shutil.rmtree(web, ignore_errors=True)
    return Pace(others / steady_s, (others + 1) / summary.wall_s, meter.spent_s() - spent_s)


def multiplied(source: Path, folder: Path, times: int) -> Path:
    """Return a folder with every file of another, several times."""
    folder.mkdir()
    for path in sorted(each for each in source.rglob("*") if each.is_file()):
        for number in range(times):
            shutil.copy2(path, folder / f"{number}-{path.name}")
    return folder


@contextmanager
def in_bucket(folder: Path, place: Path) -> Iterator[Archive]:
    """Put all files of a folder into a bucket."""
    from buckets import filled_bucket  # noqa: PLC0415 - needs the tests' servers

    images = [(path.suffix[1:].lower(), path.read_bytes()) for path in sorted(folder.iterdir())]
    with filled_bucket(place, len(images), images) as bucket:
        yield Archive(bucket.source, bucket.destination)


@contextmanager
def on_disc(folder: Path, place: Path) -> Iterator[Archive]:
    """Leave all files where they are."""
    yield Archive(str(folder), str(place))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--buckets", action="store_true")
    given = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory(prefix="pixmill-cluster-") as place:
        folder = multiplied(given.folder, Path(place) / "source", given.times)
        with (in_bucket if given.buckets else on_disc)(folder, Path(place)) as archive:
            print("| local, images/s | on Ray | Ray / local | whole runs | CPU |")
            print("|--:|--:|--:|--:|--:|")
            for _ in range(given.rounds):
                local, far = pace(archive, ExecutorName.LOCAL), pace(archive, ExecutorName.RAY)
                rounds.append(
                    (
                        far.steady / local.steady,
                        far.whole / local.whole,
                        far.cpu_s / local.cpu_s,
                    )
                )
                cells = " | ".join(f"{ratio:.2f}" for ratio in rounds[-1])
                print(f"| {local.steady:.1f} | {far.steady:.1f} | {cells} |", flush=True)
    steady, whole, cpu = (median(column) for column in zip(*rounds, strict=True))
    print(f"\nmedians: {steady:.2f}, whole runs {whole:.2f}, CPU {cpu:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
