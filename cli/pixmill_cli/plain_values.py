"""Plain values of flags, taken without a validator.

Typer 0.29 makes one of pydantic's for each of 80 parameters, given or not, and loads pydantic for
that. Must not refuse anything: what is not plainly valid is left to Typer, and to its words but
for pydantic's prefix and a choice that is nearly one.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from pixmill.options.reading import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["plainly_taken"]

_MARK: Final = "is_taken_plainly"
_MOST_DIGITS: Final = 18
_PREFIX: Final = "Value error, "


def plainly_taken(parameters: list[Any]) -> list[Any]:
    """Have parameters of Typer's take what is missing, a word, a path, a choice or a number."""
    for parameter in parameters:
        if not hasattr(parameter, _MARK):
            setattr(parameter, _MARK, True)
            parameter.process_value = _processing(parameter)
    return parameters


def _processing(parameter: Any) -> Callable[[Any, Any], Any]:
    processed, callback = parameter.process_value, parameter.callback
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    is_free = parameter.nargs == 1 and not parameter.required

    def process_value(ctx: Any, value: Any) -> Any:
        if value is None and is_free:
            missing = () if parameter.multiple else None
            return callback(ctx, parameter, missing) if callback else missing
        is_word = is_free and isinstance(value, str) and not (parameter.multiple or callback)
        taken = _taken(value, kind) if is_word else None
        if taken is not None:
            return taken
        try:
            return processed(ctx, value)
        except typer.BadParameter as error:
            error.message = _told(error.message, value, kind)
            raise

    return process_value


def _told(message: str, value: object, kind: object) -> str:
    words = message.removeprefix(_PREFIX)
    if not (isinstance(kind, type) and issubclass(kind, StrEnum) and isinstance(value, str)):
        return words
    return words.removesuffix(".") + nearest(value, [str(each) for each in kind])


def _taken(value: str, kind: object) -> object:
    """Return what a value plainly means; `None` where that is not plain."""
    if kind is str:
        return value
    if kind is Path:
        return Path(value)
    if kind is int and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return int(value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return next((each for each in kind if each == value), None)
    return None
