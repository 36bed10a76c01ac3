"""The `dataclass` of every module here: the standard library's classes, made in less time.

The standard library compiles up to six methods for each class, one by one: 84 of the 200 ms of CPU
that loading a coordinator took, and as many of a nursery's. Here `__init__` alone is compiled, once
for all classes of a shape, and sets slots directly; what is alike in all of them is shared. Must
not differ in anything that a caller relies on: type checkers are told that it is the standard
library's.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from itertools import dropwhile
from operator import attrgetter
from reprlib import recursive_repr
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass
    from types import CodeType

__all__ = ["dataclass"]

_NONE = dataclasses.MISSING


def _dataclass(
    *, frozen: bool = False, slots: bool = False, kw_only: bool = False, **more: bool
) -> Callable[[type], type]:
    """Return what makes a dataclass of a class; what is rarely asked for is left to the library."""
    whole = dataclasses.dataclass(frozen=frozen, slots=slots, kw_only=kw_only, **more)
    bare = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)

    def made(cls: type) -> type:
        if more or not slots or any(map(dataclasses.is_dataclass, cls.__mro__)):
            return whole(cls)
        cls.__doc__ = cls.__doc__ or cls.__name__  # else the library spells a signature out
        new: Any = bare(cls)
        new.__dataclass_params__.frozen = frozen  # which whoever inherits from it must be, too
        methods = {"__init__": _initialiser(new), "__repr__": _shown}
        methods |= _comparing(new, is_hashable=frozen)
        methods |= _FROZEN if frozen else {}
        for name in methods.keys() - cls.__dict__.keys():
            setattr(new, name, methods[name])
        return cast("type", new)

    return made


if not TYPE_CHECKING:
    dataclass = _dataclass


def _initialiser(cls: Any) -> Callable[..., None]:
    """Return what sets the fields of a new object by their slots, which frozen classes too have.

    In half of the time that it takes by `object.__setattr__`, as the library does it: 0.5 us for
    seven fields.
    """
    fields = dataclasses.fields(cls)
    placed = [each for each in fields if each.init and not each.kw_only]
    named = [each for each in fields if each.init and each.kw_only]
    unasked = [each for each in fields if not each.init and _has_default(each)]
    known: dict[str, Any] = {"NONE": _NONE}
    for number, field in enumerate((*placed, *named, *unasked)):
        known[f"set{number}"] = getattr(cls, field.name).__set__
        known[f"make{number}"] = field.default_factory
        known[f"default{number}"] = field.default
    code = _compiled(
        len(placed),
        len(named),
        tuple(each.default_factory is not _NONE for each in (*placed, *named, *unasked)),
        has_sequel=hasattr(cls, "__post_init__"),
    ).replace(co_varnames=("self", *(each.name for each in (*placed, *named))))
    defaults = tuple(each.default for each in dropwhile(_is_needed, placed))
    made = FunctionType(code, known, "__init__", defaults)
    made.__kwdefaults__ = {each.name: each.default for each in named if _has_default(each)}
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


@cache
def _compiled(placed: int, named: int, is_made: tuple[bool, ...], *, has_sequel: bool) -> CodeType:
    """Compile what sets fields by number, for all classes of a shape: 157 have 45.

    Args:
        placed: Number of arguments.
        named: Number of those that are given by name alone.
        is_made: Of each field, arguments first, whether its default is made anew.
        has_sequel: Whether `__post_init__` is called.
    """
    given = [f"given{number}" for number in range(placed + named)]
    lines = []
    for number, makes in enumerate(is_made):
        value = given[number] if number < len(given) else f"default{number}"
        value = f"make{number}() if {value} is NONE else {value}" if makes else value
        lines.append(f"set{number}(self, {value})")
    lines += ["self.__post_init__()"] if has_sequel else []
    parameters = ", ".join(["self", *given[:placed], *["*"][:named], *given[placed:]])
    known: dict[str, Any] = {}
    exec(f"def __init__({parameters}):\n " + "\n ".join(lines or ["pass"]), known)  # noqa: S102 - as the library does
    code: CodeType = known["__init__"].__code__
    return code


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not _NONE or field.default_factory is not _NONE


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return not _has_default(field)


def _comparing(cls: Any, *, is_hashable: bool) -> Mapping[str, Any]:
    names = [field.name for field in dataclasses.fields(cls) if field.compare]
    values = attrgetter(*names) if names else type

    def __eq__(self: object, other: object) -> bool:  # noqa: N807 - a class's method
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: object) -> int:  # noqa: N807 - likewise
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if is_hashable else None}


@recursive_repr()
def _shown(self: Any) -> str:
    names = [field.name for field in dataclasses.fields(self) if field.repr]
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
    return f"{type(self).__qualname__}({shown})"


def _unset(_self: object, name: str, _value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _undeleted(_self: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restored(self: Any, state: list[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_FROZEN = {
    "__setattr__": _unset,
    "__delattr__": _undeleted,
    "__getstate__": _state,
    "__setstate__": _restored,
}
