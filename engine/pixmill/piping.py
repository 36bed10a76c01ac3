"""One image through a pipe: a whole run over one file, its result handed on instead of kept.

What comes in goes to a private folder first, so that a worker can be confined to it; what goes out
does so once it is whole. Must not make the image itself: that is a run's part, like any other.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pixmill.assembling import assembled
from pixmill.errors import OptionError, RunError
from pixmill.executors.fleets import fleet_of
from pixmill.executors.scratch import Scratch
from pixmill.settings import Durability, Redo
from pixmill.vocabulary import IfLarger

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.model import Outcome
    from pixmill.recipe import Recipe
    from pixmill.reporting import Reporter, Summary
    from pixmill.run import Run
    from pixmill.settings import Settings

__all__ = ["Piped", "check_piped", "piped"]

_NAME = "stdin"
"""What an image that came without a name is called in reports."""

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Piped:
    """How an image in a pipe ended.

    Attributes:
        outcome: What became of it; `None` where the run was stopped before.
        summary: How its run ended.
        bytes_piped: Bytes that were handed on: the result, the source's own where it was kept, or
            none.
    """

    outcome: Outcome | None
    summary: Summary
    bytes_piped: int


def check_piped(recipe: Recipe, settings: Settings) -> None:
    """Refuse what has no meaning where one image goes into a pipe.

    Raises:
        OptionError: It is about files that stay, and here none do.
    """
    for name, is_asked in (
        ("in_place", settings.in_place),
        ("dry_run", settings.dry_run),
        ("copy_others", settings.copy_others),
        ("journal", settings.journal is not None),
        ("retry_failed", settings.redo is Redo.FAILED),
        ("shard", not settings.shard.is_whole),
        ("executor", not fleet_of(settings).is_near),
        ("widths", bool(recipe.widths)),
        ("formats", bool(recipe.formats)),
        ("if_larger", recipe.if_larger is IfLarger.SKIP),
    ):
        if is_asked:
            message = "one image goes to a pipe and nothing stays: leave it out, or name a folder"
            raise OptionError(message, option=name)


def piped(  # noqa: PLR0913 - as `api.optimize_stream`
    source: BinaryIO | str | os.PathLike[str],
    sink: BinaryIO,
    recipe: Recipe,
    settings: Settings,
    reporter: Reporter | None,
    *,
    mill: str,
    begun: Callable[[Run], None],
) -> Piped:
    """Make one image from a stream or a file into a stream; see `pixmill.api.optimize_stream`."""
    check_piped(recipe, settings)
    with ExitStack() as stack:
        scratch = Scratch.made()
        stack.callback(scratch.close)
        if not scratch.path:
            raise RunError("no temporary folder can be made: free some space, or set TMPDIR")
        read = _source(source, Path(scratch.path), settings.max_file_bytes)
        write = Path(scratch.path) / "out"
        run = assembled(read, write, recipe, _passing(settings), reporter, mill=mill)
        with run:
            begun(run)
            outcomes = list(run)
        outcome = outcomes[0] if outcomes else None
        return Piped(outcome, run.summary, _poured(write, outcome, sink))


def _passing(settings: Settings) -> Settings:
    """Return the settings of a run whose files are gone when it ends."""
    return replace(settings, parallel=1, durability=Durability.NONE)


def _source(source: BinaryIO | str | os.PathLike[str], folder: Path, most_bytes: int) -> Path:
    """Return the path of the one file to be read."""
    if not isinstance(source, str | os.PathLike):
        return _spooled(source, folder, most_bytes)
    path = Path(source)
    if path.is_dir():
        raise OptionError(
            f"{path} is a folder, and one image alone goes to a pipe: name a file",
            option="input",
        )
    return path


def _spooled(source: BinaryIO, folder: Path, most_bytes: int) -> Path:
    """Write a stream to a file of its own, up to the first byte that is too much.

    That byte stays in it, so that the run refuses the file as it refuses any that is too large.
    """
    path = folder / "in" / _NAME
    left_bytes = most_bytes + 1
    try:
        path.parent.mkdir(mode=0o700)
        with path.open("xb") as spool:
            while left_bytes and (chunk := source.read(min(_CHUNK_BYTES, left_bytes))):
                spool.write(chunk)
                left_bytes -= len(chunk)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunError(f"cannot take in the image that is piped in: {reason}") from error
    return path


def _poured(folder: Path, outcome: Outcome | None, sink: BinaryIO) -> int:
    """Hand on what was published, if anything was, and return its bytes."""
    if outcome is None or outcome.destination is None:
        return 0
    with (folder / outcome.destination).open("rb") as result:
        shutil.copyfileobj(result, sink, _CHUNK_BYTES)
        sink.flush()
        return result.tell()
