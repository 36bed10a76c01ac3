"""Shares of one archive: each source in exactly one, and all together the undivided run."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pixmill
from pixmill import api
from pixmill.errors import OptionError, RunError
from pixmill.feeding import Feeder
from pixmill.model import Job, Outcome, SkipReason, SourceRef, Status
from pixmill.naming import Named, Namer, folded, stem_key
from pixmill.options import Options, meant
from pixmill.recall import Recall
from pixmill.recipe import Recipe
from pixmill.series import DEFAULT_TEMPLATE, UNSIZED_TEMPLATE, NameTemplate
from pixmill.settings import IfExists, Settings
from pixmill.sharding import WHOLE, Shard, parse_shard
from pixmill.sieving import Sieve
from pixmill.storage.local import Destination
from pixmill.vocabulary import Effort, Operation
from pixmill.walking import Walker
from runs import archive, by_path, digests, ran

if TYPE_CHECKING:
    from pathlib import Path

CONVERT = frozenset({Operation.CONVERT, Operation.COMPRESS})
TO_WEBP = Recipe(operations=CONVERT, target_format="webp", effort=Effort.FAST)
CODECS = {".png": "png", ".jpg": "jpg", ".webp": "webp"}
COLLIDING = ("a.jpg", "a.png", "a.png.jpg", "b/a.jpg", "b/A.png", "b/c.jpg", "d.png", "e/f.jpg")
PARTS = st.lists(st.sampled_from([".jpg", ".png", "-2"]), max_size=3)
NAMES = st.builds(
    lambda stem, parts, suffix: "".join((stem, *parts, suffix)),
    st.sampled_from("aA"),
    PARTS,
    st.sampled_from([".jpg", ".png", ".webp", ".txt"]),
)
RECIPES = {
    "one": (TO_WEBP, None),
    "kept": (Recipe(), None),
    "auto": (Recipe(operations=CONVERT, target_format="auto"), None),
    "sized": (Recipe(widths=(320, 640)), NameTemplate(DEFAULT_TEMPLATE)),
    "formats": (
        Recipe(operations=CONVERT, formats=("webp", "jpg")),
        NameTemplate(UNSIZED_TEMPLATE),
    ),
}


def _settings(shard: Shard, **others: object) -> Settings:
    return Settings(parallel=1, timeout_s=60.0, shard=shard, memory_bytes=500_000_000, **others)  # type: ignore[arg-type]  # checked by the dataclass


def _groups(names: set[str]) -> list[list[str]]:
    ordered = sorted(names, key=lambda name: (stem_key(name), name))
    return [list(group) for _, group in groupby(ordered, key=stem_key)]


def _source(name: str) -> SourceRef:
    return SourceRef(name, 1, 0, CODECS.get(posixpath.splitext(name)[1], ""))


def _named(namer: Namer, groups: list[list[str]]) -> list[Named]:
    return [each for group in groups for each in namer.named([_source(name) for name in group])]


@given(st.text(min_size=1), st.integers(1, 40))
def test_a_source_is_in_exactly_one_shard(path: str, count: int) -> None:
    """Whatever its name, and however many shards there are."""
    shards = [Shard(index, count) for index in range(count)]
    assert sum(shard.holds(path) for shard in shards) == 1


def test_no_release_may_move_a_source_to_another_shard() -> None:
    """Where a source goes is fixed for ever, odd bytes in its name included."""
    paths = ["a.jpg", "deep/in/é.png", "caf\udce9.jpg", "0001.jpg"]
    held = [next(at for at in range(97) if Shard(at, 97).holds(path)) for path in paths]
    assert held == [21, 0, 87, 42]  # b2sum -l 64, modulo 97


def test_shards_are_of_one_size() -> None:
    """Names that differ in nothing but a number are spread evenly, over powers of two as well."""
    paths = [f"2024/IMG_{number:05}.jpg" for number in range(16_000)]
    for count in (16, 15):
        sizes = [sum(map(Shard(index, count).holds, paths)) for index in range(count)]
        assert 0.88 * len(paths) / count < min(sizes)
        assert max(sizes) < 1.12 * len(paths) / count


@pytest.mark.parametrize(
    "text", ["", "1", "2/2", "-1/2", "0/0", "1/2/3", "x/2", "0/1000000", "٣/٤"]
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    """`I/N` has I from 0 to N - 1, and says so."""
    with pytest.raises(OptionError, match=r"0|shards") as refused:
        parse_shard(text)
    assert refused.value.option == "shard"


def test_a_shard_is_an_option() -> None:
    """It is spelled as the user types it, and without one a run takes everything."""
    assert meant(Options(shard="3/16")).settings.shard == Shard(3, 16)
    assert str(Shard(3, 16)) == "3/16"
    assert meant(Options()).settings.shard == WHOLE
    with pytest.raises(OptionError, match="pixmill merge") as refused:
        meant(Options(shard="0/2", widths=("320",), manifest="list.json"))
    assert refused.value.option == "manifest"


def _check_names(names: set[str], folders: set[str], count: int, kind: str) -> None:
    """Hold the names that shards give their sources to those that the whole run gives them."""
    recipe, template = RECIPES[kind]
    groups = _groups(names)
    whole = {
        each.source.path: each
        for each in _named(Namer(recipe, frozenset(folders), template), groups)
    }
    found: dict[str, Named] = {}
    for index in range(count):
        shard = Shard(index, count)
        sieve = Sieve(shard, frozenset(folders), template)
        seen = [group for group in groups if sieve.passes(stem_key(group[0]), group)]
        named = _named(Namer(recipe, frozenset(folders), template), seen)
        found |= {each.source.path: each for each in named if shard.holds(each.source.path)}
    assert found == whole


@given(
    st.sets(NAMES, min_size=4, max_size=16),
    st.sets(NAMES.map(folded), max_size=2),
    st.integers(2, 9),
    st.sampled_from(sorted(RECIPES)),
)
def test_shards_name_their_sources_as_the_whole_run_does(
    names: set[str], folders: set[str], count: int, kind: str
) -> None:
    """Collisions, with files of other shards too, are settled by all of them in the same way."""
    _check_names(names, folders, count, kind)


@pytest.mark.parametrize(
    ("names", "folder", "kind"),
    [
        ("a.jpg a.png a.png.jpg a.png.jpg.png", "", "one"),
        ("a.jpg a.png a.png-2.jpg a.png-2.jpg.png", "a.png.webp", "one"),
        ("a.jpg a.jpg.jpg a.jpg.jpg.jpg", "a-320.jpg", "sized"),
    ],
)
def test_what_was_renamed_elsewhere_is_known(names: str, folder: str, kind: str) -> None:
    """A file of another shard that shares its stem with none may give way, and push on one here."""
    for count in range(2, 20):
        _check_names(set(names.split()), {folder} - {""}, count, kind)


def test_of_other_shards_next_to_nothing_is_looked_at() -> None:
    """Where no two files share a stem a shard looks at its own alone; after a collision, too."""
    shard = Shard(1, 8)
    sieve = Sieve(shard, frozenset({"z"}))
    assert sieve.passes("a", ["a.jpg", "a.png"])
    names = [f"b{number:04}.jpg" for number in range(1000)]
    seen = [name for name in names if sieve.passes(stem_key(name), [name])]
    assert seen == list(filter(shard.holds, names))


def _fed(root: Path, shard: Shard) -> dict[str, Job | Outcome]:
    settings = _settings(shard)
    destination = Destination(str(root / "out"))
    recall = Recall(None, settings, destination, "")
    feeder = Feeder(Walker(str(root / "in"), settings), TO_WEBP, settings, destination, recall)
    found: dict[str, Job | Outcome] = {}
    for each in feeder.jobs():
        if isinstance(each, Job):
            found[each.source.path] = replace(each, number=0)
        else:
            found[each.path] = each
    return found


def test_what_belongs_to_others_is_no_outcome(tmp_path: Path) -> None:
    """Jobs, skipped and failed files alike are told by one shard, each as the whole run would."""
    source = archive(tmp_path / "in", *COLLIDING)
    for name in (".hidden.jpg", "notes.txt", "b/broken.jpg", "b/empty", "a.txt", "b/a.txt"):
        (source / name).write_bytes(b"no image")
    whole = _fed(tmp_path, WHOLE)
    shards = [_fed(tmp_path, Shard(index, 3)) for index in range(3)]
    assert sum(map(len, shards)) == len(whole) == 14
    assert shards[0] | shards[1] | shards[2] == whole


def test_a_folder_that_cannot_be_listed_is_told_by_every_shard(tmp_path: Path) -> None:
    """Each may have lost files of its own there, and none may end as if all were well."""
    for index in range(2):
        (outcome,) = _fed(tmp_path, Shard(index, 2)).values()
        assert isinstance(outcome, Outcome)
        assert outcome.status is Status.FAILED


def test_shards_make_what_one_run_makes(tmp_path: Path) -> None:
    """Byte for byte; merged, the output is one that a single run has made, for every later run."""
    source = archive(tmp_path / "in", *COLLIDING)
    ran(source, tmp_path / "whole", recipe=TO_WEBP, settings=_settings(WHOLE))
    out = tmp_path / "out"
    outcomes = []
    for index in range(2):
        ended = ran(source, out, recipe=TO_WEBP, settings=_settings(Shard(index, 2)))
        assert ended.summary.facts.shard == f"{index}/2"
        assert ended.summary.walked == len(ended.outcomes) > 0
        outcomes += ended.outcomes
    assert set(by_path(outcomes)) == set(COLLIDING)
    assert digests(out) == digests(tmp_path / "whole")
    again = ran(source, out, recipe=TO_WEBP, settings=_settings(WHOLE))
    assert {each.reason for each in again.outcomes} == {SkipReason.DONE}


def test_another_division_knows_what_was_made(tmp_path: Path) -> None:
    """Half of two shards and then three: nothing is foreign, and nothing is made twice."""
    source = archive(tmp_path / "in", *COLLIDING)
    out = tmp_path / "out"
    cautious = {"if_exists": IfExists.FAIL}
    first = ran(source, out, recipe=TO_WEBP, settings=_settings(Shard(0, 2), **cautious))
    made = set(by_path(first.outcomes))
    later = [
        outcome
        for index in range(3)
        for outcome in ran(
            source, out, recipe=TO_WEBP, settings=_settings(Shard(index, 3), **cautious)
        ).outcomes
    ]
    found = by_path(later)
    assert set(found) == set(COLLIDING)
    assert {path for path, each in found.items() if each.reason is SkipReason.DONE} == made
    assert {each.status for path, each in found.items() if path not in made} == {Status.OPTIMIZED}


def test_divisions_do_not_meet(tmp_path: Path) -> None:
    """While a shard runs, its likes may; other divisions, whole runs and undoing are refused."""
    source = archive(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg")
    out = tmp_path / "out"

    def begun(shard: Shard) -> pixmill.Run:
        return pixmill.optimize(source, out, TO_WEBP, settings=_settings(shard))

    with begun(Shard(0, 2)):
        with begun(Shard(1, 2)):
            pass
        for other in (Shard(0, 3), WHOLE):
            with pytest.raises(RunError, match="shards of 2 work on this output"):
                begun(other)
        with pytest.raises(RunError, match="another run works"):
            begun(Shard(0, 2))
        with pytest.raises(RunError, match="shards of 2 work"):
            list(api.undo(out))
    with begun(WHOLE), pytest.raises(RunError, match="another run works on this output"):
        begun(Shard(0, 2))
    with begun(Shard(0, 3)):
        pass


def test_shards_in_place_can_be_undone(tmp_path: Path) -> None:
    """What several shards have replaced comes back, in one go."""
    source = archive(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg", "d.jpg", size_px=96)
    before = digests(source)
    for index in (0, 1):
        settings = _settings(Shard(index, 2), in_place=True, backup=str(tmp_path / "kept"))
        ended = ran(source, None, recipe=Recipe(quality=40), settings=settings)
        assert {each.status for each in ended.outcomes} == {Status.OPTIMIZED}
    assert digests(source).keys() == before.keys()
    assert not set(digests(source).items()) & set(before.items())
    assert {each.ending for each in api.undo(source)} == {api.Undoing.RESTORED}
    assert digests(source) == before
