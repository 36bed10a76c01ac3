"""The journal: a run can be repeated, interrupted and resumed, and never does work twice."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import pyvips

import pixmill
from pixmill import api
from pixmill.journal import schema
from pixmill.journal.lock import Lock
from pixmill.journal.place import place_of
from pixmill.journal.schema import STEPS, VERSION
from pixmill.journal.store import opened, opened_to_read
from pixmill.model import Job, Outcome, SkipReason, SourceRef, Status
from pixmill.recipe import Recipe
from pixmill.reporting import RunFacts
from pixmill.settings import Durability, IfExists, OnCollision, Redo, Settings
from runs import left_running

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = Settings(parallel=1)
TESTS = Path(__file__).parent


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return a folder of six small photographs and one broken one."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        noise = pyvips.Image.gaussnoise(96, 64, sigma=40, mean=128, seed=number).cast("uchar")
        noise.bandjoin([noise, noise]).copy(interpretation="srgb").jpegsave(
            str(folder / f"{number}.jpg"), Q=95
        )
    (folder / "broken.jpg").write_bytes((folder / "0.jpg").read_bytes()[:900])
    return folder


def made(
    archive: Path, recipe: Recipe | None = None, settings: Settings = SMALL
) -> dict[str, Outcome]:
    """Run over the archive and return the outcomes by path."""
    with pixmill.optimize(archive, archive.with_name("out"), recipe, settings=settings) as run:
        return {outcome.path: outcome for outcome in run}


def words(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """Return each outcome's reason to skip, or its status."""
    return {
        path: str(outcome.reason or outcome.status) for path, outcome in sorted(outcomes.items())
    }


def test_a_second_run_does_nothing(archive: Path) -> None:
    """What is done stays untouched, to the inode; what failed is tried and told again."""
    made(archive)
    out = archive.with_name("out")
    before = {path.name: path.stat().st_ino for path in out.iterdir()}
    again = made(archive)
    assert {path.name: path.stat().st_ino for path in out.iterdir()} == before
    assert words(again) == {f"{n}.jpg": "done" for n in range(6)} | {"broken.jpg": "failed"}


@pytest.mark.parametrize("change", ["source", "missing", "altered"])
def test_what_changed_is_made_again(archive: Path, change: str) -> None:
    """A changed source, a missing and an altered destination are made again, and nothing else."""
    first = made(archive)
    out = archive.with_name("out") / "3.jpg"
    expected = out.read_bytes()
    match change:
        case "source":
            (archive / "3.jpg").write_bytes((archive / "4.jpg").read_bytes())
            expected = (out.with_name("4.jpg")).read_bytes()
        case "missing":
            out.unlink()
        case _:
            out.write_bytes(b"somebody was here")
    again = words(made(archive))
    assert again.pop("3.jpg") == str(first["3.jpg"].status)
    assert out.read_bytes() == expected
    assert set(again.values()) == {"done", "failed"}


def test_another_recipe_makes_everything_again(archive: Path) -> None:
    """A changed recipe replaces what pixmill wrote itself, whatever `if_exists` says."""
    made(archive)
    out = archive.with_name("out") / "1.jpg"
    before = out.read_bytes()
    again = made(archive, Recipe(quality=30))
    assert again["1.jpg"].status is Status.OPTIMIZED
    assert len(out.read_bytes()) < len(before)


def test_foreign_files_obey_if_exists(archive: Path) -> None:
    """A file that pixmill did not write is skipped, refused or replaced as `if_exists` says."""
    out = archive.with_name("out")
    out.mkdir()
    (out / "2.jpg").write_bytes(b"mine")
    assert made(archive)["2.jpg"].reason is SkipReason.EXISTS
    assert (out / "2.jpg").read_bytes() == b"mine"
    replaced = made(archive, settings=Settings(parallel=1, if_exists=IfExists.OVERWRITE))
    assert replaced["2.jpg"].status is Status.OPTIMIZED
    assert words(made(archive))["2.jpg"] == "done"


def test_redo_takes_what_it_says(archive: Path) -> None:
    """`failed` takes the failures alone, `all` takes everything."""
    made(archive)
    failed = made(archive, settings=Settings(parallel=1, redo=Redo.FAILED))
    assert words(failed) == {f"{n}.jpg": "not-failed" for n in range(6)} | {"broken.jpg": "failed"}
    forced = made(archive, settings=Settings(parallel=1, redo=Redo.ALL))
    assert [outcome.status for outcome in forced.values()].count(Status.OPTIMIZED) == 6


def test_a_dry_run_writes_no_journal(archive: Path) -> None:
    """A dry run leaves nothing behind, and reads the journal that there is."""
    dry = Settings(parallel=1, dry_run=True)
    made(archive, settings=dry)
    assert sorted(path.name for path in archive.parent.iterdir()) == ["in"]
    made(archive)
    assert words(made(archive, settings=dry))["0.jpg"] == "done"


def test_a_new_option_does_not_change_the_fingerprint() -> None:
    """What stands at its default is no part of the fingerprint; what was chosen is."""
    assert Recipe().fingerprint() == Recipe(min_quality=40).fingerprint()
    assert Recipe().fingerprint() != Recipe(min_quality=41).fingerprint()


def test_the_second_of_two_runs_is_refused(archive: Path) -> None:
    """While a run holds an output another is refused with its pid; a dead one's lock is free."""
    out = archive.with_name("out")
    with pixmill.optimize(archive, out, settings=SMALL) as run:
        next(run)
        with pytest.raises(pixmill.RunError, match=f"process {os.getpid()}, since 20"):
            made(archive)
    assert place_of(str(out)).lock.exists()
    assert words(made(archive))["5.jpg"] in {"done", "optimized"}


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    """A lock whose holder was killed can be taken at once."""
    path = tmp_path / "lock-0"
    script = (
        "import sys; from pathlib import Path; from pixmill.journal.lock import Lock\n"
        "Lock(Path(sys.argv[1])).take(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(pixmill.RunError, match=f"process {holder.pid}"):
            Lock(path).take()
        holder.kill()
        holder.wait()
    lock = Lock(path)
    lock.take()
    lock.release()


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (b'{"pid": 7, "started_s": 0, "host": "node-3"}', r"process 7 on node-3, since 19"),
        (b'{"pid": 7, "started_s": "x"}', "on this output: wait"),
        (b"[7]", "on this output: wait"),
        (b"", "on this output: wait"),
    ],
)
def test_who_holds_an_output_elsewhere_is_named(tmp_path: Path, told: bytes, shown: str) -> None:
    """Where machines share an output the refusal names the other one, if it said who it is."""
    path = tmp_path / "lock-0"
    holder = Lock(path)
    holder.take()
    path.write_bytes(told)
    with pytest.raises(pixmill.RunError, match=shown):
        Lock(path).take()
    holder.release()


def test_a_newer_schema_is_refused(archive: Path) -> None:
    """A journal of a newer pixmill is neither read nor touched, and the message says what to do."""
    made(archive)
    path = place_of(str(archive.with_name("out"))).journal
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(pixmill.RunError, match=f"schema 99, and this pixmill knows {VERSION}"):
        made(archive)
    with pytest.raises(pixmill.RunError, match="schema 99"):
        api.history(archive.with_name("out"))


def test_a_new_journal_is_made_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tables come in one transaction, which is two flushes, and none stays where one fails."""
    said: list[str] = []
    connection = sqlite3.connect(":memory:", isolation_level=None)
    monkeypatch.setattr(schema, "STEPS", (*STEPS, ("CREATE nothing",)))
    with pytest.raises(sqlite3.Error):
        schema.migrate(connection)
    connection.rollback()
    assert not connection.execute("SELECT name FROM sqlite_master").fetchall()
    monkeypatch.setattr(schema, "STEPS", STEPS)
    connection.set_trace_callback(said.append)
    schema.migrate(connection)
    assert said.count("COMMIT") == 1
    assert not schema.is_older(connection)


def test_an_older_schema_is_read_and_brought_up(archive: Path) -> None:
    """A journal of an older pixmill can be looked at as it is, and a run brings it up to date."""
    path = place_of(str(archive.with_name("out"))).journal
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in STEPS[0]:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "INSERT INTO files VALUES "
            "(x'30', 1, 1, 'jpg', 'f', 'failed', x'', 0, 'io', 'm', 1, 1, 0)"
        )
    before = path.read_bytes()
    found = api.history(archive.with_name("out"))
    assert found is not None
    with closing(found.connection):
        assert list(found.failures()) == [("0", "io", "m", 1)]
    assert path.read_bytes() == before
    made(archive)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        (failed,) = connection.execute("SELECT COUNT(*) FROM files WHERE outcome = 'failed'")
    assert failed == (2,)


def test_names_that_are_no_utf8_survive(archive: Path) -> None:
    """A name of arbitrary bytes is found in the journal again, in messages and as the root too."""
    strange = os.fsdecode(b"caf\xe9 \n-x")
    (archive / "0.jpg").rename(archive / f"{strange}.jpg")
    (archive / f"{strange}.png").write_bytes((archive / "1.jpg").read_bytes())
    archive = archive.rename(archive.with_name(f"{strange} in"))
    how = Settings(parallel=1, on_collision=OnCollision.FAIL)
    made(archive, settings=how)
    again = made(archive, settings=how)
    assert words(again)[f"{strange}.jpg"] == "done"
    journal = api.history(archive.with_name("out"))
    assert journal is not None
    with closing(journal.connection):
        told = {path: message for path, _, message, _ in journal.failures()}
        assert strange in told[f"{strange}.png"]
        assert journal.runs()[0].source == str(archive)


FACTS = RunFacts(
    source="in",
    destination="out",
    recipe={},
    fingerprint="f",
    workers=1,
    memory_bytes=1,
    lease_bytes=1,
    is_dry_run=False,
)


def test_a_commit_comes_after_the_sync(tmp_path: Path) -> None:
    """No row says `optimized` before the folders of its batch were brought to the disc."""
    path = tmp_path / "journal.sqlite"
    seen: list[tuple[set[str], dict[str, int]]] = []

    def sync(folders: set[str]) -> None:
        other = opened_to_read(path)
        assert other is not None
        seen.append((folders, other.counts()))
        other.close(None)

    journal = opened(path, sync)
    journal.begin(FACTS, "0")
    job = Job(0, SourceRef("a/b.png", 5, 7, "png"), "a/b.webp")
    journal.start([job])
    journal.end(
        Outcome(path="a/b.png", status=Status.OPTIMIZED, bytes_read=5, destination="a/b.webp")
    )
    journal.close(None)
    assert seen == [({"a"}, {"started": 1})]
    again = opened_to_read(path)
    assert again is not None
    assert again.counts() == {"optimized": 1}
    again.close(None)


def test_a_failure_leaves_the_destination_its_own(tmp_path: Path) -> None:
    """What an earlier attempt published is still pixmill's own after a later attempt has failed."""
    journal = opened(tmp_path / "journal.sqlite", lambda _folders: None)
    journal.begin(FACTS, "0")
    job = Job(0, SourceRef("b.png", 5, 7, "png"), "b.webp")
    journal.start([job])
    failure = pixmill.Failed(pixmill.FailureKind.CORRUPT, pixmill.Stage.DECODE, "no")
    journal.end(Outcome(path="b.png", status=Status.FAILED, failure=failure))
    journal.flush()
    record = journal.records_of(["b.png"])["b.png"]
    assert (record.outcome, record.destination) == ("failed", "b.webp")
    journal.close(None)


@pytest.mark.parametrize("count", [0, 1, 3, 256, 257, 600])
def test_many_sources_are_looked_up_at_once(tmp_path: Path, count: int) -> None:
    """However many are asked for, each known one is found under its own path, and no other is."""
    journal = opened(tmp_path / "journal.sqlite", lambda _folders: None)
    journal.begin(FACTS, "0")
    paths = [os.fsdecode(b"caf\xe9/%d" % number) for number in range(count)]
    jobs = [Job(0, SourceRef(path, at, 7, "png"), path) for at, path in enumerate(paths)]
    journal.start(jobs[::2])
    known = journal.records_of(paths)
    assert set(known) == set(paths[::2])
    assert all(known[job.source.path].is_of(job.source) for job in jobs[::2])
    journal.close(None)


@pytest.mark.parametrize("durability", list(Durability))
def test_every_durability_publishes_the_same(archive: Path, durability: Durability) -> None:
    """When results reach the disc changes nothing of what they are."""
    made(archive, settings=Settings(parallel=1, durability=durability))
    out = archive.with_name("out")
    with_it = {path.name: path.read_bytes() for path in out.iterdir()}
    assert with_it == {path.name: path.read_bytes() for path in reference(archive)}


def reference(archive: Path) -> Iterator[Path]:
    """Yield the files of an undisturbed run into a fresh folder."""
    out = archive.with_name("reference")
    with pixmill.optimize(archive, out, settings=SMALL) as run:
        list(run)
    yield from out.iterdir()


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_run_is_resumed(archive: Path, seed: int) -> None:
    """After SIGKILL of the whole group at a random moment a rerun gives what no kill would have."""
    for number in range(60):
        (archive / f"more-{number}.jpg").write_bytes((archive / f"{number % 6}.jpg").read_bytes())
    sources = {path.name: path.read_bytes() for path in archive.iterdir()}
    expected = {path.name: path.read_bytes() for path in reference(archive)}
    out = archive.with_name("out")
    words_ = [sys.executable, "-m", "pixmill_cli", "optimize", str(archive), str(out), "-q"]
    with subprocess.Popen(words_, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        wait_for_files(out, at_least=random.Random(seed).randrange(1, 25))
        group = [psutil.Process(process.pid), *left_running(process.pid)]
        os.killpg(process.pid, signal.SIGKILL)
    psutil.wait_procs(group, timeout=60)  # one still dying holds its draft, which nobody sweeps
    interrupted = len(list(out.iterdir()))
    again = made(archive)
    assert interrupted < 66
    assert {path.name: path.read_bytes() for path in out.iterdir()} == expected
    assert {path.name: path.read_bytes() for path in archive.iterdir()} == sources
    assert SkipReason.EXISTS not in {outcome.reason for outcome in again.values()}


def wait_for_files(folder: Path, *, at_least: int) -> None:
    """Return once a folder holds some published files, looking for at most 60 s."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        if folder.is_dir() and len(list(folder.glob("*.jpg"))) >= at_least:
            return
        time.sleep(0.005)
    raise TimeoutError(f"{folder} never held {at_least} files")


def test_status_and_runs_tell_what_the_journal_knows(archive: Path) -> None:
    """`pixmill status` counts and names failures, `pixmill runs` lists runs; both as JSON too."""
    made(archive)
    out = str(archive.with_name("out"))
    told = command("status", out)
    assert ["optimized", "6"] in [row.split() for row in told.splitlines()]
    assert "broken.jpg  corrupt: " in told
    assert "done: 6 optimized, 0 kept, 0 skipped, 1 failed" in command("runs", out)
    status = json.loads(command("status", out, "--json"))
    assert status["files"] == {"optimized": 6, "failed": 1}
    assert [failure["path"] for failure in status["failures"]] == ["broken.jpg"]
    assert [run["ending"] for run in json.loads(command("runs", out, "--json"))["runs"]] == ["done"]


def command(*words_: str) -> str:
    """Return what a pixmill command prints."""
    return subprocess.run(
        [sys.executable, "-m", "pixmill_cli", *words_], check=True, capture_output=True, text=True
    ).stdout


CHECKED = Settings(parallel=1, checksum=True)


def test_content_decides_where_it_is_asked_to(archive: Path) -> None:
    """With checksums a new time means nothing, and another content is noticed behind an old one."""
    made(archive, settings=CHECKED)
    out = archive.with_name("out")
    before = {path.name: path.stat().st_ino for path in out.iterdir()}
    for path in (*archive.iterdir(), *out.iterdir()):
        os.utime(path, ns=(10**18, 10**18))
    assert set(words(made(archive, settings=CHECKED)).values()) == {"done", "failed"}
    assert {path.name: path.stat().st_ino for path in out.iterdir()} == before
    source, result = archive / "1.jpg", out / "2.jpg"
    source.write_bytes((archive / "3.jpg").read_bytes().ljust(source.stat().st_size, b"\0"))
    result.write_bytes(result.read_bytes()[:-1] + b"!")
    for path in (source, result):
        os.utime(path, ns=(10**18, 10**18))
    again = made(archive, settings=CHECKED)
    assert {path for path, outcome in again.items() if outcome.reason is None} == {
        *("1.jpg", "2.jpg", "broken.jpg")
    }


def test_without_checksums_a_new_time_is_a_change(archive: Path) -> None:
    """The usual way goes by size and time, and opens nothing that is unchanged."""
    made(archive, settings=CHECKED)
    os.utime(archive / "1.jpg", ns=(10**18, 10**18))
    again = made(archive)
    assert [path for path, outcome in again.items() if outcome.reason is None] == [
        *("1.jpg", "broken.jpg")
    ]


FELLED = """
import sys, pixmill
from pixmill.settings import Sandbox
if __name__ == "__main__":
    settings = pixmill.Settings(parallel=1, sandbox=Sandbox.OFF)
    list(pixmill.optimize(sys.argv[1], sys.argv[2], settings=settings, mill="faults.felling:mill"))
"""


def test_what_takes_the_whole_run_down_twice_is_left_alone(archive: Path) -> None:
    """A file with which the run died twice is quarantined, until failures are asked for."""
    (archive / "2.jpg").rename(archive / "2-fell.jpg")
    out = archive.with_name("out")
    for _ in range(2):
        process = subprocess.run(
            [sys.executable, "-c", FELLED, str(archive), str(out)],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            check=False,
        )
        assert process.returncode == -signal.SIGKILL
    for _ in range(2):
        process = subprocess.run(
            [sys.executable, "-c", FELLED, str(archive), str(out)],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            check=False,
        )
        assert process.returncode == 0
        status = json.loads(command("status", str(out), "--json"))
        kinds = {failure["path"]: failure["kind"] for failure in status["failures"]}
        assert kinds == {"2-fell.jpg": "quarantined", "broken.jpg": "corrupt"}
    assert len(list(out.iterdir())) == 5
    taken_up = made(archive, settings=Settings(parallel=1, redo=Redo.FAILED))
    assert taken_up["2-fell.jpg"].status is Status.OPTIMIZED
    assert set(words(made(archive)).values()) == {"done", "failed"}


def test_a_run_that_ended_in_order_blames_nobody(archive: Path) -> None:
    """An interrupted or finished run leaves no note of what was in whose hands."""
    out = archive.with_name("out")
    for _ in range(3):
        with pixmill.optimize(archive, out, settings=Settings(parallel=1, redo=Redo.ALL)) as run:
            next(run)
            run.abort()
    assert set(words(made(archive)).values()) <= {"done", "optimized", "failed"}
    assert not list(place_of(str(out)).lock.parent.glob("hand-*"))
