"""Workers on a Ray of one machine beside the local pool, on the same cores and photographs.

`python bench/on_ray.py FOLDER` makes 1920 px JPEGs of every file of a folder, `--times` as many of
them, by both in turn, `--rounds` times. Rates are counted from the first result on, since Ray takes
seconds to start its first workers, which a run that deserves a cluster does not notice; the whole
run, after the cluster was joined, stands beside.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import pixmill
from pixmill.reporting import FanOut
from pixmill.settings import Durability, ExecutorName, Settings
from pixmill.units import parse_geometry
from pixmill.vocabulary import Operation

RECIPE: Final = pixmill.Recipe(
    operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
    resize=parse_geometry("1920"),
    quality=82,
)
MEMORY_BYTES: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one run was, in images a second.

    Attributes:
        steady: From its first result on.
        whole: From its start.
    """

    steady: float
    whole: float


def pace(source: Path, executor: ExecutorName) -> Pace:
    """Run once."""
    settings = Settings(
        executor=executor,
        memory_bytes=MEMORY_BYTES,
        durability=Durability.NONE,
    )
    with (
        tempfile.TemporaryDirectory(prefix="pixmill-cluster-") as folder,
        pixmill.optimize(
            source, Path(folder) / "web", RECIPE, settings=settings, reporter=FanOut()
        ) as run,
    ):
        next(run)
        began_s = time.monotonic()
        others = sum(1 for _ in run)
        steady_s = time.monotonic() - began_s
        summary = run.summary
    assert summary.failed == 0
    return Pace(others / steady_s, (others + 1) / summary.wall_s)


def multiplied(source: Path, folder: Path, times: int) -> Path:
    """Return a folder with every file of another, several times."""
    folder.mkdir()
    for path in sorted(each for each in source.rglob("*") if each.is_file()):
        for number in range(times):
            shutil.copy2(path, folder / f"{number}-{path.name}")
    return folder


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory(prefix="pixmill-cluster-") as place:
        source = multiplied(given.folder, Path(place) / "source", given.times)
        print("| local, images/s | on Ray | Ray / local | whole runs |\n|--:|--:|--:|--:|")
        for _ in range(given.rounds):
            local, far = pace(source, ExecutorName.LOCAL), pace(source, ExecutorName.RAY)
            rounds.append((far.steady / local.steady, far.whole / local.whole))
            print(
                f"| {local.steady:.1f} | {far.steady:.1f} "
                f"| {rounds[-1][0]:.2f} | {rounds[-1][1]:.2f} |",
                flush=True,
            )
    steady, whole = (median(column) for column in zip(*rounds, strict=True))
    print(f"\nmedians: {steady:.2f}, whole runs {whole:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
