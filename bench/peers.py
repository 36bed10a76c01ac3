"""pixmill and its peers on the same files: `make bench` runs it, some 35 minutes.

Prints a table a job; a whole contest is kept in `bench/results/peers.{md,json,svg}` with the facts
of the machine. `--jobs a,b` holds those alone, `--quick` one round on few files; both are printed
and kept nowhere unless `--results DIR` says where. Peers that `make bench-peers` has not installed
are named as missing. Exit code 1 where pixmill itself has no figures.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contest.chart import drawn
from contest.contestants import CAPPED, FLOOR, PEERS, PIXMILL
from contest.heats import held
from contest.jobs import JOBS
from contest.page import facts, page, record, table
from memory import CORPORA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contest.contestants import Contestant
    from contest.jobs import Job
    from contest.page import Facts
    from contest.standings import Heat

RESULTS: Final = Path(__file__).with_name("results")
MISSING: Final = "missing"
_BUSY: Final = 0.5


def main() -> int:
    """Hold the contest that the command line asks for."""
    args = _parsed()
    jobs = [job for job in JOBS if job.key in args.jobs]
    if not CORPORA.is_dir():
        print(f"no photos under {CORPORA}: nothing to do")
        return 0
    load = os.getloadavg()[0]
    contestants, versions = present()
    told = facts(versions, rounds=args.rounds, load=load)
    print(f"{told.line}\n" + "\n".join(f"{title}: {found}" for title, found in versions.items()))
    if load > _BUSY:
        print(f"this machine is busy (load {load:.1f}): figures will be too low and uneven")
    heats = []
    for job in jobs:
        heats.append(_held(job.quickened() if args.quick else job, contestants, args.rounds))
        print("\n" + table(heats[-1]), flush=True)
        if args.results is not None:  # after each: what ends early has told that much
            _keep(args.results, told, heats)
    if args.results is not None:
        print(f"kept in {args.results}/peers.md, .json and .svg")
    return 0 if all(heat.ours.has_figures for heat in heats) else 1


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    known = [job.key for job in JOBS]
    parser.add_argument("--jobs", help="letters, as a,b; default: all")
    parser.add_argument("--rounds", type=int, help="timed rounds; default: 5, and 1 with --quick")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--results", type=Path, help="folder to keep the results in")
    args = parser.parse_args()
    is_whole = args.jobs is None and not args.quick
    args.jobs = args.jobs.split(",") if args.jobs else known
    if unknown := sorted(set(args.jobs) - set(known)):
        parser.error(f"expected jobs of {', '.join(sorted(known))}, got {', '.join(unknown)}")
    args.rounds = args.rounds if args.rounds is not None else 1 if args.quick else 5
    if args.rounds < 1:
        parser.error(f"expected at least one round, got {args.rounds}")
    args.results = args.results or (RESULTS if is_whole else None)
    return args


def present() -> tuple[list[Contestant], dict[str, str]]:
    """Return who is installed, and everybody's version."""
    everybody = (PIXMILL, CAPPED, FLOOR, *PEERS)
    found = {each.title: each.found() for each in everybody}
    contestants = [each for each in everybody if found[each.title] is not None]
    return contestants, {title: each or MISSING for title, each in found.items()}


def _held(job: Job, contestants: Sequence[Contestant], rounds: int) -> Heat:
    names = {PIXMILL.name, CAPPED.name, *job.rivals, *([FLOOR.name] if job.has_floor else [])}
    taking_part = [each for each in contestants if each.name in names]
    with tempfile.TemporaryDirectory(prefix="pixmill-bench-") as folder:
        return held(job, taking_part, Path(folder), rounds=rounds)


def _keep(folder: Path, told: Facts, heats: Sequence[Heat]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.md").write_text(page(told, heats), encoding="utf-8")
    (folder / "peers.json").write_text(record(told, heats), encoding="utf-8")
    (folder / "peers.svg").write_text(drawn(heats, told.line), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
