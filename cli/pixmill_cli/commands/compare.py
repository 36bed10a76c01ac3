"""`pixmill compare`: how like one image another looks, as a number."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill.errors import ImageError
from pixmill.model import Failed, FailureKind, Stage
from pixmill_cli.exit_codes import ExitCode
from pixmill_cli.screen import complain
from pixmill_cli.sink import stdout_sink

if TYPE_CHECKING:
    from pixmill.events import Json

__all__ = ["compare"]


def compare(
    reference: Annotated[
        Path,
        typer.Argument(metavar="A", help="The image as it should look.", show_default=False),
    ],
    candidate: Annotated[
        Path,
        typer.Argument(metavar="B", help="Another of the same size.", show_default=False),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Score how like A the image B looks, by SSIMULACRA2: 100 is equal, and it can fall below 0.

    90 is visually lossless, 80 very high quality, 70 high, 50 medium. Both are decoded, upright,
    in sRGB; of several pages or frames the first. Transparency is put on black and on white, and
    the worse score counts. Exits with 1 where an image cannot be decoded or their sizes differ.
    """
    found = _scored(reference, candidate)
    if as_json:
        document = _document(reference, candidate, found)
        stdout_sink().write(json.dumps(document, indent=2) + "\n")
    elif not isinstance(found, Failed):
        stdout_sink().write(f"{found:.2f}\n")
    if isinstance(found, Failed):
        complain(ImageError(found))
        raise typer.Exit(ExitCode.SOME_FAILED)


def _scored(reference: Path, candidate: Path) -> float | Failed:
    from pixmill import api  # noqa: PLC0415 - loads pyvips, which a help page must not wait for

    try:
        return api.compare(reference, candidate)
    except ImageError as error:
        return error.failure
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Failed(FailureKind.IO, Stage.READ, f"{error.filename}: {reason}")


def _document(reference: Path, candidate: Path, found: float | Failed) -> "dict[str, Json]":
    failure: Json = None
    if isinstance(found, Failed):
        failure = {
            "kind": str(found.kind),
            "stage": str(found.stage),
            "message": found.message,
        }
    return {
        "schema": 1,
        "reference": str(reference),
        "candidate": str(candidate),
        "score": None if isinstance(found, Failed) else found,
        "failure": failure,
    }
