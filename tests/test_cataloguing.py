"""The sorted stream of objects: what is met below a prefix, and in which order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from pixmill import sorting
from pixmill.address import ObjectFacts
from pixmill.cataloguing import Catalogue
from pixmill.settings import Settings
from pixmill.walking import Walker

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = (
    "b.jpg",
    "B.png",
    "a/x.jpg",
    "a-b/x.jpg",
    "a/deep/er/y.gif",
    "a/deep/er/.hidden/z.gif",
    ".dot",
    "raw/one.tif",
    "raw/Two.TIF",
    "zü/ü.jpg",
    "notes.txt",
)


def _walked(root: Path, settings: Settings) -> list[list[str]]:
    for key in _KEYS:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    folders = Walker(str(root), settings).folders()
    return [
        [f"{met.path} {met.sort}" for met in group] for each in folders for group in each.groups
    ]


def _catalogued(settings: Settings, excluded: tuple[str, ...] = ()) -> list[list[str]]:
    catalogue = Catalogue(settings, excluded)
    keys = list(_KEYS)
    random.Random(7).shuffle(keys)
    catalogue.take(ObjectFacts(key, 1, 0, "t") for key in keys)
    return [[f"{one.met.path} {one.met.sort}" for one in group] for _, group in catalogue.groups()]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(hidden=True),
        Settings(recursive=False),
        Settings(include=("*.jpg", "*.gif"), exclude=("/raw/", "b.*")),
    ],
    ids=["as it is", "hidden", "flat", "globs"],
)
def test_a_bucket_is_met_as_its_folder_would_be(tmp_path: Path, settings: Settings) -> None:
    """Objects are met in the order and groups in which the same files are, whatever is left out."""
    assert _catalogued(settings) == _walked(tmp_path, settings)


def test_a_listing_larger_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that does not fit into memory is met in the same order."""
    whole = _catalogued(Settings())
    monkeypatch.setattr(sorting, "_CHUNK", 3)
    monkeypatch.setattr(sorting, "_SPILLED", 2)
    assert _catalogued(Settings()) == whole


def test_what_is_excluded_is_not_met() -> None:
    """A prefix that results go to is no source, and one that begins alike is."""
    met = _catalogued(Settings(), excluded=("a/", "raw/"))
    assert not any(name.startswith(("a/", "raw/")) for group in met for name in group)
    assert any(name.startswith("a-b/") for group in met for name in group)


def test_what_is_ahead_is_counted() -> None:
    """Every object that will be met is counted, so that the time left can be told."""
    catalogue = Catalogue(Settings())
    catalogue.take(ObjectFacts(key, 10, 0, "t") for key in _KEYS)
    assert not catalogue.ahead.has_ended
    groups = list(catalogue.groups())
    assert catalogue.ahead.has_ended
    assert catalogue.ahead.files == sum(len(group) for _, group in groups)


def test_an_object_is_known_again() -> None:
    """Another tag or another second is another identity, and the identity is its time nearly."""
    one = ObjectFacts("a", 1, 1_700_000_000_123_456_789, '"tag"')
    assert one.identity_ns == ObjectFacts("a", 1, 1_700_000_000_999_000_000, '"tag"').identity_ns
    assert one.identity_ns != ObjectFacts("a", 1, 1_700_000_000_123_456_789, '"other"').identity_ns
    assert one.identity_ns != ObjectFacts("a", 1, 1_700_000_001_123_456_789, '"tag"').identity_ns
    assert abs(one.identity_ns - one.mtime_ns) < 1_000_000_000
