"""`pixmill optimize`: from flags and config file to a run, its reporters and its exit code."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pixmill.address import is_address
from pixmill.errors import OptionError
from pixmill.options.fields import Options, spelling
from pixmill_cli.commands.piping import carried_through, check_pipe, is_piped
from pixmill_cli.exit_codes import ExitCode, exit_code_of
from pixmill_cli.flags import given_options, takes_options
from pixmill_cli.screen import complain

if TYPE_CHECKING:
    from pixmill.options import Request

__all__ = ["optimize"]

_PLACES = "Input and output"
_FLAGS_WIN = "JSON or TOML file of options; a flag wins over it."


@takes_options
def optimize(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUT",
            help="Folder, file, s3://, gs:// or az:// to read, or - for stdin.",
            show_default=False,
        ),
    ] = None,
    destination: Annotated[
        str | None,
        typer.Argument(
            metavar="OUTPUT",
            help="Folder, s3://, gs:// or az:// to write, or - for one image to stdout; none with "
            "--in-place.",
            show_default=False,
        ),
    ] = None,
    *,
    input_flag: Annotated[
        str | None,
        typer.Option(
            "--input", "-i", metavar="PATH", help="The same as INPUT.", rich_help_panel=_PLACES
        ),
    ] = None,
    output_flag: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="The same as OUTPUT.", rich_help_panel=_PLACES
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help=_FLAGS_WIN, metavar="FILE", rich_help_panel=_PLACES),
    ] = None,
    **given: Any,
) -> None:
    """Optimise every image of a folder into another folder, or with --in-place where it is.

    Either may be a prefix of a bucket. The folder tree is kept and the input is never written to.
    Formats are told by content.
    """
    flags = given_options(given)
    read = _one_place(source, input_flag, option="input")
    write = None
    if destination or output_flag or not (flags.in_place or config):
        write = _one_place(destination, output_flag, option="output")
    is_stream = is_piped(read, write)
    if isinstance(read, Path) and not (is_stream or read.exists()):
        raise OptionError(f"there is no {read}", option="input")
    options, request = _understood(flags, config)
    if is_stream:
        check_pipe(read, write, options)
        _remark_unused(flags, options)
        raise typer.Exit(carried_through(read, options=options, request=request))
    if write is None and not request.settings.in_place:
        write = _one_place(destination, output_flag, option="output")
    _remark_unused(flags, options)
    raise typer.Exit(_carried_out(read, write, options=options, request=request))


def _one_place(argument: str | None, flag: str | None, *, option: str) -> "Path | str":
    """Return the place that was named, which must have been named once; a URL stays a text."""
    if argument is not None and flag is not None:
        raise OptionError(
            f"given twice, as {argument!r} and as {flag!r}: "
            f"name INPUT OUTPUT, or --input and --output",
            option=option,
        )
    found = argument if argument is not None else flag
    if found is None:
        raise OptionError(
            f"missing: pixmill optimize INPUT OUTPUT, or {spelling(option)} PATH", option=option
        )
    return found if is_address(found) else Path(found)


def _understood(flags: Options, config: Path | None) -> "tuple[Options, Request]":
    """Return what was typed, with the config file underneath, and what it means."""
    from pixmill.config import load  # noqa: PLC0415 - not for a help page
    from pixmill.options import meant, merged  # noqa: PLC0415 - likewise
    from pixmill_cli.reporters.assembly import check_screen  # noqa: PLC0415 - likewise

    filed = Options() if config is None else load(config)
    options = merged(flags, filed)
    try:
        check_screen(options)
        return options, meant(options)
    except OptionError as error:
        name = error.option or ""
        is_filed = getattr(flags, name, None) is None and getattr(filed, name, None) is not None
        if not is_filed:
            raise
        raise OptionError(f"{config}: {name}: {error}", option="config") from None


def _remark_unused(flags: Options, options: Options) -> None:
    """Say that a flag has no effect, rather than ignore it silently."""
    from pixmill.options import uses_max_dimension  # noqa: PLC0415 - not for a help page

    if flags.max_dimension is not None and not uses_max_dimension(options) and not options.quiet:
        typer.echo(
            "pixmill: --max-dimension has no effect here: it is the size of --operations resize "
            "without --resize",
            err=True,
        )


def _carried_out(
    read: Path | str, write: Path | str | None, *, options: Options, request: "Request"
) -> ExitCode:
    """Run it, with every reporter that was asked for, and return the exit code."""
    from pixmill.errors import RunError  # noqa: PLC0415 - not for a help page
    from pixmill.reporting import FanOut  # noqa: PLC0415 - likewise
    from pixmill_cli.interrupts import Interrupts, caught  # noqa: PLC0415 - likewise
    from pixmill_cli.reporters.assembly import assembled  # noqa: PLC0415 - likewise

    assembly = assembled(options)
    from pixmill import api  # noqa: PLC0415 - nor before everything that can be refused was

    told = assembly.fan_out()
    interrupts = Interrupts(told)
    with assembly.stack, caught(interrupts):
        run = api.optimize(
            read,
            write,
            request.recipe,
            settings=request.settings,
            reporter=FanOut((told, interrupts)),
        )
        with run:
            interrupts.watch(run)
            for _ in run:
                pass
        summary = run.summary
    for trouble in assembly.troubles():
        complain(RunError(trouble))
    return ExitCode.RUN_FAILED if assembly.troubles() else exit_code_of(summary)
