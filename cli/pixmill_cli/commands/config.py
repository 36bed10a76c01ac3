"""`pixmill config`: show what is in force, start a config file, print its schema."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill.errors import OptionError
from pixmill.options.fields import Options, entries
from pixmill.options.schema import Syntax, schema, starter_config
from pixmill_cli.help_page import Command, CommandGroup
from pixmill_cli.sink import stdout_sink

if TYPE_CHECKING:
    from pixmill.events import Json
    from pixmill.options.fields import Entry

__all__ = ["config_app"]

config_app = typer.Typer(
    help="Show, start and describe config files.",
    cls=CommandGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
)

_FILE_HELP = "JSON or TOML file; without one, the defaults are shown."
_TARGET_HELP = "File to write; - for stdout. Default: pixmill.toml or pixmill.json."


@config_app.command(cls=Command)
def show(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help=_FILE_HELP)] = None,
    *,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The same as FILE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show every option's value, and whether it comes from a config file or is the default.

    The file is checked as `pixmill optimize` would check it.
    """
    from pixmill.config import load  # noqa: PLC0415 - not for a help page
    from pixmill.options import meant  # noqa: PLC0415 - likewise

    if file is not None and config is not None:
        raise OptionError("given twice: name the file once", option="config")
    path = file if file is not None else config
    options = Options() if path is None else load(path)
    meant(options)
    text = _values_json(options) if as_json else _values_table(options, path)
    stdout_sink().write(text)


@config_app.command(cls=Command)
def init(
    target: Annotated[str | None, typer.Argument(metavar="FILE", help=_TARGET_HELP)] = None,
    *,
    syntax: Annotated[
        Syntax | None,
        typer.Option(
            "--format", metavar="SYNTAX", help="toml or json; told by the suffix if not given."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a config file to start from, with every option explained (TOML) or a few set (JSON)."""
    chosen = syntax or _syntax_of(target)
    text = starter_config(chosen)
    if target == "-":
        stdout_sink().write(text)
        return
    path = Path(target if target is not None else f"pixmill.{chosen}")
    try:
        with path.open("w" if force else "x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        raise OptionError(f"{path} is there already: add --force to overwrite it") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OptionError(f"cannot write {path}: {reason}") from None
    typer.echo(f"wrote {path}: use it with pixmill optimize --config {path}", err=True)


@config_app.command(name="schema", cls=Command)
def print_schema() -> None:
    """Print the JSON Schema of config files, for editors and checks."""
    stdout_sink().write(json.dumps(schema(), indent=2) + "\n")


def _syntax_of(target: str | None) -> Syntax:
    is_json = target is not None and target.lower().endswith(".json")
    return Syntax.JSON if is_json else Syntax.TOML


def _value(entry: "Entry", options: Options) -> "Json":
    given = getattr(options, entry.name)
    value = entry.about.default if given is None else given
    return list(value) if isinstance(value, tuple) else value


def _values_json(options: Options) -> str:
    values = {
        entry.name: {
            "value": _value(entry, options),
            "from": "default" if getattr(options, entry.name) is None else "file",
        }
        for entry in entries()
    }
    return json.dumps({"schema": 1, "options": values}, indent=2) + "\n"


def _values_table(options: Options, path: Path | None) -> str:
    from rich.table import Table  # noqa: PLC0415 - not for JSON
    from rich.text import Text  # noqa: PLC0415 - likewise

    from pixmill_cli.tables import rendered  # noqa: PLC0415 - likewise

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("option", "value", "from"):
        table.add_column(title)
    for entry in entries():
        is_given = getattr(options, entry.name) is not None
        value = _value(entry, options)
        words = json.dumps(value) if value is not None else entry.about.default_text or "not set"
        table.add_row(
            Text(entry.name, style="bold" if is_given else ""),
            Text(words, style="green" if is_given else "dim"),
            Text(str(path) if is_given else "default", style="" if is_given else "dim"),
        )
    return rendered(table)
