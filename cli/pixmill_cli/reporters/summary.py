"""The summary that a person reads when a run has ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from pixmill.model import Status
from pixmill.units import format_duration, format_size
from pixmill_cli.reporters.silent import Silent
from pixmill_cli.reporters.talk import STYLES
from pixmill_cli.screen import counted, printable, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pixmill.reporting import Failure, Ranked, Summary

__all__ = ["FAILURES_SHOWN", "SummaryTable"]

FAILURES_SHOWN: Final = 20


class SummaryTable(Silent):
    """Print how a run ended.

    Args:
        console: Where to print.
        is_verbose: Whether the slowest and the largest files are named.
        is_quiet: Whether failures are all that is printed.
    """

    def __init__(
        self, console: Console, *, is_verbose: bool = False, is_quiet: bool = False
    ) -> None:
        self._console = console
        self._is_verbose = is_verbose
        self._is_quiet = is_quiet

    def ended(self, summary: Summary) -> None:
        """Print the summary, or only what failed."""
        if not self._is_quiet:
            self._console.print(_totals(summary))
            if summary.formats:
                self._console.print(_formats(summary))
            self._line(_speed(summary), style="dim")
            if self._is_verbose:
                self._ranked("Slowest", summary.slowest)
                self._ranked("Largest", summary.largest)
        if summary.failed:
            self._failures(summary)
        if summary.is_interrupted:
            self._line("interrupted: run it again to do what is left", style="yellow")
        if summary.fatal:
            self._line(f"stopped: {printable(summary.fatal)}", style="bold red")

    def _failures(self, summary: Summary) -> None:
        self._line(f"\nFailed ({summary.failed:,})", style="bold red")
        for failure in summary.failures[:FAILURES_SHOWN]:
            self._console.print(_failure_line(failure), soft_wrap=True)
        hidden = summary.failed - min(FAILURES_SHOWN, len(summary.failures))
        if hidden > 0:
            self._line(f"  and {hidden:,} more: --report FILE.json names them", style="dim")

    def _ranked(self, title: str, files: Sequence[Ranked]) -> None:
        if not files:
            return
        self._line(f"\n{title}", style="bold")
        for one in files:
            time, size = format_duration(one.seconds), format_size(one.bytes_read)
            self._line(f"  {time:>9}  {size:>9}  {printable(one.path)}")

    def _line(self, text: str, *, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)


def _totals(summary: Summary) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=10)
    table.add_column(justify="right")
    table.add_column()
    saved = (
        f"{format_size(summary.bytes_read)} → {format_size(summary.bytes_written)}   "
        f"{_saved(summary)} ({share(summary.bytes_written, summary.bytes_read)})"
    )
    skips = ", ".join(f"{count:,} {reason}" for reason, count in summary.skips.items())
    counts = Counter(failure.kind for failure in summary.failures).most_common()
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in counts)
    rows = (
        (Status.OPTIMIZED, summary.optimized, saved if summary.bytes_read else ""),
        (Status.KEPT, summary.kept, "no smaller result: the source stands" if summary.kept else ""),
        (Status.SKIPPED, summary.skipped, skips),
        (Status.FAILED, summary.failed, kinds),
    )
    for status, count, remark in rows:
        style = STYLES[status] if count else "dim"
        table.add_row(Text(status, style=style), Text(f"{count:,}", style=style), remark)
    table.add_row(Text("walked", style="bold"), Text(f"{summary.walked:,}", style="bold"))
    return table


def _saved(summary: Summary) -> str:
    """Spell what was saved; formats and enlarging may add to it instead."""
    done, possible = ("saved", "would save") if summary.bytes_saved >= 0 else ("added", "would add")
    deed = possible if summary.facts.is_dry_run else done
    return f"{deed} {format_size(abs(summary.bytes_saved))}"


def _formats(summary: Summary) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("\nformat", min_width=10)
    for title in ("\nfiles", "\nread", "\nwritten", "\nchange"):
        table.add_column(title, justify="right")
    for name, count in sorted(summary.formats.items(), key=lambda item: -item[1].files):
        table.add_row(
            printable(name),
            f"{count.files:,}",
            format_size(count.bytes_read),
            format_size(count.bytes_written),
            share(count.bytes_written, count.bytes_read),
        )
    return table


def _speed(summary: Summary) -> str:
    seconds = max(summary.wall_s, 1e-9)
    images = (summary.optimized + summary.kept) / seconds
    megapixels = summary.pixels_written / 1e6 / seconds
    peak = format_size(summary.peak_memory_bytes)
    median = summary.median_score
    return "\n" + " · ".join(
        (
            f"{format_duration(summary.wall_s)} wall, {format_duration(summary.cpu_s)} CPU",
            f"{images:,.1f} images/s, {megapixels:,.1f} MP/s",
            f"peak memory {peak} of {format_size(summary.facts.memory_bytes)}",
            counted(summary.facts.workers, "worker"),
            counted(summary.encodes, "encode"),
            *(() if median is None else (f"median score {median:.1f}",)),
        )
    )


def _failure_line(failure: Failure) -> Text:
    tries = f" after {failure.attempts} attempts" if failure.attempts > 1 else ""
    return Text.assemble(
        "  ",
        printable(failure.path),
        ("  ", ""),
        (f"{failure.kind} at {failure.stage}{tries}", "red"),
        (f": {printable(failure.message)}", "dim"),
    )
