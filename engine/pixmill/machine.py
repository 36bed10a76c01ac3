"""What this machine lets this process use: CPUs, memory, and how much of it the tree holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["available_memory_bytes", "tree_memory_bytes", "usable_cpus"]

_CGROUP = Path("/sys/fs/cgroup")


def usable_cpus() -> int:
    """Return how many CPUs this process may really use: affinity, then the cgroup's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(cpus, round(quota)) if quota else cpus)


def available_memory_bytes() -> int:
    """Return the memory that is free for this process: the machine's, or what its cgroup leaves."""
    available_bytes = psutil.virtual_memory().available
    limit_bytes = _number(_CGROUP / "memory.max") or _number(
        _CGROUP / "memory" / "memory.limit_in_bytes"
    )
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


def _memory_bytes(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        if not psutil.LINUX:
            return int(process.memory_info().rss)
        return int(process.memory_full_info().pss)
    except (psutil.Error, OSError):  # it has just ended
        return 0


def _cgroup_quota() -> float | None:
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
