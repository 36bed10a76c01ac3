"""Spin for ever at names with `spin`, where nobody but the kernel ends it."""

from __future__ import annotations

from faults.plugin import faulty, is_named

__all__ = ["mill"]


def _spin(source: str) -> None:
    while is_named(source, "spin"):
        pass


mill = faulty(_spin)
