"""What the exit code of `pixmill` means; documented in `--help` and kept stable."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pixmill.reporting import Summary

__all__ = ["EPILOG", "ExitCode", "exit_code_of"]

EPILOG: Final = (
    "Exit codes: 0 all well (kept and skipped included); 1 finished, some files failed; "
    "2 usage or config; 3 the run itself failed; 130 interrupted"
)


class ExitCode(IntEnum):
    """Every exit code there is."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    RUN_FAILED = 3
    INTERRUPTED = 130


def exit_code_of(summary: Summary) -> ExitCode:
    """Return the exit code of a run that ended: the gravest thing that happened decides."""
    if summary.fatal:
        return ExitCode.RUN_FAILED
    if summary.is_interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.SOME_FAILED if summary.failed else ExitCode.OK
