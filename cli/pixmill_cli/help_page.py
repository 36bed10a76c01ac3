"""The help pages: options under headings, with their choices and defaults.

Typer's own pages import rich's Markdown and syntax highlighting, 150 ms before a word is shown;
these need the standard library. Must not know any option: it shows what Typer was told.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from typer.core import TyperCommand, TyperGroup

from pixmill_cli.plain_values import plainly_taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Command", "CommandGroup"]

_MAX_WIDTH: Final = 100
_NAME_WIDTH: Final = 27
_INDENT: Final = "  "
_PLAIN_PANEL: Final = "Options"
_ONE_PIECE: Final = 40
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"
_BOLD, _NAME, _DIM = "1", "36", "2"


class Formatter(Protocol):
    """Whatever collects the text of a help page."""

    def write(self, string: str) -> None:
        """Add to the page."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a section: a name, what it does, and its default or nothing."""

    name: str
    text: str
    default: str = ""


class Command(TyperCommand):
    """A command with a page of ours."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its parameters, the one for help among them."""
        return plainly_taken(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Formatter) -> None:
        """Write the page of this command."""
        formatter.write(_page(self, ctx, {}))


class CommandGroup(TyperGroup):
    """A group of commands with a page of ours."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its parameters, the one for help among them."""
        return plainly_taken(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; where nothing was typed, that asks for help."""
        return super().parse_args(ctx, args or ["--help"])

    def format_help(self, ctx: Any, formatter: Formatter) -> None:
        """Write the page of this group: its commands first."""
        rows = [
            Row(name, command.get_short_help_str(limit=200))
            for name, command in self.commands.items()
            if not command.hidden
        ]
        formatter.write(_page(self, ctx, {"Commands": rows}))


def _page(command: TyperCommand | TyperGroup, ctx: Any, first: dict[str, list[Row]]) -> str:
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    sections = first | _sections(command.get_params(ctx))
    lines = [f"{_styled('Usage:', _BOLD)} {usage}", ""]
    for paragraph in (command.help or "").split("\n\n"):
        lines += [*textwrap.wrap(" ".join(paragraph.split()), _width()), ""]
    for title, rows in sections.items():
        lines += [_styled(title, _BOLD), *_rows(rows), ""]
    for paragraph in (command.epilog or "").split("\n\n"):
        lines += textwrap.wrap(paragraph, _width(), subsequent_indent=_INDENT)
    return "\n".join(lines).rstrip() + "\n"


def _sections(parameters: Iterable[Any]) -> dict[str, list[Row]]:
    """Return rows by heading: arguments, the named panels in their order, then the rest."""
    found: dict[str, list[Row]] = {}
    rest: list[Row] = []
    for one in parameters:
        if one.hidden:
            continue
        is_argument = one.param_type_name == "argument"
        panel = "Arguments" if is_argument else one.rich_help_panel
        rows = found.setdefault(panel, []) if panel else rest
        default = one.show_default if isinstance(one.show_default, str) else ""
        name = one.metavar or one.name if is_argument else _flag(one)
        rows.append(Row(name, one.help or "", default))
    return found | ({_PLAIN_PANEL: rest} if rest else {})


def _flag(option: Any) -> str:
    """Spell a flag: `-n, --dry-run`, `--[no-]hidden`, `--resize SIZE`."""
    long = next((one for one in option.opts if one.startswith("--")), option.opts[0])
    short = next((one for one in option.opts if not one.startswith("--")), "")
    if option.secondary_opts:
        long = long.replace("--", "--[no-]", 1)
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    return f"{short + ', ' if short else ''}{long}{value}"


def _rows(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a section; a name that is too long stands on a line of its own."""
    margin = " " * (_NAME_WIDTH + len(_INDENT))
    for row in rows:
        lines = list(_told(row, width=_width() - len(margin)))
        name = _INDENT + _styled(row.name, _NAME)
        if len(row.name) < _NAME_WIDTH:
            yield (name + " " * (_NAME_WIDTH - len(row.name)) + lines.pop(0)).rstrip()
        else:
            yield name
        yield from (margin + line for line in lines)


def _told(row: Row, *, width: int) -> Iterator[str]:
    """Yield what a row says in lines, its default dimmed and, when short, in one piece."""
    default = f"[default: {row.default}]" if row.default else ""
    if len(default) <= _ONE_PIECE:
        default = default.replace(" ", _NO_BREAK)
    is_default = False
    for line in textwrap.wrap(f"{row.text} {default}", width) or [""]:
        shown = line.replace(_NO_BREAK, " ")
        start = 0 if is_default else shown.find("[default:")
        is_default = start >= 0
        yield shown[:start] + _styled(shown[start:], _DIM) if is_default else shown


def _styled(text: str, style: str) -> str:
    is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{style}m{text}\x1b[0m" if is_coloured else text


def _width() -> int:
    return min(_MAX_WIDTH, max(shutil.get_terminal_size().columns, 50))
