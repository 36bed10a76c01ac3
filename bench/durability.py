"""What the journal and each `--durability` cost: interleaved rounds, medians, ratios to neither.

`python bench/durability.py --rounds 5 --photos 112` runs over photographs of the corpora, by links,
to 800 px; wall time moves with whatever else uses the disc, so CPU time stands beside it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pixmill
import pixmill.assembling
from memory import CORPORA
from pixmill.recipe import Recipe
from pixmill.settings import Durability, Settings, Symlinks
from pixmill.units import Geometry
from pixmill.vocabulary import Effort, Operation, StrategyName

if TYPE_CHECKING:
    from collections.abc import Callable

RECIPE: Final = Recipe(
    operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
    resize=Geometry(800, 800),
    effort=Effort.FAST,
    strategy=StrategyName.FIXED,
)
_opened: Final = pixmill.assembling._opened  # noqa: SLF001 - a run without its journal is no run of ours


@dataclass(slots=True)
class Way:
    """One way to run, and what it took each time."""

    name: str
    durability: Durability
    has_journal: bool
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def run(self, source: Path, destination: Path) -> None:
        """Run once, and note what that took."""
        opened: Callable[..., object] = _opened if self.has_journal else lambda *_: (None, None)
        pixmill.assembling._opened = opened  # type: ignore[assignment]  # noqa: SLF001 - as above
        settings = Settings(
            parallel=2, symlinks=Symlinks.FOLLOW, durability=self.durability, memory_bytes=10**9
        )
        began_s, before_s = time.monotonic(), _cpu_s()
        with pixmill.optimize(source, destination, RECIPE, settings=settings) as run:
            failed = [outcome for outcome in run if outcome.failure is not None]
        self.wall_s.append(time.monotonic() - began_s)
        self.cpu_s.append(_cpu_s() - before_s)
        assert not failed, failed[0]


WAYS: Final = (
    Way("none, no journal", Durability.NONE, has_journal=False),
    Way("none", Durability.NONE, has_journal=True),
    Way("batch", Durability.BATCH, has_journal=True),
    Way("full", Durability.FULL, has_journal=True),
    Way("full, no journal", Durability.FULL, has_journal=False),
)


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=112)
    args = parser.parse_args()
    photos = sorted((CORPORA / "photos").iterdir()) if CORPORA.is_dir() else []
    if not photos:
        print(f"no photos under {CORPORA}: nothing to do")
        return 0
    with tempfile.TemporaryDirectory(prefix="pixmill-durability-") as place:
        source = Path(place, "in")
        source.mkdir()
        for number, photo in zip(range(args.photos), itertools.cycle(photos), strict=False):
            (source / f"{number:05}{photo.suffix}").symlink_to(photo.resolve())
        for turn in range(args.rounds):
            for number, way in enumerate(WAYS):
                way.run(source, Path(place, f"out-{turn}-{number}"))
    plain = WAYS[0]
    for way in WAYS:
        wall_s, cpu_s = statistics.median(way.wall_s), statistics.median(way.cpu_s)
        print(
            f"{way.name:<18} wall {wall_s:6.2f} s ({wall_s / statistics.median(plain.wall_s):.3f})"
            f"  CPU {cpu_s:6.2f} s ({cpu_s / statistics.median(plain.cpu_s):.3f})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
