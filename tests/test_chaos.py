"""Whatever strikes a run, the next one ends as if nothing had happened.

A short part of `make chaos`, with fixed seeds.
"""

from __future__ import annotations

import random
from typing import Final

import pytest

from havoc import AFFLICTIONS, Havoc

# tests/test_run.py has these, on their own
_ELSEWHERE: Final = frozenset({"crashes", "hangs", "stopped", "workers killed"})
_HERE: Final = tuple(name for name in AFFLICTIONS if name not in _ELSEWHERE)


@pytest.fixture(scope="module")
def havoc(tmp_path_factory: pytest.TempPathFactory) -> Havoc:
    """Return an archive with what an undisturbed run makes of it."""
    return Havoc(tmp_path_factory.mktemp("havoc") / "all", random.Random(3))


@pytest.fixture(scope="module")
def havoc_in_place(tmp_path_factory: pytest.TempPathFactory) -> Havoc:
    """Return the same, with runs that replace their sources."""
    folder = tmp_path_factory.mktemp("havoc-in-place")
    return Havoc(folder / "all", random.Random(3), is_in_place=True)


@pytest.mark.parametrize("affliction", ["coordinator killed", "group killed", "disc"])
def test_an_affliction_in_place_is_survived(affliction: str, havoc_in_place: Havoc) -> None:
    """The next run ends as if nothing had happened, and undo brings back every original."""
    havoc_in_place.rng.seed(affliction)
    havoc_in_place.strike(affliction)


@pytest.mark.parametrize("affliction", _HERE)
def test_an_affliction_is_survived(affliction: str, havoc: Havoc) -> None:
    """The same bytes and times, no source touched, nothing lost, left over or left running."""
    havoc.rng.seed(affliction)
    havoc.strike(affliction)
