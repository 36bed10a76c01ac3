"""What a node does with a chunk, without the cluster around it: the local run's worker makes it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faults.asking import ASKED_BYTES
from pixmill.executors import outpost
from pixmill.executors.outpost import Brief, UnfitError, chunk_made, makers
from pixmill.model import Job, SourceRef, Status
from pixmill.protocol import CostKnown, JobEnded, Setup, WorkerLost, WorkerReady
from pixmill.storage.drafts import beacon
from pixmill.storage.folders import Root
from runs import HALVED, archive, left_running, until, workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.executors.base import Report

SHARE_BYTES = 50_000_000


@pytest.fixture
def brief(tmp_path: Path) -> Iterator[Brief]:
    """Return what a node is told of a run over three files; nothing is left running."""
    setup = Setup(
        slot=0,
        source_root=str(archive(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg")),
        destination_root=str(tmp_path / "out"),
        recipe=HALVED,
        lease_bytes=500_000_000,
        base_bytes=8_000_000,
        can_replace=False,
        is_dry_run=False,
    )
    with ExitStack() as held:
        lit = held.enter_context(beacon(Root(setup.destination_root)))
        yield Brief(setup=setup, makers=makers(), beacon=lit, resident_bytes=1 << 62)
        for kept in outpost._kept:
            kept.executor.close()
        outpost._kept.clear()
        assert not left_running()


def jobs_of(brief: Brief, *names: str, crashes: int = 0) -> tuple[Job, ...]:
    """Return jobs for files, numbered in order."""
    root = archive_root(brief)
    found = []
    for number, name in enumerate(names):
        status = (root / name).stat()
        source = SourceRef(name, status.st_size, status.st_mtime_ns, "jpg")
        found.append(Job(number, source, name, attempt=1 + crashes, crashes=crashes))
    return tuple(found)


def archive_root(brief: Brief) -> Path:
    """Return where its sources are."""
    return Path(brief.setup.source_root)


def said(brief: Brief, jobs: tuple[Job, ...], grant_bytes: int = SHARE_BYTES) -> list[Report]:
    """Return all that is said of a chunk."""
    return [report for word in chunk_made(brief, jobs, grant_bytes) for report in word]


def faulty(brief: Brief, fault: str, *, timeout_s: float = 60.0) -> Brief:
    """Return what a node is told of a run with a fault."""
    setup = replace(brief.setup, mill=f"faults.{fault}:mill", timeout_s=timeout_s)
    return replace(brief, setup=setup)


def test_a_chunk_is_made_in_order_and_its_worker_kept(brief: Brief) -> None:
    """The next chunk of the run finds the worker that the first one started."""
    first = said(brief, jobs_of(brief, "a.jpg", "b.jpg"))
    assert [type(each) for each in first] == [WorkerReady, JobEnded, JobEnded]
    (worker,) = workers()
    (second,) = said(brief, jobs_of(brief, "c.jpg"))
    assert isinstance(second, JobEnded)
    assert second.outcome.status is Status.OPTIMIZED
    assert workers() == [worker]


def test_a_bloated_worker_is_replaced_between_chunks(brief: Brief) -> None:
    """It has ended with the chunk after which it held too much."""
    said(replace(brief, resident_bytes=1), jobs_of(brief, "a.jpg"))
    assert not workers()


def test_what_was_set_aside_is_granted_on_the_spot(brief: Brief) -> None:
    """A job that costs more ends the chunk instead, with its cost as the last word."""
    (archive_root(brief) / "a.jpg").rename(archive_root(brief) / "large.jpg")
    asking, jobs = faulty(brief, "asking"), jobs_of(brief, "large.jpg", "b.jpg")
    refused = said(asking, jobs)
    assert refused[-1] == CostKnown(0, 0, ASKED_BYTES)
    assert not [each for each in refused if isinstance(each, JobEnded)]
    granted = said(asking, jobs, ASKED_BYTES)
    assert [each.number for each in granted if isinstance(each, JobEnded)] == [0, 1]


def test_a_file_that_hangs_is_told_as_overdue(brief: Brief) -> None:
    """Its time is taken on the node, and what was made before it is not lost."""
    (archive_root(brief) / "b.jpg").rename(archive_root(brief) / "hang.jpg")
    late = faulty(brief, "hanging", timeout_s=1.0)
    told = said(late, jobs_of(brief, "a.jpg", "hang.jpg", "c.jpg"))
    assert isinstance(told[-2], JobEnded)
    assert isinstance(told[-1], WorkerLost)
    assert (told[-1].in_hand, told[-1].is_overdue) == (1, True)


def test_no_word_is_longer_than_a_cluster_hands_over_at_once() -> None:
    """A node that has made much in a second tells it in several words."""
    made = [CostKnown(0, number, 1) for number in range(1000)]
    words = list(outpost._gathered(made))
    assert [report for word in words for report in word] == made
    assert max(map(len, words)) <= 64


def test_a_suspect_gets_a_worker_of_its_own(brief: Brief) -> None:
    """What has cost a worker is tried once more in a fresh one."""
    said(brief, jobs_of(brief, "a.jpg"))
    (worker,) = workers()
    told = said(brief, jobs_of(brief, "b.jpg", crashes=1))
    assert [type(each) for each in told] == [WorkerReady, JobEnded]
    assert workers() != [worker]


def test_a_chunk_that_is_recalled_leaves_nothing_at_work(brief: Brief) -> None:
    """The worker ends with the task, in the middle of its file."""
    (archive_root(brief) / "a.jpg").rename(archive_root(brief) / "hang.jpg")
    words = chunk_made(faulty(brief, "hanging"), jobs_of(brief, "hang.jpg"), SHARE_BYTES)
    while next(words):
        pass  # it is started, and silent once it has the file in hand
    assert workers()
    words.close()
    until(lambda: not workers())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"makers": "pixmill 0.0.1"}, "install the same versions on all"),
        ({"beacon": "/nowhere/.pixmill-0.tmp"}, "sees no /nowhere"),
    ],
)
def test_a_node_that_differs_is_unfit(brief: Brief, changes: dict[str, str], message: str) -> None:
    """Other versions make other bytes, and what lies elsewhere is found by nobody."""
    with pytest.raises(UnfitError, match=message):
        said(replace(brief, **changes), jobs_of(brief, "a.jpg"))  # type: ignore[arg-type]


def test_a_node_with_another_disc_under_the_same_name_is_unfit(brief: Brief) -> None:
    """It has the folder, and not the file that the coordinator holds there."""
    with pytest.raises(UnfitError, match="name an output on a file system that all nodes share"):
        said(replace(brief, beacon=f"{brief.beacon}.other"), jobs_of(brief, "a.jpg"))
