"""Full-size runs past one machine, while stores and nodes fail: two parts of `soak.py`."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from memory import COMMAND
from pixmill.api import optimize
from pixmill.model import Outcome, Status
from pixmill.settings import ExecutorName, Settings
from soaking import HALVED, MEMORY_BYTES, Log, small_images, write_archive

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

__all__ = ["failing_nodes", "failing_stores"]

FAULTS: Final = 0.15
NODES: Final = 3


def failing_stores(log: Log, args: argparse.Namespace, folder: Path) -> None:
    """Run the installed command from bucket to bucket while 15 % of all requests are spoilt."""
    from buckets import filled_bucket  # noqa: PLC0415 - needs the tests' servers, others do not
    from cluster.faulty import Proxy  # noqa: PLC0415 - likewise

    images = small_images(300, random.Random(args.seed), edge_px=96)
    source, report = folder / "source", folder / "report.json"
    write_archive(source, args.files, images)
    how = ["--resize", "32x32", "--effort", "fast", "--strategy", "fixed", "--memory", "200MB"]
    subprocess.run([COMMAND, "optimize", source, folder / "disc", *how, "--quiet"], check=True)
    with filled_bucket(folder, args.files, images) as bucket:
        command = [COMMAND, "optimize", bucket.source, bucket.destination, *how]
        command += ["--parallel", "2", "--quiet", "--report", str(report)]
        began_s = time.monotonic()
        with Proxy(bucket.server.port, share=FAULTS, seed=args.seed) as proxy:
            with bucket.behind(proxy.port):
                code = subprocess.run(command, check=False).returncode
            spoilt = {str(fault): count for fault, count in proxy.counts.items()}
        log.say(f"exit code {code} after {time.monotonic() - began_s:.0f} s, spoilt: {spoilt}")
        log.expect("each fault has happened", is_kept=len(spoilt) == len(proxy.faults))
        totals = json.loads(report.read_text())["totals"]
        log.expect(f"no object fails, found {totals}", is_kept=code == 0 and not totals["failed"])
        _judge_same(log, folder / "disc", bucket.fetched(folder / "fetched"), args.files)


def failing_nodes(log: Log, args: argparse.Namespace, folder: Path) -> None:
    """Run on a cluster of Ray whose nodes and processes are killed and frozen all the time."""
    from cluster.ray_nodes import nodes as started  # noqa: PLC0415 - needs Ray, others do not
    from striking import NODE_MB, Striker  # noqa: PLC0415 - likewise

    source = folder / "source"
    write_archive(source, args.files, small_images(60, random.Random(args.seed), edge_px=args.edge))
    _optimized(source, folder / "disc", Settings(parallel=2, memory_bytes=MEMORY_BYTES))
    with started() as cluster:
        for _ in range(NODES):
            cluster.add(NODE_MB)
        far = Settings(
            executor=ExecutorName.RAY,
            ray_address=cluster.address,
            parallel=NODES,
            memory_bytes=MEMORY_BYTES,
        )
        began_s = time.monotonic()
        striker = Striker(cluster, random.Random(args.seed))
        with striker.at_work():
            outcomes = _optimized(source, folder / "far", far)
        seconds = time.monotonic() - began_s
    counts = dict(Counter(str(outcome.status) for outcome in outcomes))
    blows = {str(blow): count for blow, count in striker.counts.items()}
    log.say(f"{counts} in {seconds:.0f} s; {blows}")
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    log.expect(f"no file fails, found {failed[:3]}", is_kept=not failed)
    _judge_same(log, folder / "disc", folder / "far", args.files)


def _optimized(source: Path, destination: Path, settings: Settings) -> list[Outcome]:
    with optimize(source, destination, HALVED, settings=settings) as run:
        return list(run)


def _judge_same(log: Log, expected: Path, found: Path, files: int) -> None:
    """Expect what an undisturbed run on this machine makes, byte for byte, and nothing else."""
    from runs import digests  # noqa: PLC0415 - of the tests, which other parts do not need

    results = digests(expected)
    is_same = len(results) == files and digests(found) == results
    log.expect("results are those of an undisturbed local run", is_kept=is_same)
