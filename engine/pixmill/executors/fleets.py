"""Where a run's workers are, by the executor that was named: what that means for sizes and rules.

The one registry of executors: generic code asks the record that it gets here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, cast

from pixmill.errors import OptionError
from pixmill.executors.local import LocalExecutor
from pixmill.machine import available_memory_bytes, usable_cpus
from pixmill.rules import Rules
from pixmill.settings import ExecutorName
from pixmill.sizing import sized

if TYPE_CHECKING:
    from pixmill.executors.base import Executor
    from pixmill.executors.note import Hands
    from pixmill.protocol import Setup
    from pixmill.settings import Settings
    from pixmill.sizing import Sizing

__all__ = ["Fleet", "LocalFleet", "fleet_of"]


class Fleet(Protocol):
    """Where workers are.

    Attributes:
        is_near: Whether they see what only this machine has.
    """

    is_near: ClassVar[bool]

    def open(self) -> None:
        """Reach it.

        Raises:
            RunError: It cannot be reached.
        """

    def memory_bytes(self) -> int:
        """Return the cap on memory, where the user named none."""

    def sized(self, memory_bytes: int) -> Sizing:
        """Return how the run is dimensioned under a cap.

        Raises:
            RunError: It cannot hold what one image may cost.
        """

    def rules(self, sizing: Sizing) -> Rules:
        """Return what is fixed for the dispatcher."""

    def executor(self, setup: Setup, sizing: Sizing, hands: Hands | None) -> Executor:
        """Return who runs workers; it closes what `open` has opened."""

    def close(self) -> None:
        """Let go of what `open` has opened; may be called twice."""


def fleet_of(settings: Settings) -> Fleet:
    """Return where the workers of a run will be.

    Raises:
        OptionError: It is not installed, or cannot do what the settings ask.
    """
    module, _, name = _FLEETS[settings.executor].partition(":")
    return cast("Fleet", getattr(import_module(module), name)(settings))


@dataclass(slots=True)
class LocalFleet:
    """Processes of this machine.

    Args:
        settings: How the run is carried out.
    """

    is_near: ClassVar[bool] = True
    settings: Settings

    def __post_init__(self) -> None:
        """Refuse what is about clusters."""
        if self.settings.ray_address is not None:
            raise OptionError("it is about Ray: add --executor ray", option="ray_address")

    def open(self) -> None:
        """Be there already."""

    def memory_bytes(self) -> int:
        """Leave half of what is free."""
        return available_memory_bytes() // 2

    def sized(self, memory_bytes: int) -> Sizing:
        """Fit workers into the cap."""
        wanted = self.settings.parallel or usable_cpus()
        return sized(memory_bytes, wanted, was_asked=self.settings.parallel is not None)

    def rules(self, sizing: Sizing) -> Rules:
        """Return what is fixed for the dispatcher."""
        return Rules(
            slots=sizing.workers,
            budget_bytes=sizing.budget_bytes,
            base_bytes=sizing.base_bytes,
            common_bytes=sizing.lease_bytes,
            timeout_s=self.settings.timeout_s,
            retries=self.settings.retries,
            resident_bytes=sizing.resident_bytes,
            order=self.settings.order,
        )

    def executor(self, setup: Setup, sizing: Sizing, hands: Hands | None) -> Executor:
        """Return one with a pipe a worker."""
        del sizing
        return LocalExecutor(setup, hands=hands)

    def close(self) -> None:
        """Have nothing to let go."""


_FLEETS: Final = {
    ExecutorName.LOCAL: "pixmill.executors.fleets:LocalFleet",
    ExecutorName.RAY: "pixmill.executors.ray_fleet:RayFleet",
}
"""Loaded by name: what a cluster needs took 25 ms of CPU of every local run."""
