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
from pixmill.executors.scratch import Scratch
from pixmill.journal.claim import Claim, Holder
from pixmill.journal.copies import Copies, fetched
from pixmill.journal.place import place_of
from pixmill.journal.store import opened_to_read
from pixmill.machine import process_space, process_start
from pixmill.sharding import WHOLE
from pixmill.storage.objects import ObjectStore
from pixmill.storage.shelf import ObjectShelf

if TYPE_CHECKING:
    from pixmill.address import Access, Address
    from pixmill.journal.place import Place
    from pixmill.journal.store import Journal
    from pixmill.sharding import Shard

__all__ = ["Shelved", "remembered"]

_STATE = ".pixmill"


@dataclass(frozen=True, slots=True)
class Shelved:
    """The state of one output.

    Attributes:
        scratch: Where it is on this machine.
        place: Its files there.
        copies: What keeps the journal in the bucket.
    """

    scratch: Scratch
    place: Place
    copies: Copies

    @classmethod
    def of(cls, destination: Address, access: Access, shard: Shard = WHOLE) -> Shelved:
        """Return the state of an output, or of one shard; nothing is asked of the store yet.

        Raises:
            OptionError: The store cannot be reached so.
            RunError: No temporary folder can be made.
        """
        shelf = ObjectShelf(ObjectStore.opened(destination.beside(_STATE), access))
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
        return cls(scratch, place, Copies(shelf, place.journal, claim, elder=elder))

    def viewed(self) -> Journal | None:
        """Return the journal as it stands in the bucket, claiming nothing; `None` without one."""
        fetched(self.copies.shelf, self.place.journal)
        return opened_to_read(self.place.journal, is_passing=True)

    def keep(self, path: Path) -> None:
        """Put another file beside the journal, over whatever stands there.

        Raises:
            RunError: It cannot be put.
        """
        shelf = self.copies.shelf
        if shelf.put(path.name, path, over=shelf.seen(path.name)) is None:
            raise RunError(f"another run writes to {shelf.name}: wait for it or stop it")

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
