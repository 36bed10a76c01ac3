"""What this kernel offers, and giving up everything else."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.sandbox.grants import Grants, library_paths
from pixmill.sandbox.kernel import MACHINES, machine, prctl
from pixmill.sandbox.landlock import landlock_abi, restrict_files
from pixmill.sandbox.limits import limit_process
from pixmill.sandbox.seccomp import has_seccomp, refuse_calls

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Offer", "confine", "offered"]

_NO_NEW_PRIVILEGES: Final = 38


@dataclass(frozen=True, slots=True)
class Offer:
    """What this system can confine a process with.

    Attributes:
        landlock_abi: Version of Landlock in force, 0 for none.
        has_seccomp: Whether a system call can end the process that makes it.
        missing: What cannot be had, each with its reason; empty where a worker can be confined.
    """

    landlock_abi: int
    has_seccomp: bool
    missing: tuple[str, ...]


def offered() -> Offer:
    """Ask the kernel what it offers; changes nothing."""
    if sys.platform != "linux":
        return Offer(0, has_seccomp=False, missing=("Landlock and seccomp: they need Linux",))
    if not machine():
        known = " and ".join(MACHINES)
        return Offer(
            0,
            has_seccomp=False,
            missing=(f"Landlock and seccomp: known for {known}, this is {os.uname().machine}",),
        )
    abi, has_filter = landlock_abi(), has_seccomp()
    missing = []
    if not abi:
        missing.append("Landlock: not in this kernel, or not in force (Linux 5.13, lsm=landlock)")
    if not has_filter:
        missing.append("seccomp: this kernel cannot end a process for a system call")
    return Offer(abi, has_filter, tuple(missing))


def confine(grants: Grants) -> tuple[str, ...]:
    """Give up, for good, everything but the grants and what codecs need of their own.

    To be called while this process has one thread.

    Returns:
        What could not be given up, each with its reason.
    """
    limit_process()
    offer = offered()
    gaps = list(offer.missing)
    if not machine():
        return tuple(gaps)
    prctl(_NO_NEW_PRIVILEGES, 1)
    if offer.landlock_abi:
        whole = Grants((*grants.reads, *library_paths()), grants.writes)
        gaps += _tried("Landlock", lambda: _restrict(whole, offer.landlock_abi))
    if offer.has_seccomp:
        gaps += _tried("seccomp", refuse_calls)
    return tuple(gaps)


def _restrict(grants: Grants, abi: int) -> None:
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names are counted
    if threads > 1:
        raise OSError(f"expected one thread, found {threads}")
    restrict_files(grants, abi)


def _tried(name: str, give_up: Callable[[], None]) -> list[str]:
    try:
        give_up()
    except OSError as error:
        return [f"{name}: {(error.strerror or str(error)).lower()}"]
    return []
