"""Resource limits of a worker; `RLIMIT_DATA` is set by `imaging.confine`, image by image."""

from __future__ import annotations

import contextlib
import math
import os
import resource
from typing import Final

__all__ = ["limit_cpu", "limit_file", "limit_process"]

_OPEN_FILES: Final = 256
_CPU_SLACK_S: Final = 2
_FILE_BYTES: Final = 4 << 30
"""No encoder here writes more: classic TIFF, WebP and ISO base media files end there."""


def limit_process() -> None:
    """Leave no core file behind, and keep few files open."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)


def limit_file(source_bytes: int) -> None:
    """Let no file grow beyond what encoding or copying this source can need.

    Python ignores the signal, so that writing more fails with `EFBIG`.
    """
    wanted = max(_FILE_BYTES, source_bytes)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def limit_cpu(timeout_s: float) -> None:
    """Let the kernel end this process, by SIGXCPU, if an image takes all the CPU that it could.

    A backstop: the coordinator ends it by the clock, earlier whenever it is there to look. So the
    limit is what every usable CPU gives in that time, beyond what was used for images before.
    """
    spent = resource.getrusage(resource.RUSAGE_SELF)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted_s = spent.ru_utime + spent.ru_stime + timeout_s * cpus + _CPU_SLACK_S
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(OSError, ValueError, OverflowError):
        wanted = math.ceil(wanted_s)
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _lower(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (limit, limit))
