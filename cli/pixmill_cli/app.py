"""The Typer application: its subcommands and what they share.

Must not import the engine's running parts: a help page has to be quick.
"""

from __future__ import annotations

import typer

from pixmill_cli.commands.compare import compare
from pixmill_cli.commands.config import config_app
from pixmill_cli.commands.doctor import doctor
from pixmill_cli.commands.formats import formats
from pixmill_cli.commands.inspect import inspect
from pixmill_cli.commands.merge import merge
from pixmill_cli.commands.optimize import optimize
from pixmill_cli.commands.past import runs, status
from pixmill_cli.commands.undo import undo
from pixmill_cli.exit_codes import EPILOG
from pixmill_cli.help_page import Command, CommandGroup

__all__ = ["app"]

app = typer.Typer(
    name="pixmill",
    help="Any archive of images in, web-ready images out, inside the memory it was given.",
    epilog=EPILOG,
    cls=CommandGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Command, epilog=EPILOG)(optimize)
app.command(cls=Command)(inspect)
app.command(cls=Command)(compare)
app.command(cls=Command)(status)
app.command(cls=Command)(runs)
app.command(cls=Command)(merge)
app.command(cls=Command)(undo)
app.command(cls=Command)(formats)
app.command(cls=Command)(doctor)
app.add_typer(config_app, name="config")


def _show_version(value: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag's value
    if value:
        from pixmill_cli.version import version_line  # noqa: PLC0415 - 25 ms for one flag

        typer.echo(version_line())
        raise typer.Exit


@app.callback()
def _top(
    version: bool = typer.Option(  # noqa: FBT001 - Typer hands it to the callback
        False,  # noqa: FBT003 - a flag's default
        "--version",
        "-V",
        callback=_show_version,
        is_eager=True,
        help="Show the version and exit.",
    ),
) -> None:
    """Do nothing: `--version` is answered by its own callback."""
