"""A little of what `make fuzz` does at full size, and proof that it can find something."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from fuzzing.archives import RECIPES, judged, made_archive, tell_tale
from fuzzing.contracts import CONTRACTS, sparing
from fuzzing.mutation import mutated, pieces
from fuzzing.seeds import files, files_of
from fuzzing.words import words_of
from pixmill.model import Failed, FailureKind, Stage
from runs import archive

if TYPE_CHECKING:
    from pathlib import Path

_SEED = 7
_FILES = 40
_INPUTS = 60


@pytest.mark.parametrize("name", RECIPES)
def test_damaged_archives_are_survived(tmp_path: Path, name: str) -> None:
    """Every file is accounted for, no worker dies, failures tell, and what is made decodes."""
    rng = random.Random(f"{_SEED} {name}")
    made_archive(tmp_path / "in", rng, files=_FILES)
    assert judged(tmp_path / "in", tmp_path / "work", name) == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_parsers_keep_their_contract(name: str) -> None:
    """Damage of a few seeds makes no parser raise, hold much, or return what cannot be."""
    rng = random.Random(f"{_SEED} {name}")
    pool = [*files_of(name), *words_of(name)] or [pool[0] for pool in files().values()]
    for _ in range(_INPUTS):
        content = mutated(rng.choice(pool), pool, rng)
        with sparing(len(content)):
            CONTRACTS[name](content)


@pytest.mark.parametrize(
    ("fault", "name", "trouble"),
    [("crashing", "segv.jpg", "crashed"), ("talking", "talk.jpg", "")],
)
def test_a_fault_is_found(tmp_path: Path, fault: str, name: str, trouble: str) -> None:
    """A worker that dies is told by its file; a sound mill gives nothing to tell."""
    source = archive(tmp_path / "in", "a.jpg", name)
    found = judged(source, tmp_path / "work", "keep", mill=f"faults.{fault}:mill")
    assert [finding.path for finding in found] == ([name] if trouble else [])
    assert all(finding.trouble.startswith(trouble) for finding in found)


@pytest.mark.parametrize(
    "message",
    ["unexpected TypeError: x of y", "[Errno 22] invalid argument", "(2.100)", "Bad header found."],
)
def test_a_message_that_says_nothing_is_found(message: str) -> None:
    """What a library or Python put so is no message for a person."""
    assert tell_tale(Failed(FailureKind.CORRUPT, Stage.READ, message))
    assert not tell_tale(Failed(FailureKind.CORRUPT, Stage.READ, "expected a header, got none"))


def test_what_holds_too_much_is_found() -> None:
    """Memory out of proportion to the input is a broken promise."""
    with pytest.raises(AssertionError, match="held"), sparing(10):
        assert bytes(10_000_000)


def test_damage_comes_again_with_its_seed() -> None:
    """The same seed damages the same, and pieces are all of a file."""
    for pool in files().values():
        assert b"".join(pieces(pool[0])) == pool[0]
        twice = [mutated(pool[0], pool, random.Random(_SEED)) for _ in range(2)]
        assert twice[0] == twice[1]
