"""What the dispatcher hears and says, events in and commands out, and what a worker is told once.

Values alone; the meaning is in `dispatch`, the delivery in `coordinator`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TYPE_CHECKING

from pixmill.model import DEFAULT_CAPS, Sandbox

if TYPE_CHECKING:
    from pixmill.model import Caps, Job, Outcome
    from pixmill.recipe import Recipe

__all__ = [
    "DEFAULT_MILL",
    "Advanced",
    "Command",
    "CostKnown",
    "Defer",
    "Event",
    "Finish",
    "GiveUp",
    "Grant",
    "JobEnded",
    "JobFound",
    "KillWorker",
    "PullMore",
    "Record",
    "Remark",
    "RetireWorker",
    "Send",
    "Setup",
    "SourceFailed",
    "StartWorker",
    "StopAsked",
    "StopMode",
    "Tick",
    "WalkEnded",
    "WorkerLost",
    "WorkerReady",
]


DEFAULT_MILL = "pixmill.milling:mill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a worker must know once.

    Attributes:
        slot: Where it works; named in every message.
        source_root: Absolute path that sources are relative to.
        destination_root: Absolute path that destinations are relative to.
        recipe: What is wanted.
        lease_bytes: Most that one image may cost that is made beside others.
        base_bytes: What may be held without asking.
        can_replace: Whether files that stand at a destination may be replaced.
        is_dry_run: Whether nothing is published.
        is_flushed: Whether each result reaches the disc before it has its name.
        mill: `module:function` of what makes an image.
        sandbox: How the worker confines itself before its first file.
        readable: The only file or folder of the user's that it may read; empty for the source root.
        caps: How large an image may be.
        is_in_place: Whether results replace their sources.
        backup_root: Absolute path that backups are relative to; empty where none are kept.
        is_verified: Whether results are decoded again before they have their names.
        is_hashed: Whether the SHA-256 of sources and results is wanted.
        timeout_s: Seconds an image may take, which bounds its CPU time behind the coordinator.
        alone_bytes: Most that one may cost that is made alone; no less than others in effect.
        room_bytes: As much of that as can be had here.
        share_bytes: What an image had better cost, so that every worker may have one in hand.
        kept_bytes: How much freed memory it may keep between two images.
    """

    slot: int
    source_root: str
    destination_root: str
    recipe: Recipe
    lease_bytes: int
    base_bytes: int
    can_replace: bool
    is_dry_run: bool
    is_flushed: bool = True
    mill: str = DEFAULT_MILL
    sandbox: Sandbox = Sandbox.AUTO
    readable: str = ""
    caps: Caps = DEFAULT_CAPS
    is_in_place: bool = False
    backup_root: str = ""
    is_verified: bool = False
    is_hashed: bool = False
    timeout_s: float = 300.0
    alone_bytes: int = 0
    room_bytes: int = 1 << 62
    share_bytes: int = 1 << 62
    kept_bytes: int = 0


class StopMode(StrEnum):
    """How a run is stopped: what is in hand is finished, or not even that."""

    DRAIN = auto()
    ABORT = auto()


@dataclass(frozen=True, slots=True)
class JobFound:
    """The walk met a job."""

    job: Job


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """The walk met a source that failed before it was a job: it could not be read, or named.

    Attributes:
        outcome: How it failed; not tried again.
    """

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class WalkEnded:
    """There is nothing more to find."""


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A started worker can take jobs.

    Attributes:
        slot: Where it works.
        gaps: What it could not confine, or empty.
    """

    slot: int
    gaps: str = ""


@dataclass(frozen=True, slots=True)
class CostKnown:
    """A worker has planned a job that needs more than its lease, and waits."""

    slot: int
    number: int
    cost_bytes: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """A worker has got so far with a job that takes seconds; decides nothing, and is only shown."""

    slot: int
    number: int
    percent: int


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A worker is done with a job."""

    slot: int
    number: int
    outcome: Outcome
    resident_bytes: int = 0


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker's process has ended and every message it sent was delivered.

    Attributes:
        slot: Where it worked.
        in_hand: Number of the job it had taken up, or `None` if it was between files.
        reason: How it ended, for a person: `signal 9 (SIGKILL)`.
        is_breach: Whether the kernel ended it for breaking a rule of the sandbox.
        is_spent: Whether the kernel ended it for its CPU time.
        is_overdue: Whether the job in hand took too long, where that is seen far from here.
    """

    slot: int
    in_hand: int | None
    reason: str
    is_breach: bool = False
    is_spent: bool = False
    is_overdue: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """Where workers run something happened that the user should know; decides nothing.

    Attributes:
        text: What.
        slot: Where jobs are made again, so that something half-written may be left of them.
        is_outage: Whether it tells that a store does not answer, or does so again: many may tell
            the same. Default: neither.
    """

    text: str
    slot: int | None = None
    is_outage: bool | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the run to stop."""

    mode: StopMode


Event = (
    JobFound
    | SourceFailed
    | WalkEnded
    | WorkerReady
    | CostKnown
    | JobEnded
    | WorkerLost
    | Tick
    | StopAsked
)


@dataclass(frozen=True, slots=True)
class PullMore:
    """Ask the walk for this many more jobs; fewer only if it ends."""

    count: int


@dataclass(frozen=True, slots=True)
class Send:
    """Hand jobs to a worker, to be done in order."""

    slot: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """Let a waiting worker go on."""

    slot: int
    number: int


@dataclass(frozen=True, slots=True)
class Defer:
    """Let a waiting worker leave a job: it will be made alone, and how it ends now is no matter."""

    slot: int
    number: int


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a process for a slot."""

    slot: int


@dataclass(frozen=True, slots=True)
class RetireWorker:
    """Let a worker end between files."""

    slot: int


@dataclass(frozen=True, slots=True)
class KillWorker:
    """End a worker at once."""

    slot: int
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """A job has ended for good."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The run cannot go on; what is in hand is still finished."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Everything is done."""


Command = (
    PullMore
    | Send
    | Grant
    | Defer
    | StartWorker
    | RetireWorker
    | KillWorker
    | Record
    | GiveUp
    | Finish
)
