"""What this machine lets this process use: CPUs, memory, and how much of it the tree holds."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "available_memory_bytes",
    "cgroup_cpus",
    "cgroup_memory_bytes",
    "file_system",
    "knows_data_size",
    "knows_proportional_size",
    "parent_of",
    "process_space",
    "process_start",
    "tree_memory_bytes",
    "usable_cpus",
]

_CGROUP = Path("/sys/fs/cgroup")
_NO_LIMIT_BYTES = 1 << 60  # version 1 spells "none" as the largest number of whole pages


def usable_cpus() -> int:
    """Return how many CPUs this process may really use: affinity, then the cgroup's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_cpus()
    return max(1, min(cpus, round(quota)) if quota else cpus)


def available_memory_bytes() -> int:
    """Return the memory that is free for this process: the machine's, or what its cgroup leaves."""
    available_bytes = psutil.virtual_memory().available
    limit_bytes = cgroup_memory_bytes()
    used_bytes = _number(_CGROUP / "memory.current") or _number(
        _CGROUP / "memory" / "memory.usage_in_bytes"
    )
    if limit_bytes is None:
        return available_bytes
    return max(0, min(available_bytes, limit_bytes - (used_bytes or 0)))


def tree_memory_bytes(pids: Iterable[int]) -> int:
    """Return the summed proportional set size of some processes and this one.

    Where the system knows no proportional set size, resident memory is summed, which counts
    shared pages once for every process.
    """
    return sum(_memory_bytes(pid) for pid in (os.getpid(), *pids))


def process_space() -> str:
    """Return where a process's number is its own: this machine since it started, or a container.

    The machine's name comes first; spaces that say the same have the same processes.
    """
    words = [platform.node()]
    with contextlib.suppress(OSError):
        words.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        words.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(words)


def process_start(pid: int) -> float:
    """Return what tells a process from others that had or will have its number: when it began.

    Not to be compared with a clock. 0 where it has ended or does not tell.
    """
    with contextlib.suppress(OSError, IndexError, ValueError):
        # ticks since the boot; psutil adds the time of the boot, which moves with the clock
        _, _, told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        words = told.split()
        return 0.0 if words[0] == "Z" else float(words[19])
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).create_time()
    return 0.0


def parent_of(pid: int) -> int:
    """Return whose child a process is; 0 where it has ended or does not tell."""
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).ppid())
    return 0


def knows_proportional_size() -> bool:
    """Return whether the system tells how much memory is a process's own."""
    return psutil.LINUX and psutil.Process().memory_full_info().pss > 0


def knows_data_size() -> bool:
    """Return whether the system tells, and so limits, how much data a process holds."""
    try:
        return "VmData:" in Path("/proc/self/status").read_text()
    except OSError:
        return False


def file_system(path: str) -> str:
    """Return the kind of file system that a path lies on, or nothing where it is unknown."""
    real = os.path.realpath(path)
    mounts = {each.mountpoint: each.fstype for each in psutil.disk_partitions(all=True)}
    above = [real, *map(str, Path(real).parents)]
    return next((mounts[each] for each in above if each in mounts), "")


def _memory_bytes(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        if not psutil.LINUX:
            return int(process.memory_info().rss)
        return int(process.memory_full_info().pss)
    except (psutil.Error, OSError):  # it has just ended
        return 0


def cgroup_memory_bytes() -> int | None:
    """Return the memory that the cgroup allows, `None` without a limit."""
    limit_bytes = _number(_CGROUP / "memory.max") or _number(
        _CGROUP / "memory" / "memory.limit_in_bytes"
    )
    return None if limit_bytes is None or limit_bytes > _NO_LIMIT_BYTES else limit_bytes


def cgroup_cpus() -> float | None:
    """Return the CPUs that the cgroup's quota allows, `None` without one."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        v1 = _CGROUP / "cpu"
        quota_us, period_us = (_number(v1 / f"cpu.cfs_{word}_us") for word in ("quota", "period"))
        return quota_us / period_us if quota_us and period_us and quota_us > 0 else None
    return None if quota == "max" else int(quota) / int(period)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
