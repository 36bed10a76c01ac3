"""What is said of a run under `--quiet`: what failed and why it stopped, once it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill_cli.reporters.silent import Silent
from pixmill_cli.screen import console

if TYPE_CHECKING:
    from pixmill.reporting import Summary

__all__ = ["Quiet"]


class Quiet(Silent):
    """Print how a run ended where not all went well."""

    def ended(self, summary: Summary) -> None:
        """Print what failed, interrupted or stopped it, if anything did."""
        if summary.failed or summary.is_interrupted or summary.fatal:
            # Rich takes 30 ms to load, which a run that has nothing to say need not spend.
            from pixmill_cli.reporters.summary import SummaryTable  # noqa: PLC0415 - see above

            SummaryTable(console(), is_quiet=True).ended(summary)
