"""Full-size stress runs: kills, 100,000 files, photos, stores and nodes that fail: `make soak`.

Each part prints what it measured, keeps it with its seed under `soak-logs/`, and fails where a
promise is broken. `python bench/soak.py --part kills --runs 20 --files 1000 --seed 7` runs one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import psutil

from done import write_done
from failing import failing_nodes, failing_stores
from memory import COMMAND, CORPORA, Sampler, pss_bytes
from pixmill.api import optimize
from pixmill.model import Outcome, Status
from pixmill.recipe import Recipe
from pixmill.settings import Settings
from soaking import HALVED, MEMORY_BYTES, Log, haunted, small_images, write_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOGS: Final = Path("soak-logs")
FLAT_BYTES: Final = 10_000_000
FLAT_FROM: Final = 10_000
OBJECTS: Final = 5_000
OBJECTS_FLAT_FROM: Final = 1_000
FERRY: Final = "pixmill.executors.ferryman"
FLAT_FOLDER_SHARE: Final = 0.3
NOTHING_FILES_PER_S: Final = 20_000
NOTHING_ROUNDS: Final = 3
_MB: Final = 1e6
_PAUSES_S: Final = (0.02, 0.4)
_FILES_BETWEEN_KILLS: Final = 10


def workers_of(pid: int) -> list[psutil.Process]:
    """Return the living workers of a coordinator: children of its nursery."""
    try:
        nurseries = psutil.Process(pid).children()
        return [worker for nursery in nurseries for worker in nursery.children()]
    except psutil.Error:
        return []


@dataclass(slots=True)
class Killer:
    """Sends SIGKILL to random workers of this process.

    Args:
        rng: Chooses moments and victims.
        ended: Files that have ended, told by whom runs; a few must between two kills, so that a
            machine busy with other things gets no further behind the more it is killed.
    """

    rng: random.Random
    ended: int = 0
    kills: int = 0
    _due: int = 0

    def strike(self) -> None:
        """Kill a worker, if enough files have ended since the last was killed."""
        workers = workers_of(os.getpid())
        if workers and self.ended >= self._due:
            self._due = self.ended + _FILES_BETWEEN_KILLS
            self.kills += 1  # counted first: it may have ended by itself, never the reverse
            with _ended_already():
                self.rng.choice(workers).kill()


class _ended_already:  # noqa: N801 - reads as a clause
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> bool:
        return kind is not None and issubclass(kind, psutil.Error)


def kills(log: Log, args: argparse.Namespace, folder: Path) -> None:
    """Run over an archive while random workers are killed, again and again."""
    rng = random.Random(args.seed)
    source = folder / "source"
    write_archive(source, args.files, small_images(60, rng, edge_px=args.edge))
    expected = {path.relative_to(source).as_posix() for path in source.rglob("*.*")}
    for number in range(args.runs):
        destination = folder / f"run-{number}"
        began_s = time.monotonic()
        killer = Killer(random.Random(args.seed * 1000 + number))
        with haunted(killer.strike, killer.rng, _PAUSES_S):
            outcomes = optimized(source, destination, killer)
        _judge_kills(log, outcomes, expected, killer.kills, destination)
        seconds = time.monotonic() - began_s
        retried = sum(outcome.attempts > 1 for outcome in outcomes)
        counts = dict(Counter(str(outcome.status) for outcome in outcomes))
        log.say(
            f"run {number + 1}: {len(outcomes)} files, {counts}, {killer.kills} kills, "
            f"{retried} files tried again, {seconds:.1f} s"
        )
    left = psutil.Process().children(recursive=True)
    log.expect(f"nothing is left running, found {left}", is_kept=not left)


def _judge_kills(
    log: Log, outcomes: list[Outcome], expected: set[str], killed: int, destination: Path
) -> None:
    paths = [outcome.path for outcome in outcomes]
    log.expect("every file ends once", is_kept=sorted(paths) == sorted(expected))
    retried = sum(outcome.attempts > 1 for outcome in outcomes)
    log.expect("at most one file is tried again a kill", is_kept=retried <= killed)
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    is_twice = all(outcome.attempts > 1 for outcome in failed)
    log.expect("what failed was killed twice", is_kept=is_twice and 2 * len(failed) <= killed)
    published = {str(outcome.destination) for outcome in outcomes if outcome.destination}
    found = {path.relative_to(destination).as_posix() for path in destination.rglob("*.*")}
    log.expect("what was published is there, and nothing else", is_kept=published == found)


def optimized(source: Path, destination: Path, killer: Killer) -> list[Outcome]:
    """Run over a folder in this process with two workers and return every outcome."""
    settings = Settings(parallel=2, memory_bytes=MEMORY_BYTES)
    with optimize(source, destination, HALVED, settings=settings) as run:
        outcomes = []
        for outcome in run:
            outcomes.append(outcome)
            killer.ended += 1
        return outcomes


def small(log: Log, args: argparse.Namespace, folder: Path) -> None:
    """Run the installed command over very many very small files."""
    source = folder / "source"
    images = small_images(300, random.Random(args.seed), edge_px=24)
    write_archive(source, args.files, images, flat_files=int(args.files * FLAT_FOLDER_SHARE))
    command = [COMMAND, "optimize", str(source), str(folder / "web"), "--resize", "8x8"]
    # The adaptive strategy looks at content, 12 of 17 ms of CPU for such a file, and has no part in
    # what is measured here.
    command += ["--effort", "fast", "--strategy", "fixed"]
    _run_watched(log, command, args.files, flat_from=FLAT_FROM, folder=folder)


def nothing(log: Log, args: argparse.Namespace, folder: Path) -> None:
    """Run the installed command over files that are all done, for a log and for a terminal."""
    flat_files = int(args.files * FLAT_FOLDER_SHARE)
    source, destination = write_done(folder, args.files, Recipe(), flat_files=flat_files)
    report = folder / "report.json"
    command = [COMMAND, "optimize", str(source), str(destination), "--report", str(report)]
    log.say(f"$ {' '.join(command)}")
    for is_terminal in (False, True):
        name = "for a terminal" if is_terminal else "for a log"
        seconds = []
        for _ in range(NOTHING_ROUNDS):
            seconds.append(_told_s(command, is_terminal=is_terminal))
            ended = json.loads(report.read_text())
            log.expect("everything is done", is_kept=ended["skips"] == {"done": args.files})
            memory_mb = ended["peak_memory_bytes"] / _MB
            log.say(f"{name}: {seconds[-1]:.2f} s, {ended['seconds']}, {memory_mb:.1f} MB")
        files_per_s = args.files / min(seconds)  # what else the machine does only ever adds
        log.say(f"{name}: {files_per_s:.0f} files/s with start-up")
        is_fast = files_per_s >= NOTHING_FILES_PER_S
        log.expect(f"it answers at {NOTHING_FILES_PER_S} files/s", is_kept=is_fast)


def _told_s(command: list[str], *, is_terminal: bool) -> float:
    """Return how many seconds a command takes that talks to a terminal, or to a pipe."""
    ours, theirs = os.openpty() if is_terminal else os.pipe()
    began_s = time.monotonic()
    with subprocess.Popen(command, stderr=theirs):
        os.close(theirs)
        with suppress(OSError):  # how a terminal says that nobody is left to talk
            while os.read(ours, 1 << 16):
                pass
    os.close(ours)
    return time.monotonic() - began_s


def photos(log: Log, args: argparse.Namespace, folder: Path) -> None:
    """Run the installed command over photos, by links to those of the corpora."""
    found = sorted([*(CORPORA / "photos").iterdir(), *(CORPORA / "kodak").iterdir()])
    if not found:
        log.say(f"no photos under {CORPORA}: nothing to do")
        return
    source = folder / "source"
    source.mkdir()
    for number, photo in zip(range(args.photos), itertools.cycle(found), strict=False):
        (source / f"{number:05}{photo.suffix}").symlink_to(photo.resolve())
    command = [COMMAND, "optimize", str(source), str(folder / "web"), "--resize", "1920"]
    command += ["--symlinks", "follow"]
    _run_watched(log, command, args.photos, flat_from=args.photos // 10, folder=folder)


def objects(log: Log, args: argparse.Namespace, folder: Path) -> None:
    """Run the installed command from bucket to bucket on a server of this machine, twice."""
    from buckets import filled_bucket  # noqa: PLC0415 - needs the tests' servers, others do not

    images = small_images(300, random.Random(args.seed), edge_px=96)
    with filled_bucket(folder, args.files, images) as bucket:
        command = [COMMAND, "optimize", bucket.source, bucket.destination, "--resize", "32x32"]
        command += ["--effort", "fast", "--strategy", "fixed"]
        _run_watched(log, command, args.files, flat_from=OBJECTS_FLAT_FROM, folder=folder)
        report = folder / "again.json"
        began_s = time.monotonic()
        again_command = [*command, "--report", str(report)]
        subprocess.run(again_command, check=True, capture_output=True)
        log.say(f"again, with nothing to do: {time.monotonic() - began_s:.1f} s")
        again = json.loads(report.read_text())
        log.expect("everything is done", is_kept=again["skips"] == {"done": args.files})


def _run_watched(log: Log, command: list[str], files: int, *, flat_from: int, folder: Path) -> None:
    """Run a command with two workers and 200 MB; expect every file, and memory flat and capped."""
    report = folder / "watched.json"
    command = [*command, "--memory", "200MB", "--parallel", "2", "--progress", "bar"]
    command += ["--events", "-", "--report", str(report)]
    log.say(f"$ {' '.join(command)}")
    began_s = time.monotonic()
    coordinator: list[int] = []
    ferry: list[int] = []
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
        Sampler(process.pid) as sampler,
    ):
        for count in _finished(process.stdout):
            if count == flat_from or (count > flat_from and count % (files // 20) == 0):
                coordinator.append(pss_bytes(process.pid))
                ferry += [pss_bytes(pid) for pid in _ferries(process.pid)]
                log.say(
                    f"{count} files, {time.monotonic() - began_s:.0f} s: coordinator "
                    f"{coordinator[-1] / _MB:.1f} MB, tree at most {sampler.tree_bytes / _MB:.1f}"
                )
        code = process.wait()
    _judge_watched(log, json.loads(report.read_text()), code, files)
    growth_bytes = max(coordinator, default=0) - (coordinator[0] if coordinator else 0)
    log.say(f"the coordinator grew by {growth_bytes / _MB:.1f} MB; {sampler.highest}")
    log.expect("the coordinator's memory is flat", is_kept=growth_bytes <= FLAT_BYTES)
    if ferry:
        growth_bytes = max(ferry) - ferry[0]
        log.say(f"the ferry: {max(ferry) / _MB:.1f} MB at most, grown by {growth_bytes / _MB:.1f}")
        log.expect("the ferry's memory is flat", is_kept=growth_bytes <= FLAT_BYTES)
    log.say(f"tree at most {sampler.tree_bytes / _MB:.1f} MB: {sampler.at_peak}")
    log.expect("the tree stays under its cap", is_kept=sampler.tree_bytes < MEMORY_BYTES)


def _ferries(pid: int) -> list[int]:
    """Return the process that speaks to stores beside the workers, where there is one."""
    try:
        return [each.pid for each in psutil.Process(pid).children() if FERRY in each.cmdline()]
    except psutil.Error:
        return []


def _judge_watched(log: Log, report: dict[str, dict[str, int]], code: int, files: int) -> None:
    totals = report["totals"]
    log.say(f"exit code {code}, {totals}, {report['seconds']}")
    log.say(f"the command measured {report['peak_memory_bytes']} bytes at most")
    kinds = ("optimized", "kept", "skipped", "failed")
    is_whole = totals["walked"] == files == sum(totals[kind] for kind in kinds)
    log.expect("every file is accounted for", is_kept=is_whole and code in {0, 1})


def _finished(lines: IO[bytes] | None) -> Iterator[int]:
    """Yield the number of files that have ended, at each."""
    ended = itertools.count(1)
    for line in lines or ():
        if json.loads(line).get("outcome"):
            yield next(ended)


PARTS: Final[dict[str, Callable[[Log, argparse.Namespace, Path], None]]] = {
    "kills": kills,
    "small": small,
    "nothing": nothing,
    "photos": photos,
    "objects": objects,
    "faults": failing_stores,
    "nodes": failing_nodes,
}


def main() -> int:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=(*PARTS, "all"), default="all")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--runs", type=int, default=20, help="runs of kills")
    parser.add_argument("--files", type=int, default=0, help="files of any part but photos")
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--edge", type=int, default=640, help="longest edge of kills' images")
    args = parser.parse_args()
    defaults = {
        "kills": 1000,
        "small": 100_000,
        "nothing": 100_000,
        "photos": 0,
        "objects": OBJECTS,
        "faults": OBJECTS,
        "nodes": 5_000,
    }
    wanted = list(PARTS) if args.part == "all" else [args.part]
    asked_files = args.files
    results = []
    for part in wanted:
        args.files = asked_files or defaults[part]
        results.append(_run_part(part, args))
    return max(results)


def _run_part(part: str, args: argparse.Namespace) -> int:
    LOGS.mkdir(exist_ok=True)
    path = LOGS / f"{part}-{args.seed}.log"
    with path.open("w") as file, tempfile.TemporaryDirectory(prefix="pixmill-soak-") as folder:
        log = Log(file)
        log.say(f"{part}, seed {args.seed}, kept in {path}")
        PARTS[part](log, args, Path(folder))
        log.say(f"{part}: {len(log.violations) or 'no'} violations")
        return 1 if log.violations else 0


if __name__ == "__main__":
    sys.exit(main())
