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
from pixmill.journal.joining import viewed
from pixmill.journal.place import place_of
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
        return cls(shelf, scratch, place, Copies(shelf, place.journal, claim))

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
        others = self._journals() - {self.place.journal.name}
        for name in others:
            fetched(self.shelf, self.place.journal.with_name(name))
        return viewed(self.place.whole, is_passing=True) if others else None

    def _journals(self) -> set[str]:
        return {name for name in self.shelf.names() if name.endswith(self.place.journal.suffix)}

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
