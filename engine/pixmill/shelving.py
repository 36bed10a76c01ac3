"""The state of an output that is in a bucket: on this machine while a run has it, there else.

Must not be imported where no bucket is an output: it loads obstore, into this process, so that a
copy of the journal does not wait behind images on their way.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import RunError
from pixmill.executors.scratch import Scratch
from pixmill.journal.claim import Claim, Holder
from pixmill.journal.copies import Copies, fetched
from pixmill.journal.joining import viewed
from pixmill.journal.place import place_of
from pixmill.machine import process_space, process_start
from pixmill.sharding import WHOLE
from pixmill.storage.objects import ObjectStore
from pixmill.storage.shelf import ObjectShelf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pixmill.address import Access, Address
    from pixmill.journal.place import Place
    from pixmill.journal.store import Journal
    from pixmill.sharding import Shard

__all__ = ["Shelved", "remembered"]

_STATE = ".pixmill"
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Shelved:
    """The state of one output.

    Attributes:
        shelf: Where it is in the bucket.
        scratch: Where it is on this machine.
        place: Its files there.
        copies: What keeps the journal in the bucket.
    """

    shelf: ObjectShelf
    scratch: Scratch
    place: Place
    copies: Copies

    @classmethod
    def of(cls, destination: Address, access: Access, shard: Shard = WHOLE) -> Shelved:
        """Return the state of an output, or of a shard of it; nothing is asked of the store yet.

        Raises:
            OptionError: The store cannot be reached so.
            RunError: No temporary folder can be made.
        """
        return cls.on(ObjectShelf(ObjectStore.opened(destination.beside(_STATE), access)), shard)

    @classmethod
    def on(cls, shelf: ObjectShelf, shard: Shard = WHOLE) -> Shelved:
        """Return the same of what is on a shelf.

        Raises:
            RunError: No temporary folder can be made.
        """
        scratch = Scratch.made()
        if not scratch.path:
            raise RunError("no temporary folder can be made: free some space, or set TMPDIR")
        place = place_of(f"{scratch.path}/state").of_shard(shard)
        place.journal.parent.mkdir()
        return cls(shelf, scratch, place, Copies(shelf, place.journal, _claim(shelf, place)))

    def viewed(self) -> Journal | None:
        """Return what all journals in the bucket know, claiming nothing; `None` without one.

        Raises:
            RunError: One cannot be read.
        """
        for name in self._journals():
            fetched(self.shelf, self.place.journal.with_name(name))
        return viewed(self.place.whole, is_passing=True)

    def elder(self) -> Journal | None:
        """Return what runs that divided the output otherwise know, `None` where there were none.

        Raises:
            RunError: One of their journals cannot be read.
        """
        count = self.place.shard.count
        others = [name for name, shard in self._journals().items() if shard.count != count]
        for name in others:
            fetched(self.shelf, self.place.journal.with_name(name))
        return viewed(self.place.whole, is_passing=True) if others else None

    @contextmanager
    def alone(self) -> Iterator[Place]:
        """Have all journals here, with the output to oneself; what becomes of them is put back.

        Yields:
            The state of the whole output. Journals that are not there any more are removed from
            the bucket, once the one that is has been put.

        Raises:
            RunError: A run works on the output, or the store cannot be reached.
        """
        shards = self._journals() | self._begun()
        with _claimed(self.shelf, [self.place, *map(self.place.of_shard, shards.values())]):
            standing = {
                name: fetched(self.shelf, self.place.journal.with_name(name)) for name in shards
            }
            yield self.place
            journal = self.place.journal
            if self.shelf.put(journal.name, journal, over=standing.get(journal.name)) is None:
                raise RunError(f"another run has written the journal in {self.shelf.name}")
            if self.place.manifest.exists():
                self.keep(self.place.manifest)
            for name, stood in standing.items():
                if stood is not None and not journal.with_name(name).exists():
                    self.shelf.remove(name)

    def _journals(self) -> dict[str, Shard]:
        """Return the shards whose journals stand, by their names."""
        return self._shards(self.shelf.names())

    def _begun(self) -> dict[str, Shard]:
        """Return the shards whose claims stand, by the names of journals that may not yet."""
        suffix = self.place.journal.suffix
        locks = [name for name in self.shelf.names() if name.endswith(_LOCK)]
        return self._shards([name.removesuffix(_LOCK) + suffix for name in locks])

    def _shards(self, journals: Sequence[str]) -> dict[str, Shard]:
        found = {name: self.place.shard_of(name) for name in journals}
        return {name: shard for name, shard in found.items() if shard is not None}

    def keep(self, path: Path) -> None:
        """Put another file beside the journal, over whatever stands there.

        Raises:
            RunError: It cannot be put.
        """
        if self.shelf.put(path.name, path, over=self.shelf.seen(path.name)) is None:
            raise RunError(f"another run writes to {self.shelf.name}: wait for it or stop it")

    def abandon(self) -> None:
        """Let the output go, where the run has not begun."""
        self.copies.abandon()
        self.close()

    def close(self) -> None:
        """Remove what is on this machine."""
        self.scratch.close()


def _claim(shelf: ObjectShelf, place: Place) -> Claim:
    pid = os.getpid()
    return Claim(
        shelf,
        place.lock.name,
        scratch=place.journal.with_name("claim"),
        holder=Holder(pid, process_space(), process_start(pid)),
        is_running=lambda holder: process_start(holder.pid) == holder.start,
    )


@contextmanager
def _claimed(shelf: ObjectShelf, places: Sequence[Place]) -> Iterator[None]:
    """Claim all of them; since when results may stand that nobody knows is left word of, for all.

    A run over the whole output has to know it of a shard that was killed.
    """
    claims = {place.lock.name: _claim(shelf, place) for place in places}
    taken: list[Claim] = []
    try:
        for claim in claims.values():
            claim.take()
            taken.append(claim)
        yield
    finally:
        since_ns = min((claim.since_ns for claim in taken if claim.since_ns), default=0)
        for claim in taken:
            with suppress(RunError):  # it expires
                claim.since_ns = since_ns
                claim.give_up() if since_ns else claim.release()


def remembered(destination: Address, access: Access) -> Journal | None:
    """Return what the journal of an output in a bucket knows, `None` where there is none.

    Raises:
        OptionError: The store cannot be reached so.
        RunError: It cannot be read.
    """
    shelved = Shelved.of(destination, access)
    try:
        return shelved.viewed()
    finally:
        shelved.close()
