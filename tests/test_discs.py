"""A disc that is full, read-only or broken ends the run in good order; the next one resumes."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from faults.disc import FAULTS, failing
from faults.plugin import MARKERS
from pixmill.journal.place import place_of
from pixmill.journal.store import opened_to_read
from pixmill.model import FailureKind, SkipReason, Stage, Status
from pixmill.settings import Settings, Symlinks
from pixmill_cli.exit_codes import ExitCode, exit_code_of
from runs import HALVED, Ended, archive, by_path, digests, left_running, ran, temporary_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = tuple(f"{number // 5}/{number:02}.jpg" for number in range(20))
HASTY = Settings(parallel=2, retries=0, timeout_s=60.0)
DISC = "faults.disc:mill"


@dataclass(frozen=True, slots=True)
class Case:
    """An archive, and what an undisturbed run makes of it."""

    source: Path
    out: Path
    expected: dict[str, str]
    sources: dict[str, str]

    def assert_stopped(self, ended: Ended) -> None:
        """Expect an orderly end: told as fatal, nothing half-done, everything published known."""
        published = digests(self.out)
        assert exit_code_of(ended.summary) is ExitCode.RUN_FAILED
        assert ended.summary.fatal.endswith("run again")
        assert not ended.summary.is_interrupted
        assert len(published) < len(NAMES)
        assert published.items() <= self.expected.items()
        assert temporary_files(self.out) == []
        assert not left_running()

    def assert_resumed(self, *, done: int | None = None) -> None:
        """Expect the next run to make what is missing, and nothing else, to the same bytes."""
        again = ran(self.source, self.out)
        assert {each.status for each in again.outcomes} <= {Status.OPTIMIZED, Status.SKIPPED}
        if done is not None:
            reasons = [each.reason for each in again.outcomes]
            assert reasons.count(SkipReason.DONE) == done
        assert digests(self.out) == self.expected
        assert temporary_files(self.out) == []
        assert digests(self.source) == self.sources


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return an archive of twenty photographs in four folders, and what comes of it."""
    folder = tmp_path_factory.mktemp("reference")
    source = archive(folder / "in", *NAMES)
    ran(source, folder / "out")
    return Case(source, folder / "out", digests(folder / "out"), digests(source))


@pytest.fixture
def case(reference: Case, tmp_path: Path) -> Case:
    """Return that archive with an output that is not there yet."""
    return replace(reference, out=tmp_path / "out")


def in_journal(out: Path) -> dict[str, int]:
    """Return how many sources the journal of an output knows to have ended in each way."""
    journal = opened_to_read(place_of(str(out)).journal)
    assert journal is not None
    try:
        return journal.counts()
    finally:
        journal.close(None)


@pytest.mark.parametrize(
    "fault",
    [
        *("write:ENOSPC:3", "write:EDQUOT:3", "write:EIO:3", "fsync:EIO:3", "fsync:ENOSPC:3"),
        *("open:EROFS:3", "open:ENOSPC:3", "mkdir:EROFS:1", "mkdir:ENOSPC:1", "utime:EIO:3"),
        *("link:EROFS:3 replace:EROFS:0", "link:EIO:3 replace:EIO:0"),
    ],
)
def test_a_destination_that_takes_nothing_ends_the_run(
    fault: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published stays and is known, the message says what to do, and a rerun resumes."""
    monkeypatch.setenv(FAULTS, fault)
    ended = ran(case.source, case.out, recipe=HALVED, settings=HASTY, mill=DISC)
    case.assert_stopped(ended)
    number = getattr(errno, fault.split(":")[1])
    assert os.strerror(number).lower() in ended.summary.fatal
    published = len(digests(case.out))
    assert published > 0
    assert in_journal(case.out)["optimized"] == published
    case.assert_resumed(done=published)


def test_an_error_that_passes_ends_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write, a flush and a rename that fail once are tried again, and every file is made."""
    monkeypatch.setenv(FAULTS, "write:EIO:2:1 fsync:EIO:5:1 link:EIO:7:1 replace:EIO:0:1")
    settings = Settings(parallel=1, retries=2)
    ended = ran(case.source, case.out, settings=settings, mill=DISC)
    assert ended.summary.fatal == ""
    assert {each.status for each in ended.outcomes} == {Status.OPTIMIZED}
    assert sum(each.attempts - 1 for each in ended.outcomes) == 3
    assert digests(case.out) == case.expected
    assert temporary_files(case.out) == []


def test_a_source_that_fails_while_it_is_copied_is_its_own_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as unread, not as a destination that takes nothing, and costs itself alone."""
    source = archive(tmp_path / "in", "a.jpg")
    (source / "notes.txt").write_text("no image")
    monkeypatch.setenv(FAULTS, "read:EIO:0")
    settings = Settings(parallel=1, retries=0, copy_others=True)
    ended = ran(source, tmp_path / "out", settings=settings, mill=DISC)
    failure = by_path(ended.outcomes)["notes.txt"].failure
    assert failure is not None
    assert (failure.kind, failure.stage, failure.is_fatal) == (
        FailureKind.IO,
        Stage.READ,
        False,
    )
    assert ended.summary.fatal == ""
    assert list(digests(tmp_path / "out")) == ["a.jpg"]


@pytest.mark.parametrize("count", [7, 8])
def test_many_sources_in_a_row_that_cannot_be_read_end_the_run(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight end it, seven do not; each was tried again, and the files read before are published."""
    monkeypatch.setenv(MARKERS, str(tmp_path))
    lost = [f"lost-{number}.jpg" for number in range(count)]
    source = archive(tmp_path / "in", "a.jpg", *lost, "z.jpg")
    settings = Settings(parallel=1, retries=0)
    ended = ran(source, tmp_path / "out", settings=settings, mill="faults.retrying:mill")
    failed = [each for each in ended.outcomes if each.status is Status.FAILED]
    assert {each.failure and each.failure.kind for each in failed} == {FailureKind.IO}
    assert len(failed) == count
    assert bool(ended.summary.fatal) == (count == 8)
    assert "a.jpg" in digests(tmp_path / "out")
    assert not left_running()
    assert ("z.jpg" in digests(tmp_path / "out")) == (count == 7)


@pytest.mark.parametrize("count", [7, 8])
def test_the_walk_gives_up_on_a_failing_disc_as_well(count: int, tmp_path: Path) -> None:
    """The kernel's own `EIO`, of a file that no read reaches, meets the coordinator."""
    source = archive(tmp_path / "in", "a.jpg", "z.jpg")
    for number in range(count):
        (source / f"m{number}.jpg").symlink_to("/proc/self/mem")
    settings = Settings(parallel=1, symlinks=Symlinks.FOLLOW)
    ended = ran(source, tmp_path / "out", settings=settings)
    assert bool(ended.summary.fatal) == (count == 8)
    assert len([each for each in ended.outcomes if each.failure]) == count
    assert len(digests(tmp_path / "out")) == (0 if count == 8 else 2)


def test_a_folder_that_cannot_be_flushed_ends_the_run(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that may not be on the disc is never said to be done: it is made again.

    The first two folders hold the output and its state.
    """
    monkeypatch.setattr("pixmill.journal.store._BATCH_ROWS", 2)  # so that it is flushed meanwhile
    with failing("fsync-folder:EIO:2:1"):
        ended = ran(case.source, case.out)
    assert "results cannot be brought to the disc: input/output error" in ended.summary.fatal
    assert exit_code_of(ended.summary) is ExitCode.RUN_FAILED
    assert in_journal(case.out).get("optimized", 0) < len(ended.outcomes)
    assert digests(case.out).items() <= case.expected.items()
    assert not left_running()
    case.assert_resumed()


def commanded(
    source: Path, out: Path, *words: str, most_bytes: int = resource.RLIM_INFINITY
) -> subprocess.CompletedProcess[str]:
    """Run the installed command, which may write no file beyond a size."""
    return subprocess.run(
        [sys.executable, "-m", "pixmill_cli", "optimize", str(source), str(out), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),
    )


def told(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the report of a run that failed in good order."""
    assert ended.returncode == ExitCode.RUN_FAILED, ended.stderr
    assert "Traceback" not in ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def test_a_journal_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    """The kernel lets its log grow no further: told, nothing lost, and the next run resumes."""
    source = archive(tmp_path / "in", *(f"{number:03}.jpg" for number in range(150)))
    out = tmp_path / "out"
    report = told(commanded(source, out, "--json", most_bytes=85_000))
    assert "the journal cannot be written: disk I/O error; make room" in report["fatal"]
    assert report["totals"]["walked"] < 150
    assert report["totals"]["failed"] == 0
    assert report["totals"]["optimized"] == len(digests(out))
    assert in_journal(out)["started"] > 0
    assert commanded(source, out).returncode == ExitCode.OK
    assert commanded(source, tmp_path / "reference").returncode == ExitCode.OK
    assert digests(out) == digests(tmp_path / "reference")
    assert temporary_files(out) == []


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Give a file system of its own, small and in memory, where this user may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("place", ["output", "journal"])
def test_a_disc_that_is_really_full_is_survived(place: str, tmp_path: Path) -> None:
    """No fault injected: a small file system fills up, is made larger, and the run resumes."""
    source = archive(tmp_path / "in", *(f"{number:03}.jpg" for number in range(150)), size_px=160)
    with mounted(tmp_path / "small", "600k" if place == "output" else "120k") as small:
        out = small / "out" if place == "output" else tmp_path / "out"
        words = ["--journal", str((tmp_path if place == "output" else small) / "journal.sqlite")]
        report = told(commanded(source, out, "--json", *words))
        expected = "no space left on device: make room" if place == "output" else "journal cannot"
        assert expected in report["fatal"]
        assert len(digests(out)) < 150
        assert temporary_files(out) == []
        subprocess.run(["mount", "-o", "remount,size=50m", str(small)], check=True)
        assert commanded(source, out, *words).returncode == ExitCode.OK
        assert commanded(source, tmp_path / "reference").returncode == ExitCode.OK
        assert digests(out) == digests(tmp_path / "reference")
        assert temporary_files(out) == []


def test_a_state_that_cannot_be_begun_is_told(tmp_path: Path) -> None:
    """No room for the journal from the start is an error of the run, without a traceback."""
    source = archive(tmp_path / "in", "a.jpg")
    ended = commanded(source, tmp_path / "out", most_bytes=2_000)
    assert ended.returncode == ExitCode.RUN_FAILED
    assert "Traceback" not in ended.stderr
    assert "cannot open the journal" in ended.stderr
    assert commanded(source, tmp_path / "out").returncode == ExitCode.OK
