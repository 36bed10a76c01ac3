"""Runs that divide an output in a store differently: never at a time, and nothing is forgotten."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from pixmill.address import Access, Address
from pixmill.errors import RunError
from pixmill.executors.note import Hands
from pixmill.journal.claim import Claim, HeldError, Holder
from pixmill.journal.copies import Copies, fetched
from pixmill.journal.partition import Partition
from pixmill.journal.place import place_of
from pixmill.journal.session import Session
from pixmill.journal.store import opened
from pixmill.machine import process_space, process_start
from pixmill.model import Job, Outcome, SourceRef, Status
from pixmill.reporting import RunFacts
from pixmill.sharding import WHOLE, Shard
from pixmill.stats import Tally
from pixmill.storage.objects import ObjectStore
from pixmill.storage.shelf import ObjectShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.address import ObjectFacts
    from pixmill.journal.shelf import Shelf

HERE = Holder(os.getpid(), process_space(), process_start(os.getpid()))
DEAD = replace(HERE, pid=2**22 + 1, start=1.0)
KILLED = replace(DEAD, pid=2**22 + 2)
FACTS = RunFacts(
    source="in",
    destination="s3://bucket/web",
    recipe={},
    fingerprint="f",
    workers=1,
    memory_bytes=1,
    lease_bytes=1,
    is_dry_run=False,
)


@pytest.fixture
def shelf() -> ObjectShelf:
    """Return the place beside an output in a store."""
    return ObjectShelf(ObjectStore.opened(Address("memory", "bucket", "web.pixmill"), Access()))


@dataclass(frozen=True, slots=True)
class Cut(ObjectShelf):
    """A shelf that a run reaches for so many changes, and then no more."""

    changes: Iterator[int]

    def put(self, name: str, path: Path, *, over: ObjectFacts | None) -> ObjectFacts | None:
        """Put a file."""
        self._spend()
        return ObjectShelf.put(self, name, path, over=over)

    def remove(self, name: str) -> None:
        """Remove what stands there."""
        self._spend()
        ObjectShelf.remove(self, name)

    def _spend(self) -> None:
        if next(self.changes, None) is None:
            raise RunError("cut off")


@dataclass(frozen=True, slots=True)
class Abreast(ObjectShelf):
    """A shelf where two look whether the whole output is claimed, and find it free, at once."""

    barrier: threading.Barrier
    looks: Iterator[int]

    def seen(self, name: str) -> ObjectFacts | None:
        """Return what stands under a name, to both at the same time."""
        found = ObjectShelf.seen(self, name)
        if name == "lock-0" and next(self.looks, None) is not None:
            self.barrier.wait(20.0)
        return found


def _copies(shelf: Shelf, folder: Path, shard: Shard, holder: Holder = HERE) -> Copies:
    """Return a run's hold on its share; the run itself begins with its `fetch`."""
    place = place_of(str(folder / "web")).of_shard(shard)
    place.journal.parent.mkdir(parents=True)
    claim = Claim(
        shelf,
        place.lock.name,
        folder / "claim",
        holder,
        is_running=lambda held: process_start(held.pid) == held.start,
    )
    aside = place_of(str(folder / "joined"))
    partition = Partition(
        shelf, place, claim, aside=aside, hands=Hands, patience_s=20.0, poll_s=0.01
    )
    elder = None if place.elder is None else place.elder.journal
    return Copies(shelf, place.journal, claim, every_s=3600.0, elder=elder, enter=partition.enter)


def _begun(shelf: Shelf, folder: Path, shard: Shard, holder: Holder = HERE) -> Session:
    copies = _copies(shelf, folder, shard, holder)
    place = place_of(str(folder / "web")).of_shard(shard)
    facts = replace(FACTS, shard="" if shard.is_whole else str(shard))
    return Session.begun(place, facts, version="1", sync=lambda _folders: None, copies=copies)


def _journal(shard: Shard) -> str:
    return place_of("web").of_shard(shard).journal.name


def _done(session: Session, *paths: str) -> None:
    refs = [SourceRef(path, 7, 8, "jpg", 9) for path in paths]
    session.journal.start([Job(n, ref, ref.path) for n, ref in enumerate(refs)])
    for ref in refs:
        session.journal.end(Outcome(path=ref.path, status=Status.OPTIMIZED, destination=ref.path))


def _ended(session: Session, *, is_interrupted: bool = False, fatal: str = "") -> None:
    summary = Tally(0.0).summary(
        1.0, FACTS, cpu_s=0, peak_memory_bytes=0, is_interrupted=is_interrupted, fatal=fatal
    )
    session.close(summary)


def _known(session: Session) -> set[str]:
    return set(session.journal.records_of(["a", "b", "c", "d"]))


def _divided(shelf: ObjectShelf, folder: Path) -> None:
    """Leave what two shards have done."""
    for index, path in enumerate("ab"):
        session = _begun(shelf, folder / path, Shard(index, 2))
        _done(session, path)
        _ended(session)


def _killed(shelf: ObjectShelf, folder: Path, shard: Shard) -> int:
    """Leave the claim of a run that was killed; return since when it may have put results."""
    copies = _copies(shelf, folder, shard, KILLED)
    copies.fetch()
    found = shelf.seen(copies.claim.name)
    assert found is not None
    copies.claim.renew(1.0)
    return found.mtime_ns


@pytest.mark.parametrize("shard", [Shard(0, 3), WHOLE], ids=str)
def test_another_division_knows_what_was_done(
    shelf: ObjectShelf, tmp_path: Path, shard: Shard
) -> None:
    """What shards have left is joined before the first run of another division looks at it."""
    _divided(shelf, tmp_path)
    session = _begun(shelf, tmp_path / "c", shard)
    assert _known(session) == {"a", "b"}
    _ended(session)
    assert set(shelf.names()) == {"journal-0.sqlite", _journal(shard)}
    session = _begun(shelf, tmp_path / "d", Shard(1, 3))
    assert _known(session) == {"a", "b"}
    assert session.unknown_since_ns == 0
    _ended(session)


def test_divisions_do_not_meet(shelf: ObjectShelf, tmp_path: Path) -> None:
    """While a shard runs its likes may; other divisions are refused, and leave all as it is."""
    first = _begun(shelf, tmp_path / "0", Shard(0, 2))
    _ended(_begun(shelf, tmp_path / "1", Shard(1, 2)))
    before = set(shelf.names())
    for number, other in enumerate((Shard(0, 3), WHOLE)):
        with pytest.raises(RunError, match=rf"shards of 2 work on this output .process {HERE.pid}"):
            _begun(shelf, tmp_path / f"other-{number}", other)
    assert set(shelf.names()) == before
    _ended(first)
    whole = _begun(shelf, tmp_path / "whole", WHOLE)
    with pytest.raises(RunError, match="another run works on this output"):
        _begun(shelf, tmp_path / "2", Shard(0, 2))
    _ended(whole)
    _ended(_begun(shelf, tmp_path / "3", Shard(0, 3)))


def test_one_joins_and_the_others_wait(shelf: ObjectShelf, tmp_path: Path) -> None:
    """Of shards that begin at once one joins what others left, and all of them know it."""
    _divided(shelf, tmp_path)
    barrier = threading.Barrier(2)
    copies = [
        _copies(
            Abreast(shelf.store, barrier, iter(range(2))), tmp_path / f"at-{index}", Shard(index, 3)
        )
        for index in range(2)
    ]
    with ThreadPoolExecutor() as pool:
        list(pool.map(Copies.fetch, copies))
    elders = {each.elder.read_bytes() for each in copies if each.elder is not None}
    assert len(elders) == 1
    locks = {each.claim.name for each in copies}
    assert set(shelf.names()) == {"journal-0.sqlite"} | locks


def test_two_divisions_never_work_at_a_time(shelf: ObjectShelf, tmp_path: Path) -> None:
    """Whoever comes when: of runs that enter and leave, those inside divide alike."""
    inside: Counter[int] = Counter()
    tries: list[int] = []
    counting = threading.Lock()

    def enter(seed: int) -> int:
        rng, entered = random.Random(seed), 0
        for turn in range(12):
            shard = Shard(0, rng.choice([1, 2, 3]))
            copies = _copies(shelf, tmp_path / f"{seed}-{turn}", shard)
            tries.append(seed)
            try:
                copies.fetch()
            except HeldError:
                continue
            entered += 1
            with counting:
                inside[shard.count] += 1
                assert sum(each > 0 for each in inside.values()) == 1
            met = len(tries) + 3
            for _ in range(1000):  # until others have come, if there are any left
                if len(tries) > met:
                    break
                shelf.names()
            with counting:
                inside[shard.count] -= 1
            if rng.random() < 0.5:
                opened(copies.path, lambda _folders: None).close(None)
                copies.close(is_done=True)
            copies.abandon()
        return entered

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(enter, range(3)))


def test_who_joins_for_ever_is_not_waited_for(shelf: ObjectShelf, tmp_path: Path) -> None:
    """A shard gives up at last, and holds nothing then."""
    copies = _copies(shelf, tmp_path / "a", Shard(0, 2))
    joiner = copies.claim.on("lock-0", is_joining=True)
    joiner.take()
    place = place_of(str(tmp_path / "a/web")).of_shard(Shard(0, 2))
    copies.enter = Partition(
        shelf, place, copies.claim, place, Hands, patience_s=0.0, poll_s=0.0
    ).enter
    with pytest.raises(RunError, match="has this output to itself"):
        copies.fetch()
    assert shelf.names() == ["lock-0"]


@pytest.mark.parametrize(
    ("shard", "has_done", "has_died"),
    [
        (Shard(0, 3), True, False),
        (Shard(0, 3), False, True),
        (Shard(0, 3), True, True),
        (WHOLE, True, True),
    ],
)
def test_joining_may_be_cut_off_anywhere(
    shelf: ObjectShelf, tmp_path: Path, shard: Shard, *, has_done: bool, has_died: bool
) -> None:
    """After a crash between any two steps the next run knows all that was done, and the rest."""
    if has_done:
        _divided(shelf, tmp_path)
    since_ns = _killed(shelf, tmp_path / "killed", Shard(1, 2)) if has_died else 0
    left = _taken_down(shelf, tmp_path)
    for changes in count():
        _set_up(shelf, left)
        copies = _copies(
            Cut(shelf.store, iter(range(changes))), tmp_path / f"cut-{changes}", shard, DEAD
        )
        is_cut = _is_cut(copies)
        own = WHOLE if shard.is_whole else Shard(1, 3)
        session = _begun(shelf, tmp_path / f"next-{changes}", own)
        assert _known(session) == ({"a", "b"} if has_done else set())
        assert session.unknown_since_ns == since_ns
        _ended(session)
        names = set(shelf.names()) - {"lock-0", copies.claim.name}
        is_joined = has_done or shard.is_whole
        assert names == {_journal(own)} | ({"journal-0.sqlite"} if is_joined else set())
        if not is_cut:
            break
    assert changes > 3


def _taken_down(shelf: ObjectShelf, folder: Path) -> list[Path]:
    """Return files of what stands on a shelf."""
    paths = [folder / name for name in shelf.names()]
    for path in paths:
        assert fetched(shelf, path) is not None
    return paths


def _set_up(shelf: ObjectShelf, paths: list[Path]) -> None:
    """Have these files alone on a shelf."""
    for name in shelf.names():
        shelf.remove(name)
    for path in paths:
        assert shelf.put(path.name, path, over=None) is not None


def _is_cut(copies: Copies) -> bool:
    """Begin a run, and return whether it was cut off."""
    try:
        copies.fetch()
    except RunError as error:
        assert "cut off" in str(error)  # noqa: PT017 - or it went through
        return True
    return False


def test_what_a_killed_run_has_put_stays_known_as_such(shelf: ObjectShelf, tmp_path: Path) -> None:
    """Every division is told since when results stand that no journal knows, until all is done."""
    since_ns = _killed(shelf, tmp_path / "killed", Shard(0, 2))
    for number in range(2):
        session = _begun(shelf, tmp_path / f"shard-{number}", Shard(number, 3))
        assert session.unknown_since_ns == since_ns
        _ended(session)
    whole = _begun(shelf, tmp_path / "whole", WHOLE)
    assert whole.unknown_since_ns == since_ns
    _ended(whole)
    assert shelf.names() == ["journal-0.sqlite"]
    again = _begun(shelf, tmp_path / "again", Shard(0, 2))
    assert again.unknown_since_ns == 0
    _ended(again)


def test_a_run_that_was_refused_leaves_the_word_of_a_killed_one(
    shelf: ObjectShelf, tmp_path: Path
) -> None:
    """What it found there is there for the next one."""
    since_ns = _killed(shelf, tmp_path / "killed", Shard(0, 2))
    whole = _copies(shelf, tmp_path / "whole", WHOLE).claim
    whole.take()
    for number in range(2):
        with pytest.raises(RunError, match="another run works"):
            _begun(shelf, tmp_path / f"refused-{number}", Shard(0, 2))
    whole.release()
    session = _begun(shelf, tmp_path / "next", Shard(0, 2))
    assert session.unknown_since_ns == since_ns
    _ended(session)


def test_what_is_unknown_stays_so_until_a_run_has_come_to_it(
    shelf: ObjectShelf, tmp_path: Path
) -> None:
    """A run that was stopped, or stopped itself, has not seen all that a killed one has put."""
    since_ns = _killed(shelf, tmp_path / "killed", WHOLE)
    _ended(_begun(shelf, tmp_path / "stopped", WHOLE), is_interrupted=True)
    _ended(_begun(shelf, tmp_path / "fatal", WHOLE), fatal="the disc is full")
    session = _begun(shelf, tmp_path / "next", WHOLE)
    assert session.unknown_since_ns == since_ns
    _ended(session)
    assert shelf.names() == ["journal-0.sqlite"]
    _ended(_begun(shelf, tmp_path / "clean", WHOLE), is_interrupted=True)
    assert shelf.names() == ["journal-0.sqlite"], "all that it has put is known"
