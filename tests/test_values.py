"""Dataclasses of `pixmill.values` are the standard library's in all that a caller can see."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

import pixmill
from pixmill import values

ROOT = Path(pixmill.__file__).parent


def _made(dataclass: Any) -> dict[str, Any]:
    """Return classes of every kind that are in use, made by one of the two."""

    @dataclass(frozen=True, slots=True)
    class Place:
        """Two fields and more.

        Attributes:
            left: Told.
        """

        KIND: ClassVar[str] = "place"
        left: int
        tags: list[str] = field(default_factory=list)
        top: float = 1.5
        hidden: str = field(default="h", repr=False, compare=False)

        @property
        def sum(self) -> float:
            return self.left + self.top

    @dataclass(frozen=True, slots=True)
    class Named(Place):
        name: str = "n"

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Keyed:
        key: str
        size: int = 3
        more: dict[str, int] = field(default_factory=dict)

    @dataclass(slots=True)
    class Counter:
        count: int
        seen: set[int] = field(init=False)
        fixed: int = field(default=7, init=False)
        held: list[int] = field(default_factory=list, init=False)

        def __post_init__(self) -> None:
            self.seen = {self.count}

    @dataclass(frozen=True, slots=True)
    class Hashed:
        value: int

        def __hash__(self) -> int:
            return 42

        def __repr__(self) -> str:
            return "hashed"

    @dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        rank: int

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    return {key: value for key, value in locals().items() if isinstance(value, type)}


OURS, THEIRS = _made(values.dataclass), _made(dataclasses.dataclass)
EXAMPLES: dict[str, list[tuple[Any, ...]]] = {
    "Place": [(1,), (1, ["a"]), (1, ["a"], 2.0, "other")],
    "Named": [(1,), (1, ["a"], 2.0, "h", "x")],
    "Keyed": [],
    "Counter": [(1,), (2,)],
    "Hashed": [(1,), (2,)],
    "Ordered": [(1,), (2,)],
    "Empty": [()],
}


def _told(of: Any, name: str) -> list[object]:
    """Return all that can be asked of a class's examples."""
    made: list[Any] = [of[name](*each) for each in EXAMPLES[name]]
    if name == "Keyed":
        made = [of[name](key="k"), of[name](key="k", more={"a": 1})]
    return [
        [repr(each).replace("_made.<locals>.", "") for each in made],
        [[one == other for other in made] for one in made],
        [one == str(one) for one in made],
        [asdict(each) for each in made],
        [repr(replace(each)) for each in made],
        [repr(copy.deepcopy(each)) for each in made],
        [copy.copy(each) == each for each in made],
        of[name].__hash__ is None,
        of[name].__match_args__,
        of[name].__slots__,
        [
            (each.name, each.type, each.default, each.init, each.kw_only)
            for each in fields(of[name])
        ],
        [parameter.kind for parameter in inspect.signature(of[name]).parameters.values()],
        [*inspect.signature(of[name]).parameters],
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_class_is_the_standard_librarys(name: str) -> None:
    """Objects look, compare, copy and introspect alike, whichever made their class."""
    assert _told(OURS, name) == _told(THEIRS, name)


@pytest.mark.parametrize("of", [OURS, THEIRS], ids=["ours", "theirs"])
def test_what_is_frozen_stays_as_it_is(of: Any) -> None:
    """A field of a frozen object can be neither set nor deleted, and there is no other field."""
    place = of["Place"](1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'left'"):
        place.left = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'left'"):
        del place.left
    with pytest.raises((FrozenInstanceError, TypeError)):
        place.nowhere = 2
    with pytest.raises(AttributeError):
        of["Counter"](1).nowhere = 2
    assert (place.left, place.sum, of["Place"].__doc__[:20]) == (1, 2.5, "Two fields and more.")


@pytest.mark.parametrize("of", [OURS, THEIRS], ids=["ours", "theirs"])
def test_equal_objects_hash_alike(of: Any) -> None:
    """Frozen objects that are equal are one key, and what does not compare does not count."""
    keyed = {of["Hashed"](1): 1, of["Hashed"](1): 2, of["Empty"](): 3}
    assert keyed == {of["Hashed"](1): 2, of["Empty"](): 3}
    assert hash(of["Place"](1, (), 2.0, "a")) == hash(of["Place"](1, (), 2.0, "b"))
    with pytest.raises(TypeError, match="unhashable"):
        hash(of["Counter"](1))


@pytest.mark.parametrize("of", [OURS, THEIRS], ids=["ours", "theirs"])
def test_what_is_no_argument_is_refused(of: Any) -> None:
    """Missing, unknown and misplaced arguments are errors, and a default is made anew each time."""
    for wrong in ({}, {"left": 1, "nowhere": 2}):
        with pytest.raises(TypeError):
            of["Place"](**wrong)
    with pytest.raises(TypeError):
        of["Keyed"]("k")
    with pytest.raises(TypeError):
        of["Counter"](1, 2)
    assert of["Place"](1).tags is not of["Place"](1).tags


@pytest.mark.parametrize("dataclass", [values.dataclass, dataclasses.dataclass])
def test_a_frozen_class_is_inherited_from_as_such(dataclass: Any) -> None:
    """Whoever makes the subclass, it has all fields, is frozen, and cannot be anything else."""

    class Nearer(OURS["Place"]):  # type: ignore[misc, name-defined, valid-type]  # known when run
        name: str = "n"

    made = dataclass(frozen=True, slots=True)(Nearer)
    assert asdict(made(1, [], 2.0)) == {
        "left": 1,
        "tags": [],
        "top": 2.0,
        "hidden": "h",
        "name": "n",
    }
    with pytest.raises(FrozenInstanceError):
        made(1).name = "m"
    with pytest.raises(TypeError, match="cannot inherit non-frozen"):
        dataclass(slots=True)(Nearer)


def test_frozen_objects_survive_a_pickle() -> None:
    """What is sent to a worker arrives as it was, by every protocol that can carry slots."""
    recipe = pixmill.Recipe(quality=80)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(recipe, protocol)) == recipe  # noqa: S301 - its own


def test_every_dataclass_is_made_here() -> None:
    """No module takes the standard library's decorator, which would cost 0.4 ms a class."""
    takers = {
        path.name
        for folder in (ROOT, ROOT.parents[1] / "cli")
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
        if any(alias.name == "dataclass" for alias in node.names)
    }
    assert takers == {"values.py"}


def test_loading_compiles_one_method_a_class() -> None:
    """Loading the coordinator has the standard library compile methods for few classes."""
    code = (
        "import dataclasses; count = 0; make = dataclasses._process_class\n"
        "def counted(cls, init, *rest, **more):\n"
        "    global count; count += bool(init); return make(cls, init, *rest, **more)\n"
        "dataclasses._process_class = counted\n"
        "import pixmill.api; print(count)"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(ended.stdout) < 10
