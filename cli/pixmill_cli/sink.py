"""Text streams that never raise: a reader who leaves, or a full disk, must not end a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self, TextIO

from pixmill.errors import OptionError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Sink", "file_sink", "stdout_sink"]


class Sink:
    """Write text and remember trouble instead of raising it.

    Args:
        stream: Where text goes.
        name: What to call it in a message.
        is_owned: Whether leaving the context closes the stream.
    """

    def __init__(self, stream: TextIO, *, name: str, is_owned: bool) -> None:
        self._stream = stream
        self._name = name
        self._is_owned = is_owned
        self._is_broken = False
        self.trouble = ""

    def __enter__(self) -> Self:
        """Return the sink itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the stream where it is ours."""
        if self._is_owned:
            try:
                self._stream.close()
            except OSError as trouble:
                self._note(trouble)

    def write(self, text: str) -> None:
        """Write and flush; after the first trouble, do nothing."""
        if self._is_broken:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            self._is_broken = True  # The reader has seen enough: that is no trouble of ours.
        except OSError as error:
            self._note(error)

    def _note(self, error: OSError) -> None:
        self._is_broken = True
        self.trouble = (
            self.trouble or f"cannot write {self._name}: {(error.strerror or '').lower()}"
        )


def stdout_sink() -> Sink:
    """Return a sink for data on stdout."""
    return Sink(sys.stdout, name="stdout", is_owned=False)


def file_sink(path: str, *, option: str, is_appended: bool = False) -> Sink:
    """Open a file for text, surrogate-escaped paths included.

    Raises:
        OptionError: It cannot be opened.
    """
    try:
        stream = open(  # noqa: SIM115, PTH123 - the sink closes it; Path.open hides its type
            path,
            "a" if is_appended else "w",
            encoding="utf-8",
            errors="surrogateescape",
            newline="\n",
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OptionError(f"cannot write {path}: {reason}", option=option) from None
    return Sink(stream, name=path, is_owned=True)
