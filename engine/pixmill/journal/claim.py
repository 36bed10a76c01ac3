"""One run at a time over one output that other machines reach as well: a claim with an expiry.

A lock would die with its process; what stands on a shelf does not, so it says until when it holds
and is renewed before. Must not be taken for more than it is: clocks differ, and a run that was
asleep for long wakes up to find itself replaced. It learns so before it writes the journal again.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from pixmill.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixmill.address import ObjectFacts
    from pixmill.journal.shelf import Shelf

__all__ = ["LEAST_S", "Claim", "Holder"]

_ENDED: Final = -1.0  # no process begins then
# Claims of this process: others of its own are of runs that ended where the shelf was not reached.
_HELD: Final[set[str]] = set()
LEAST_S: Final = 180.0  # six times as long as between two renewals


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a claim.

    Attributes:
        pid: Its number.
        space: Where that number is its own: a machine since it started, and a container on it.
        start: What tells it from others that have its number there before or after.
    """

    pid: int
    space: str
    start: float


@dataclass(frozen=True, slots=True)
class _Told:
    """What a claim says."""

    holder: Holder
    token: str
    started_s: float
    expires_s: float
    since_ns: int

    @classmethod
    def read(cls, content: bytes) -> _Told | None:
        """Return what a claim says, or nothing where it is none that this version knows."""
        try:
            known: dict[str, Any] = json.loads(content)
            holder = Holder(**known.pop("holder"))
            return cls(holder=holder, **known)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(slots=True)
class Claim:
    """A claim on one output.

    Args:
        shelf: Where it stands.
        name: Its name there.
        scratch: A file that it is written to and read from.
        holder: This process.
        is_running: Returns whether a process of this one's own space runs still.
        clock: Seconds since the epoch.
    """

    shelf: Shelf
    name: str
    scratch: Path
    holder: Holder
    is_running: Callable[[Holder], bool]
    clock: Callable[[], float] = time.time
    since_ns: int = 0
    _began_ns: int = 0
    _token: str = field(default_factory=lambda: uuid4().hex)
    _started_s: float = 0.0
    _standing: ObjectFacts | None = None

    def take(self) -> None:
        """Take it; one that has expired is free, and one of a process that is seen to have ended.

        From then on `since_ns` says since when, by the shelf's clock, results may stand at the
        output that no journal knows: those of runs that ended without a word. 0: there were none.

        Raises:
            RunError: Another run holds it, or the shelf cannot be reached.
        """
        self._started_s = self.clock()
        found = self.shelf.seen(self.name)
        if found is not None:
            told = self._told(found)
            if told is not None and self._holds(told):
                raise RunError(self._taken(told))
            self.since_ns = (told.since_ns if told else 0) or found.mtime_ns
        self._put(found, LEAST_S)
        # there are stores that put whatever stands there, so two may both have been let in
        now = self.shelf.seen(self.name)
        told = None if now is None else self._told(now)
        if now is None or told is None or told.token != self._token:
            raise RunError(self._taken(told))
        self._standing, self._began_ns = now, now.mtime_ns
        _HELD.add(self._token)

    def renew(self, holds_s: float) -> None:
        """Say that it holds for so much longer.

        Raises:
            RunError: Another run has taken it meanwhile, or the shelf cannot be reached.
        """
        if not self._is_mine():
            raise RunError(self._taken(None))
        self._put(self._standing, max(holds_s, LEAST_S))

    def release(self) -> None:
        """Let go, unless another run holds it by now."""
        _HELD.discard(self._token)
        if self._is_mine():
            self.shelf.remove(self.name)
        self._standing = None

    def give_up(self) -> None:
        """Let go, but leave word since when results may stand that no journal knows."""
        _HELD.discard(self._token)
        if self._is_mine():
            self.holder = replace(self.holder, start=_ENDED)
            self._put(self._standing, 0.0)
        self._standing = None

    def _is_mine(self) -> bool:
        if self._standing is None:
            return False
        found = self.shelf.seen(self.name)
        return found is not None and found.tag == self._standing.tag

    def _put(self, over: ObjectFacts | None, holds_s: float) -> None:
        told = _Told(
            holder=self.holder,
            token=self._token,
            started_s=self._started_s,
            expires_s=self.clock() + holds_s,
            since_ns=self.since_ns or self._began_ns,
        )
        self.scratch.write_text(json.dumps(asdict(told)), encoding="utf-8")
        standing = self.shelf.put(self.name, self.scratch, over=over)
        if standing is None:
            raise RunError(self._taken(None))
        self._standing = standing

    def _told(self, found: ObjectFacts) -> _Told | None:
        if not self.shelf.fetch(found, self.name, self.scratch):
            return None
        return _Told.read(self.scratch.read_bytes())

    def _holds(self, told: _Told) -> bool:
        if told.holder == self.holder:
            return told.token in _HELD
        if told.holder.space == self.holder.space:
            return self.is_running(told.holder)
        return self.clock() < told.expires_s

    def _taken(self, told: _Told | None) -> str:
        if told is None:
            return f"another run writes to {self.shelf.name}: wait for it or stop it"
        since, until = (
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
            for at_s in (told.started_s, told.expires_s)
        )
        return (
            f"another run works on this output (process {told.holder.pid} on "
            f"{told.holder.space.partition(' ')[0]}, since {since}): wait for it or stop it; "
            f"its claim expires at {until} unless it is renewed"
        )
