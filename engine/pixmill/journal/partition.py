"""Into how many shards runs divide one output on a shelf: as `division`, with claims for locks.

A run claims its share first and then looks whether others divide the output otherwise: of two
that begin at once at least one sees the other, and gives way. What was left under another division
is joined by one of those that find it, which claims the whole output for so long; the others wait.
Must not be taken for more than claims are.

Joining may be cut off anywhere: the journal of the whole is put before those of shards go, and
since when results stand that no journal knows is said there before the claims that said so go.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pixmill.errors import RunError
from pixmill.journal.claim import HeldError
from pixmill.journal.copies import fetched
from pixmill.journal.joining import joined

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixmill.journal.claim import Claim
    from pixmill.journal.joining import Noted
    from pixmill.journal.place import Place
    from pixmill.journal.shelf import Shelf
    from pixmill.sharding import Shard

__all__ = ["Partition"]

_PATIENCE_S: Final = 600.0
"""How long to wait for who joins journals, and what one step of joining may take."""

_POLL_S: Final = 5.0  # a thousand shards that wait ask for 1200 things a second
_RENEWED_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Left:
    """What runs of other divisions have left.

    Attributes:
        places: Their files.
        names: Which of these stand on the shelf.
        since_ns: Since when results of theirs may stand that no journal knows; 0: none do.
    """

    places: tuple[Place, ...]
    names: frozenset[str]
    since_ns: int


@dataclass(slots=True)
class Partition:
    """One run's part in the division of an output.

    Args:
        shelf: Where the state of the output stands.
        place: The files of the run's share, by the names that they have there.
        claim: The run's claim on its share.
        aside: The files of a whole output on this machine, where journals are joined.
        hands: As for `joining.joined`.
        patience_s: How long to wait for who joins journals.
        poll_s: How long between two looks.

    Attributes:
        joined: The shards whose journals this run has joined.
    """

    shelf: Shelf
    place: Place
    claim: Claim
    aside: Place
    hands: Callable[[Path], Noted]
    patience_s: float = _PATIENCE_S
    poll_s: float = _POLL_S
    joined: tuple[Shard, ...] = ()
    _whole: Claim = field(init=False)
    _claims: tuple[Claim, ...] = field(init=False)
    _due_s: float = 0.0

    def __post_init__(self) -> None:
        """Know under what the whole output is claimed."""
        whole = self.place.whole.lock.name
        is_whole = self.place.shard.is_whole
        self._whole = self.claim if is_whole else self.claim.on(whole, is_joining=True)
        self._claims = (self.claim,) if is_whole else (self.claim, self._whole)

    def enter(self) -> None:
        """Have no run of another division at work, and what such have left joined.

        To be called with the share claimed.

        Raises:
            HeldError: Runs of another division work on this output.
            RunError: Journals cannot be joined, or somebody else does so for too long.
        """
        until_s = time.monotonic() + self.patience_s
        while not self._is_entered():
            if time.monotonic() > until_s:
                raise RunError(
                    "another process has this output to itself, to join the journals of shards: "
                    "wait for it or stop it"
                )
            time.sleep(self.poll_s)
            self.claim.renew(self.patience_s)

    def _is_entered(self) -> bool:
        """Whether nothing is in the way, or no longer."""
        left = self._left()
        return self._is_whole_free() and (not left.names or self._is_joined())

    def _is_whole_free(self) -> bool:
        if self._whole is self.claim:
            return True
        sight = self._whole.look()
        if sight is None or not sight.is_held:
            self._heed(0 if sight is None else sight.since_ns)
            return True
        if sight.is_passing:
            return False
        raise HeldError(f"another run works on this output {sight.who}: wait for it or stop it")

    def _left(self) -> _Left:
        """Look what runs of other divisions have left, and that none is at work."""
        names = set(self.shelf.names())
        count = self.place.shard.count
        others = tuple(each for each in self.place.among(names) if each.shard.count != count)
        claims = [each for each in others if each.lock.name in names]
        files = {
            path.name
            for each in others
            for path in (each.journal, each.manifest, each.lock, each.held)
        }
        return _Left(
            tuple(each for each in others if each.journal.name in names),
            frozenset(files & names),
            _earliest(*(self._since_ns(each) for each in claims)),
        )

    def _since_ns(self, other: Place) -> int:
        """Return since when results of a run may stand that no journal knows, if it has ended."""
        sight = self.claim.on(other.lock.name).look()
        if sight is not None and sight.is_held:
            raise HeldError(
                f"runs over shards of {other.shard.count} work on this output {sight.who}: wait "
                f"for them or stop them"
            )
        return 0 if sight is None else sight.since_ns

    def _is_joined(self) -> bool:
        """Join what is left, unless somebody else does so."""
        if self._whole is self.claim:
            self._join()
            return True
        try:
            self._whole.take()
        except HeldError:
            return False
        try:
            self._heed(self._whole.since_ns)
            self._join()
        finally:
            self._whole.leave()
        return True

    def _join(self) -> None:
        left = self._left()  # somebody may have joined it meanwhile
        self._heed(left.since_ns)
        if left.places:
            self._put_joined(left.places)
        self._hold(is_due=True)
        for name in sorted(left.names):
            self.shelf.remove(name)

    def _put_joined(self, places: tuple[Place, ...]) -> None:
        """Put the journal of the whole with all that those of others know."""
        whole = self.aside.journal
        whole.parent.mkdir()
        for place in places:
            self._hold()
            fetched(self.shelf, whole.with_name(place.journal.name))
        standing = fetched(self.shelf, whole)
        self._hold(is_due=True)
        self.joined = joined(self.aside, self.hands)
        self._hold(is_due=True)
        if self.shelf.put(whole.name, whole, over=standing) is None:
            raise HeldError(
                f"another run has written the journal in {self.shelf.name}: wait for it or stop it"
            )
        shutil.rmtree(whole.parent)

    def _hold(self, *, is_due: bool = False) -> None:
        """Say that the output is ours for as long as a step may take, once a minute or if due."""
        now_s = time.monotonic()
        if is_due or now_s >= self._due_s:
            for claim in self._claims:
                claim.renew(self.patience_s)
            self._due_s = now_s + _RENEWED_S

    def _heed(self, since_ns: int) -> None:
        """Have our claims say since when results may stand that no journal knows."""
        for claim in self._claims:
            claim.since_ns = _earliest(claim.since_ns, since_ns)


def _earliest(*since_ns: int) -> int:
    return min(filter(None, since_ns), default=0)
