"""What users import: runs over folders, and single images in this process.

`optimize` and `optimize_stream` contain every codec in worker processes. `optimize_bytes`,
`optimize_file`, `inspect` and `compare` load pyvips into the calling process and are not
contained: what crashes a codec crashes the caller.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.address import DEFAULT_ACCESS, Access, is_address
from pixmill.assembling import assembled
from pixmill.codecs.abilities import Abilities, abilities
from pixmill.diagnosis import Finding, diagnosed, is_sound
from pixmill.ends import Ends
from pixmill.errors import OptionError, RunError
from pixmill.executors.note import Hands
from pixmill.inprocess import compare, decode_cost, inspect, optimize_bytes, optimize_file
from pixmill.journal.joining import viewed
from pixmill.journal.place import place_of
from pixmill.journal.rows import PastRun
from pixmill.journal.store import Journal
from pixmill.merging import Merged, merged, merged_in_store
from pixmill.piping import Piped, check_piped, piped
from pixmill.protocol import DEFAULT_MILL
from pixmill.recipe import Recipe
from pixmill.registry import codecs
from pixmill.restoring import Undoing, Undone, undone
from pixmill.run import Run
from pixmill.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from pixmill.codecs.spec import CodecSpec
    from pixmill.reporting import Reporter

__all__ = [
    "Finding",
    "FormatSupport",
    "Journal",
    "Merged",
    "PastRun",
    "Piped",
    "Run",
    "Undoing",
    "Undone",
    "can_confine",
    "check_piped",
    "compare",
    "decode_cost",
    "doctor",
    "formats",
    "history",
    "inspect",
    "merge",
    "optimize",
    "optimize_bytes",
    "optimize_file",
    "optimize_stream",
    "undo",
]


def optimize(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str] | None,
    recipe: Recipe | None = None,
    *,
    settings: Settings | None = None,
    reporter: Reporter | None = None,
    mill: str = DEFAULT_MILL,
) -> Run:
    """Make every image under a folder, in worker processes.

    Args:
        source: A folder, or one image file; or the URL of a prefix in a bucket or of one object:
            `s3://bucket/prefix`, `gs://`, `az://`, which need the extra `cloud`.
        destination: The folder that results are published into, or the URL of a prefix; `None`
            where the settings say in place.
        recipe: What is wanted of every image. Default: compress, metadata reduced.
        settings: How the run is carried out. Default: see `Settings`.
        reporter: An observer. Default: none, and nothing is counted ahead.
        mill: `module:function` that makes one image, for plug-ins. Default: pixmill's own.

    Returns:
        An iterator of outcomes; the work is done while it is taken.

    Raises:
        OptionError: Source and destination cannot be used together.
        RunError: The destination cannot be made, or another run works on it.
    """
    return assembled(
        source, destination, recipe or Recipe(), settings or Settings(), reporter, mill=mill
    )


def optimize_stream(  # noqa: PLR0913 - as `optimize`
    source: BinaryIO | str | os.PathLike[str],
    sink: BinaryIO,
    recipe: Recipe | None = None,
    *,
    settings: Settings | None = None,
    reporter: Reporter | None = None,
    mill: str = DEFAULT_MILL,
    begun: Callable[[Run], None] = lambda _run: None,
) -> Piped:
    """Make one image from a stream or a file into a stream, in a worker process.

    The result is handed on once it is whole; of an image that failed nothing is. No journal is
    kept.

    Args:
        source: A binary stream, read to its end, or one image file.
        sink: A binary stream, which is left open.
        recipe: What is wanted. Default: compress, metadata reduced.
        settings: How it is carried out: limits, memory, timeout. Default: see `Settings`.
        reporter: An observer. Default: none.
        mill: `module:function` that makes one image, for plug-ins. Default: pixmill's own.
        begun: Called with the run before it works, for who wants to stop it. Default: nobody.

    Raises:
        OptionError: The source is a folder, or the options are about files that stay.
        RunError: The stream cannot be taken in.
        OSError: The sink cannot be written; `BrokenPipeError` where its reader left.
    """
    return piped(
        source,
        sink,
        recipe or Recipe(),
        settings or Settings(),
        reporter,
        mill=mill,
        begun=begun,
    )


def history(
    destination: str | os.PathLike[str],
    journal: str | None = None,
    *,
    access: Access = DEFAULT_ACCESS,
) -> Journal | None:
    """Open what the journal of an output knows, with those of shards, without changing any.

    Args:
        destination: The output folder, or the URL of an output in an object store.
        journal: The journal, where it is not in its usual place.
        access: How the store is reached. Default: as the environment says.

    Returns:
        The journal, to be closed with `close(None)`; `None` where there is none.

    Raises:
        OptionError: The URL is none, or its store cannot be reached so.
        RunError: It cannot be read, or was written by a newer pixmill.
    """
    ends = Ends.of(os.curdir, destination, Settings(access=access))
    if ends.destination is not None and journal is None:
        from pixmill.shelving import remembered  # noqa: PLC0415 - loads obstore

        return remembered(ends.destination, access)
    return viewed(place_of(os.path.abspath(destination), journal))


def merge(
    destination: str | os.PathLike[str],
    *,
    journal: str | None = None,
    manifest: str | os.PathLike[str] | None = None,
    access: Access = DEFAULT_ACCESS,
) -> Merged:
    """Join what the shards of an output have noted to what one run would have left.

    Runs over the output do so by themselves where they divide it otherwise. May be repeated.

    Args:
        destination: The output folder, or the folder that was worked on in place, or a URL.
        journal: The journal, where it is not in its usual place.
        manifest: Where the list of all outputs is written where sources have several. Default:
            `srcset.json` beside the journal.
        access: How the store is reached. Default: as the environment says.

    Raises:
        OptionError: The URL is none, or its store cannot be reached so.
        RunError: A run works on it, there is no journal, or its state cannot be written.
    """
    ends = Ends.of(os.curdir, destination, Settings(access=access))
    listing = None if manifest is None else os.fspath(manifest)
    if ends.destination is not None and journal is None:
        from pixmill.shelving import Shelved  # noqa: PLC0415 - loads obstore

        return merged_in_store(Shelved.of(ends.destination, access), listing)
    return merged(os.path.abspath(destination), journal=journal, manifest=listing)


def undo(
    destination: str | os.PathLike[str],
    *,
    run: int | None = None,
    journal: str | None = None,
    backup: str | os.PathLike[str] | None = None,
    is_dry_run: bool = False,
) -> Iterator[Undone]:
    """Bring back the originals that runs in place have replaced, file by file as it is iterated.

    Args:
        destination: The folder that was worked on in place, or the one file.
        run: Number of the only run to undo. Default: all.
        journal: The journal, where it is not in its usual place.
        backup: Where the folder of backups is now. Default: where it was.
        is_dry_run: Whether to tell what would be done, and do nothing.

    Raises:
        OptionError: It is a URL.
        RunError: There is no journal, it cannot be opened, or a run works on this folder.
    """
    if is_address(os.fspath(destination)):
        raise OptionError("objects are never replaced in place, so none is to be undone")
    named = os.path.abspath(destination)
    root, only = (named, "") if os.path.isdir(named) else os.path.split(named)
    place = place_of(root, journal)
    if not (place.journal.exists() or place.shards()):
        raise RunError(f"there is no journal for {os.fspath(destination)}: nothing to undo")
    moved = None if backup is None else os.path.abspath(backup)
    return undone(place, root, only=only, run=run, backup=moved, is_dry_run=is_dry_run, hands=Hands)


def doctor() -> list[Finding]:
    """Return what this kernel and this machine give a run; loads pyvips into this process."""
    return diagnosed()


def can_confine(findings: list[Finding]) -> bool:
    """Return whether `--sandbox require` can be met by what was found."""
    return is_sound(findings)


@dataclass(frozen=True, slots=True)
class FormatSupport:
    """What can be done with one format on this machine.

    Attributes:
        spec: The codec's record.
        can_read: Whether it can be read here.
        can_write: Whether it can be written here.
        library: Who does it, with its version.
        hint: What is missing and how to get it, or empty.
    """

    spec: CodecSpec
    can_read: bool
    can_write: bool
    library: str
    hint: str

    @property
    def abilities(self) -> Abilities:
        """What its record says of results in it, in words."""
        return abilities(self.spec)


def formats() -> list[FormatSupport]:
    """Return what can be read and written on this machine; loads pyvips into this process."""
    from pixmill.imaging.support import support  # noqa: PLC0415 - loads pyvips

    found = []
    for spec in codecs():
        here = support(spec)
        found.append(FormatSupport(spec, here.can_read, here.can_write, here.library, here.hint))
    return found
