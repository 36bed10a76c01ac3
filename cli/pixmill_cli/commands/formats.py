"""`pixmill formats`: what can be read and written on this machine, and what is missing."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill_cli.sink import stdout_sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.api import FormatSupport
    from pixmill.events import Json

__all__ = ["formats"]

_ABILITIES = ("holds", "metadata", "coding", "bits", "edge px", "keep")
_LINUX_ONLY = (
    "not Linux: workers are spawned instead of forked from a server (about 12 MB more each), "
    "wrong memory estimates are not caught by RLIMIT_DATA, memory is measured as RSS, not PSS"
)


def formats(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show which formats this machine reads and writes, by which library, and what is missing."""
    from pixmill import api  # noqa: PLC0415 - loads pyvips, which a help page must not wait for

    found = api.formats()
    limits = [] if sys.platform == "linux" else [_LINUX_ONLY]
    if as_json:
        document = {"schema": 1, "formats": [_row(one) for one in found], "limits": limits}
        stdout_sink().write(json.dumps(document, indent=2) + "\n")
        return
    stdout_sink().write(_table(found, limits=limits))


def _row(one: "FormatSupport") -> "dict[str, Json]":
    spec = one.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "suffixes": list(spec.suffixes),
        "can_read": one.can_read,
        "can_write": one.can_write,
        "library": one.library,
        "hint": one.hint or None,
        "alpha": spec.supports_alpha,
        "animation": spec.supports_animation,
        "lossless": spec.supports_lossless,
        "lossy": spec.supports_lossy,
        "default_quality": spec.default_quality if spec.supports_lossy else None,
        "metadata": one.abilities.metadata,
        "max_bits": spec.max_bits if spec.can_write else None,
        "max_edge_px": spec.max_edge_px if spec.can_write else None,
        "keep": one.abilities.keep,
    }


def _table(found: "Sequence[FormatSupport]", *, limits: "Sequence[str]") -> str:
    from rich.table import Table  # noqa: PLC0415 - not for JSON
    from rich.text import Text  # noqa: PLC0415 - likewise

    from pixmill_cli.tables import rendered  # noqa: PLC0415 - likewise

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("format", "name", "read", "write", "library", *_ABILITIES, ""):
        table.add_column(title, no_wrap=title in ("format", "name"))
    for one in found:
        spec = one.spec
        table.add_row(
            spec.title,
            Text(spec.name, style="bold"),
            _mark(is_there=one.can_read, is_possible=spec.can_read),
            _mark(is_there=one.can_write, is_possible=spec.can_write),
            str(one.library),
            *_abilities(one),
            Text(one.hint, style="yellow"),
        )
    return rendered(table, *(Text(limit, style="yellow") for limit in limits))


def _mark(*, is_there: bool, is_possible: bool) -> str:
    if is_there:
        return "[green]yes[/]"
    return "[red]missing[/]" if is_possible else "[dim]no[/]"


def _abilities(one: "FormatSupport") -> tuple[str, ...]:
    can = one.abilities
    return (can.holds, can.metadata, can.coding, can.bits, can.edge, can.keep)
