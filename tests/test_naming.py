"""Destinations keep their names where they can, and never share one."""

from __future__ import annotations

import posixpath
import unicodedata
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.model import SourceRef
from pixmill.naming import Named, Namer, folded, stem_key, wrong_suffix
from pixmill.recipe import Recipe
from pixmill.vocabulary import Operation

TO_WEBP = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}), target_format="webp"
)
KEEP = Recipe()
CODECS = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp", ".gif": "gif"}


def _source(path: str, codec: str | None = None) -> SourceRef:
    suffix = posixpath.splitext(path)[1].lower()
    return SourceRef(path, 1, 0, CODECS.get(suffix, "") if codec is None else codec)


def _named(namer: Namer, *sources: SourceRef) -> list[Named]:
    """Name sources of one folder as the walk brings them: in order, group by group."""
    ordered = sorted(sources, key=lambda one: (stem_key(posixpath.basename(one.path)), one.path))
    grouped = groupby(ordered, key=lambda one: stem_key(posixpath.basename(one.path)))
    return [named for _, group in grouped for named in namer.named(list(group))]


def _destinations(*paths: str, recipe: Recipe = TO_WEBP) -> dict[str, str]:
    named = _named(Namer(recipe), *(_source(path) for path in paths))
    return {one.source.path: one.destination for one in named}


@pytest.mark.parametrize(
    ("paths", "destinations"),
    [
        (["a.png"], ["a.webp"]),
        (["deep/in/a.PNG"], ["deep/in/a.webp"]),
        (["a.jpg", "a.png"], ["a.webp", "a.png.webp"]),
        (["a.jpg", "a.webp"], ["a.jpg.webp", "a.webp"]),
        (["a.jpg", "a.png", "a.gif"], ["a.jpg.webp", "a.png.webp", "a.webp"]),
        (["A.png", "a.jpg"], ["A.webp", "a.jpg.webp"]),
        (["é.jpg", "e\u0301.png"], ["é.jpg.webp", "e\u0301.webp"]),
        (["ß.jpg", "ss.png"], ["ß.jpg.webp", "ss.webp"]),
        (["a.jpg", "a.png", "a.png.webp"], ["a.webp", "a.png.webp", "a.png.webp.webp"]),
        (["a.jpg", "a.png", "a.png.gif"], ["a.webp", "a.png.webp", "a.png.gif.webp"]),
        (["a.b.jpg", "a.c.jpg"], ["a.b.webp", "a.c.webp"]),
        (["a.jpeg", "a.JPG", "a.jpg"], ["a.jpeg.webp", "a.webp", "a.jpg.webp"]),
    ],
)
def test_two_sources_never_share_a_name(paths: list[str], destinations: list[str]) -> None:
    """One of the sources that want a name has it, the others put their suffix inside theirs."""
    assert _destinations(*paths) == dict(zip(paths, destinations, strict=True))


@given(st.text(alphabet="aB.é", min_size=1))
def test_a_stem_is_what_splitext_says(name: str) -> None:
    """Leading dots begin no suffix, and the last dot after them does."""
    assert stem_key(name) == folded(posixpath.splitext(name)[0])


def test_a_rival_is_named() -> None:
    """Who loses a name knows who has it."""
    winner, loser = _named(Namer(TO_WEBP), _source("in/a.jpg"), _source("in/a.png"))
    assert (winner.rival, loser.rival) == ("", "in/a.jpg")


def test_a_folder_keeps_its_name() -> None:
    """A file gives way to a folder of the name it wants, and says so."""
    (named,) = _named(Namer(TO_WEBP, frozenset({"a.webp"})), _source("in/A.jpg"))
    assert (named.destination, named.rival) == ("in/A.jpg.webp", "in/A.webp")


def test_a_kept_format_keeps_its_suffix() -> None:
    """Under `keep` a name stays as it is, `.jpeg` and `.JPG` too, unless the suffix is wrong."""
    assert _destinations("a.JPEG", "b.jpg", recipe=KEEP) == {"a.JPEG": "a.JPEG", "b.jpg": "b.jpg"}
    (wrong,) = _named(Namer(KEEP), _source("c.png", "jpg"))
    assert wrong.destination == "c.jpg"
    (bare,) = _named(Namer(KEEP), _source("c", "jpg"))
    assert bare.destination == "c.jpg"


def test_a_format_that_cannot_be_written_changes_its_suffix() -> None:
    """Under `keep` a BMP becomes what its record falls back to."""
    (named,) = _named(Namer(KEEP), _source("a.bmp", "bmp"))
    assert named.destination == "a.png"


def test_what_is_no_image_keeps_its_name() -> None:
    """A copied file never changes its name unless an image of that name was there first."""
    (named,) = _named(Namer(TO_WEBP), _source("readme.txt"))
    assert named.destination == "readme.txt"


def test_case_variants_that_differ_in_nothing_else_are_kept_apart() -> None:
    """Two sources whose names are one on a careless file system get two names."""
    assert _destinations("A.jpg", "a.jpg", recipe=KEEP) == {"A.jpg": "A.jpg", "a.jpg": "a.jpg.jpg"}


def test_a_wrong_suffix_is_one_that_belongs_to_another_format() -> None:
    """An unknown suffix claims nothing, and what is no image has none that is wrong."""
    assert wrong_suffix(_source("a.png", "jpg")) == ".png"
    assert wrong_suffix(_source("a.JPE", "jpg")) == ""
    assert wrong_suffix(_source("a.dat", "jpg")) == ""
    assert wrong_suffix(_source("a.png", "")) == ""


@pytest.mark.parametrize(
    ("first", "second"),
    [("Straße", "STRASSE"), ("é", "e\u0301"), ("É", "é"), ("\u212b", "å"), ("ﬁ", "FI")],
)
def test_names_that_a_file_system_may_confuse_are_one(first: str, second: str) -> None:
    """Case and normal form do not tell names apart."""
    assert folded(first) == folded(second)


STEMS = st.text(alphabet="aAb-2.ée\u0301ßs", max_size=5)
NAMES = st.builds(
    lambda stem, suffix: f"x{stem}{suffix}",
    STEMS,
    st.sampled_from([*CODECS, ".JPG", ".png.webp", ".jpg.webp", ".txt", ""]),
)


@given(
    st.lists(NAMES, unique=True, max_size=12),
    st.lists(NAMES, max_size=3),
    st.sampled_from([TO_WEBP, KEEP]),
)
def test_no_two_destinations_are_one(names: list[str], folders: list[str], recipe: Recipe) -> None:
    """However they are named, destinations differ when folded, from each other and from folders."""
    taken = frozenset(folded(name) for name in folders)
    sources = [_source(name) for name in names]
    destinations = [named.destination for named in _named(Namer(recipe, taken), *sources)]
    keys = [folded(destination) for destination in destinations]
    assert len(keys) == len(names)
    assert len(set(keys)) == len(keys)
    assert not taken & set(keys)


@given(st.lists(NAMES, unique=True, max_size=8))
def test_destinations_keep_what_the_source_was_called(names: list[str]) -> None:
    """Every destination starts with its source's stem, in its own spelling."""
    for named in _named(Namer(TO_WEBP), *(_source(name) for name in names)):
        stem = posixpath.splitext(named.source.path)[0]
        assert named.destination.startswith(stem)


def test_many_renamed_files_are_forgotten_in_time() -> None:
    """The memory of names that were changed stays bounded, whatever the size of a folder."""
    namer = Namer(TO_WEBP)
    for number in range(5000):
        namer.named([_source(f"{number:05}.jpg"), _source(f"{number:05}.png")])
    assert len(namer._renamed) < 1100


@given(st.text(max_size=20))
def test_folding_is_stable(name: str) -> None:
    """Folded twice is folded once, whatever the normal form."""
    assert folded(folded(name)) == folded(name)
    assert folded(unicodedata.normalize("NFD", name)) == folded(name)
