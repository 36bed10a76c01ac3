"""Promises of `footprint`: what a process holds, told as the kernel counts it."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path

import pytest

from pixmill.footprint import data_bytes, resident_bytes

_STATUS = Path("/proc/self/status")
_SLACK_BYTES = 4 << 20  # what looking takes, and other threads meanwhile

pytestmark = pytest.mark.skipif(not _STATUS.exists(), reason="the system tells nothing")


def taken(size_bytes: int) -> mmap.mmap:
    """Return memory that is new to the process, whatever its allocator has kept."""
    return mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def told(*names: str) -> int:
    """Return the sum of some lines of what the kernel says at length, in bytes."""
    text = _STATUS.read_text()
    found = (re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE) for name in names)
    return sum(int(each[1]) * 1024 for each in found if each)


def test_it_is_what_the_kernel_says_at_length() -> None:
    """Data is what `RLIMIT_DATA` counts, but for one stack; both follow what is allocated."""
    before = data_bytes()
    held = taken(32 << 20)
    assert abs(data_bytes() - told("VmData", "VmStk")) < _SLACK_BYTES
    assert abs(resident_bytes() - told("VmRSS")) < _SLACK_BYTES
    assert data_bytes() - before > len(held) - _SLACK_BYTES


def test_a_fork_is_told_its_own() -> None:
    """What a process looks through shows itself; its child opens its own."""
    data_bytes()
    pid = os.fork()
    if pid == 0:
        before = data_bytes()  # a fork of many threads may give some of its memory back at once
        held = taken(64 << 20)
        grown = data_bytes() - before
        os._exit(0 if grown > len(held) - _SLACK_BYTES else 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
