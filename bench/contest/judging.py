"""Whether a contestant did the job that was asked for: how many results, of what size.

Who writes half of the files is twice as fast. Must not judge how results look.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from contest.sizes import shown_px

if TYPE_CHECKING:
    from pathlib import Path

    from contest.contestants import Order
    from contest.jobs import Task

__all__ = ["fault_of", "written_bytes"]

_ROUNDING_PX: Final = 1


def fault_of(order: Order, *, is_capped: bool) -> str:
    """Return what is wrong with the results of an order, empty where nothing is.

    Args:
        order: What was asked for.
        is_capped: Whether a cap on size is to be kept, which the floor does not search for.
    """
    if order.job.is_repeated:
        skips = json.loads(order.report.read_text())["skips"]
        return "" if skips == {"done": len(order.files)} else f"not all done: {skips}"
    results = sorted(order.place.destination.iterdir())
    wanted = _wanted(order)
    if len(results) != len(wanted):
        return f"{len(results)} results of {len(order.files)} files"
    if order.job.task.widths:
        return next(filter(None, map(_fault_of_width, wanted, results)), "")
    for file, result in zip(sorted(order.files), results, strict=True):
        if fault := _fault_of_one(order.job.task, file, result):
            return fault
        if is_capped and result.stat().st_size > (order.job.task.max_bytes or math.inf):
            return f"{result.name} is larger than {order.job.task.max_bytes} bytes"
    return ""


def written_bytes(order: Order) -> int:
    """Return what all results take."""
    return sum(result.stat().st_size for result in order.place.destination.rglob("*.*"))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One result.

    Attributes:
        stem: Name it has without a suffix.
        size_px: Its width and height; `None` where they are judged elsewhere.
    """

    stem: str
    size_px: tuple[int, int] | None = None


def _wanted(order: Order) -> list[_Wanted]:
    """Return the results that a job has, by name."""
    if not order.job.task.widths:
        return [_Wanted(file.stem) for file in order.files]
    found = []
    for file in order.files:
        width_px, height_px = shown_px(file)
        for wanted_px in order.job.task.widths:
            size_px = (wanted_px, round(height_px * wanted_px / width_px))
            found.append(_Wanted(f"{file.stem}-{wanted_px}", size_px))
    return sorted(found, key=lambda each: each.stem + ".")


def _fault_of_width(wanted: _Wanted, result: Path) -> str:
    if result.stem != wanted.stem:
        return f"{result.name} where {wanted.stem} was expected"
    return _fault_of_size(result, wanted.size_px or (0, 0))


def _fault_of_one(task: Task, file: Path, result: Path) -> str:
    if result.stem != file.stem:
        return f"{result.name} where {file.stem} was expected"
    if task.edge_px is None:
        return ""
    return _fault_of_size(result, _scaled(shown_px(file), task.edge_px))


def _fault_of_size(result: Path, wanted: tuple[int, int]) -> str:
    got = shown_px(result)
    is_off = any(abs(one - other) > _ROUNDING_PX for one, other in zip(wanted, got, strict=True))
    return f"{result.name} has {got} px where {wanted} were expected" if is_off else ""


def _scaled(size_px: tuple[int, int], edge_px: int) -> tuple[int, int]:
    scale = min(1.0, edge_px / max(size_px))
    width_px, height_px = (max(1, round(edge * scale)) for edge in size_px)
    return width_px, height_px
