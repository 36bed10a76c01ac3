"""Where a run works, and what it has beside that where a bucket is at one of its ends.

Must not begin anything: `assembling` puts the run together, `shipping` moves objects.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.freight import Voyage
from pixmill.shipping import Shipping, shipping_of

if TYPE_CHECKING:
    from pixmill.ends import Ends
    from pixmill.executors.fleets import Fleet
    from pixmill.executors.scratch import Scratch
    from pixmill.feeding import Feeder
    from pixmill.settings import Settings
    from pixmill.shelving import Shelved
    from pixmill.stats import Ahead

__all__ = ["Berth", "Named"]

# Of --memory: the folder of what is under way may be one that is held in memory.
_STAGED_SHARE = 8
# Requests of a kind under way: with 50 ms of latency two bring 40 objects/s, which no worker makes.
_CREW_A_WORKER = 2
_LEAST_CREW = 8
# On a cluster beginnings alone come here: with 30 ms of latency so many bring 2,000 a second.
_MOST_CREW = 64


@dataclass(frozen=True, slots=True)
class Named:
    """The ends of a run, as they are told."""

    source: str
    destination: str

    @classmethod
    def of(
        cls,
        source: str | os.PathLike[str],
        destination: str | os.PathLike[str] | None,
        ends: Ends,
    ) -> Named:
        """Return them: a URL as it is spelled, a folder as it was typed."""
        read = os.fspath(source) if ends.source is None else str(ends.source)
        if ends.destination is not None:
            return cls(read, str(ends.destination))
        return cls(read, read if destination is None else os.fspath(destination))


@dataclass(frozen=True, slots=True)
class Berth:
    """Where a run works, and what it needs that has a bucket at an end."""

    ends: Ends
    scratch: Scratch
    named: Named
    fleet: Fleet
    shelved: Shelved | None = None

    def shipping(
        self,
        feeder: Feeder,
        settings: Settings,
        *,
        memory_bytes: int,
        workers: int,
        ahead: Ahead,
    ) -> Shipping | None:
        """Return the traffic of a run, `None` where all is on this machine."""
        if self.ends.are_local:
            return None
        crew = max(_LEAST_CREW, _CREW_A_WORKER * workers)
        voyage = Voyage(
            source=self.ends.source,
            destination=self.ends.destination,
            access=settings.access,
            settings=settings,
            staging=self.scratch.path,
            excluded=self.ends.excluded,
            crew=crew if self.fleet.is_near else min(crew, _MOST_CREW),
            is_shared=not self.fleet.is_near,
        )
        return shipping_of(
            voyage, self.scratch, feeder, limit_bytes=memory_bytes // _STAGED_SHARE, ahead=ahead
        )
