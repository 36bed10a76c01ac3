"""`pixmill status` and `pixmill runs`: what the journal of an output knows."""

import json
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill.address import Access
from pixmill.errors import OptionError
from pixmill_cli.screen import printable
from pixmill_cli.sink import stdout_sink

if TYPE_CHECKING:
    from pixmill.api import Journal, PastRun
    from pixmill.events import Json

__all__ = ["Endpoint", "IsAnonymous", "Profile", "Region", "runs", "status"]

_SHOWN_FAILURES = 50
_STARTED = "started"
_Output = Annotated[
    str,
    typer.Argument(
        metavar="OUTPUT", help="The output: a folder, s3://, gs:// or az://.", show_default=False
    ),
]
_JournalFile = Annotated[
    Path | None,
    typer.Option("--journal", metavar="FILE", help="The journal, where it is not beside OUTPUT."),
]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint-url", metavar="URL", help="As for pixmill optimize.")
]
Region = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="As for pixmill optimize.")
]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="As for pixmill optimize.")
]
IsAnonymous = Annotated[bool, typer.Option("--anonymous", help="As for pixmill optimize.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def status(  # noqa: PLR0913 - an argument a flag
    output: _Output,
    *,
    journal: _JournalFile = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
    profile: Profile = None,
    anonymous: IsAnonymous = False,
    as_json: _AsJson = False,
) -> None:
    """Show where an output stands: how many files are done, and what failed and why."""
    access = Access(
        endpoint_url=endpoint_url, region=region, profile=profile, is_anonymous=anonymous
    )
    with closing(_Open(output, journal, access)) as found:
        counts = found.journal.counts()
        past = found.journal.runs()
        failures = found.journal.failures()
        if as_json:
            document: dict[str, Json] = {
                "schema": 1,
                "files": counts,
                "last_run": _document(past[-1]) if past else None,
                "failures": [
                    {"path": path, "kind": kind, "message": message, "attempts": attempts}
                    for path, kind, message, attempts in failures
                ],
            }
            stdout_sink().write(json.dumps(document, indent=2) + "\n")
            return
        lines = [f"{name:<12}{count:>9}" for name, count in sorted(counts.items())]
        if counts.get(_STARTED):
            lines.append("started: an interrupted run was about to make them; run it again")
        lines += [_told(past[-1])] if past else []
        for number, (path, kind, message, _) in enumerate(failures):
            if number == _SHOWN_FAILURES:
                lines.append("and more: --json names them all")
                break
            lines.append(f"  {printable(path)}  {kind}: {printable(message)}")
        stdout_sink().write("\n".join(lines) + "\n")


def runs(  # noqa: PLR0913 - an argument a flag
    output: _Output,
    *,
    journal: _JournalFile = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
    profile: Profile = None,
    anonymous: IsAnonymous = False,
    as_json: _AsJson = False,
) -> None:
    """List the runs over an output, the oldest first."""
    access = Access(
        endpoint_url=endpoint_url, region=region, profile=profile, is_anonymous=anonymous
    )
    with closing(_Open(output, journal, access)) as found:
        past = found.journal.runs()
    if as_json:
        document = {"schema": 1, "runs": [_document(run) for run in past]}
        stdout_sink().write(json.dumps(document, indent=2) + "\n")
        return
    stdout_sink().write("".join(_told(run) + "\n" for run in past))


class _Open:
    """A journal that is open for reading; one that does not exist is the user's error."""

    def __init__(self, output: str, journal: Path | None, access: Access) -> None:
        from pixmill import api  # noqa: PLC0415 - a help page must not wait for the engine

        found = api.history(output, None if journal is None else str(journal), access=access)
        if found is None:
            raise OptionError(
                f"there is no journal for {output}: name the output of a run, or --journal FILE",
                option="journal",
            )
        self.journal: Journal = found

    def close(self) -> None:
        self.journal.close(None)


def _told(run: "PastRun") -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_s))
    ending = run.ending or "under way, or killed"
    counts = ", ".join(f"{count} {name}" for name, count in run.counts.items())
    place = f"from {printable(run.source)}"
    if run.is_in_place:
        kept = f"originals in {printable(run.backup)}" if run.backup else "no originals kept"
        place = f"in place, {kept}"
    share = f", shard {run.shard}" if run.shard else ""
    return f"run {run.number}  {since}  {ending}: {counts}  {place}{share}"


def _document(run: "PastRun") -> "dict[str, Json]":
    return {
        "number": run.number,
        "source": run.source,
        "fingerprint": run.fingerprint,
        "version": run.version,
        "pid": run.pid,
        "started": run.started_s,
        "ended": run.ended_s,
        "ending": run.ending or None,
        "totals": run.counts,
        "bytes": {"read": run.bytes_read, "written": run.bytes_written},
        "in_place": run.is_in_place,
        "backup": run.backup or None,
        "shard": run.shard or None,
    }
