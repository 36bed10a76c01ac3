"""`pixmill inspect`: what a file is, by its content, and what decoding it would cost."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill.errors import ImageError
from pixmill.model import Failed, FailureKind, Stage
from pixmill_cli.exit_codes import ExitCode
from pixmill_cli.inspection import Inspected, described, document
from pixmill_cli.screen import printable
from pixmill_cli.sink import stdout_sink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.events import Json

__all__ = ["inspect"]


def inspect(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Images to look at.", show_default=False),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show what files are: format by content, size, profile, orientation, quality, decode cost.

    Reads headers alone. Exits with 1 when a file could not be read or understood.
    """
    found = [(path, _inspected(path)) for path in files]
    if as_json:
        documents = [
            document(one) if isinstance(one, Inspected) else _failure(path, one)
            for path, one in found
        ]
        stdout_sink().write(json.dumps({"schema": 1, "files": documents}, indent=2) + "\n")
    else:
        stdout_sink().write(_shown(found))
    if any(isinstance(one, Failed) for _, one in found):
        raise typer.Exit(ExitCode.SOME_FAILED)


def _inspected(path: Path) -> Inspected | Failed:
    from pixmill import api  # noqa: PLC0415 - loads pyvips, which a help page must not wait for
    from pixmill.registry import codec  # noqa: PLC0415 - likewise

    try:
        header = api.inspect(path)
    except ImageError as error:
        return error.failure
    except OSError as error:
        return Failed(FailureKind.IO, Stage.READ, (error.strerror or str(error)).lower())
    return Inspected(
        path=str(path),
        header=header,
        spec=codec(header.codec),
        decode_bytes=api.decode_cost(header),
    )


def _failure(path: Path, failure: Failed) -> "dict[str, Json]":
    return {
        "path": str(path),
        "failure": {
            "kind": str(failure.kind),
            "stage": str(failure.stage),
            "message": failure.message,
        },
    }


def _shown(found: "Iterable[tuple[Path, Inspected | Failed]]") -> str:
    from rich.table import Table  # noqa: PLC0415 - not for JSON
    from rich.text import Text  # noqa: PLC0415 - likewise

    from pixmill_cli.tables import rendered  # noqa: PLC0415 - likewise

    parts: list[Text | Table] = []
    for path, one in found:
        parts.append(Text(("\n" if parts else "") + printable(str(path)), style="bold"))
        table = Table.grid(padding=(0, 2))
        if isinstance(one, Inspected):
            for label, words in described(one):
                style = "yellow" if label == "warning" else ""
                table.add_row(Text(f"  {label}", style=style or "dim"), Text(words, style=style))
        else:
            message = f"{one.kind} at {one.stage}: {printable(one.message)}"
            table.add_row(Text("  failed", style="red"), Text(message, style="red"))
        parts.append(table)
    return rendered(*parts)
