"""Which reporters a run gets, from the options that ask for them."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pixmill.errors import OptionError
from pixmill.options.fields import Options, ProgressStyle
from pixmill.reporting import FanOut, Reporter
from pixmill_cli.reporters.document import JsonOnStdout, ReportFile
from pixmill_cli.reporters.events import Events
from pixmill_cli.reporters.quiet import Quiet
from pixmill_cli.screen import console
from pixmill_cli.sink import Sink, file_sink, stdout_sink

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Assembly", "assembled", "check_screen"]

_STDOUT = "-"


@dataclass(slots=True)
class Assembly:
    """The reporters of one run, what they hold open, and what went wrong with it."""

    stack: ExitStack = field(default_factory=ExitStack)
    reporters: list[Reporter] = field(default_factory=list)
    outputs: list[Sink | ReportFile] = field(default_factory=list)

    def fan_out(self) -> FanOut:
        """Return one reporter that tells all of them."""
        return FanOut(tuple(self.reporters))

    def troubles(self) -> list[str]:
        """Return what could not be written, once everything is closed."""
        return [output.trouble for output in self.outputs if output.trouble]


def check_screen(options: Options) -> None:
    """Refuse what cannot be shown together.

    Raises:
        OptionError: Two documents on one stdout, or loud and silent at once.
    """
    if options.json and options.events == _STDOUT:
        raise OptionError(
            "--events - and --json both write to stdout: send one of them to a file, "
            "with --events FILE or --report FILE",
            option="events",
        )
    if options.verbose and options.quiet:
        raise OptionError("contradicts --verbose: leave one of them out", option="quiet")


def assembled(options: Options) -> Assembly:
    """Open what the options name and return its reporters; close `stack` when done.

    Raises:
        OptionError: A file cannot be written.
    """
    assembly = Assembly()
    try:
        _add_files(assembly, options)
        _add_screen(assembly, options)
    except BaseException:
        assembly.stack.close()
        raise
    return assembly


def _add_files(assembly: Assembly, options: Options) -> None:
    if options.events is not None:
        is_stdout = options.events == _STDOUT
        sink = stdout_sink() if is_stdout else file_sink(options.events, option="events")
        _hold(assembly, sink)
        assembly.reporters.append(Events(sink))
    if options.log_file is not None:
        from pixmill_cli.reporters.log import Log  # noqa: PLC0415 - loads Rich, see below

        sink = file_sink(options.log_file, option="log_file", is_appended=True)
        _hold(assembly, sink)
        assembly.reporters.append(Log(sink, now=lambda: datetime.now(UTC).astimezone()))
    if options.report is not None:
        report = ReportFile(options.report)
        assembly.stack.callback(report.close)
        assembly.outputs.append(report)
        assembly.reporters.append(report)
    if options.json:
        sink = stdout_sink()
        _hold(assembly, sink)
        assembly.reporters.append(JsonOnStdout(sink))


def _add_screen(assembly: Assembly, options: Options) -> None:
    """Add what a person sees; the bar goes first, so that it is gone when the summary comes."""
    if options.quiet:
        assembly.reporters.append(Quiet())
        return
    # Rich takes 60 ms to import; a run needs it, `--help` and usage errors of ours do not.
    from pixmill_cli.reporters.plain import Plain  # noqa: PLC0415 - see above
    from pixmill_cli.reporters.summary import SummaryTable  # noqa: PLC0415 - see above
    from pixmill_cli.reporters.talk import Talk  # noqa: PLC0415 - see above

    stderr = console(is_bar_forced=options.progress is ProgressStyle.BAR)
    match _style(options, stderr):
        case ProgressStyle.BAR:
            from pixmill_cli.reporters.bar import Bar  # noqa: PLC0415 - 10 ms, for terminals alone

            bar = Bar(stderr)
            assembly.stack.callback(bar.close)
            assembly.reporters.append(bar)
        case ProgressStyle.PLAIN:
            assembly.reporters.append(Plain(stderr))
        case _:
            pass
    is_verbose = bool(options.verbose)
    assembly.reporters.append(Talk(stderr, is_verbose=is_verbose))
    assembly.reporters.append(SummaryTable(stderr, is_verbose=is_verbose))


def _style(options: Options, stderr: Console) -> ProgressStyle:
    """Return the style to use; `auto` looks at what stderr is, and who else writes to it."""
    asked = options.progress or ProgressStyle.AUTO
    if asked is not ProgressStyle.AUTO:
        return asked
    if options.events == _STDOUT and sys.stdout.isatty():
        return ProgressStyle.NONE  # A bar would be torn by the events on the same terminal.
    is_dumb = stderr.is_dumb_terminal or os.environ.get("TERM") == "dumb"
    return ProgressStyle.BAR if stderr.is_terminal and not is_dumb else ProgressStyle.PLAIN


def _hold(assembly: Assembly, sink: Sink) -> None:
    assembly.stack.enter_context(sink)
    assembly.outputs.append(sink)
