"""How many cores one coordinator can feed: `make bench-scaling`.

Two figures, both in CPU time of the coordinator, which is one thread. The dispatcher alone, with
workers that end each job at once, for ever more of them. And whole runs with a mill that does
nothing: walk, recognise, name, note, send, hear, count. Cores are those that this keeps busy where
a file takes a worker so long, dispatching at the cost of as many workers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import pixmill
from done import write_small
from pixmill.model import Status
from pixmill.reporting import FanOut
from pixmill.settings import Settings
from test_ratios import dispatch_all

WORKERS: Final = (1, 2, 4, 16, 64, 256)
JOBS: Final = 4_000
FILE_MS: Final = (1, 10, 100)
_ROUNDS: Final = 3


def dispatch_us(workers: int) -> float:
    """Return the dispatcher's CPU for one job."""
    spent = []
    for _ in range(_ROUNDS):
        before_s = time.process_time()
        dispatch_all(JOBS, workers)
        spent.append(time.process_time() - before_s)
    return 1e6 * min(spent) / JOBS


def run_us(folder: Path, files: int, workers: int) -> float:
    """Return the coordinator's CPU for one file of a run in which workers do nothing."""
    source = write_small(folder / f"source-{workers}", files)
    before_s = time.process_time()
    with pixmill.optimize(
        source,
        folder / f"web-{workers}",
        settings=Settings(parallel=workers),
        reporter=FanOut(),
        mill="mills:idle",
    ) as run:
        assert all(outcome.status is Status.SKIPPED for outcome in run)
    return 1e6 * (time.process_time() - before_s) / files


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory(prefix="pixmill-scaling-") as folder:
        whole_us = run_us(Path(folder), files, workers=2)
    alone_us = {workers: dispatch_us(workers) for workers in WORKERS}
    around_us = whole_us - alone_us[2]
    print(f"a run of 2 workers that do nothing, {files} files: {whole_us:.0f} us a file\n")
    heads = " | ".join(f"cores at {file_ms} ms" for file_ms in FILE_MS)
    print(f"| workers | dispatch us | jobs/s | run us | files/s | {heads} |")
    print(f"|{'--:|' * (5 + len(FILE_MS))}")
    for workers, us in alone_us.items():
        run_file_us = around_us + us
        cores = " | ".join(f"{1000 * file_ms / run_file_us:,.0f}" for file_ms in FILE_MS)
        print(
            f"| {workers} | {us:.0f} | {1e6 / us:,.0f} | {run_file_us:.0f} "
            f"| {1e6 / run_file_us:,.0f} | {cores} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
