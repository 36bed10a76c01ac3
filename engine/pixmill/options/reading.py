"""From the mapping of a config file to `Options`, and the union of two `Options`.

Pure. Checks names and types; must not interpret a value, which is `options.meaning`'s part.
"""

from __future__ import annotations

import difflib
from dataclasses import fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pixmill.errors import OptionError
from pixmill.options.fields import ALIASES, Entry, Options, entries
from pixmill.recipe import AUTO_FORMAT
from pixmill.vocabulary import Operation, StrategyName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import UnionType

__all__ = ["chosen", "from_mapping", "merged", "nearest", "parsed", "split_list"]

Value = TypeVar("Value")
Word = TypeVar("Word", bound=StrEnum)

SCHEMA_KEY: Final = "$schema"
"""Editors read it; pixmill does not."""

_PLACES: Final = frozenset({"input", "output"})


def from_mapping(mapping: Mapping[str, object]) -> Options:
    """Return the options that a config file gives.

    Raises:
        OptionError: An unknown key, a value of the wrong type, or one option under two names.
    """
    known = {entry.name: entry for entry in entries()}
    values: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for key, value in mapping.items():
        if key == SCHEMA_KEY:
            continue
        name = key.replace("-", "_")  # as flags have it
        entry = known.get(ALIASES.get(name, name))
        if entry is None:
            raise OptionError(f"there is no option {key!r}{_hint(key, known)}", option=key)
        if entry.name in values:
            raise OptionError(
                f"{spelled[entry.name]} and {key} name the same option: keep one", option=key
            )
        spelled[entry.name] = key
        values[entry.name] = _typed(entry, value, key=key)
    return Options(**values)


def merged(flags: Options, config: Options) -> Options:
    """Return what was given in either; a flag wins, and so does what it implies.

    A config value that contradicts a flag gives way instead of being an error: `--lossless` on
    the command line sets aside a `default_quality`, `--operations compress` a `resize`.
    """
    gone = dict.fromkeys(_given_way(flags, config))
    left = replace(config, **gone)
    values: dict[str, Any] = {
        one.name: _first(getattr(flags, one.name), getattr(left, one.name))
        for one in fields(Options)
    }
    return Options(**values)


def split_list(text: str) -> tuple[str, ...]:
    """Return the members of a comma list, without blanks and empty members."""
    return tuple(member for part in text.split(",") if (member := part.strip()))


def chosen(words: type[Word], text: str, *, option: str) -> Word:
    """Return the member of `words` that `text` spells.

    Raises:
        OptionError: None does; the message lists them and names the nearest.
    """
    try:
        return words(text)
    except ValueError:
        hint = nearest(text, [str(word) for word in words])
        raise OptionError(
            f"expected one of {', '.join(words)}; got {text!r}{hint}", option=option
        ) from None


def parsed(parse: Callable[[str], Value], text: str | None, *, option: str) -> Value | None:
    """Return what `parse` makes of a text, `None` of none; its error gains the option's name."""
    if text is None:
        return None
    try:
        return parse(text)
    except OptionError as error:
        raise OptionError(str(error), option=option) from None


def nearest(text: str, names: Iterable[str]) -> str:
    """Return `: did you mean 'x'?` for the nearest name, or nothing when none is near."""
    found = difflib.get_close_matches(text.lower().replace("-", "_"), names, n=1, cutoff=0.5)
    return f": did you mean {found[0]!r}?" if found else ""


def _hint(key: str, known: Iterable[str]) -> str:
    if key in _PLACES:
        return ": name it on the command line"
    return nearest(key, [*known, *ALIASES])


def _typed(entry: Entry, value: object, *, key: str) -> object:
    """Return the value as `Options` holds it; a type that does not fit is refused."""
    if issubclass(entry.type, StrEnum) and isinstance(value, str):
        return chosen(entry.type, value, option=key)
    found: object = None
    is_flag = entry.type is bool and isinstance(value, bool)
    if is_flag or (entry.type is int and _is_number(value, int)):
        found = value
    elif entry.type is str:
        found = _text(entry, value)
    elif entry.type is tuple:
        found = _members(entry, value)
    if found is None:
        raise OptionError(f"expected {_expected(entry)}, got {_found(value)}", option=key)
    return found


def _text(entry: Entry, value: object) -> str | None:
    if isinstance(value, str):
        return value
    is_fit = entry.about.is_number_too and _is_number(value, int | float)
    return str(value) if is_fit else None


def _members(entry: Entry, value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return split_list(value) if entry.about.is_comma_list else (value,)
    if isinstance(value, list):
        members = [_text(entry, member) for member in value]
        return None if None in members else tuple(each for each in members if each is not None)
    is_fit = entry.about.is_number_too and _is_number(value, int)
    return (str(value),) if is_fit else None


def _is_number(value: object, kind: type[int] | UnionType) -> bool:
    """Whether it is a number of that kind; true and false are none, whatever Python says."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _expected(entry: Entry) -> str:
    if issubclass(entry.type, StrEnum):
        return f"one of {', '.join(entry.type)}"
    if entry.type is tuple:
        return "a list of strings or numbers" if entry.about.is_number_too else "a list of strings"
    if entry.type is bool:
        return "true or false"
    if entry.type is int:
        return "a whole number"
    return "a string or a number" if entry.about.is_number_too else "a string"


def _found(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return repr(value)


def _first(flag: object, config: object) -> object:
    return config if flag is None else flag


def _given_way(flags: Options, config: Options) -> set[str]:
    """Return the config options that contradict a flag."""
    gone: set[str] = set()
    if flags.lossless or flags.strategy is StrategyName.LOSSLESS:
        gone |= {"quality", "max_size", "target_quality"}
    if any(each is not None for each in (flags.quality, flags.max_size, flags.target_quality)):
        gone.add("lossless")
        if config.strategy is StrategyName.LOSSLESS:
            gone.add("strategy")
    gone |= _without_place(flags)
    if flags.operations is not None:
        gone |= _without_work(flags.operations)
    if flags.quiet:
        gone.add("verbose")
    if flags.verbose:
        gone.add("quiet")
    if flags.json and config.events == "-":
        gone.add("events")
    if flags.events == "-":
        gone.add("json")
    return gone


def _without_place(flags: Options) -> set[str]:
    """Return the options that say otherwise of sizes and formats than a flag does."""
    gone: set[str] = set()
    if flags.target_format not in {None, AUTO_FORMAT}:
        gone.add("candidates")
    if flags.target_format is not None:
        gone.add("formats")
    if flags.formats is not None:
        gone |= {"target_format", "candidates"}
    if flags.resize is not None:
        gone.add("widths")
    if flags.widths is not None:
        gone.add("resize")
    return gone


def _without_work(operations: tuple[str, ...]) -> set[str]:
    """Return the options that have no use when only these operations are wanted."""
    gone: set[str] = set()
    if not {Operation.RESIZE, Operation.CROP} & set(operations):
        gone |= {"resize", "widths"}
    if Operation.CONVERT not in operations:
        gone |= {"target_format", "candidates", "formats"}
    if Operation.COMPRESS not in operations:
        gone |= {"quality", "max_size", "target_quality"}
    return gone
