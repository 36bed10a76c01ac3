"""A memory cap becomes workers, a budget and leases that can never block each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

import pixmill
from pixmill.executors.local import LocalExecutor
from pixmill.settings import Settings
from pixmill.sizing import (
    MIN_MEMORY_BYTES,
    beside_a_ferry,
    hoarding,
    hoarding_afield,
    memory_for,
    sized,
    sized_afield,
)

if TYPE_CHECKING:
    from pathlib import Path

CAPS = st.integers(min_value=1, max_value=10**12)
WORKERS = st.integers(min_value=1, max_value=256)


@given(CAPS, WORKERS)
def test_the_largest_image_fits_beside_waiting_workers(memory_bytes: int, wanted: int) -> None:
    """One image at its largest lease fits while every other worker holds its base."""
    sizing = sized(memory_bytes, wanted, was_asked=True)
    assert 1 <= sizing.workers <= wanted
    others_bytes = (sizing.workers - 1) * sizing.base_bytes
    assert sizing.lease_bytes + others_bytes <= sizing.budget_bytes
    assert sizing.base_bytes <= sizing.lease_bytes


@given(st.integers(min_value=MIN_MEMORY_BYTES, max_value=10**12), WORKERS)
def test_a_sensible_cap_is_never_promised_twice(memory_bytes: int, wanted: int) -> None:
    """From the least sensible cap on, budget and pixmill's own memory stay below the cap."""
    sizing = sized(memory_bytes, wanted, was_asked=False)
    assert sizing.budget_bytes < memory_bytes
    assert sizing.warnings == ()


@given(CAPS, WORKERS, WORKERS)
def test_what_one_image_may_hold_depends_on_the_cap_alone(
    memory_bytes: int, first: int, second: int
) -> None:
    """The same source gives the same bytes however many workers there are."""
    one, other = (sized(memory_bytes, workers, was_asked=True) for workers in (first, second))
    assert one.lease_bytes == other.lease_bytes
    assert one.alone_bytes == other.alone_bytes


@given(CAPS, CAPS, WORKERS)
def test_more_memory_is_never_worse(first: int, second: int, wanted: int) -> None:
    """A larger cap never gives fewer workers or smaller leases."""
    small, large = (sized(cap, wanted, was_asked=True) for cap in sorted((first, second)))
    assert small.workers <= large.workers
    assert small.lease_bytes <= large.lease_bytes
    assert small.alone_bytes <= large.alone_bytes


def test_little_memory_and_fewer_workers_are_told() -> None:
    """The user hears of a cap that is too small, and of workers asked for and not given."""
    assert "is little" in sized(100_000_000, 1, was_asked=False).warnings[0]
    (warning,) = sized(160_000_000, 64, was_asked=True).warnings
    assert warning.endswith("of memory is enough for 1 of 64 workers")
    assert sized(160_000_000, 64, was_asked=False).warnings == ()


@given(CAPS, WORKERS)
def test_what_workers_keep_comes_from_what_is_to_spare(memory_bytes: int, wanted: int) -> None:
    """Memory kept between images is inside the cap, and costs neither a worker nor an image."""
    bare = sized(memory_bytes, wanted, was_asked=True)
    sizing = hoarding(bare)
    kept_bytes = sizing.workers * sizing.kept_bytes
    assert (sizing.workers, sizing.lease_bytes) == (bare.workers, bare.lease_bytes)
    assert sizing.budget_bytes + kept_bytes == bare.budget_bytes
    assert sizing.lease_bytes + (sizing.workers - 1) * sizing.base_bytes <= sizing.budget_bytes
    assert sizing.resident_bytes >= bare.resident_bytes


def test_little_memory_is_not_kept() -> None:
    """Under the least caps all that is freed goes back, and with a gigabyte images share pages."""
    few, many = (hoarding(sized(cap, 2, was_asked=True)) for cap in (200_000_000, 1_000_000_000))
    assert few == sized(200_000_000, 2, was_asked=True)
    assert 30_000_000 < many.kept_bytes < 64_000_000
    assert hoarding(sized(10**10, 2, was_asked=True)).kept_bytes == 64_000_000


@given(CAPS, st.integers(min_value=0, max_value=10**11), st.integers(min_value=0, max_value=10**11))
def test_what_workers_afield_keep_costs_no_image(cap: int, share_bytes: int, room: int) -> None:
    """It is an eighth of a CPU's memory at most, and the largest image still fits somewhere."""
    bare = sized_afield(cap, 3)
    bare = replace(bare, room_bytes=bare.lease_bytes + room)
    sizing = hoarding_afield(bare, share_bytes)
    assert (sizing.workers, sizing.lease_bytes) == (bare.workers, bare.lease_bytes)
    assert sizing.kept_bytes == 0 or 24_000_000 <= sizing.kept_bytes <= share_bytes // 8
    assert sizing.room_bytes + sizing.kept_bytes == bare.room_bytes
    assert sizing.lease_bytes <= sizing.room_bytes
    assert sizing.resident_bytes >= bare.resident_bytes
    assert sizing.kept_bytes in (0, 64_000_000) or min(share_bytes, 8 * room) < 8 * 64_000_000


def test_workers_are_told_what_they_may_keep(tmp_path: Path) -> None:
    """What is to spare under a run's cap reaches each of its workers."""
    (tmp_path / "in").mkdir()
    for memory_bytes, is_kept in ((200_000_000, False), (10**9, True)):
        settings = Settings(memory_bytes=memory_bytes, parallel=2)
        with pixmill.optimize(tmp_path / "in", tmp_path / "out", settings=settings) as run:
            executor = run._coordinator.executor
            assert isinstance(executor, LocalExecutor)
            assert bool(executor.setup.kept_bytes) is is_kept


@given(CAPS, WORKERS)
def test_alone_an_image_may_hold_more_and_the_cap_is_kept(memory_bytes: int, wanted: int) -> None:
    """Never less than beside others, and what coordinator and one fresh worker hold is left."""
    sizing = sized(memory_bytes, wanted, was_asked=True)
    assert sizing.alone_bytes >= sizing.lease_bytes
    if memory_bytes >= MIN_MEMORY_BYTES:
        assert sizing.alone_bytes + 67_000_000 <= memory_bytes


@given(st.integers(min_value=10_000_000, max_value=10**12))
def test_the_memory_that_is_told_is_enough_and_no_third_more(cost_bytes: int) -> None:
    """Under the cap that a refusal names, spelled with two digits, one image may hold its cost."""
    told_bytes = memory_for(cost_bytes)
    assert sized(told_bytes, 1, was_asked=False).alone_bytes >= cost_bytes
    assert sized(told_bytes * 3 // 4, 1, was_asked=False).alone_bytes < cost_bytes
    assert float(f"{told_bytes:.1e}") == told_bytes


@given(CAPS, WORKERS)
def test_a_ferry_costs_workers_and_no_image(memory_bytes: int, wanted: int) -> None:
    """Beside a ferry one image may hold what it could, so that a bucket gets the same bytes."""
    alone = hoarding(sized(memory_bytes, wanted, was_asked=True))
    beside = beside_a_ferry(alone)
    assert beside.lease_bytes == alone.lease_bytes
    assert beside.alone_bytes == alone.alone_bytes
    assert 1 <= beside.workers <= alone.workers
    assert beside.lease_bytes + (beside.workers - 1) * beside.base_bytes <= beside.budget_bytes


@given(st.integers(min_value=300_000_000, max_value=10**12), WORKERS)
def test_a_ferry_is_inside_the_cap(memory_bytes: int, wanted: int) -> None:
    """From 300 MB on a ferry's 60 MB, the workers' and all leases fit below the cap."""
    beside = beside_a_ferry(sized(memory_bytes, wanted, was_asked=False))
    workers_bytes = beside.workers * 30_000_000
    assert beside.budget_bytes + workers_bytes + 60_000_000 <= memory_bytes
    assert beside.alone_bytes + 67_000_000 + 60_000_000 <= memory_bytes


@given(CAPS, WORKERS)
def test_every_worker_may_have_its_share_in_hand(memory_bytes: int, wanted: int) -> None:
    """Even shares are inside the budget, and no image is to hold less than a lease of its own."""
    sizing = sized(memory_bytes, wanted, was_asked=True)
    assert sizing.base_bytes <= sizing.share_bytes
    assert sizing.workers * sizing.share_bytes <= sizing.budget_bytes
