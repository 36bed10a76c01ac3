"""What befalls the nodes of a cluster while a run is on it: killed, frozen, and others added.

Needs the tests' cluster: run what imports it with `PYTHONPATH=tests`, as `make soak` does.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import psutil

from soaking import haunted

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from cluster.ray_nodes import Nodes

__all__ = ["NODE_MB", "Striker"]

NODE_MB: Final = 640
_PAUSES_S: Final = (4.0, 10.0)
_FROZEN_S: Final = (5.0, 50.0)
"""Shorter and longer than the 30 s of silence after which work is made elsewhere."""
_NURSERY: Final = "pixmill.executors.nursery"


class Blow(StrEnum):
    """What happens to a node that is left."""

    KILLED = "nodes killed, and others added"
    FROZEN = "nodes frozen for a while"
    PROCESS_KILLED = "Ray workers killed"
    PROCESS_FROZEN = "Ray workers frozen for good"


@dataclass(slots=True)
class Striker:
    """Strikes one node after the other.

    Args:
        cluster: Whose nodes.
        rng: Chooses moments, victims and blows.
        counts: What has happened.
    """

    cluster: Nodes
    rng: random.Random
    counts: Counter[Blow] = field(default_factory=Counter)
    _frozen: list[tuple[float, list[psutil.Process]]] = field(default_factory=list)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Strike from a thread, and leave nobody frozen."""
        try:
            with haunted(self._turn, self.rng, _PAUSES_S):
                yield
        finally:
            self._thaw(float("inf"))

    def _turn(self) -> None:
        self._thaw(time.monotonic())
        with suppress(psutil.Error):  # it was ended for its silence meanwhile
            self._strike(self.rng.choice(list(Blow)))

    def _strike(self, blow: Blow) -> None:
        victim = psutil.Process(self.rng.choice(self.cluster.raylets))
        made = _outposts(victim)
        match blow:
            case Blow.KILLED:
                self.cluster.raylets.remove(victim.pid)
                for process in self.cluster.on(victim):
                    process.kill()
                self.cluster.add(NODE_MB)
            case Blow.FROZEN if not self._frozen:  # one at a time, or nobody would be left
                until_s = time.monotonic() + self.rng.uniform(*_FROZEN_S)
                self._frozen.append((until_s, self.cluster.on(victim)))
                for process in self._frozen[-1][1]:
                    process.suspend()
            case Blow.PROCESS_KILLED if made:
                made[0].kill()
            case Blow.PROCESS_FROZEN if made:
                made[0].suspend()
            case _:
                return
        self.counts[blow] += 1

    def _thaw(self, now_s: float) -> None:
        for until_s, processes in [each for each in self._frozen if each[0] <= now_s]:
            self._frozen.remove((until_s, processes))
            for process in processes:
                with suppress(psutil.Error):
                    process.resume()


def _outposts(raylet: psutil.Process) -> list[psutil.Process]:
    """Return the processes of a node that keep a worker: Ray's own, right above a nursery."""
    found = {each.pid: each for each in raylet.children(recursive=True)}
    nurseries = [each for each in found.values() if _NURSERY in each.cmdline()]
    above = [found[each.ppid()] for each in nurseries if each.ppid() in found]
    return [each for each in above if _NURSERY not in each.cmdline()]
