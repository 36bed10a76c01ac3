"""From CPUs and a memory cap to workers, budget and leases.

Pure. What one image may hold depends on the cap alone, so that the same source gives the same
bytes whatever the number of workers; the number of workers yields where the two do not fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from pixmill.units import format_size

__all__ = [
    "AFIELD_BYTES",
    "ENDLESS_BYTES",
    "FERRY_BYTES",
    "MIN_MEMORY_BYTES",
    "Sizing",
    "beside_a_ferry",
    "hoarding",
    "hoarding_afield",
    "memory_for",
    "sized",
    "sized_afield",
]

_MB = 1_000_000
# Proportional set sizes on Linux, Python 3.11, libvips 8.18; all corpora (`make bench-memory`):
# a coordinator with its progress bar 25 to 30 MB, a nursery with two workers 16 to 20 MB. Over 23
# files of all kinds: a worker between two 22 to 24 MB, and 34 to 38 once it has scored. Where one
# scores, images cost the more beyond what they hold.
_COORDINATOR_BYTES = 33 * _MB
_NURSERY_BYTES = 17 * _MB
_WORKER_BYTES = 30 * _MB
_BASE_BYTES = 8 * _MB
# A nursery and its only worker before the first file: 29 to 34 MB.
_FRESH_BYTES = 34 * _MB
# What speaks to object stores: 30 to 34 MB over 56 photographs of 1 MB each way (52 without a bound
# on malloc's arenas), 60 over bodies of 7.5 and 20 MB; on a node of a cluster 25 and 57 MB.
FERRY_BYTES = 60 * _MB
# Resident memory counts the pages shared with the nursery, 20 to 25 MB, in full.
_RESIDENT_BYTES = 60 * _MB
# What a worker keeps between two images: with 64 MB a photograph to 1920 px took 9 ms of CPU less,
# with 48 MB 8, with 24 MB 4, and with 96 MB no more than with 64. Of what is to spare a quarter, on
# a cluster an eighth of what there is for each CPU.
_MOST_KEPT_BYTES = 64 * _MB
_LEAST_KEPT_BYTES = 24 * _MB
_KEPT_SHARE = 4
_KEPT_SHARE_AFIELD = 8
# What pixmill holds with two workers before any image: one image may have the rest, or half of
# the cap where that is less, and never less than a share that leaves room for one worker.
_HELD_BYTES = _COORDINATOR_BYTES + _NURSERY_BYTES + 2 * _WORKER_BYTES + _BASE_BYTES
_LEAST_SHARE = 0.37
MIN_MEMORY_BYTES = 150 * _MB
# The task's own process, proportional, on Ray 2.60.
_TASK_BYTES = 56 * _MB
# From here on what one image may hold alone leaves room for a ferry, too.
_FERRIED_BYTES = 240 * _MB
AFIELD_BYTES = _TASK_BYTES + _NURSERY_BYTES + _WORKER_BYTES
"""What a worker on a node of a cluster holds beside its image."""


ENDLESS_BYTES: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Sizing:
    """How a run is dimensioned.

    Attributes:
        workers: Worker processes.
        budget_bytes: What all leases together may reach.
        lease_bytes: What one image may hold beside others.
        alone_bytes: What it may hold while there is no other worker than its own, a fresh one.
        room_bytes: As much of it as can be had where it is made, on which no plan depends.
        base_bytes: What a worker may hold without asking.
        resident_bytes: Resident memory above which a worker is replaced.
        warnings: What the user should know.
        kept_bytes: Of what images free, how much a worker may keep for its next one.
    """

    workers: int
    budget_bytes: int
    lease_bytes: int
    alone_bytes: int
    base_bytes: int
    resident_bytes: int
    warnings: tuple[str, ...]
    room_bytes: int = ENDLESS_BYTES
    kept_bytes: int = 0

    @property
    def share_bytes(self) -> int:
        """What each worker's image may hold at one time: an even share of the budget."""
        return self.budget_bytes // self.workers


def sized(memory_bytes: int, wanted_workers: int, *, was_asked: bool) -> Sizing:
    """Fit workers into a memory cap.

    Args:
        memory_bytes: Cap on the whole process tree.
        wanted_workers: As many as there are CPUs, or as the user asked for.
        was_asked: Whether the user asked for that number.
    """
    lease_bytes = _lease_for(memory_bytes)
    room_bytes = memory_bytes - lease_bytes - _COORDINATOR_BYTES - _NURSERY_BYTES + _BASE_BYTES
    fitting = max(1, room_bytes // (_WORKER_BYTES + _BASE_BYTES))
    workers = min(wanted_workers, fitting)
    held_bytes = _COORDINATOR_BYTES + _NURSERY_BYTES + workers * _WORKER_BYTES
    budget_bytes = max(memory_bytes - held_bytes, lease_bytes + (workers - 1) * _BASE_BYTES)
    warnings = []
    if memory_bytes < MIN_MEMORY_BYTES:
        warnings.append(
            f"{format_size(memory_bytes)} of memory is little: pixmill itself holds about "
            f"{format_size(held_bytes)}; give it {format_size(MIN_MEMORY_BYTES)} or more"
        )
    if was_asked and workers < wanted_workers:
        warnings.append(
            f"{format_size(memory_bytes)} of memory is enough for {workers} of "
            f"{wanted_workers} workers"
        )
    resident_bytes = max(_RESIDENT_BYTES, memory_bytes // (4 * workers))
    return Sizing(
        workers=workers,
        budget_bytes=budget_bytes,
        lease_bytes=lease_bytes,
        alone_bytes=_alone_for(memory_bytes),
        base_bytes=_BASE_BYTES,
        resident_bytes=resident_bytes,
        warnings=tuple(warnings),
    )


def sized_afield(memory_bytes: int, workers: int) -> Sizing:
    """Dimension a run on other machines: leases follow the cap, each machine shares out its own.

    Args:
        memory_bytes: The cap under which a local run would make the same bytes.
        workers: Workers on all of them.
    """
    lease_bytes = _lease_for(memory_bytes)
    resident_bytes = max(_RESIDENT_BYTES, lease_bytes // 4)
    return Sizing(
        workers=workers,
        budget_bytes=workers * lease_bytes,
        lease_bytes=lease_bytes,
        alone_bytes=_alone_for(memory_bytes),
        base_bytes=_BASE_BYTES,
        resident_bytes=resident_bytes,
        warnings=(),
    )


def beside_a_ferry(sizing: Sizing) -> Sizing:
    """Return what is left where a ferry is held, too; one image may hold what it could before."""
    workers, budget_bytes = sizing.workers, sizing.budget_bytes - FERRY_BYTES
    while workers > 1 and budget_bytes < sizing.lease_bytes + (workers - 1) * _BASE_BYTES:
        workers, budget_bytes = workers - 1, budget_bytes + _WORKER_BYTES
    least_bytes = sizing.lease_bytes + (workers - 1) * _BASE_BYTES
    return replace(sizing, workers=workers, budget_bytes=max(budget_bytes, least_bytes))


def hoarding(sizing: Sizing) -> Sizing:
    """Return one whose workers keep what images free, as far as leases have memory to spare.

    What one image may hold, and so how it is made, stays as it is.
    """
    least_bytes = sizing.lease_bytes + (sizing.workers - 1) * sizing.base_bytes
    spare_bytes = sizing.budget_bytes - least_bytes
    kept_bytes = min(_MOST_KEPT_BYTES, spare_bytes // (_KEPT_SHARE * sizing.workers))
    if kept_bytes < _LEAST_KEPT_BYTES:
        return sizing
    return replace(
        sizing,
        budget_bytes=sizing.budget_bytes - sizing.workers * kept_bytes,
        resident_bytes=max(sizing.resident_bytes, _RESIDENT_BYTES + kept_bytes),
        kept_bytes=kept_bytes,
    )


def hoarding_afield(sizing: Sizing, share_bytes: int) -> Sizing:
    """Return one whose workers on a cluster keep what images free, where each CPU has the memory.

    Args:
        sizing: How the run is dimensioned on other machines.
        share_bytes: What an image may hold there without keeping another CPU idle.
    """
    spare_bytes = sizing.room_bytes - sizing.lease_bytes
    kept_bytes = min(_MOST_KEPT_BYTES, share_bytes // _KEPT_SHARE_AFIELD, spare_bytes)
    if kept_bytes < _LEAST_KEPT_BYTES:
        return sizing
    return replace(
        sizing,
        room_bytes=sizing.room_bytes - kept_bytes,
        resident_bytes=max(sizing.resident_bytes, _RESIDENT_BYTES + kept_bytes),
        kept_bytes=kept_bytes,
    )


def memory_for(cost_bytes: int) -> int:
    """Return a cap under which one image may hold this much: the least of two digits, to be told.

    The inverse of what it may hold alone, rounded up: as it is spelled it must do.
    """
    least_bytes = _cap_for(cost_bytes)
    step_bytes: int = 10 ** max(0, len(str(least_bytes)) - 2)
    return -(-least_bytes // step_bytes) * step_bytes


def _lease_for(memory_bytes: int) -> int:
    most_bytes = min(memory_bytes // 2, memory_bytes - _HELD_BYTES)
    return max(most_bytes, int(memory_bytes * _LEAST_SHARE), _BASE_BYTES)


def _alone_for(memory_bytes: int) -> int:
    ferry_bytes = min(FERRY_BYTES, max(0, memory_bytes - _FERRIED_BYTES))
    held_bytes = _COORDINATOR_BYTES + _FRESH_BYTES + ferry_bytes
    return max(memory_bytes - held_bytes, _lease_for(memory_bytes))


def _cap_for(cost_bytes: int) -> int:
    """Return the least cap under which one image may hold this much."""
    alone_bytes = cost_bytes + _COORDINATOR_BYTES + _FRESH_BYTES
    if alone_bytes > _FERRIED_BYTES:
        alone_bytes += FERRY_BYTES
    return min(math.ceil(cost_bytes / _LEAST_SHARE), alone_bytes)
