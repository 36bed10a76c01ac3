"""Kills, faults and resumes for a given time, each drawn by chance; `make chaos` runs it.

Every round strikes a run with one affliction of `tests/havoc.py`, resumes it, and compares all that
is there with an undisturbed run: half the time into another tree, half of it in place, where undo
must then bring every original back. `--kills 50` kills the coordinator alone, then the whole group,
so many times each, in both. Exit code 1 and a folder to look at where a promise is broken.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from havoc import AFFLICTIONS, ELSEWHERE_ONLY, Havoc

if TYPE_CHECKING:
    from collections.abc import Iterator


def drawn(rng: random.Random, seconds: float, afflictions: list[str]) -> Iterator[str]:
    """Yield afflictions until the time is up, each as often as any other."""
    deadline_s = time.monotonic() + seconds
    while True:
        for affliction in rng.sample(afflictions, len(afflictions)):
            if time.monotonic() >= deadline_s:
                return
            yield affliction


def killed(kills: int) -> Iterator[str]:
    """Yield as many kills of the coordinator, and of the group, as were asked for."""
    for affliction in ("coordinator killed", "group killed"):
        for _ in range(kills):
            yield affliction


def survived(havoc: Havoc, afflictions: Iterator[str]) -> bool:
    """Strike one run after the other; return whether every promise was kept."""
    struck: Counter[str] = Counter()
    for number, affliction in zip(count(1), afflictions, strict=False):
        try:
            print(f"{number:4} {havoc.strike(affliction)}", flush=True)
        except Exception:  # noqa: BLE001 - whatever it is, it is told with its round
            traceback.print_exc()
            print(f"VIOLATION in round {number}, {affliction}: look into {havoc.folder}")
            return False
        struck[affliction] += 1
    print(f"{struck.total()} rounds, no violation: {dict(struck)}")
    return True


def main() -> int:
    """Do as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kills", type=int, default=0, help="so many kills of each sort instead")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    rng = random.Random(args.seed)
    folder = Path(tempfile.mkdtemp(prefix="pixmill-chaos-"))
    for name, is_in_place in (("tree", False), ("in-place", True)):
        print(f"-- {name}", flush=True)
        havoc = Havoc(folder / name, rng, is_in_place=is_in_place)
        struck = [one for one in AFFLICTIONS if not (is_in_place and one in ELSEWHERE_ONLY)]
        rounds = killed(args.kills) if args.kills else drawn(rng, args.seconds / 2, struck)
        if not survived(havoc, rounds):
            return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
