"""`pixmill doctor`: what this kernel and this machine give, and what is missing."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill_cli.exit_codes import ExitCode
from pixmill_cli.sink import stdout_sink

if TYPE_CHECKING:
    from pixmill.diagnosis import Finding

__all__ = ["doctor"]


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what this system gives: sandbox, limits, memory, CPUs, temporary files, libraries.

    Exits with 1 when something is missing that --sandbox require needs.
    """
    from pixmill import api  # noqa: PLC0415 - loads pyvips, which a help page must not wait for

    findings = api.doctor()
    is_sound = api.can_confine(findings)
    if as_json:
        rows = [
            {
                "name": each.name,
                "value": each.value,
                "there": each.is_there,
                "required": each.is_required,
            }
            for each in findings
        ]
        document = {"schema": 1, "can_confine": is_sound, "findings": rows}
        stdout_sink().write(json.dumps(document, indent=2) + "\n")
    else:
        stdout_sink().write(_table(findings))
    if not is_sound:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _table(findings: "list[Finding]") -> str:
    from rich.table import Table  # noqa: PLC0415 - not for JSON
    from rich.text import Text  # noqa: PLC0415 - likewise

    from pixmill_cli.tables import rendered  # noqa: PLC0415 - likewise

    table = Table.grid(padding=(0, 2))
    for each in findings:
        lacking = "red" if each.is_required else "yellow"
        mark = Text("yes", style="green") if each.is_there else Text("no", style=lacking)
        table.add_row(mark, Text(each.name, style="bold"), Text(each.value))
    return rendered(table)
