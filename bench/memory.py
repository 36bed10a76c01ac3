"""Measure what `engine/pixmill/sizing.py` and the cost model are built on; see `make bench-memory`.

Two runs over the corpora, or over any folder. The installed command runs under a sampler, which
gives the proportional set size of coordinator, nursery and workers, and of the tree. Then a mill
that measures itself runs, which gives for every file what its worker held before it, by how much
it grew at its peak (exact: the kernel keeps the high-water mark), and what the plan had asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import psutil

from pixmill import milling
from pixmill.api import optimize
from pixmill.recipe import Recipe
from pixmill.settings import Settings
from pixmill.units import format_size, parse_geometry, parse_size
from pixmill.vocabulary import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.model import Failed
    from pixmill.planning import Limits

__all__ = ["Sampler", "mill", "pss_bytes"]

CORPORA: Final = Path(__file__).parents[2] / "shared" / "corpora"
COMMAND: Final = str(Path(sys.executable).with_name("pixmill"))
LOG: Final = "PIXMILL_MEMORY_LOG"
_MB: Final = 1e6
_RESET_HIGH_WATER_MARK: Final = "5"
_PERIOD_S: Final = 0.02
_SHOWN: Final = 25


@dataclass(frozen=True, slots=True)
class _Row:
    """One file: what its worker held before, by how much it grew, what it had asked for."""

    path: str
    held_bytes: int
    growth_bytes: int
    cost_bytes: int
    left_bytes: int

    @property
    def excess_bytes(self) -> int:
        """Growth beyond the cost."""
        return self.growth_bytes - self.cost_bytes


def mill(
    source: str,
    codec_name: str,
    recipe: Recipe,
    limits: Limits,
    *,
    lease: Callable[[int], None],
    spool_folder: str | None = None,
) -> milling.Product | Failed:
    """Make one image, and note the memory it took."""
    costs = [0]

    def noted(cost_bytes: int) -> None:
        costs.append(cost_bytes)
        lease(cost_bytes)

    held_bytes = pss_bytes(os.getpid())
    Path("/proc/self/clear_refs").write_text(_RESET_HIGH_WATER_MARK)
    before_bytes = _status_bytes("VmRSS")
    try:
        return milling.mill(
            source, codec_name, recipe, limits, lease=noted, spool_folder=spool_folder
        )
    finally:
        growth_bytes = _status_bytes("VmHWM") - before_bytes
        left_bytes = _status_bytes("VmRSS") - before_bytes
        row = [source, held_bytes, growth_bytes, max(costs), left_bytes]
        with Path(os.environ[LOG]).open("a") as log:
            log.write(json.dumps(row) + "\n")


def pss_bytes(pid: int) -> int:
    """Return the proportional set size of a process, 0 once it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _status_bytes(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


@dataclass(slots=True)
class Sampler:
    """Watches a process tree from a thread: highest sums by role.

    Args:
        pid: The coordinator, or the first process of any other program's tree.
    """

    pid: int
    tree_bytes: int = 0
    at_peak: dict[str, list[int]] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)
    last_coordinator_bytes: int = 0
    _is_stopped: bool = False
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_stopped = True
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._is_stopped:
            self.sample()
            time.sleep(_PERIOD_S)

    def sample(self) -> None:
        """Look once."""
        roles: dict[str, list[int]] = {"coordinator": [pss_bytes(self.pid)]}
        try:
            nurseries = psutil.Process(self.pid).children()
            workers = [worker for one in nurseries for worker in one.children(recursive=True)]
        except psutil.Error:
            return
        roles["nursery"] = [pss_bytes(one.pid) for one in nurseries]
        roles["worker"] = [pss_bytes(one.pid) for one in workers]
        for role, sizes in roles.items():
            self.highest[role] = max(self.highest.get(role, 0), *sizes, 0)
        self.last_coordinator_bytes = roles["coordinator"][0] or self.last_coordinator_bytes
        total = sum(sum(sizes) for sizes in roles.values())
        if total > self.tree_bytes:
            self.tree_bytes, self.at_peak = total, roles


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=CORPORA)
    parser.add_argument("--memory", default="200MB")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--resize", default="800x600")
    parser.add_argument("--format", default="keep")
    parser.add_argument("--progress", default="bar")
    parser.add_argument("--only", choices=("tree", "files"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pixmill-memory-") as folder:
        if args.only != "files":
            _measure_tree(args, Path(folder) / "tree")
        if args.only != "tree":
            _measure_files(args, Path(folder))
    return 0


def _measure_tree(args: argparse.Namespace, destination: Path) -> None:
    command = [COMMAND, "optimize", str(args.source), str(destination)]
    command += ["--memory", args.memory, "--parallel", str(args.parallel)]
    command += ["--progress", args.progress, "--resize", args.resize] if args.resize else []
    command += ["--target-format", args.format] if args.format != "keep" else []
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        Sampler(process.pid) as sampler,
    ):
        code = process.wait()
    print(f"$ {' '.join(command)}  (exit code {code})")
    for role, size_bytes in sampler.highest.items():
        print(f"  {role:12} at most {size_bytes / _MB:6.1f} MB")
    print(f"  {'tree':12} at most {sampler.tree_bytes / _MB:6.1f} MB, then {_spelled(sampler)}")


def _spelled(sampler: Sampler) -> str:
    return ", ".join(
        f"{role} {' + '.join(f'{size / _MB:.1f}' for size in sizes)}"
        for role, sizes in sampler.at_peak.items()
    )


def _measure_files(args: argparse.Namespace, folder: Path) -> None:
    os.environ[LOG] = str(folder / "log")
    operations = {Operation.COMPRESS}
    operations |= {Operation.RESIZE} if args.resize else set()
    operations |= {Operation.CONVERT} if args.format != "keep" else set()
    recipe = Recipe(
        operations=frozenset(operations),
        resize=parse_geometry(args.resize) if args.resize else None,
        target_format=args.format,
    )
    settings = Settings(parallel=args.parallel, memory_bytes=parse_size(args.memory))
    with optimize(args.source, folder / "files", recipe, settings=settings, mill=MILL) as run:
        for _ in run:
            pass
    lines = (folder / "log").read_text().splitlines()
    rows = [_Row(*json.loads(line)) for line in lines]
    held = sorted(row.held_bytes for row in rows)
    print(f"{len(rows)} files; a worker between two files holds (PSS):")
    for share in (0.0, 0.5, 0.9, 0.99, 1.0):
        size_bytes = held[min(len(held) - 1, int(share * len(held)))]
        print(f"  {share:4.0%} {size_bytes / _MB:6.1f} MB")
    print("worst excess of growth over cost:")
    for row in sorted(rows, key=lambda row: -row.excess_bytes)[:_SHOWN]:
        print(
            f"  {row.excess_bytes / _MB:6.1f} MB: held {row.held_bytes / _MB:6.1f}, grew "
            f"{row.growth_bytes / _MB:6.1f}, asked {row.cost_bytes / _MB:6.1f}, left "
            f"{row.left_bytes / _MB:5.1f}  {Path(row.path).relative_to(args.source.resolve())}"
        )
    print(f"a base lease is {format_size(8_000_000)}")


MILL: Final = "memory:mill"

if __name__ == "__main__":
    sys.exit(main())
