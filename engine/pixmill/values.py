"""The `dataclass` of every module here: the standard library's classes, made in less time.

The standard library compiles up to six methods for each class, one by one: 84 of the 200 ms of CPU
that loading a coordinator took, and as many of a nursery's. Here one is compiled, `__init__`, which
sets slots directly; what is alike in all classes is shared. Must not differ in anything that a
caller relies on: type checkers are told that it is the standard library's.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass

__all__ = ["dataclass"]

_NONE = dataclasses.MISSING


def _dataclass(
    *, frozen: bool = False, slots: bool = False, kw_only: bool = False, **more: bool
) -> Callable[[type], type]:
    """Return what makes a dataclass of a class; what is rarely asked for is left to the library."""
    if more or not slots:
        return dataclasses.dataclass(frozen=frozen, slots=slots, kw_only=kw_only, **more)
    bare = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)

    def made(cls: type) -> type:
        cls.__doc__ = cls.__doc__ or cls.__name__  # else the library spells a signature out
        new: type = bare(cls)
        methods = {"__init__": _initialiser(new), "__repr__": _shown}
        methods |= _comparing(new, is_hashable=frozen)
        methods |= _FROZEN if frozen else {}
        for name in methods.keys() - cls.__dict__.keys():
            setattr(new, name, methods[name])
        return new

    return made


if not TYPE_CHECKING:
    dataclass = _dataclass


def _initialiser(cls: Any) -> Callable[..., None]:
    """Compile what sets the fields of a new object by their slots, which frozen classes too have.

    In half of the time that it takes by `object.__setattr__`, as the library does it: 0.5 us for
    seven fields.
    """
    known: dict[str, Any] = {"_NONE": _NONE}
    placed, named, body = ["self"], ["*"], []
    for field in dataclasses.fields(cls):
        name, default, make = field.name, f"_default_{field.name}", f"_make_{field.name}"
        known[f"_set_{name}"] = getattr(cls, name).__set__
        known[make] = field.default_factory
        known[default] = field.default
        has_default = field.default is not _NONE
        is_made = field.default_factory is not _NONE
        if field.init:
            parameter = f"{name}={default}" if has_default or is_made else name
            (named if field.kw_only else placed).append(parameter)
            value = f"{make}() if {name} is _NONE else {name}" if is_made else name
        elif has_default or is_made:
            value = f"{make}()" if is_made else default
        else:
            continue
        body.append(f"_set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(placed + named if len(named) > 1 else placed)
    exec(f"def __init__({parameters}):\n " + "\n ".join(body or ["pass"]), known)  # noqa: S102 - as the library does
    made: Callable[..., None] = known["__init__"]
    return made


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
