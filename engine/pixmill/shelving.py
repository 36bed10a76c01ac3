"""The state of an output that is in a bucket: on this machine while a run has it, there else.

Must not be imported where no bucket is an output: it loads obstore, into this process, so that a
copy of the journal does not wait behind images on their way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.errors import RunError
from pixmill.executors.note import Hands
from pixmill.executors.scratch import Scratch
from pixmill.journal.claim import Claim, Holder
from pixmill.journal.copies import Copies, fetched
from pixmill.journal.held import Held
from pixmill.journal.joining import viewed
from pixmill.journal.partition import Partition
from pixmill.journal.place import place_of
from pixmill.machine import process_space, process_start
from pixmill.naming import STATE_SUFFIX
from pixmill.sharding import WHOLE
from pixmill.storage.objects import ObjectStore
from pixmill.storage.shelf import ObjectShelf

if TYPE_CHECKING:
    from pixmill.address import Access, Address
    from pixmill.journal.place import Place
    from pixmill.journal.store import Journal
    from pixmill.sharding import Shard

__all__ = ["Shelved", "remembered"]


@dataclass(frozen=True, slots=True)
class Shelved:
    """The state of one output.

    Attributes:
        shelf: Where it is in the bucket.
        scratch: Where it is on this machine.
        place: Its files there.
        copies: What keeps the journal in the bucket.
        partition: What sees to journals and runs that divide the output otherwise.
        held: What notes there what the run has in its hands.
    """

    shelf: ObjectShelf
    scratch: Scratch
    place: Place
    copies: Copies
    partition: Partition
    held: Held

    @classmethod
    def of(cls, destination: Address, access: Access, shard: Shard = WHOLE) -> Shelved:
        """Return the state of an output, or of a shard of it; nothing is asked of the store yet.

        Raises:
            OptionError: The store cannot be reached so.
            RunError: No temporary folder can be made.
        """
        store = ObjectStore.opened(destination.beside(STATE_SUFFIX), access)
        return cls.on(ObjectShelf(store), shard, patience_s=access.patience_s)

    @classmethod
    def on(cls, shelf: ObjectShelf, shard: Shard = WHOLE, *, patience_s: float = 0.0) -> Shelved:
        """Return the same of what is on a shelf, which may fail to answer for so long.

        Raises:
            RunError: No temporary folder can be made.
        """
        scratch = Scratch.made()
        if not scratch.path:
            raise RunError("no temporary folder can be made: free some space, or set TMPDIR")
        place = place_of(f"{scratch.path}/state").of_shard(shard)
        place.journal.parent.mkdir()
        pid = os.getpid()
        claim = Claim(
            shelf,
            place.lock.name,
            scratch=Path(scratch.path, "claim"),
            holder=Holder(pid, process_space(), process_start(pid)),
            is_running=lambda holder: process_start(holder.pid) == holder.start,
        )
        elder = None if place.elder is None else place.elder.journal
        aside = place_of(f"{scratch.path}/joined")
        partition = Partition(shelf, place, claim, aside=aside, hands=Hands)
        held = Held(shelf, place.held.name, Path(scratch.path, "held"), Hands(place.hands).left)
        copies = Copies(
            shelf,
            place.journal,
            claim,
            patience_s=patience_s,
            elder=elder,
            enter=partition.enter,
            held=held,
        )
        return cls(shelf, scratch, place, copies, partition, held)

    def viewed(self) -> Journal | None:
        """Return what all journals in the bucket know, claiming nothing; `None` without one.

        Raises:
            RunError: One cannot be read.
        """
        shelf, whole = self.shelf, self.place.whole
        for shard in whole.among(shelf.names()):
            fetched(shelf, shard.journal)
        fetched(shelf, whole.journal)  # last, for what is joined goes there before it goes here
        return viewed(whole, is_passing=True)

    def has_journal(self) -> bool:
        """Return whether the bucket has the journal of any run over this output.

        Raises:
            RunError: The bucket cannot be reached.
        """
        names, whole = set(self.shelf.names()), self.place.whole
        return any(each.journal.name in names for each in (whole, *whole.among(names)))

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
