"""The live progress bar on a terminal: where the run stands, how fast, how long it still takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pixmill.model import Status
from pixmill.units import format_duration, format_size
from pixmill_cli.reporters.silent import Silent
from pixmill_cli.reporters.talk import STYLES
from pixmill_cli.screen import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from pixmill.reporting import Progress, RunFacts, Summary, UnderWay

__all__ = ["Bar", "headline", "shown"]

_GAP = "   "
_SLOW_SHOWN = 4


class Bar(Silent):
    """Redraw one block of lines at every call; gone when the run ends.

    Refreshed by the run's own calls alone: no thread beside those of the run.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._spinner = Spinner("dots", style="green")
        self._budget_bytes = 0

    def started(self, facts: RunFacts) -> None:
        """Show the bar."""
        self._budget_bytes = facts.memory_bytes
        self._live.start()

    def progressed(self, progress: Progress) -> None:
        """Draw where the run stands."""
        block = shown(progress, budget_bytes=self._budget_bytes, spinner=self._spinner)
        self._live.update(block, refresh=True)

    def ended(self, summary: Summary) -> None:  # noqa: ARG002 - the summary is not drawn here
        """Take the bar away."""
        self._live.stop()

    def close(self) -> None:
        """Take the bar away even where the run never ended."""
        self._live.stop()


def shown(progress: Progress, *, budget_bytes: int, spinner: RenderableType) -> Group:
    """Return the block of lines for one moment of a run."""
    fraction = progress.done_fraction
    bar = ProgressBar(
        total=None if fraction is None else 1.0,
        completed=fraction or 0.0,
        pulse=fraction is None,
        animation_time=progress.elapsed_s,
        complete_style="green",
        finished_style="green",
    )
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(width=1)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    row.add_row(spinner, bar, headline(progress))
    slow = [_under_way(one) for one in progress.under_way[:_SLOW_SHOWN]]
    return Group(row, *slow, _counts(progress), _rates(progress, budget_bytes=budget_bytes))


def headline(progress: Progress) -> Text:
    """Return the share that is done and the time left, or that the scan still goes on."""
    found = f"{progress.done:,} of {progress.files_found:,}"
    if progress.is_scanning or progress.done_fraction is None:
        return Text.assemble(("scanning", "yellow"), f"  {found} found so far")
    text = Text.assemble((f"{progress.done_fraction:4.0%}", "bold"), f"  {found}")
    if progress.eta_s is not None:
        text.append(f"  {format_duration(progress.eta_s)} left", style="cyan")
    return text


def _under_way(file: UnderWay) -> Text:
    text = Text("  ", no_wrap=True, overflow="ellipsis")
    return text.append(f"{file.fraction:4.0%}", style="bold").append(f"  {printable(file.path)}")


def _counts(progress: Progress) -> Text:
    text = Text("  ", no_wrap=True, overflow="ellipsis")
    for status, count in (
        (Status.OPTIMIZED, progress.optimized),
        (Status.KEPT, progress.kept),
        (Status.SKIPPED, progress.skipped),
        (Status.FAILED, progress.failed),
    ):
        style = STYLES[status] if count else "dim"
        text.append(f"{count:,}", style=style)
        text.append(f" {status}{_GAP}", style="dim")
    text.append("saved ", style="dim")
    text.append(format_size(progress.bytes_saved), style="bold green")
    return text


def _rates(progress: Progress, *, budget_bytes: int) -> Text:
    text = Text("  ", no_wrap=True, overflow="ellipsis")
    parts = [
        f"{progress.files_per_s:,.1f} files/s",
        f"{format_size(progress.bytes_per_s)}/s",
        f"{progress.in_hand} in hand",
    ]
    if progress.memory_bytes:
        parts.append(f"memory {format_size(progress.memory_bytes)} of {format_size(budget_bytes)}")
    parts.append(f"{format_duration(progress.elapsed_s)} so far")
    text.append(_GAP.join(parts), style="dim")
    return text
