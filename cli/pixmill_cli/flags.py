"""From the engine's `Options` to flags: one list of options, spelled once.

Typer reads a function's signature; this module writes that signature from `entries()`.
"""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pixmill.options.fields import Entry, Options, entries, spelling
from pixmill.options.reading import split_list

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["given_options", "takes_options"]


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add a flag for every option to a command, which gets their values as `**given`."""
    own = inspect.signature(command, eval_str=True)
    kept = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
    made = [_parameter(entry) for entry in entries()]
    signature = own.replace(parameters=[*kept, *made])
    command.__signature__ = signature  # type: ignore[attr-defined]  # the hook inspect reads
    command.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    return command


def given_options(given: Mapping[str, Any]) -> Options:
    """Return what was typed as flags; what was not stays `None`."""
    values: dict[str, Any] = {}
    for entry in entries():
        value = given[entry.name]
        if entry.type is tuple and entry.about.is_comma_list and value is not None:
            value = split_list(value)
        elif entry.type is tuple:
            value = tuple(value) if value else None
        values[entry.name] = value
    return Options(**values)


def _parameter(entry: Entry) -> inspect.Parameter:
    about = entry.about
    option = typer.Option(
        *_spellings(entry),
        help=_help(entry),
        metavar=about.metavar or (entry.name.upper() if issubclass(entry.type, StrEnum) else None),
        rich_help_panel=str(about.group),
        show_default=_default(entry) or False,
    )
    return inspect.Parameter(
        entry.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_typed(entry), option],
    )


def _help(entry: Entry) -> str:
    """Return what the option does, and the words it takes."""
    if not issubclass(entry.type, StrEnum):
        return f"{entry.about.text}."
    return f"{entry.about.text}: {', '.join(entry.type)}."


def _spellings(entry: Entry) -> tuple[str, ...]:
    flag = spelling(entry.name)
    if entry.about.can_negate:
        flag += f"/--no-{flag.removeprefix('--')}"
    return (flag, entry.about.short) if entry.about.short else (flag,)


def _typed(entry: Entry) -> Any:
    """Return the type that Typer parses: a comma list arrives as one string."""
    if entry.type is not tuple:
        return entry.type | None
    return str | None if entry.about.is_comma_list else list[str] | None


def _default(entry: Entry) -> str:
    """Spell a default for the help: a plain switch that is off needs no words."""
    about = entry.about
    if about.default_text:
        return about.default_text
    match about.default:
        case bool():
            word = "yes" if about.default else "no"
            return word if about.can_negate else ""
        case tuple():
            return ",".join(about.default)
        case None:
            return ""
        case _:
            return str(about.default)
