"""What shards have noted is joined to what one run would have left, however often it is tried."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pixmill import api
from pixmill.address import Access, Address
from pixmill.documents import missing, parsed, united
from pixmill.errors import OptionError, RunError
from pixmill.events import summary_document
from pixmill.executors.note import Hands
from pixmill.journal.division import Division
from pixmill.journal.joining import FILES, ORIGINALS, RUNS, joined
from pixmill.journal.place import Place, place_of
from pixmill.journal.schema import migrate
from pixmill.journal.session import Session
from pixmill.journal.store import opened
from pixmill.merging import merged_in_store
from pixmill.model import Failed, FailureKind, Job, Outcome, SourceRef, Stage, Status
from pixmill.model import SkipReason as Reason
from pixmill.recipe import Recipe
from pixmill.reporting import RunFacts, Summary
from pixmill.settings import Settings
from pixmill.sharding import Shard
from pixmill.shelving import Shelved
from pixmill.stats import Tally
from pixmill.storage.objects import ObjectStore
from pixmill.storage.shelf import ObjectShelf
from pixmill.vocabulary import Effort
from pixmill_cli.app import app
from pixmill_cli.exit_codes import ExitCode
from runs import archive, ran, scripted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FACTS = RunFacts(
    source="in",
    destination="out",
    recipe={"fit": "inside"},
    fingerprint="f",
    workers=1,
    memory_bytes=10,
    lease_bytes=5,
    is_dry_run=False,
)
HASH = "ab" * 32
KEYS = ["run", "totals", "formats", "failures", "scores", "interrupted", "warnings", "walked", "1"]


def _facts(shard: Shard, **others: Any) -> RunFacts:
    return replace(FACTS, shard=str(shard), **others)


def _summary(outcomes: list[Outcome], facts: RunFacts = FACTS) -> Summary:
    tally = Tally(0.0)
    for outcome in outcomes:
        tally.fold(outcome)
    return tally.summary(2.0, facts, cpu_s=1.5, peak_memory_bytes=7, is_interrupted=False, fatal="")


def _read_back(summary: Summary) -> Summary:
    return parsed(json.loads(json.dumps(summary_document(summary))))


FAILURES = st.builds(
    Failed, st.sampled_from(FailureKind), st.sampled_from([Stage.READ, Stage.DECODE]), st.text()
)
OUTCOMES = (
    st.builds(
        Outcome,
        path=st.text(min_size=1, max_size=6),
        status=st.sampled_from([Status.OPTIMIZED, Status.KEPT]),
        codec=st.sampled_from(["jpg", "png"]),
        bytes_read=st.integers(0, 999),
        destination=st.just("x"),
        bytes_written=st.integers(0, 999),
        width_px=st.integers(1, 9),
        height_px=st.integers(1, 9),
        score=st.none() | st.floats(0, 100),
        encodes=st.integers(0, 3),
        wall_s=st.sampled_from([0.25, 0.5, 1.0]),
    )
    | st.builds(
        Outcome,
        path=st.text(min_size=1, max_size=6),
        status=st.just(Status.SKIPPED),
        reason=st.sampled_from(Reason),
    )
    | st.builds(
        Outcome,
        path=st.text(min_size=1, max_size=6),
        status=st.just(Status.FAILED),
        failure=FAILURES,
    )
)


@given(st.lists(OUTCOMES, max_size=30), st.integers(2, 4))
def test_reports_of_shards_make_the_report_of_one_run(outcomes: list[Outcome], count: int) -> None:
    """Sums, medians, lists of the worst: read back from JSON and united they are those of a run."""
    shards = [Shard(index, count) for index in range(count)]
    found = united(
        [
            _read_back(
                _summary([each for each in outcomes if shard.holds(each.path)], _facts(shard))
            )
            for shard in reversed(shards)
        ]
    )
    whole = _summary(outcomes)
    assert _comparable(found) == _comparable(whole)
    assert (found.wall_s, found.cpu_s) == (2.0, 1.5 * count)
    assert found.facts == replace(FACTS, workers=count, memory_bytes=10 * count)


def _comparable(summary: Summary) -> Mapping[str, object]:
    """Return what does not depend on the order of outcomes, nor on how many runs there were."""
    return summary_document(summary) | {
        "run": None,
        "seconds": None,
        "throughput": None,
        "failures": sorted((one.path, str(one.kind), one.message) for one in summary.failures),
        "slowest": sorted(one.seconds for one in summary.slowest),
        "largest": sorted(one.bytes_read for one in summary.largest),
    }


def test_a_folder_that_every_shard_told_of_counts_once() -> None:
    """What could not be listed is one failure of the archive."""
    trouble = Failed(FailureKind.PERMISSION, Stage.WALK, "not allowed")
    outcomes = [Outcome(path="closed", status=Status.FAILED, failure=trouble)]
    found = united([_summary(outcomes, _facts(Shard(index, 3))) for index in range(3)])
    assert (found.walked, found.failed, len(found.failures)) == (1, 1, 1)


def test_what_shards_lack_or_do_not_share_is_told() -> None:
    """A report of two shards in three says so, and that they were not run alike."""
    other = _facts(Shard(2, 3), fingerprint="g", lease_bytes=6)
    warnings = united([_summary([], _facts(Shard(0, 3))), _summary([], other)]).facts.warnings
    assert [any(word in each for each in warnings) for word in ("1/3", "recipes", "memory")] == [
        True
    ] * 3
    assert missing([Shard(0, 3), Shard(2, 3)]) == (Shard(1, 3),)


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        ([], "got none"),
        (["0/2", "0/2"], "several of 0/2"),
        (["0/2", "1/3"], "shards of 2, 3"),
        ([""], "a run over everything"),
    ],
)
def test_reports_that_do_not_belong_together_are_refused(shards: list[str], message: str) -> None:
    """A shard counts once, and shards are of one division."""
    with pytest.raises(OptionError, match=message):
        united([_summary([], replace(FACTS, shard=shard)) for shard in shards])


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text() | st.sampled_from(KEYS), each),
    )
)
def test_what_is_no_report_is_refused(document: Any) -> None:
    """Whatever JSON a file holds: it is a report, or an error says what was expected."""
    try:
        parsed({"schema": 1} | document if isinstance(document, dict) else document)
    except OptionError as error:
        assert "expected" in str(error)  # noqa: PT017 - or it is a report, which is well, too


def _outcome(path: str, size_bytes: int = 5, **others: Any) -> Outcome:
    return Outcome(
        path=path,
        status=Status.OPTIMIZED,
        codec="jpg",
        bytes_read=size_bytes,
        destination=path,
        bytes_written=3,
        digest=HASH,
        written_digest=HASH,
        **others,
    )


def _run(place: Place, facts: RunFacts, *outcomes: Outcome, begun: str = "") -> None:
    """Note a run over some sources; one that is only begun ends it without a word."""
    held = Hands(place.hands).left
    session = Session.begun(place, facts, version="1", sync=lambda _folders: None, held=held)
    paths = [each.path for each in outcomes if each.destination] + ([begun] if begun else [])
    session.journal.start(
        [Job(at, SourceRef(path, 5, 0, "jpg"), path) for at, path in enumerate(paths)]
    )
    for outcome in outcomes:
        session.journal.end(outcome)
    if begun:
        session.journal.flush()
        session.journal.connection.close()
        session._lock.release()
        session._division.release()
        hand = Hands(place.hands).opened(0)
        os.pwrite(hand, len(paths).to_bytes(8, "little"), 0)
        os.close(hand)
    else:
        session.close(_summary(list(outcomes), facts))


def _divided(tmp_path: Path) -> Place:
    """Return the state of an output: one run over all, then two shards that made some again."""
    place = place_of(str(tmp_path / "out"))
    old = [_outcome(path) for path in ("a", "b", "c", "d")]
    _run(place, replace(FACTS, is_in_place=True), *old)
    for shard, outcomes, begun in (
        (Shard(0, 2), [_outcome("a", 6), _failed("b")], ""),
        (Shard(1, 2), [_outcome("e", 6)], "c"),
    ):
        _run(place.of_shard(shard), _facts(shard, is_in_place=True), *outcomes, begun=begun)
    return place


def _failed(path: str) -> Outcome:
    failure = Failed(FailureKind.CORRUPT, Stage.READ, "no image any more")
    return Outcome(path=path, status=Status.FAILED, bytes_read=9, failure=failure)


def _rows(place: Place) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(place.journal)) as connection:
        return [
            row
            for table in ("files", "runs", "originals")
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608 - our own names
        ]


def test_the_newer_journal_is_believed(tmp_path: Path) -> None:
    """A shard's word stands over the older one, and nothing that either knew is lost.

    What a failed source had published stays its own, who went down with a run is known, and what
    was replaced twice in place has both originals.
    """
    place = _divided(tmp_path)
    assert joined(place, Hands) == (Shard(0, 2), Shard(1, 2))
    assert place.shards() == []
    with closing(sqlite3.connect(place.journal)) as connection:
        files = {
            path.decode(): rest
            for path, *rest in connection.execute(
                "SELECT path, size_bytes, outcome, destination, downs, run FROM files"
            )
        }
        runs = connection.execute("SELECT id, shard FROM runs").fetchall()
        originals = connection.execute("SELECT path, run FROM originals ORDER BY 1, 2").fetchall()
    assert runs == [(1, None), (2, "0/2"), (3, "1/2")]
    assert files["a"] == [6, "optimized", b"a", 0, 2]
    assert files["b"] == [9, "failed", b"b", 0, 2]
    assert files["c"] == [5, "started", b"c", 1, 3]
    assert files["d"] == [5, "optimized", b"d", 0, 1]
    assert [(path.decode(), run) for path, run in originals] == [
        *(("a", 1), ("a", 2), ("b", 1), ("c", 1), ("d", 1), ("e", 3)),
    ]


def test_joining_again_changes_nothing(tmp_path: Path) -> None:
    """Cut off between a commit and the removal that follows it, joining is taken up again."""
    place = _divided(tmp_path)
    for each in place.shards():  # what a run went down with is noted first, and only once
        journal = opened(each.journal, lambda _folders: None)
        journal.blame(Hands(each.hands).left())
        journal.close(None)
        Hands(each.hands).clear()
    kept = [shutil.copy(each.journal, tmp_path / each.journal.name) for each in place.shards()]
    joined(place, Hands)
    rows = _rows(place)
    for path in kept:
        shutil.copy(path, place.journal.parent)
    assert len(joined(place, Hands)) == 2
    assert _rows(place) == rows


def test_joining_takes_every_column() -> None:
    """A column that a later schema adds must not be lost on the way."""
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection)
        for table, columns in (("runs", RUNS), ("files", FILES), ("originals", ORIGINALS)):
            found = connection.execute(f"PRAGMA table_info({table})").fetchall()
            assert {name for _, name, *_ in found} - {"id"} == set(columns)


def test_a_view_is_what_joining_would_make(tmp_path: Path) -> None:
    """`status` shows all shards at once, and joins nothing."""
    place = _divided(tmp_path)
    found = api.history(tmp_path / "out")
    assert found is not None
    with closing(found.connection):
        seen = found.counts(), [run.shard for run in found.runs()]
    assert len(place.shards()) == 2
    joined(place, Hands)
    found = api.history(tmp_path / "out")
    assert found is not None
    with closing(found.connection):
        assert (found.counts(), [run.shard for run in found.runs()]) == seen


def test_merging_waits_for_no_shard(tmp_path: Path) -> None:
    """While a shard works merging is refused, and what it knows stays where it is."""
    place = _divided(tmp_path)
    division = Division(place)
    division.enter(Shard(0, 2), lambda: None)
    with pytest.raises(RunError, match="shards of 2 work on this output"):
        api.merge(tmp_path / "out")
    division.release()
    assert len(place.shards()) == 2
    merged = api.merge(tmp_path / "out")
    assert merged.joined == (Shard(0, 2), Shard(1, 2))
    assert merged.lacking == (Shard(1, 2),)
    assert merged.summary is not None
    assert merged.summary.walked == 2
    assert api.merge(tmp_path / "out") == replace(merged, joined=())


def test_a_damaged_journal_stops_merging_and_is_named(tmp_path: Path) -> None:
    """It stays, and so do all that come after it: nothing is lost."""
    place = _divided(tmp_path)
    damaged = place.shards()[1].journal
    damaged.write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match=damaged.name):
        api.merge(tmp_path / "out")
    assert [each.journal for each in place.shards()] == [damaged]


def test_shards_that_run_into_nothing_wait_and_give_up(tmp_path: Path) -> None:
    """Who joins journals is waited for, and not for ever."""
    place = place_of(str(tmp_path / "out"))
    place.journal.parent.mkdir()
    alone = Division(place)
    alone.take()
    with pytest.raises(RunError, match="has this output to itself"):
        Division(place, patience_s=0.0).enter(Shard(0, 2), lambda: None)
    alone.release()


@pytest.fixture
def shelf() -> ObjectShelf:
    """Return the place beside an output in a store."""
    return ObjectShelf(ObjectStore.opened(Address("memory", "bucket", "web.pixmill"), Access()))


def _shelved(shelf: ObjectShelf, shard: Shard, *outcomes: Outcome) -> tuple[Shelved, Session]:
    """Note a run of a shard whose output is in a store, all but its end."""
    shelved = Shelved.on(shelf, shard)
    session = Session.begun(
        shelved.place,
        _facts(shard),
        version="1",
        sync=lambda _folders: None,
        copies=shelved.copies,
    )
    for outcome in outcomes:
        session.journal.start([Job(0, SourceRef(outcome.path, 5, 0, "jpg"), outcome.path)])
        session.journal.end(outcome)
    return shelved, session


def _ended(shelved: Shelved, session: Session, *outcomes: Outcome) -> None:
    session.journal.settle()
    session.close(_summary(list(outcomes), _facts(shelved.place.shard)))
    shelved.close()


def test_journals_in_a_store_are_joined_there(shelf: ObjectShelf) -> None:
    """One is left, with what all knew; while a shard works nothing is touched."""
    first, second = _outcome("a"), _outcome("b")
    _ended(*_shelved(shelf, Shard(0, 2), first), first)
    begun = Shelved.on(shelf, Shard(1, 2))
    begun.copies.claim.take()  # and no journal of it stands yet
    with pytest.raises(RunError, match="shards of 2 work on this output"):
        merged_in_store(Shelved.on(shelf), None)
    assert "shard-0-of-2.sqlite" in shelf.names()
    begun.abandon()
    _ended(*_shelved(shelf, Shard(1, 2), second), second)
    merged = merged_in_store(Shelved.on(shelf), None)
    assert (merged.joined, merged.lacking) == ((Shard(0, 2), Shard(1, 2)), ())
    assert merged.summary is not None
    assert merged.summary.optimized == 2
    assert shelf.names() == ["journal-0.sqlite"]
    assert merged_in_store(Shelved.on(shelf), None) == replace(merged, joined=())
    found = Shelved.on(shelf).viewed()
    assert found is not None
    with closing(found.connection):
        assert found.counts() == {"optimized": 2}


def test_what_a_killed_shard_left_in_a_store_stays_known(shelf: ObjectShelf) -> None:
    """Results that no journal knows may stand since then: the next whole run must not forget it."""
    shelved, session = _shelved(shelf, Shard(0, 2))
    shelved.copies.claim.since_ns = 7
    session.journal.settle()
    shelved.copies.claim.give_up()
    session.journal.connection.close()
    merged_in_store(Shelved.on(shelf), None)
    whole = Shelved.on(shelf)
    whole.copies.fetch()
    assert whole.copies.claim.since_ns == 7
    whole.abandon()


def test_without_locks_no_journal_is_taken_from_a_shard(tmp_path: Path) -> None:
    """Where nobody can tell who works, another division is refused until somebody says merge."""
    place = _divided(tmp_path)

    def entered(shard: Shard, changes: list[Shard]) -> None:
        division = Division(place)
        division._has_locks = False
        division.enter(shard, lambda: changes.append(shard))
        division.release()

    changes: list[Shard] = []
    entered(Shard(0, 2), changes)
    with pytest.raises(RunError, match="no locks"):
        entered(Shard(0, 3), changes)
    place.division.unlink()
    entered(Shard(0, 2), changes)
    assert changes == []
    joined(place, Hands)
    entered(Shard(0, 3), changes)
    assert changes == [Shard(0, 3)]


ENTERING = """
import multiprocessing, random, sys
from pathlib import Path
from pixmill.errors import RunError
from pixmill.journal.division import Division
from pixmill.journal.place import place_of
from pixmill.sharding import Shard

def enter(seed, place, inside, met):
    rng = random.Random(seed)
    for _ in range(150):
        count, division = rng.choice([1, 2, 3]), Division(place, patience_s=1.0)
        try:
            division.enter(Shard(0, count), lambda: met.append(count) if any(inside) else None)
        except RunError:
            continue
        with inside.get_lock():
            inside[count] += 1
            if sum(each > 0 for each in inside) > 1:
                met.append(count)
        for _ in range(20):
            place.shards()  # takes its time
        with inside.get_lock():
            inside[count] -= 1
        division.release()

if __name__ == "__main__":
    place = place_of(sys.argv[1] + "/out")
    place.journal.parent.mkdir()
    fork = multiprocessing.get_context("fork")
    inside = fork.Array("i", 4)
    with fork.Manager() as manager:
        met = manager.list()
        started = [fork.Process(target=enter, args=(n, place, inside, met)) for n in range(4)]
        for each in started:
            each.start()
        for each in started:
            each.join()
        print(len(met), [each.exitcode for each in started])
"""


def test_two_divisions_never_work_at_a_time(tmp_path: Path) -> None:
    """Whoever comes when: of four processes that enter and leave, those inside divide alike."""
    assert scripted(ENTERING, tmp_path).stdout == "0 [0, 0, 0, 0]\n"


def test_merged_shards_list_every_output(tmp_path: Path) -> None:
    """The list for srcset is that of one run, and the report that of all shards."""
    source = archive(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg")
    recipe = Recipe(widths=(16, 32), effort=Effort.FAST)
    how = Settings(parallel=1, memory_bytes=500_000_000)
    ran(source, tmp_path / "whole", recipe=recipe, settings=how)
    for index in (0, 1):
        shard = replace(how, shard=Shard(index, 2))
        ran(source, tmp_path / "out", recipe=recipe, settings=shard)
    merged = api.merge(tmp_path / "out")
    assert merged.lacking == ()
    assert merged.summary is not None
    assert merged.summary.optimized + merged.summary.kept == 3
    lists = [tmp_path / f"{name}.pixmill" / "srcset.json" for name in ("out", "whole")]
    assert lists[0].read_bytes() == lists[1].read_bytes()
    assert not list(lists[0].parent.glob("shard-*.sqlite*"))
    assert not list(lists[0].parent.glob("shard-*.json"))


def test_the_command_joins_an_output(tmp_path: Path) -> None:
    """It says what it joined and what lacks, writes the report, and ends with 1 for what lacks."""
    _divided(tmp_path)
    report = tmp_path / "report.json"
    result = CliRunner().invoke(app, ["merge", str(tmp_path / "out"), "--report", str(report)])
    assert result.exit_code == ExitCode.SOME_FAILED
    assert "journals joined: 2" in result.stderr
    assert "never begun: shards 1/2" in result.stderr
    assert json.loads(report.read_text())["totals"]["walked"] == 2


def test_the_command_joins_reports(tmp_path: Path) -> None:
    """Reports of shards make one, on stdout; whatever else is named is refused by its name."""
    paths = []
    for index in (0, 1):
        summary = _summary([_outcome("a")], _facts(Shard(index, 2)))
        paths.append(tmp_path / f"{index}.json")
        paths[-1].write_text(json.dumps(summary_document(summary)))
    result = CliRunner().invoke(app, ["merge", *map(str, paths), "--json"])
    assert result.exit_code == ExitCode.OK
    assert json.loads(result.stdout)["totals"]["optimized"] == 2
    (tmp_path / "broken.json").write_text("{")
    for named, message in (("broken.json", "--report"), ("none.json", "cannot read")):
        refused = CliRunner().invoke(app, ["merge", str(paths[0]), str(tmp_path / named)])
        assert isinstance(refused.exception, OptionError)
        assert named in str(refused.exception)
        assert message in str(refused.exception)
