"""What a person reads: the console on stderr, safe file names, messages about errors.

stdout is data and has no home here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pixmill.options.fields import Options, spelling

if TYPE_CHECKING:
    from rich.console import Console

    from pixmill.errors import PixmillError

__all__ = ["PIPE_WIDTH", "complain", "console", "counted", "printable", "share"]

PIPE_WIDTH = 120
_NOT_FLAGS = ("input", "output", "config")


def console(*, is_bar_forced: bool = False) -> Console:
    """Return the console on stderr; wide where stderr is no terminal, so that no line wraps."""
    from rich.console import Console  # noqa: PLC0415 - 40 ms that --version and errors do not need

    found = Console(
        stderr=True, highlight=False, emoji=False, force_terminal=True if is_bar_forced else None
    )
    if not found.is_terminal:
        found.width = PIPE_WIDTH
    return found


def complain(error: PixmillError) -> None:
    """Say on stderr what is wrong, with the option as the user types it."""
    option = getattr(error, "option", None)
    is_flag = option in Options.__dataclass_fields__ or option in _NOT_FLAGS
    place = f"{spelling(option)}: " if option and is_flag else ""
    sys.stderr.write(f"pixmill: {place}{printable(str(error))}\n")


def printable(text: str) -> str:
    """Return the text with control characters and undecodable bytes spelled out.

    A file's name may hold escape sequences that would steer the terminal.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def counted(count: int, noun: str) -> str:
    """Spell a number of things: `1 worker`, `2,000 encodes`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def share(part: float, whole: float) -> str:
    """Spell a change of size: `-62.9%`, `+3.0%`, or nothing where there was no whole."""
    return f"{(part - whole) / whole * 100:+.1f}%" if whole else ""


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
