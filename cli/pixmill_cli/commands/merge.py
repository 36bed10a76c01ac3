"""`pixmill merge`: one journal and one report of what the shards of an output have done."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill.address import Access
from pixmill.errors import OptionError, RunError
from pixmill.options.fields import Options, ProgressStyle
from pixmill_cli.commands.past import Endpoint, IsAnonymous, Profile, Region
from pixmill_cli.exit_codes import ExitCode, exit_code_of
from pixmill_cli.screen import complain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.reporting import Reporter, Summary
    from pixmill.sharding import Shard

__all__ = ["merge"]

_SHOWN_SHARDS = 10


def merge(  # noqa: PLR0913 - an argument a flag
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="OUTPUT|REPORT...",
            help="An output that shards have made, or the report files of shards.",
            show_default=False,
        ),
    ],
    *,
    journal: Annotated[
        Path | None,
        typer.Option("--journal", metavar="FILE", help="The --journal that its runs were given."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="FILE", help="Where the JSON for srcset is written."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write the report of all shards to a file."),
    ] = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
    profile: Profile = None,
    anonymous: IsAnonymous = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print that report on stdout.")] = False,
) -> None:
    """Join the journals of an output that was made with --shard, and their reports, into one.

    It is refused while a shard works, and can be repeated. Given report files it joins those alone.
    """
    from pixmill_cli.reporters.assembly import assembled  # noqa: PLC0415 - not for a help page

    is_output = len(places) == 1 and not Path(places[0]).is_file()
    for name, is_given in (("journal", journal), ("manifest", manifest)):
        if is_given is not None and not is_output:
            raise OptionError("report files have none: name an output", option=name)
    named = None if report is None else str(report)
    assembly = assembled(Options(report=named, json=as_json, progress=ProgressStyle.NONE))
    with assembly.stack:
        told = assembly.fan_out()
        if is_output:
            access = Access(
                endpoint_url=endpoint_url, region=region, profile=profile, is_anonymous=anonymous
            )
            code = _joined(places[0], journal, manifest, told, access)
        else:
            code = _told(_united([Path(place) for place in places]), told)
    for trouble in assembly.troubles():
        complain(RunError(trouble))
    raise typer.Exit(ExitCode.RUN_FAILED if assembly.troubles() else code)


def _joined(
    output: str, journal: Path | None, manifest: Path | None, told: "Reporter", access: Access
) -> ExitCode:
    """Join an output's state and tell of it; shards that lack are failures."""
    from pixmill import api  # noqa: PLC0415 - not for a help page

    named = None if journal is None else str(journal)
    merged = api.merge(output, journal=named, manifest=manifest, access=access)
    count = len(merged.joined)
    told.noticed(f"journals joined: {count}" if count else "no shard's journal was left to join")
    if merged.lacking:
        told.noticed(f"not ended, or never begun: shards {_listed(merged.lacking)}")
    code = ExitCode.OK if merged.summary is None else _told(merged.summary, told)
    return ExitCode.SOME_FAILED if merged.lacking and code is ExitCode.OK else code


def _told(summary: "Summary", told: "Reporter") -> ExitCode:
    told.started(summary.facts)
    told.ended(summary)
    return exit_code_of(summary)


def _united(paths: list[Path]) -> "Summary":
    from pixmill.documents import parsed, united  # noqa: PLC0415 - not for a help page

    summaries = []
    for path in paths:
        try:
            summaries.append(parsed(json.loads(path.read_text(encoding="utf-8"))))
        except OptionError as error:
            raise OptionError(f"{path}: {error}") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OptionError(f"cannot read {path}: {reason}") from None
        except (ValueError, RecursionError):
            raise OptionError(f"{path}: expected what --report has written") from None
    return united(summaries)


def _listed(shards: "Sequence[Shard]") -> str:
    named = ", ".join(map(str, shards[:_SHOWN_SHARDS]))
    more = len(shards) - _SHOWN_SHARDS
    return f"{named} and {more} more" if more > 0 else named
