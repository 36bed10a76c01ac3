"""Which nodes of a cluster are to be sent work, and from when on.

Pure. Three things speak against a node: that it is silent, until it is heard again; that no store
has answered it for long, which is a store's fault where it is so on all; and that Ray
killed there for want of memory. Such kills name no file, and hit whoever was started last: what is
sent there at once is killed as well. So others are preferred for a while, and where there are none
all work waits, twice as long after each kill behind which nothing was made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.executors.orders import Watch

__all__ = ["Roster"]


@dataclass(slots=True)
class Roster:
    """The nodes that are known.

    Args:
        nodes: Those that are known at first.
        watch: How long what counts.
    """

    nodes: tuple[str, ...]
    watch: Watch
    _heard_s: dict[str, float] = field(init=False)
    _avoided_s: dict[str, float] = field(default_factory=dict)
    _starved_s: dict[str, float] = field(default_factory=dict)
    _cut_off_s: dict[str, float] = field(default_factory=dict)
    _forsaken: set[str] = field(default_factory=set)
    _kills: int = 0
    _killed_s: float = 0.0

    def __post_init__(self) -> None:
        """Have heard of no node yet."""
        self._heard_s = dict.fromkeys(self.nodes, 0.0)

    def heard(self, node: str, now_s: float) -> None:
        """Note that a node lives."""
        self._heard_s[node] = now_s
        self._avoided_s.pop(node, None)

    def unheard_since(self, at_s: float) -> list[str]:
        """Return the nodes that have said nothing since then."""
        return [node for node, heard_s in self._heard_s.items() if heard_s <= at_s]

    def avoid(self, nodes: Iterable[str], now_s: float) -> None:
        """Send no work to nodes for a while, or until they are heard again."""
        until_s = now_s + self.watch.probation_s
        self._avoided_s.update(dict.fromkeys(filter(None, nodes), until_s))

    def starved(self, node: str, now_s: float) -> None:
        """Note that a node had no memory left; where its name is unknown it may be any."""
        self._kills, self._killed_s = self._kills + 1, now_s
        until_s = now_s + self.watch.famine_s
        self._starved_s.update(dict.fromkeys([node] if node else self._heard_s, until_s))

    def cut_off(self, node: str, now_s: float) -> bool:
        """Note that a store has not answered a node for long; return whether that is so on all."""
        self._cut_off_s[node] = now_s + self.watch.probation_s
        self._forsaken.add(node)
        return self._forsaken >= self._heard_s.keys()

    def fed(self) -> None:
        """Note that something was made since."""
        self._kills = 0
        self._forsaken.clear()

    def due_s(self, now_s: float) -> float:
        """Return from when on work may be sent: from now, where a node is left that has memory."""
        starved = _still(self._starved_s, now_s)
        if not self._kills or self._heard_s.keys() - starved:
            return now_s
        return self._killed_s + min(self.watch.famine_s, 2.0 ** (self._kills - 1))

    def shunned(self, makers: set[str], now_s: float) -> tuple[str, ...]:
        """Return the nodes that are to have no copy of a chunk, where others are left.

        Args:
            makers: Those that have one.
            now_s: When.
        """
        starved = _still(self._starved_s, now_s) | _still(self._cut_off_s, now_s)
        avoided = _still(self._avoided_s, now_s)
        for shunned in (starved | avoided | makers, avoided | makers, avoided):
            if self._heard_s.keys() - shunned:
                return tuple(sorted(filter(None, shunned)))
        return ()


def _still(until_s: dict[str, float], now_s: float) -> set[str]:
    return {node for node, end_s in until_s.items() if end_s > now_s}
