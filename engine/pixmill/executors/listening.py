"""Which workers have something to say, asked at every turn.

Pipes are registered once: multiprocessing's `wait` and `poll` make a selector anew each time, at
23 us a message. Must not read: what is said is heard in `hearing`.
"""

from __future__ import annotations

import math
import select
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Listener", "PollListener", "WaitListener", "default_listener"]


class Listener(Protocol):
    """Knows the pipes of all workers, by their slots."""

    def add(self, slot: int, connection: Connection[Any, Any]) -> None:
        """Listen to a worker, too."""

    def drop(self, slot: int) -> None:
        """Listen to it no more; to be called before its pipe is closed."""

    def ready(self, timeout_s: float) -> list[int]:
        """Return the slots with something to read, an end included; none once the time is up."""


@dataclass(slots=True)
class PollListener:
    """Asks the kernel, which has been told of each pipe once."""

    _poll: select.poll = field(default_factory=lambda: select.poll())  # noqa: PLW0108 - not on Windows
    _slots: dict[int, int] = field(default_factory=dict)

    def add(self, slot: int, connection: Connection[Any, Any]) -> None:
        """Listen to a worker, too."""
        self._slots[connection.fileno()] = slot
        self._poll.register(connection.fileno(), select.POLLIN)

    def drop(self, slot: int) -> None:
        """Listen to it no more; to be called before its pipe is closed."""
        for descriptor in [each for each, owner in self._slots.items() if owner == slot]:
            self._poll.unregister(descriptor)
            del self._slots[descriptor]

    def ready(self, timeout_s: float) -> list[int]:
        """Return the slots with something to read, an end included; none once the time is up."""
        ready = self._poll.poll(math.ceil(1000 * timeout_s))
        return [self._slots[each] for each, _ in ready if each in self._slots]


@dataclass(slots=True)
class WaitListener:
    """Asks multiprocessing, which knows how to wait for a pipe on every system."""

    _slots: dict[Connection[Any, Any], int] = field(default_factory=dict)

    def add(self, slot: int, connection: Connection[Any, Any]) -> None:
        """Listen to a worker, too."""
        self._slots[connection] = slot

    def drop(self, slot: int) -> None:
        """Listen to it no more; to be called before its pipe is closed."""
        self._slots = {each: owner for each, owner in self._slots.items() if owner != slot}

    def ready(self, timeout_s: float) -> list[int]:
        """Return the slots with something to read, an end included; none once the time is up."""
        ready = wait_for(list(self._slots), timeout_s)
        return [self._slots[each] for each in ready]  # type: ignore[index]  # ours alone


def default_listener() -> Listener:
    """Return the best that this system allows: Windows polls sockets alone."""
    return PollListener() if hasattr(select, "poll") else WaitListener()
