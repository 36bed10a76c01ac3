"""`pixmill optimize - -`: one image from stdin, or from a file, to stdout.

A thin skin over `api.optimize_stream`. Must not print anything on stdout but the image.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pixmill.errors import OptionError, RunError
from pixmill.model import Status
from pixmill.options.fields import ProgressStyle
from pixmill_cli.exit_codes import ExitCode, exit_code_of
from pixmill_cli.screen import complain

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.api import Piped
    from pixmill.options import Request
    from pixmill.options.fields import Options

__all__ = ["carried_through", "check_pipe", "is_piped"]

_STREAM: Final = "-"


def is_piped(read: Path | str, write: Path | str | None) -> bool:
    """Whether one of the two places is a stream."""
    return _STREAM in {str(read), str(write)}


def check_pipe(read: Path | str, write: Path | str | None, options: Options) -> None:
    """Refuse what cannot go through a pipe.

    Raises:
        OptionError: Stdin into a folder, an object to stdout, two kinds of data on one stdout, or
            a terminal.
    """
    if isinstance(read, str):
        raise OptionError("an object is not piped: name a folder or a bucket", option="output")
    if str(write) != _STREAM:
        message = "one image from stdin goes to stdout: pixmill optimize - - < FILE > FILE"
        raise OptionError(message, option="output")
    for name, is_asked in (("json", options.json), ("events", options.events == _STREAM)):
        if is_asked:
            message = "the image itself is written to stdout: use --report FILE or --events FILE"
            raise OptionError(message, option=name)
    if str(read) == _STREAM and sys.stdin.isatty():
        raise OptionError("expected an image on stdin, got a terminal: add < FILE", option="input")
    if sys.stdout.isatty():
        message = "an image would be written to the terminal: add > FILE"
        raise OptionError(message, option="output")


def carried_through(read: Path | str, *, options: Options, request: Request) -> ExitCode:
    """Make the image, with every reporter that was asked for, and return the exit code."""
    from pixmill import api  # noqa: PLC0415 - not for a help page
    from pixmill.reporting import FanOut  # noqa: PLC0415 - likewise
    from pixmill_cli.interrupts import Interrupts, caught  # noqa: PLC0415 - likewise
    from pixmill_cli.reporters.assembly import assembled  # noqa: PLC0415 - likewise

    api.check_piped(request.recipe, request.settings)
    assembly = assembled(_silent(options))
    told = assembly.fan_out()
    interrupts = Interrupts(told)
    # apart from sys.stdout, which would try to write again at the end what could not be written
    stdout = open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115 - a descriptor
    with assembly.stack, caught(interrupts):
        try:
            piped = api.optimize_stream(
                sys.stdin.buffer if str(read) == _STREAM else read,
                stdout,
                request.recipe,
                settings=request.settings,
                reporter=FanOut((told, interrupts)),
                begun=interrupts.watch,
            )
        except BrokenPipeError:
            return ExitCode.OK  # The reader has seen enough: that is no trouble of ours.
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise RunError(f"cannot write stdout: {reason}") from error
    for trouble in assembly.troubles():
        complain(RunError(trouble))
    return ExitCode.RUN_FAILED if assembly.troubles() else _judged(piped)


def _silent(options: Options) -> Options:
    """Return options that show failures alone, unless more is asked for: this is a filter."""
    is_quiet = not options.verbose
    return replace(options, quiet=is_quiet, progress=ProgressStyle.NONE)


def _judged(piped: Piped) -> ExitCode:
    """Return the exit code; without an image on stdout it is no success."""
    outcome = piped.outcome
    if outcome is not None and outcome.status is Status.SKIPPED:
        complain(RunError(f"{outcome.path} was left alone and nothing written: {outcome.reason}"))
        return ExitCode.SOME_FAILED
    return exit_code_of(piped.summary)
