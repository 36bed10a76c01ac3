"""How long things take to start: the command line's help, a run's first worker, and each after it.

The least of some rounds, in wall time and in CPU time, which a busy machine changes less. The first
worker brings the nursery, which loads every codec; the others are its forks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.executors.local import LocalExecutor
from pixmill.protocol import Setup, StartWorker, WorkerReady
from pixmill.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS: Final = 10
_WAIT_S: Final = 0.1
_FORKS: Final = 8


@dataclass(frozen=True, slots=True)
class Spent:
    """What a start took, in milliseconds."""

    wall_ms: float
    cpu_ms: float

    @classmethod
    def on(cls, work: Callable[[], object]) -> Spent:
        """Do it, and return what it took of this process and of what has ended since."""
        wall_s, before = time.monotonic(), os.times()
        work()
        after, wall_s = os.times(), time.monotonic() - wall_s
        cpu_s = sum(after[:4]) - sum(before[:4])
        return cls(1e3 * wall_s, 1e3 * cpu_s)


def command(*words: str) -> Spent:
    """Return what a Python took, from its start to its end."""
    arguments = [sys.executable, *words]
    return Spent.on(lambda: subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL))


def crew(folder: str, workers: int) -> Spent:
    """Return what so many workers took to be ready, one after the other, and what CPU in all."""
    setup = Setup(
        slot=0,
        source_root=folder,
        destination_root=folder,
        recipe=Recipe(),
        lease_bytes=1 << 27,
        base_bytes=1 << 23,
        can_replace=False,
        is_dry_run=True,
    )
    walls_ms: list[float] = []

    def work() -> None:
        executor = LocalExecutor(setup)
        began_s = time.monotonic()
        for slot in range(workers):
            started(executor, slot)
        walls_ms.append(1e3 * (time.monotonic() - began_s))
        executor.close()  # its processes' CPU time is told once they are reaped

    cpu_ms = Spent.on(work).cpu_ms
    return Spent(walls_ms[0], cpu_ms)


def started(executor: LocalExecutor, slot: int) -> None:
    """Start a worker, and wait until it is ready."""
    executor.deliver(StartWorker(slot))
    while not any(isinstance(each, WorkerReady) for each in executor.wait(_WAIT_S)):
        pass


def least(measure: Callable[[], Spent]) -> Spent:
    """Return the least of some rounds."""
    rounds = [measure() for _ in range(_ROUNDS)]
    return Spent(min(each.wall_ms for each in rounds), min(each.cpu_ms for each in rounds))


def tell(title: str, spent: Spent) -> None:
    """Print one row."""
    print(f"| {title} | {spent.wall_ms:.0f} | {spent.cpu_ms:.0f} |", flush=True)


def main() -> int:
    """Measure and print."""
    print("| start | wall ms | CPU ms |\n|---|--:|--:|")
    tell("`python -c pass`, for comparison", least(lambda: command("-c", "pass")))
    tell("`pixmill --version`", least(lambda: command("-m", "pixmill_cli", "--version")))
    tell("`pixmill --help`", least(lambda: command("-m", "pixmill_cli", "--help")))
    with tempfile.TemporaryDirectory(prefix="pixmill-startup-") as folder:
        one = least(lambda: crew(folder, 1))
        many = least(lambda: crew(folder, 1 + _FORKS))
    tell("the first worker of a run", one)
    more = Spent((many.wall_ms - one.wall_ms) / _FORKS, (many.cpu_ms - one.cpu_ms) / _FORKS)
    tell("each worker after it", more)
    return 0


if __name__ == "__main__":
    sys.exit(main())
