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

__all__ = ["LEAST_S", "Claim", "HeldError", "Holder", "Sight"]

_ENDED: Final = -1.0  # no process begins then
# Claims of this process: others of its own are of runs that ended where the shelf was not reached.
_HELD: Final[set[str]] = set()
LEAST_S: Final = 180.0  # six times as long as between two renewals
_LOOKS: Final = 3


class HeldError(RunError):
    """Another run has what was to be claimed."""


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
    is_joining: bool = False

    @property
    def who(self) -> str:
        """Whose it is and for how long, in brackets."""
        since, until = (
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
            for at_s in (self.started_s, self.expires_s)
        )
        return (
            f"(process {self.holder.pid} on {self.holder.space.partition(' ')[0]}, since {since}; "
            f"its claim expires at {until} unless it is renewed)"
        )

    @classmethod
    def read(cls, content: bytes) -> _Told | None:
        """Return what a claim says, or nothing where it is none that this version knows."""
        try:
            known: dict[str, Any] = json.loads(content)
            holder = Holder(**known.pop("holder"))
            return cls(holder=holder, **known)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(frozen=True, slots=True)
class Sight:
    """A claim as it was seen.

    Attributes:
        facts: What stood there.
        is_held: Whether its holder works still, as far as that can be told from here.
        told: What it says.
    """

    facts: ObjectFacts
    is_held: bool
    told: _Told | None

    @property
    def who(self) -> str:
        """Whose it is and for how long, in brackets; empty where it does not say."""
        return "" if self.told is None else self.told.who

    @property
    def is_passing(self) -> bool:
        """Whether it is worth waiting for: journals are joined under it, or it was just written."""
        return self.told is None or self.told.is_joining

    @property
    def since_ns(self) -> int:
        """Since when results may stand that no journal knows, if nobody holds it; 0: none do."""
        if self.told is None:
            return self.facts.mtime_ns
        return self.told.since_ns or (0 if self.told.is_joining else self.facts.mtime_ns)


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
        is_joining: Whether journals are joined under it, and no results made.
    """

    shelf: Shelf
    name: str
    scratch: Path
    holder: Holder
    is_running: Callable[[Holder], bool]
    clock: Callable[[], float] = time.time
    is_joining: bool = False
    since_ns: int = 0
    _began_ns: int = 0
    _token: str = field(default_factory=lambda: uuid4().hex)
    _started_s: float = 0.0
    _standing: ObjectFacts | None = None

    def on(self, name: str, *, is_joining: bool = False) -> Claim:
        """Return what would be this process's claim under another name."""
        return Claim(
            self.shelf,
            name,
            self.scratch,
            self.holder,
            self.is_running,
            self.clock,
            is_joining=is_joining,
        )

    def look(self) -> Sight | None:
        """Return the claim that stands under its name, `None` for none.

        Raises:
            RunError: The shelf cannot be reached.
        """
        found = None
        for _ in range(_LOOKS):
            found = self.shelf.seen(self.name)
            if found is None:
                return None
            if self.shelf.fetch(found, self.name, self.scratch):
                told = _Told.read(self.scratch.read_bytes())
                return Sight(found, told is not None and self._holds(told), told)
        return None if found is None else Sight(found, is_held=True, told=None)  # it is written to

    def take(self) -> None:
        """Take it; one that has expired is free, and one of a process that is seen to have ended.

        From then on `since_ns` says since when, by the shelf's clock, results may stand at the
        output that no journal knows: those of runs that ended without a word. 0: there were none.

        Raises:
            HeldError: Another run holds it.
            RunError: The shelf cannot be reached.
        """
        self._started_s = self.clock()
        found = self.look()
        if found is not None:
            if found.is_held:
                raise HeldError(self._taken(found.told))
            self.since_ns = found.since_ns
        _HELD.add(self._token)
        try:
            self._put_first(None if found is None else found.facts)
        except BaseException:
            _HELD.discard(self._token)
            raise

    def renew(self, holds_s: float) -> None:
        """Say that it holds for so much longer.

        Raises:
            HeldError: Another run has taken it meanwhile.
            RunError: The shelf cannot be reached.
        """
        if not self._is_mine():
            raise HeldError(self._taken(None))
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

    def forsake(self) -> None:
        """Let go without a word, where the shelf does not answer: as if the process had died."""
        _HELD.discard(self._token)
        self._standing = None

    def leave(self) -> None:
        """Let go, and leave the word that was found there: what it is about is not all known."""
        if self.since_ns:
            self.give_up()
        else:
            self.release()

    def _is_mine(self) -> bool:
        if self._standing is None:
            return False
        found = self.shelf.seen(self.name)
        return found is not None and found.tag == self._standing.tag

    def _put_first(self, over: ObjectFacts | None) -> None:
        self._put(over, LEAST_S)
        # there are stores that put whatever stands there, so two may both have been let in
        now = self.look()
        told = None if now is None else now.told
        if now is None or told is None or told.token != self._token:
            raise HeldError(self._taken(told))
        self._standing, self._began_ns = now.facts, now.facts.mtime_ns

    def _put(self, over: ObjectFacts | None, holds_s: float) -> None:
        told = _Told(
            holder=self.holder,
            token=self._token,
            started_s=self._started_s,
            expires_s=self.clock() + holds_s,
            since_ns=self.since_ns or (0 if self.is_joining else self._began_ns),
            is_joining=self.is_joining,
        )
        self.scratch.write_text(json.dumps(asdict(told)), encoding="utf-8")
        standing = self.shelf.put(self.name, self.scratch, over=over)
        if standing is None:
            raise HeldError(self._taken(None))
        self._standing = standing

    def _holds(self, told: _Told) -> bool:
        if told.holder == self.holder:
            return told.token in _HELD
        if told.holder.space == self.holder.space:
            return self.is_running(told.holder)
        return self.clock() < told.expires_s

    def _taken(self, told: _Told | None) -> str:
        if told is None:
            return f"another run writes to {self.shelf.name}: wait for it or stop it"
        return f"another run works on this output {told.who}: wait for it or stop it"
