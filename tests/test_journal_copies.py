"""The journal of a run whose output is in an object store: kept there, and one run at a time."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from pixmill.address import Access, Address
from pixmill.errors import RunError, UnansweredError
from pixmill.journal.claim import LEAST_S, Claim, Holder
from pixmill.journal.copies import Copies, fetched
from pixmill.journal.held import Held
from pixmill.journal.place import place_of
from pixmill.journal.session import Session
from pixmill.journal.store import opened
from pixmill.machine import process_space, process_start
from pixmill.model import Job, Outcome, SourceRef, Status
from pixmill.reporting import RunFacts
from pixmill.stats import Tally
from pixmill.storage import shelf as shelf_module
from pixmill.storage.objects import ObjectStore
from pixmill.storage.shelf import ObjectShelf
from runs import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.address import ObjectFacts
    from pixmill.reporting import Summary

HERE = Holder(os.getpid(), process_space(), process_start(os.getpid()))
LONG_S = 1e6
THERE = replace(HERE, space="another-machine 1 2")


@dataclass(slots=True)
class Clock:
    """A clock that is set by hand."""

    now_s: float = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@pytest.fixture
def shelf() -> ObjectShelf:
    """Return the place beside an output in a store."""
    return ObjectShelf(ObjectStore.opened(Address("memory", "bucket", "web.pixmill"), Access()))


@pytest.fixture
def clock() -> Clock:
    """Return the time that claims are told."""
    return Clock()


def _facts() -> RunFacts:
    return RunFacts(
        source="in",
        destination="s3://bucket/web",
        recipe={},
        fingerprint="f",
        workers=1,
        memory_bytes=1,
        lease_bytes=1,
        is_dry_run=False,
    )


def _copies(
    shelf: ObjectShelf, folder: Path, holder: Holder, clock: Clock, *, every_s: float = 3600.0
) -> Copies:
    folder.mkdir(exist_ok=True)
    place = place_of(str(folder / "web"))
    claim = Claim(
        shelf,
        place.lock.name,
        folder / "claim",
        holder,
        is_running=lambda held: process_start(held.pid) == held.start,
        clock=clock,
    )
    return Copies(shelf, place.journal, claim, every_s=every_s)


def _begun(copies: Copies, folder: Path) -> Session:
    place = place_of(str(folder / "web"))
    return Session.begun(place, _facts(), version="1", sync=lambda _folders: None, copies=copies)


def _done(session: Session, *paths: str) -> None:
    refs = [SourceRef(path, 7, 8, "jpg", 9) for path in paths]
    session.journal.start([Job(n, ref, ref.path) for n, ref in enumerate(refs)])
    for ref in refs:
        session.journal.end(Outcome(path=ref.path, status=Status.OPTIMIZED, destination=ref.path))


def _ended(session: Session) -> None:
    """End a run in good order."""
    session.journal.settle()
    session.close(_summary())


def _summary() -> Summary:
    return Tally(0.0).summary(
        1.0, _facts(), cpu_s=0.0, peak_memory_bytes=0, is_interrupted=False, fatal=""
    )


def _died(session: Session) -> None:
    """Leave a run as one that was killed: nothing more is put, and nothing said."""
    copies = session.journal.copies
    assert copies is not None
    copies._end.set()
    assert copies._thread is not None
    copies._thread.join()
    session.journal.connection.close()
    session._lock.release()


class _Silent(ObjectShelf):
    """A shelf that does not answer while its store is away."""

    away: ClassVar[list[str]] = []

    def seen(self, name: str) -> ObjectFacts | None:
        if self.away:
            self.away.append(name)
            raise UnansweredError("no answer")
        return super().seen(name)


@pytest.fixture
def silent(shelf: ObjectShelf) -> Iterator[_Silent]:
    """Return the place beside an output, in a store that may go away."""
    yield _Silent(shelf.store)
    _Silent.away.clear()


@pytest.mark.parametrize("patience_s", [0.0, 60.0])
def test_a_shelf_that_does_not_answer_is_waited_for(
    silent: _Silent,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    patience_s: float,
) -> None:
    """Copies go on once it is back; without patience it is the run's trouble at once."""
    monkeypatch.setattr("pixmill.journal.copies._AGAIN_S", 0.01)
    copies = replace(_copies(silent, tmp_path, HERE, clock, every_s=0.01), patience_s=patience_s)
    session = _begun(copies, tmp_path)
    silent.away.append("")
    if not patience_s:
        until(lambda: copies._is_lost)
        with pytest.raises(RunError, match="no answer"):
            session.journal.tick()
        session.close(_summary())
        return
    until(lambda: len(silent.away) > 5)
    session.journal.tick()
    silent.away.clear()
    _done(session, "a")
    _ended(session)
    assert _paths_in(silent, tmp_path / "found") == {"a"}


def test_what_is_long_in_hand_is_noted(shelf: ObjectShelf, tmp_path: Path) -> None:
    """A job is noted once it is in hand for long, and no longer than that; a note is read once."""
    jobs = [Job(n, SourceRef(f"{n}.jpg", 7, 8, "jpg"), f"{n}.webp") for n in range(4)]
    numbers: list[int] = [1, 2]
    held = Held(shelf, "held", tmp_path / "held", lambda: numbers, lambda: jobs, "recipe")
    held.look(60.0)
    assert shelf.seen("held") is None
    held.look(0.0)
    reader = replace(held, scratch=tmp_path / "other")
    assert reader.left() == [(jobs[1], "recipe"), (jobs[2], "recipe")]
    numbers.remove(1)
    held.look(0.0)
    assert reader.left() == [(jobs[2], "recipe")]
    standing = shelf.seen("held")
    held.look(0.0)
    assert shelf.seen("held") == standing, "the same was put again"
    numbers.clear()
    held.look(0.0)
    assert shelf.seen("held") is None
    assert reader.left() == []
    numbers.append(3)
    held.look(0.0)
    held.clear()
    assert shelf.seen("held") is None, "a run that ended in good order left a note"


def test_what_was_noted_is_held_against_jobs(tmp_path: Path) -> None:
    """Twice noted is twice down, whether or not the journal knew of the job; done, it is not."""
    journal = opened(tmp_path / "journal.sqlite", lambda _folders: None)
    job = Job(3, SourceRef("a.jpg", 7, 8, "jpg"), "a.webp")
    for downs in (1, 2):
        journal.accuse([(job, "recipe")])
        record = journal.records_of(["a.jpg"])["a.jpg"]
        assert (record.downs, record.outcome, record.fingerprint) == (downs, "started", "recipe")
        assert record.is_of(job.source)
    journal.end(Outcome(path="a.jpg", status=Status.OPTIMIZED, destination="a.webp"))
    journal.flush()
    assert journal.records_of(["a.jpg"])["a.jpg"].downs == 0
    journal.close(None)


def _paths_in(shelf: ObjectShelf, folder: Path) -> set[str]:
    """Return the paths that the copy which stands there speaks of."""
    folder.mkdir(exist_ok=True)
    path = folder / "journal-0.sqlite"
    if fetched(shelf, path) is None:
        return set()
    with closing(sqlite3.connect(path)) as connection:
        return {os.fsdecode(row[0]) for row in connection.execute("SELECT path FROM files")}


def test_the_next_run_knows_it_on_another_machine(
    shelf: ObjectShelf, clock: Clock, tmp_path: Path
) -> None:
    """What one run has done the next one knows, wherever it runs; nobody holds the output then."""
    first = _begun(_copies(shelf, tmp_path / "a", HERE, clock), tmp_path / "a")
    _done(first, "1.jpg", "2.jpg")
    _ended(first)
    copies = _copies(shelf, tmp_path / "b", THERE, clock)
    second = _begun(copies, tmp_path / "b")
    assert set(second.journal.records_of(["1.jpg", "2.jpg"])) == {"1.jpg", "2.jpg"}
    assert [run.ending for run in second.journal.runs()] == ["done", ""]
    assert copies.claim.since_ns == 0, "the first run has left nothing unknown"
    _ended(second)
    assert shelf.seen("lock-0") is None


def test_a_killed_run_leaves_its_last_copy(
    shelf: ObjectShelf, clock: Clock, tmp_path: Path
) -> None:
    """A copy is put while the run works; the next has it, and is told since when more stands."""
    before_ns = time.time_ns()
    session = _begun(_copies(shelf, tmp_path / "a", HERE, clock, every_s=0.01), tmp_path / "a")
    after_ns = time.time_ns()
    _done(session, "1.jpg", "2.jpg")
    session.journal.flush()
    until(lambda: _paths_in(shelf, tmp_path / "look") == {"1.jpg", "2.jpg"})
    _died(session)
    clock.now_s += LONG_S
    copies = _copies(shelf, tmp_path / "b", THERE, clock)
    second = _begun(copies, tmp_path / "b")
    assert len(second.journal.records_of(["1.jpg", "2.jpg"])) == 2
    assert before_ns // 1000 * 1000 <= copies.claim.since_ns <= after_ns
    _died(second)
    clock.now_s += LONG_S
    third = _copies(shelf, tmp_path / "c", HERE, clock)
    _ended(_begun(third, tmp_path / "c"))
    assert third.claim.since_ns == copies.claim.since_ns, "what the first left is unknown still"


@pytest.mark.parametrize("holder", [HERE, THERE], ids=["here", "there"])
def test_the_second_of_two_runs_is_refused(
    shelf: ObjectShelf, clock: Clock, tmp_path: Path, holder: Holder
) -> None:
    """While a run holds the output another is refused, on this machine and on others."""
    session = _begun(_copies(shelf, tmp_path / "a", HERE, clock), tmp_path / "a")
    with pytest.raises(RunError, match=f"another run works on this output .process {os.getpid()}"):
        _begun(_copies(shelf, tmp_path / "b", holder, clock), tmp_path / "b")
    _done(session, "1.jpg")
    _ended(session)
    assert _paths_in(shelf, tmp_path / "look") == {"1.jpg"}


def test_a_dead_run_holds_nothing(shelf: ObjectShelf, clock: Clock, tmp_path: Path) -> None:
    """The output of a dead process is free at once where that is seen, elsewhere after a while."""
    dead = replace(HERE, pid=2**22 + 1, start=1.0)
    _died(_begun(_copies(shelf, tmp_path / "a", dead, clock), tmp_path / "a"))
    with pytest.raises(RunError, match="expires at"):
        _begun(_copies(shelf, tmp_path / "b", THERE, clock), tmp_path / "b")
    _died(_begun(_copies(shelf, tmp_path / "c", HERE, clock), tmp_path / "c"))
    clock.now_s += LONG_S
    _ended(_begun(_copies(shelf, tmp_path / "d", THERE, clock), tmp_path / "d"))


def test_a_claim_is_renewed(shelf: ObjectShelf, clock: Clock, tmp_path: Path) -> None:
    """A run that works for long holds its output all the while."""
    session = _begun(_copies(shelf, tmp_path / "a", HERE, clock, every_s=0.01), tmp_path / "a")

    def told_s() -> float:
        found = shelf.seen("lock-0")
        if found is None or not shelf.fetch(found, "lock-0", tmp_path / "told"):
            return 0.0
        return float(json.loads((tmp_path / "told").read_bytes())["expires_s"])

    clock.now_s += LEAST_S * 3
    until(lambda: told_s() >= clock.now_s + LEAST_S)
    _ended(session)


@pytest.mark.parametrize("name", ["lock-0", "journal-0.sqlite"])
def test_a_run_that_was_replaced_stops(
    shelf: ObjectShelf, clock: Clock, tmp_path: Path, name: str
) -> None:
    """A run whose claim or journal is another's by now ends with that, and writes no more of it."""
    copies = _copies(shelf, tmp_path / "a", HERE, clock)
    session = _begun(copies, tmp_path / "a")
    until(lambda: shelf.seen("journal-0.sqlite") is not None)
    other = tmp_path / "other"
    other.write_bytes(b"another's")
    assert shelf.put(name, other, over=shelf.seen(name)) is not None
    _done(session, "1.jpg")
    with pytest.raises(RunError, match="another run"):
        session.journal.settle()
    session.close(_summary())
    standing = shelf.seen(name)
    assert standing is not None
    assert standing.size_bytes == len(b"another's")


def test_trouble_of_a_copy_is_the_runs(shelf: ObjectShelf, clock: Clock, tmp_path: Path) -> None:
    """A copy that fails while the run works ends it at the next look at the clock."""
    session = _begun(_copies(shelf, tmp_path / "a", HERE, clock, every_s=0.01), tmp_path / "a")
    until(lambda: shelf.seen("journal-0.sqlite") is not None)
    shelf.remove("lock-0")

    def is_told() -> bool:
        try:
            session.journal.tick()
        except RunError:
            return True
        return False

    until(is_told)
    session.close(_summary())


def test_a_large_journal_is_put_over_what_was_seen_alone(
    shelf: ObjectShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal too large for a condition is not put over another's either."""
    monkeypatch.setattr(shelf_module, "_CONDITIONAL_BYTES", 10)
    path = tmp_path / "journal"
    path.write_bytes(bytes(100))
    done = shelf.put("journal", path, over=None)
    assert done is not None
    assert shelf.put("journal", path, over=None) is None
    path.write_bytes(bytes(101))
    again = shelf.put("journal", path, over=done)
    assert again is not None
    assert shelf.put("journal", path, over=done) is None
    assert shelf.put("journal", path, over=shelf.seen("journal")) is not None
