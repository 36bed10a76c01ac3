"""What a node does with a chunk of objects; the stores are folders, and there is no cluster."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixmill.address import DEFAULT_ACCESS, Address, ObjectFacts, tag_digest
from pixmill.executors import outpost
from pixmill.executors.outpost import Brief, UnfitError, chunk_made, makers
from pixmill.executors.quay import FerryLostError, Quay
from pixmill.extras import Package
from pixmill.freight import Voyage
from pixmill.model import FailureKind, Job, SourceRef, Status
from pixmill.protocol import CostKnown, JobEnded, Remark, Setup, WorkerLost
from pixmill.settings import Settings
from pixmill.storage.objects import ObjectStore
from runs import HALVED, archive, digests, left_running, ran, runs_as, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

    from pixmill.executors.base import Report

NAMES = ("a.jpg", "deep/b.jpg", "c.jpg", "d.jpg")
SHARE_BYTES = 50_000_000


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where this node's temporary files are."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def brief(tmp_path: Path, temporary: Path) -> Iterator[Brief]:
    """Return what a node is told of a run from store to store; nothing is left of it."""
    archive(tmp_path / "in", *NAMES)
    setup = Setup(
        slot=0,
        source_root="/of-the-coordinator/in",
        destination_root="/of-the-coordinator/out",
        recipe=HALVED,
        lease_bytes=500_000_000,
        base_bytes=8_000_000,
        can_replace=False,
        is_dry_run=False,
    )
    voyage = Voyage(
        source=Address("file", "", f"{tmp_path}/in".strip("/")),
        destination=Address("file", "", f"{tmp_path}/out".strip("/")),
        access=DEFAULT_ACCESS,
        settings=Settings(),
        staging="",
        is_shared=True,
    )
    yield Brief(setup=setup, makers=makers(), beacon="", resident_bytes=1 << 62, voyage=voyage)
    for kept in outpost._kept:
        kept.close()
    outpost._kept.clear()
    assert not left_running()
    assert not list(temporary.iterdir())


def quay() -> Quay:
    """Return that of the outpost at hand."""
    traffic = outpost._kept[0].traffic
    assert isinstance(traffic, Quay)
    return traffic


def jobs_of(brief: Brief, *names: str) -> tuple[Job, ...]:
    """Return jobs for objects as the listing tells of them, numbered in order."""
    listed = {facts.key: facts for page in store(brief, "in").listed() for facts in page}
    return tuple(
        Job(number, SourceRef(name, one.size_bytes, one.identity_ns, "jpg", tag=one.tag), name)
        for number, name in enumerate(names)
        for one in [listed.get(name) or ObjectFacts(name, 5, 1, '"gone"')]
    )


def named(path: Path, word: str) -> None:
    """Have faults know an object, whatever number it has."""
    with path.open("ab") as stream:
        stream.write(f"named {word}".encode())


def store(brief: Brief, end: str) -> ObjectStore:
    """Return a store of the run."""
    assert brief.voyage is not None
    address = brief.voyage.source if end == "in" else brief.voyage.destination
    assert address is not None
    return ObjectStore.opened(address, DEFAULT_ACCESS)


def said(brief: Brief, jobs: tuple[Job, ...], grant_bytes: int = SHARE_BYTES) -> list[Report]:
    """Return all that is said of a chunk."""
    return [report for word in chunk_made(brief, jobs, grant_bytes) for report in word]


def ended(reports: list[Report]) -> list[JobEnded]:
    """Return how jobs have ended."""
    return [each for each in reports if isinstance(each, JobEnded)]


def ferries() -> list[psutil.Process]:
    """Return the ferries below this process."""
    return [each for each in left_running() if runs_as(each, "ferryman")]


def test_objects_become_what_files_become(brief: Brief, tmp_path: Path) -> None:
    """In order, with the tags that the store gave them, and the ferry stays for the next chunk."""
    ran(tmp_path / "in", tmp_path / "disc")
    first = ended(said(brief, jobs_of(brief, *NAMES[:2])))
    (ferry,) = ferries()
    second = ended(said(brief, jobs_of(brief, *NAMES[2:])))
    assert ferries() == [ferry]
    assert digests(tmp_path / "out") == digests(tmp_path / "disc")
    assert [each.number for each in (*first, *second)] == [0, 1, 0, 1]
    for report in (*first, *second):
        facts = store(brief, "out").facts(report.outcome.path)
        assert facts is not None
        assert tag_digest(report.outcome.tag) == tag_digest(facts.tag) != ""
    assert not list(Path(quay().voyage.staging, "in").iterdir())
    assert not list(Path(quay().voyage.staging, "out").iterdir())


@pytest.mark.parametrize("turn", range(3))
def test_an_object_that_is_gone_fails_in_its_turn(brief: Brief, turn: int) -> None:
    """Those before and after it are made."""
    names = ["a.jpg", "c.jpg"]
    names.insert(turn, "gone.jpg")
    reports = ended(said(brief, jobs_of(brief, *names)))
    assert [each.number for each in reports] == [0, 1, 2]
    failures = [each.outcome.failure for each in reports]
    assert [each and each.kind for each in failures].index(FailureKind.VANISHED) == turn
    assert failures.count(None) == 2


@pytest.mark.parametrize(("limit", "count"), [("_LIMIT_BYTES", 1), ("_AHEAD_JOBS", 2)])
def test_only_so_much_is_here_at_a_time(
    brief: Brief, monkeypatch: pytest.MonkeyPatch, limit: str, count: int
) -> None:
    """However long the chunk is; an object that is larger than what may be here comes alone."""
    monkeypatch.setattr(f"pixmill.executors.quay.{limit}", count)
    assert brief.voyage is not None
    alone = Quay(brief.voyage)
    alone.expect(jobs_of(brief, *NAMES))
    until(lambda: not (alone.told() or alone._chunk.fetching))
    assert len(list(Path(alone.voyage.staging, "in").iterdir())) == count
    assert len(alone.here()) == count
    assert not alone.here()
    alone.close()
    assert [each.outcome.status for each in ended(said(brief, jobs_of(brief, *NAMES)))] == [
        Status.OPTIMIZED
    ] * len(NAMES)


def test_what_ends_a_chunk_comes_after_what_was_made(brief: Brief, tmp_path: Path) -> None:
    """A job that costs more than was set aside is the last word, and what is left is removed."""
    named(tmp_path / "in/c.jpg", "large")
    asking = replace(brief, setup=replace(brief.setup, mill="faults.asking:mill"))
    reports: list[Report] = []
    jobs = jobs_of(brief, "a.jpg", "deep/b.jpg", "c.jpg", "d.jpg")
    for word in chunk_made(asking, jobs, SHARE_BYTES):
        reports += word
        if isinstance(reports[-1], CostKnown):  # the cluster may end this process from here on
            assert not list(Path(quay().voyage.staging, "in").iterdir())
    assert [each.number for each in ended(reports)] == [0, 1]
    assert isinstance(reports[-1], CostKnown)
    assert digests(tmp_path / "out").keys() == {"a.jpg", "deep/b.jpg"}


def test_a_dead_worker_costs_nothing_that_was_made(brief: Brief, tmp_path: Path) -> None:
    """The job in its hands is named, after all before it were put."""
    named(tmp_path / "in/c.jpg", "segv")
    crashing = replace(brief, setup=replace(brief.setup, mill="faults.crashing:mill"))
    reports = said(crashing, jobs_of(brief, "a.jpg", "deep/b.jpg", "c.jpg", "d.jpg"))
    assert [each.number for each in ended(reports)] == [0, 1]
    assert isinstance(reports[-1], WorkerLost)
    assert reports[-1].in_hand == 2


def test_a_dead_ferry_is_replaced(brief: Brief) -> None:
    """What it had under way is asked of another, and the user is told."""
    said(brief, jobs_of(brief, "a.jpg"))
    (ferry,) = ferries()
    ferry.kill()
    remark, report = said(brief, jobs_of(brief, "c.jpg"))
    assert isinstance(remark, Remark)
    assert "another takes over on the node" in remark.text
    assert isinstance(report, JobEnded)
    assert report.outcome.status is Status.OPTIMIZED


def test_ferries_that_die_without_end_end_the_chunk(
    brief: Brief, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the cluster finds what they die of; the node goes on with the next chunk."""
    said(brief, jobs_of(brief, "a.jpg"))
    (ferry,) = ferries()
    monkeypatch.setattr("pixmill.executors.ferry._SPARES", 0)
    ferry.kill()
    with pytest.raises(FerryLostError, match="the process that speaks to object stores"):
        said(brief, jobs_of(brief, "c.jpg"))
    (report,) = ended(said(brief, jobs_of(brief, "c.jpg")))
    assert report.outcome.status is Status.OPTIMIZED


def test_a_chunk_that_is_recalled_leaves_nothing_here(brief: Brief, tmp_path: Path) -> None:
    """Neither worker nor ferry goes on with it, nor is any file of it left."""
    named(tmp_path / "in/a.jpg", "hang")
    hanging = replace(brief, setup=replace(brief.setup, mill="faults.hanging:mill"))
    words = chunk_made(hanging, jobs_of(brief, "a.jpg", "c.jpg"), SHARE_BYTES)
    while next(words):
        pass  # it is started, and silent once it has the file in hand
    assert ferries()
    words.close()
    until(lambda: not ferries())
    assert not list(Path(quay().voyage.staging, "in").iterdir())


def test_a_copy_that_comes_late_changes_nothing(brief: Brief, tmp_path: Path) -> None:
    """What another node has put stands as it is, even with leave to replace it."""
    jobs = jobs_of(brief, "a.jpg")
    (first,) = ended(said(brief, jobs))
    before = (tmp_path / "out/a.jpg").stat().st_mtime_ns
    for job in (jobs[0], replace(jobs[0], can_replace=True)):
        (again,) = ended(said(brief, (job,)))
        assert again.outcome.tag == first.outcome.tag
    assert (tmp_path / "out/a.jpg").stat().st_mtime_ns == before
    (tmp_path / "out/a.jpg").write_bytes(b"of an earlier run")
    (other,) = ended(said(brief, (replace(jobs[0], can_replace=True),)))
    assert other.outcome.status is Status.OPTIMIZED
    assert (tmp_path / "out/a.jpg").stat().st_size == first.outcome.bytes_written


def test_a_prefix_that_names_one_object(brief: Brief, tmp_path: Path) -> None:
    """It is found above the prefix, which only the run's own ferry has listed."""
    assert brief.voyage is not None
    jobs = jobs_of(brief, "a.jpg")
    lone = Address("file", "", f"{tmp_path}/in/a.jpg".strip("/"))
    (report,) = ended(said(replace(brief, voyage=replace(brief.voyage, source=lone)), jobs))
    assert report.outcome.status is Status.OPTIMIZED


def test_a_node_that_cannot_speak_to_stores_is_unfit(
    brief: Brief, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, with what it lacks: obstore, or what the profile asks for."""
    jobs = jobs_of(brief, "a.jpg")
    assert brief.voyage is not None
    profile = replace(DEFAULT_ACCESS, profile="no-such-profile")
    bucket = replace(brief.voyage, source=Address("s3", "bucket"), access=profile)
    with pytest.raises(UnfitError, match=r"the node .* profile"):
        said(replace(brief, voyage=bucket), jobs)
    monkeypatch.setattr(outpost, "OBSTORE", Package("no_such_module", "cloud"))
    with pytest.raises(UnfitError, match=r"has no obstore: pip install 'pixmill\[cloud\]'"):
        said(brief, jobs)


def test_a_killed_task_leaves_no_folder(brief: Brief, temporary: Path) -> None:
    """Its ferry sees its end, and removes what was under way."""
    said(brief, jobs_of(brief, "a.jpg"))
    (kept,) = outpost._kept
    connection, ferry = quay()._ferry._connection, quay()._ferry._process
    assert connection is not None
    assert ferry is not None
    kept.executor.close()
    os.close(quay()._scratch.descriptor)  # as the system does for a process that ends
    connection.close()
    ferry.wait(10)
    assert not list(temporary.iterdir())
    outpost._kept.clear()
