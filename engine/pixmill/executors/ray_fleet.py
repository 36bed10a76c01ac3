"""A run's workers on the machines of a Ray cluster: what that means for sizes and rules."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from pixmill.errors import OptionError, RunError
from pixmill.executors.chunks import Chunks
from pixmill.executors.orders import Watch
from pixmill.executors.outpost import Brief, makers
from pixmill.executors.ray import Gateway, RayExecutor
from pixmill.extras import RAY, how_to_install, is_installed
from pixmill.freight import Voyage
from pixmill.machine import available_memory_bytes
from pixmill.rules import Rules
from pixmill.settings import Durability
from pixmill.sizing import AFIELD_BYTES, FERRY_BYTES, hoarding_afield, sized_afield
from pixmill.storage.drafts import beacon
from pixmill.storage.folders import Root
from pixmill.units import format_size

if TYPE_CHECKING:
    from pixmill.ends import Ends
    from pixmill.executors.base import Executor
    from pixmill.executors.note import Hands
    from pixmill.executors.tidings import Node
    from pixmill.protocol import Setup
    from pixmill.settings import Settings
    from pixmill.sizing import Sizing

__all__ = ["RayFleet"]

WATCH: Final = Watch()
"""When what is late on a cluster is made elsewhere too."""
_CHUNK_S: Final = 5.0
"""Of work a task: its 4 ms of overhead are a thousandth, and a lost node costs no more."""
_PENDING_JOBS: Final = 256
_MOST_PENDING: Final = 65_536
_UNKNOWN_BYTES: Final = 1 << 62


@dataclass(slots=True)
class RayFleet:
    """Machines of a Ray cluster.

    Args:
        settings: How the run is carried out.
        ends: Which ends of it are buckets, that each node speaks to itself.
    """

    is_near: ClassVar[bool] = False
    settings: Settings
    ends: Ends
    _gateway: Gateway | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be done from several machines, or without Ray."""
        settings = self.settings
        for name, is_asked, why in (
            ("in_place", settings.in_place, "a node that was taken for lost could replace a file"),
            (
                "durability",
                settings.durability is Durability.BATCH and self.ends.destination is None,
                "it would flush one machine alone",
            ),
        ):
            if is_asked:
                message = f"not with --executor ray, where {why}: leave it out"
                raise OptionError(message, option=name)
        if self._address not in {"", "auto"} and not _is_address(self._address):
            message = f"expected HOST:PORT of the head, or auto, got {self._address!r}"
            raise OptionError(message, option="ray_address")
        if not is_installed(RAY):
            raise OptionError(f"it needs Ray: {how_to_install(RAY)}", option="executor")

    def open(self) -> None:
        """Join the cluster."""
        self._gateway = Gateway(self._address)
        self._gateway.join()

    def memory_bytes(self) -> int:
        """Take what a local run here would, so that bytes are equal, or what a node can hold."""
        return min(available_memory_bytes() // 2, 2 * self._most_bytes)

    def sized(self, memory_bytes: int) -> Sizing:
        """Have a slot a CPU, and leases that some node can hold."""
        slots = self.settings.parallel or int(sum(node.cpus for node in self._nodes))
        if not slots:
            raise RunError(
                "the Ray cluster has no CPU now: name with --parallel how many workers it shall "
                "have, so that it can grow"
            )
        sizing = replace(sized_afield(memory_bytes, slots), room_bytes=self._most_bytes)
        if sizing.lease_bytes > self._most_bytes:
            most = format_size(max(0, 2 * self._most_bytes))
            raise RunError(
                f"one image may hold {format_size(sizing.lease_bytes)}, and no node of the "
                f"cluster can set that aside: give --memory {most} or less"
            )
        return hoarding_afield(sizing, _room_bytes(self._nodes, sizing, self._afield_bytes))

    def rules(self, sizing: Sizing) -> Rules:
        """Return rules for seconds of work a task; memory is Ray's to share out."""
        return Rules(
            slots=sizing.workers,
            budget_bytes=sizing.budget_bytes,
            base_bytes=sizing.base_bytes,
            timeout_s=self.settings.timeout_s,
            retries=self.settings.retries,
            pending_jobs=min(_MOST_PENDING, _PENDING_JOBS * sizing.workers),
            order=self.settings.order,
            chunk_s=_CHUNK_S,
            is_timed_afar=True,
        )

    def executor(self, setup: Setup, sizing: Sizing, hands: Hands | None) -> Executor:
        """Return one that speaks with the gateway; hands on other machines would tell nobody."""
        del hands
        if self._gateway is None:
            raise RunError("the Ray cluster was not joined")
        names = tuple(node.name for node in self._nodes)
        afield_bytes = self._afield_bytes + sizing.kept_bytes
        share_bytes = min(_room_bytes(self._nodes, sizing, afield_bytes), sizing.lease_bytes)
        chunks = Chunks(sizing.workers, share_bytes, WATCH, names)
        is_lit = self.ends.destination is None and not setup.is_dry_run
        with ExitStack() as held:
            root = Root(setup.destination_root)
            brief = Brief(
                setup=setup,
                makers=makers(),
                beacon=held.enter_context(beacon(root)) if is_lit else "",
                resident_bytes=sizing.resident_bytes,
                afield_bytes=afield_bytes,
                voyage=self._voyage,
            )
            return RayExecutor(self._gateway, brief, chunks, held.pop_all())

    def close(self) -> None:
        """Leave the cluster."""
        if self._gateway is not None:
            self._gateway.close()

    @property
    def _address(self) -> str:
        return self.settings.ray_address or os.environ.get("RAY_ADDRESS", "")

    @property
    def _nodes(self) -> tuple[Node, ...]:
        return () if self._gateway is None else self._gateway.nodes

    @property
    def _voyage(self) -> Voyage | None:
        """What the ferry of each node must know."""
        if self.ends.are_local:
            return None
        return Voyage(
            source=self.ends.source,
            destination=self.ends.destination,
            access=self.settings.access,
            settings=self.settings,
            staging="",
            is_shared=True,
        )

    @property
    def _afield_bytes(self) -> int:
        """What a worker on a node holds beside its image and what it keeps of those before."""
        return AFIELD_BYTES + (0 if self.ends.are_local else FERRY_BYTES)

    @property
    def _most_bytes(self) -> int:
        """What an image may hold on the largest node, as far as there are any yet."""
        largest_bytes = max((node.memory_bytes for node in self._nodes), default=_UNKNOWN_BYTES)
        return largest_bytes - self._afield_bytes


def _room_bytes(nodes: tuple[Node, ...], sizing: Sizing, afield_bytes: int) -> int:
    """Return what there is for an image on any node without keeping another of its CPUs idle.

    Nodes that could not hold even a small image for each CPU do not count, and work less.
    """
    rooms_bytes = [int(node.memory_bytes / node.cpus) - afield_bytes for node in nodes]
    fitting_bytes = [each for each in rooms_bytes if each >= sizing.base_bytes]
    return min(fitting_bytes or [sizing.base_bytes])


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and "/" not in text and port.isdecimal()
