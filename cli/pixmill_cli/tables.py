"""Rich tables as text for stdout: coloured on a terminal, plain and never cut in a pipe."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from pixmill_cli.screen import PIPE_WIDTH

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["rendered"]

_WIDE = 2 * PIPE_WIDTH


def rendered(*parts: RenderableType) -> str:
    """Return the parts as they should appear on stdout."""
    is_terminal = sys.stdout.isatty()
    sized = Console(stderr=False, highlight=False)
    console = Console(
        file=io.StringIO(),
        force_terminal=is_terminal,
        width=sized.width if is_terminal else _WIDE,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    lines = captured.get().splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
