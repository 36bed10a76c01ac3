"""The state of an output that shards have made, joined to what one run would have left.

In the caller's process; loads no codec and looks at no image.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.documents import missing, parsed, united
from pixmill.errors import RunError
from pixmill.executors.note import Hands
from pixmill.journal.division import Division
from pixmill.journal.lock import Lock
from pixmill.journal.place import place_of
from pixmill.journal.store import opened
from pixmill.manifest import Manifest
from pixmill.restoring import rejoined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.journal.place import Place
    from pixmill.journal.store import Journal
    from pixmill.reporting import Summary
    from pixmill.sharding import Shard
    from pixmill.shelving import Shelved

__all__ = ["Merged", "merged", "merged_in_store"]


@dataclass(frozen=True, slots=True)
class Merged:
    """What joining an output has found.

    Attributes:
        joined: Shards whose journals were joined; none where that had been done before.
        lacking: Shards whose last run has not ended, or never began.
        summary: What the last runs of the shards did together; `None` where the last run over the
            output took everything.
    """

    joined: tuple[Shard, ...]
    lacking: tuple[Shard, ...]
    summary: Summary | None


def merged(destination: str, *, journal: str | None, manifest: str | None) -> Merged:
    """Join the journals of the shards of an output, their reports and their lists of outputs.

    May be repeated, and taken up again where it was cut off.

    Args:
        destination: Absolute path of the output.
        journal: The journal that its runs were given, or `None`.
        manifest: Where the list of all outputs goes; `None` for beside the journal.

    Raises:
        RunError: A run works on the output, there is no journal, or its state cannot be written.
    """
    place = place_of(destination, journal)
    if not (place.journal.exists() or place.shards()):
        raise RunError(f"there is no journal for {destination}: name the output of a run")
    with _alone(place):
        joined = rejoined(place, destination, Hands)
        return _told(place, joined, Manifest(Path(manifest or place.manifest).absolute()))


def merged_in_store(shelved: Shelved, manifest: str | None) -> Merged:
    """Do as `merged` where the journals of an output are in its bucket.

    Args:
        shelved: The state of the whole output; it is closed.
        manifest: Where on this machine the list of all outputs goes; `None` for beside the
            journal, in the bucket.

    Raises:
        RunError: As for `merged`, or the store cannot be reached.
    """
    try:
        if not shelved.has_journal():
            name = shelved.shelf.name
            raise RunError(f"there is no journal in {name}: name the output of a run")
        shelved.copies.fetch()
        place = shelved.place
        listing = (
            Manifest(place.manifest, kept=shelved.keep)
            if manifest is None
            else Manifest(Path(manifest).absolute())
        )
        return _told(place, shelved.partition.joined, listing)
    finally:
        shelved.abandon()


def _told(place: Place, joined: tuple[Shard, ...], listing: Manifest) -> Merged:
    """Return what a journal knows of the shards that were joined, and list their outputs."""
    known = opened(place.journal, lambda _folders: None)
    try:
        _listed(known, listing)
        reports = known.reports()
    finally:
        known.close(None)
    told = {shard: text for shard, text in reports.items() if text}
    return Merged(
        joined=joined,
        lacking=tuple(sorted({*missing(reports), *(reports.keys() - told.keys())}, key=_index)),
        summary=united([parsed(json.loads(text)) for text in told.values()]) if told else None,
    )


@contextlib.contextmanager
def _alone(place: Place) -> Iterator[None]:
    """Have an output to oneself."""
    lock, division = Lock(place.lock), Division(place)
    try:
        lock.take()
        division.take()
        yield
    except OSError as error:
        raise RunError(
            f"cannot write the state of the output to {place.lock.parent}: "
            f"{error.strerror or error}"
        ) from error
    finally:
        division.release()
        lock.release()


def _listed(journal: Journal, listing: Manifest) -> None:
    """Write the list of outputs, where sources have several."""
    outputs = journal.outputs()
    first = next(outputs, None)
    if first is not None:
        listing.write(chain([first], outputs))


def _index(shard: Shard) -> int:
    return shard.index
