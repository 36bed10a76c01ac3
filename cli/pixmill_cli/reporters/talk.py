"""What is said as it happens: warnings, notices and, with -v, one line a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from pixmill.model import Outcome, Status
from pixmill.units import format_duration, format_size
from pixmill_cli.reporters.silent import Silent
from pixmill_cli.screen import printable, share

if TYPE_CHECKING:
    from rich.console import Console

    from pixmill.reporting import RunFacts

__all__ = ["STYLES", "Talk", "file_line"]

STYLES: Final = {
    Status.OPTIMIZED: "green",
    Status.KEPT: "cyan",
    Status.SKIPPED: "yellow",
    Status.FAILED: "bold red",
}
_COLUMN: Final = 10


class Talk(Silent):
    """Print warnings and notices, and every file when asked to.

    Args:
        console: Where to print; a bar on the same console stays below.
        is_verbose: Whether each file gets a line.
    """

    def __init__(self, console: Console, *, is_verbose: bool) -> None:
        self._console = console
        self._is_verbose = is_verbose

    def started(self, facts: RunFacts) -> None:
        """Print what the user should know before the run."""
        for warning in facts.warnings:
            self._console.print(Text.assemble(("warning  ", "yellow"), warning), soft_wrap=True)

    def finished_file(self, outcome: Outcome) -> None:
        """Print one file's line."""
        if self._is_verbose:
            self._console.print(file_line(outcome), soft_wrap=True)

    def noticed(self, message: str) -> None:
        """Print a notice."""
        self._console.print(
            Text.assemble(("notice   ", "blue"), printable(message)), soft_wrap=True
        )


def file_line(outcome: Outcome) -> Text:
    """Return how one file ended, on one line."""
    text = Text.assemble(
        (f"{outcome.status:<{_COLUMN}}", STYLES[outcome.status]), printable(outcome.path)
    )
    if outcome.destination not in (None, outcome.path):
        text.append(f" → {printable(outcome.destination or '')}")
    for part in (_detail(outcome), *outcome.notes):
        text.append(f"  {printable(part)}", style="dim")
    return text


def _detail(outcome: Outcome) -> str:
    match outcome.status:
        case Status.OPTIMIZED:
            sizes = f"{format_size(outcome.bytes_read)} → {format_size(outcome.bytes_written)}"
            change = share(outcome.bytes_written, outcome.bytes_read)
            quality = "" if outcome.quality is None else f"  q{outcome.quality}"
            score = "" if outcome.score is None else f"  score {outcome.score:.1f}"
            return f"{sizes} {change}{quality}{score}  {format_duration(outcome.wall_s)}"
        case Status.FAILED if outcome.failure is not None:
            failure = outcome.failure
            return f"{failure.kind} at {failure.stage}: {failure.message}"
        case Status.SKIPPED if outcome.reason is not None:
            return str(outcome.reason)
        case _:
            return format_size(outcome.bytes_read)
