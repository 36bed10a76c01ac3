"""`pixmill undo`: bring back the originals that runs in place have replaced."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill_cli.exit_codes import ExitCode
from pixmill_cli.screen import printable
from pixmill_cli.sink import stdout_sink

if TYPE_CHECKING:
    from pixmill.events import Json

__all__ = ["undo"]


def undo(
    folder: Annotated[
        str,
        typer.Argument(metavar="FOLDER", help="What was worked on in place.", show_default=False),
    ],
    *,
    run: Annotated[
        int | None,
        typer.Option("--run", metavar="N", help="Undo this run alone; see pixmill runs."),
    ] = None,
    backup: Annotated[
        Path | None,
        typer.Option("--backup", metavar="DIR", help="Where the backups are, if moved since."),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal", metavar="FILE", help="The journal, where it is not beside FOLDER."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Tell what would be done, and do nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Bring back the originals that --in-place has replaced, exactly as they were.

    A file that was changed after pixmill is left as it is, and named.
    """
    from pixmill import api  # noqa: PLC0415 - a help page must not wait for the engine

    counts: Counter[str] = Counter()
    files: list[Json] = []
    sink = stdout_sink()
    for each in api.undo(
        folder,
        run=run,
        journal=None if journal is None else str(journal),
        backup=backup,
        is_dry_run=dry_run,
    ):
        counts[str(each.ending)] += 1
        if as_json:
            files.append({"path": each.path, "ending": each.ending, "message": each.message})
        elif each.message:
            sink.write(f"{printable(each.path)}  {each.ending}: {printable(each.message)}\n")
    totals = {str(ending): counts[str(ending)] for ending in api.Undoing}
    if as_json:
        document = {"schema": 1, "dry_run": dry_run, "totals": totals, "files": files}
        sink.write(json.dumps(document, indent=2) + "\n")
    else:
        would = "would be " if dry_run else ""
        sink.write(
            f"{totals['restored']} originals {would}restored, {totals['already']} were there "
            f"already, {totals['refused']} refused\n"
        )
    raise typer.Exit(ExitCode.SOME_FAILED if totals["refused"] else ExitCode.OK)
