"""After a power cut at any moment a rerun gives the very bytes of an undisturbed run.

A run is recorded at the storage door and at the journal; states that a disc may be in after a cut
are drawn from the record (`power.Disc`), laid out, and run over again. `PIXMILL_POWER_CUTS` sets
how many for each durability, half of them over what another recipe has made. Default: 50.
"""

from __future__ import annotations

import os
import random
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from faults.recording import LOG, Committed, FlushedFolder, Made, deeds, recorded
from pixmill import api
from pixmill.executors.inline import InlineExecutor
from pixmill.journal.place import place_of
from pixmill.journal.store import opened_to_read
from pixmill.model import Status
from pixmill.recipe import Recipe
from pixmill.settings import Durability, Sandbox, Settings
from pixmill.vocabulary import Effort
from power import Disc
from runs import archive, digests, ran, temporary_files

if TYPE_CHECKING:
    from pathlib import Path

    from faults.recording import Deed

CUTS = int(os.environ.get("PIXMILL_POWER_CUTS", "50")) // 2
NAMES = ("a.jpg", "b.png", "deep/c.webp", "deep/er/d.jpg", "deep/er/e.png", "f.webp")
OLDER = Recipe(effort=Effort.FAST, quality=60)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run that was recorded, and the disc that it began with."""

    source: Path
    disc: Disc
    deeds: list[Deed]
    expected: dict[str, str]

    def cut(self, number: int, place: Path) -> None:
        """Lay out what the power cut of this number may leave; they are spread over the run."""
        rng, disc = random.Random(number), self.disc.copied()
        moment = int((number + rng.random()) * (len(self.deeds) + 1) / CUTS)
        for deed in self.deeds[:moment]:
            disc.replay(deed)
        under_way = self.deeds[moment : moment + 1]
        if under_way and isinstance(under_way[0], Committed) and rng.random() < 0.5:
            disc.replay(under_way[0])
        disc.after_cut(rng, place, "out.pixmill/journal-0.sqlite")


def settings_of(durability: Durability) -> Settings:
    """Return settings for one worker that is not confined, so that it can record."""
    return Settings(
        parallel=1, memory_bytes=300_000_000, sandbox=Sandbox.OFF, durability=durability
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return six small files in three folders."""
    return archive(tmp_path_factory.mktemp("archive") / "in", *NAMES)


def record(source: Path, base: Path, settings: Settings, *, is_again: bool) -> Recorded:
    """Record a run, into a fresh folder or over what another recipe has made."""
    base.mkdir()
    journal = base / "out.pixmill" / "journal-0.sqlite"
    if is_again:
        ran(source, base / "out", recipe=OLDER, settings=settings)
    disc = Disc(base, journal.read_bytes() if is_again else b"")
    with pytest.MonkeyPatch.context() as patch, recorded(str(base / "deeds.log")):
        patch.setattr("pixmill.journal.store._BATCH_ROWS", 2)  # so that commits fall in between
        patch.setenv(LOG, str(base / "deeds.log"))
        ran(source, base / "out", settings=settings, mill="faults.recording:mill")
    return Recorded(source, disc, deeds(base / "deeds.log"), digests(base / "out"))


def lost_promises(place: Path) -> list[str]:
    """Return what the journal says is done and is not there, whole and with its time."""
    journal = opened_to_read(place_of(str(place / "out")).journal)
    if journal is None:
        return []
    with closing(journal.connection):
        rows = journal.connection.execute(
            "SELECT destination, written_bytes, mtime_ns FROM files WHERE outcome = 'optimized'"
        ).fetchall()
    return [
        os.fsdecode(name)
        for name, size_bytes, mtime_ns in rows
        if not (path := place / "out" / os.fsdecode(name)).is_file()
        or path.stat().st_size != size_bytes
        or path.stat().st_mtime_ns != mtime_ns
    ]


def test_output_and_state_are_there_to_stay_before_anything_is_published(
    source: Path, tmp_path: Path
) -> None:
    """Results without the state that knows them would be taken for somebody else's."""
    run = record(source, tmp_path / "disc", settings_of(Durability.BATCH), is_again=False)
    base = str(tmp_path / "disc")
    made = [(at, deed.folder) for at, deed in enumerate(run.deeds) if isinstance(deed, Made)]
    folders = [at for at, folder in made if folder == base]
    (first, *_) = [at for at, folder in made if folder == f"{base}/out"]
    assert len(folders) == 2
    for at in folders:
        assert FlushedFolder(base) in run.deeds[at:first]


def test_a_power_cut_in_place_loses_no_original(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every moment each original is there under one of its names; a rerun and undo find it."""
    originals = digests(source)
    base = tmp_path / "disc"
    shutil.copytree(source, base / "out")
    settings = replace(settings_of(Durability.FULL), in_place=True, backup=str(base / "kept"))
    disc = Disc(base)
    with recorded(str(base / "deeds.log")):
        monkeypatch.setenv(LOG, str(base / "deeds.log"))
        ran(base / "out", None, recipe=OLDER, settings=settings, mill="faults.recording:mill")
    run = Recorded(source, disc, deeds(base / "deeds.log"), digests(base / "out"))
    inline_runs(monkeypatch)
    for number in range(CUTS):
        place = tmp_path / str(number)
        run.cut(number, place)
        found = {*digests(place / "out").values(), *digests(place / "kept").values()}
        assert set(originals.values()) <= found, number
        again = replace(settings, backup=str(place / "kept"))
        outcomes = ran(place / "out", None, recipe=OLDER, settings=again).outcomes
        assert not any(each.failure for each in outcomes), number
        assert digests(place / "out") == run.expected, number
        assert temporary_files(place) == [], number
        endings = {each.ending for each in api.undo(place / "out", backup=place / "kept")}
        assert endings == {api.Undoing.RESTORED}, number
        assert digests(place / "out") == originals, number


def inline_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs made in this process: fifty of them take seconds."""
    monkeypatch.setattr(
        "pixmill.executors.fleets.LocalExecutor",
        lambda setup, hands: InlineExecutor(setup),  # noqa: ARG005
    )


@pytest.mark.parametrize("is_again", [False, True], ids=["fresh", "again"])
@pytest.mark.parametrize("durability", [Durability.FULL, Durability.BATCH])
def test_a_power_cut_at_any_moment_is_survived(
    durability: Durability,
    is_again: bool,  # noqa: FBT001 - pytest passes it by name
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the journal calls done is there, and a rerun ends as if nothing had happened."""
    settings = settings_of(durability)
    before = digests(source)
    run = record(source, tmp_path / "disc", settings, is_again=is_again)
    inline_runs(monkeypatch)
    for number in range(CUTS):
        place = tmp_path / str(number)
        run.cut(number, place)
        assert lost_promises(place) == [], number
        ended = ran(source, place / "out", settings=settings)
        assert {each.status for each in ended.outcomes} <= {Status.OPTIMIZED, Status.SKIPPED}, (
            number
        )
        assert digests(place / "out") == run.expected, number
        assert temporary_files(place) == [], number
        for name in NAMES:
            mtime_ns = (place / "out" / name).stat().st_mtime_ns
            assert mtime_ns == (source / name).stat().st_mtime_ns, number
    assert digests(source) == before
