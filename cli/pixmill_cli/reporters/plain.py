"""Progress as plain lines, for logs and pipes: one every few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.units import format_duration, format_size
from pixmill_cli.reporters.silent import Silent

if TYPE_CHECKING:
    from rich.console import Console

    from pixmill.reporting import Progress

__all__ = ["INTERVAL_S", "Plain", "progress_line"]

INTERVAL_S: Final = 5.0


class Plain(Silent):
    """Print a line when the run is a few seconds further; its clock is the run's own.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = INTERVAL_S

    def progressed(self, progress: Progress) -> None:
        """Print where the run stands, when it is time to."""
        if progress.elapsed_s >= self._next_s:
            self._next_s = progress.elapsed_s + INTERVAL_S
            self._console.print(progress_line(progress), soft_wrap=True, markup=False)


def progress_line(progress: Progress) -> str:
    """Return where the run stands, on one line."""
    is_scanning = progress.is_scanning or progress.done_fraction is None
    share = "scanning" if is_scanning else f"{progress.done_fraction:.0%}"
    parts = [
        share,
        f"{progress.done:,} of {progress.files_found:,}{' found so far' if is_scanning else ''}",
        f"{progress.failed:,} failed",
        f"{progress.files_per_s:,.1f} files/s",
        f"{format_size(progress.bytes_per_s)}/s",
        f"saved {format_size(progress.bytes_saved)}",
    ]
    if progress.memory_bytes:
        parts.append(f"memory {format_size(progress.memory_bytes)}")
    if progress.eta_s is not None and not is_scanning:
        parts.append(f"{format_duration(progress.eta_s)} left")
    return f"{format_duration(progress.elapsed_s):>9}  " + ", ".join(parts)
