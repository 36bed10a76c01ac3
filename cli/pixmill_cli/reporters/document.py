"""`--json` and `--report`: the summary document, once, at the end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.errors import OptionError
from pixmill.events import summary_document
from pixmill_cli.reporters.silent import Silent

if TYPE_CHECKING:
    from pixmill.reporting import Summary
    from pixmill_cli.sink import Sink

__all__ = ["JsonOnStdout", "ReportFile"]


class JsonOnStdout(Silent):
    """Print the document on stdout.

    Args:
        sink: A sink for stdout.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def ended(self, summary: Summary) -> None:
        """Print it."""
        self._sink.write(_document(summary))


class ReportFile(Silent):
    """Write the document to a file, whole or not at all.

    Args:
        path: The file; its folder must exist.

    Raises:
        OptionError: The folder is not there or cannot be written to.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self.trouble = ""
        try:
            self._partial.touch()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OptionError(f"cannot write {path}: {reason}", option="report") from None

    def ended(self, summary: Summary) -> None:
        """Write it beside its place and move it there."""
        try:
            self._partial.write_text(_document(summary), encoding="ascii")
            self._partial.replace(self._path)
        except OSError as error:
            self.trouble = f"cannot write {self._path}: {(error.strerror or str(error)).lower()}"

    def close(self) -> None:
        """Leave no partial file behind, whatever happened."""
        self._partial.unlink(missing_ok=True)


def _document(summary: Summary) -> str:
    return json.dumps(summary_document(summary), ensure_ascii=True, indent=2) + "\n"
