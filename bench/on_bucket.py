"""Bucket to bucket beside disc to disc, on the same cores and photographs.

`PYTHONPATH=tests python bench/on_bucket.py FOLDER` makes 1920 px JPEGs of every file of a folder,
`--times` as many of them, by both in turn, `--rounds` times. The bucket is a server of this
machine, which `make test-cluster` installs. Its CPU takes time from all, so the ratio is told
without it, too: as if it ran elsewhere, since all CPUs are busy throughout.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import psutil

import pixmill
from buckets import filled_bucket
from pixmill.machine import usable_cpus
from pixmill.recipe import Recipe
from pixmill.reporting import FanOut
from pixmill.settings import IfExists, Redo, Settings
from pixmill.units import parse_geometry
from pixmill.vocabulary import Operation

RECIPE: Final = Recipe(
    operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
    resize=parse_geometry("1920x1920"),
    quality=82,
)
SETTINGS: Final = Settings(redo=Redo.ALL, if_exists=IfExists.OVERWRITE)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: seconds, and seconds of CPU with workers and ferry."""

    wall_s: float
    cpu_s: float


def cost(source: str, destination: str) -> Cost:
    """Run once."""
    before_s = _cpu_s()
    with pixmill.optimize(source, destination, RECIPE, settings=SETTINGS, reporter=FanOut()) as run:
        made = sum(1 for _ in run)
    assert made == run.summary.optimized + run.summary.kept, "not every file was made"
    return Cost(run.summary.wall_s, _cpu_s() - before_s)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    files = sorted(each for each in given.folder.rglob("*") if each.is_file())
    images = [(each.suffix[1:].lower(), each.read_bytes()) for each in files] * given.times
    ratios = []
    with tempfile.TemporaryDirectory(prefix="pixmill-bucket-") as place:
        source = Path(place, "in")
        source.mkdir()
        for number, (kind, content) in enumerate(images):
            (source / f"{number:06}.{kind}").write_bytes(content)
        with filled_bucket(Path(place), len(images), images) as bucket:
            print("| disc, s | CPU s | bucket, s | CPU s | server's |\n|--:|--:|--:|--:|--:|")
            server = psutil.Process(bucket.server.pid)
            for _ in range(given.rounds):
                near = cost(str(source), f"{place}/web")
                before_s = sum(server.cpu_times()[:2])
                far = cost(bucket.source, bucket.destination)
                server_s = sum(server.cpu_times()[:2]) - before_s
                alone_s = far.wall_s - server_s / usable_cpus()
                ratios.append(
                    (far.wall_s / near.wall_s, alone_s / near.wall_s, far.cpu_s / near.cpu_s)
                )
                cells = (near.wall_s, near.cpu_s, far.wall_s, far.cpu_s, server_s)
                print(f"| {' | '.join(f'{cell:.1f}' for cell in cells)} |", flush=True)
    wall, alone, cpu = (median(column) for column in zip(*ratios, strict=True))
    print(
        f"\nbucket / disc, medians: {wall:.2f} of time, {alone:.2f} without the server's, "
        f"{cpu:.2f} of CPU"
    )
    return 0


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    sys.exit(main())
