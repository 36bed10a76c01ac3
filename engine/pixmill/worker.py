"""The child's loop: take jobs off the pipe, make them one after the other, tell how each ended.

Runs in a process of its own, or in the caller's for the inline executor. Must let no exception of
one file end the loop; what ends the process itself is the coordinator's to see.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, cast

from pixmill.errors import RunError
from pixmill.failures import os_failure
from pixmill.footprint import resident_bytes
from pixmill.imaging.confine import Hoard, let_libraries_speak
from pixmill.imaging.progress import listening
from pixmill.model import Failed, FailureKind, Job, Outcome, Sandbox, Stage, Status
from pixmill.planning import Limits
from pixmill.product import Product
from pixmill.protocol import (
    Advanced,
    CostKnown,
    Grant,
    JobEnded,
    RetireWorker,
    Send,
    Setup,
    WorkerReady,
)
from pixmill.publishing import Publisher, PublishingError, UnpublishableError, failed
from pixmill.sandbox import Grants, confine, limit_cpu, limit_file
from pixmill.storage.folders import reachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.imaging.complaints import Ear
    from pixmill.publishing import InHand
    from pixmill.recipe import Recipe

__all__ = ["Channel", "Mill", "Note", "Worker", "serve"]


class Channel(Protocol):
    """One end of the pipe between a worker and the coordinator."""

    def send(self, message: object) -> None:
        """Send a message whole."""

    def recv(self) -> object:
        """Wait for a message; `EOFError` once the other end has gone."""


class Note(Protocol):
    """Shared memory in which a worker notes the job in its hands, so that a death names one."""

    def take(self, number: int) -> None:
        """Note that a job is about to be opened."""

    def clear(self) -> None:
        """Note that no job is in hand."""


class Mill(Protocol):
    """What makes one image; `pixmill.milling.mill`, or a fault of the test-suite around it."""

    def __call__(
        self,
        source: str,
        codec_name: str,
        recipe: Recipe,
        limits: Limits,
        *,
        lease: Callable[[int], None],
        spool_folder: str | None = None,
    ) -> Product | Failed:
        """Make one image."""


class _RefusedLeaseError(Exception):
    """The coordinator grants no lease: here the job is over."""


@dataclass(slots=True)
class Worker:
    """Makes jobs.

    Args:
        setup: What it must know once.
        ask: Called with a job's number and its cost before it may hold more than the base;
            returns whether it may.
        advance: Called with a job's number and the percent of it that are made, now and then.
        has_grown: Whether the last job was granted more than the base.
        grants: What this process may still reach once it is confined.
    """

    setup: Setup
    ask: Callable[[int, int], bool]
    advance: Callable[[int, int], None] = lambda _number, _percent: None
    _mill: Mill = field(init=False)
    _publisher: Publisher = field(init=False)
    _limits: Limits = field(init=False)
    has_grown: bool = False
    grants: Grants | None = None
    _waited_s: float = 0.0

    def __post_init__(self) -> None:
        """Load what makes an image."""
        module, _, function = self.setup.mill.partition(":")
        self._mill = cast("Mill", getattr(importlib.import_module(module), function))
        self._publisher = Publisher(self.setup)
        self._limits = Limits(
            self.setup.lease_bytes,
            self.setup.caps,
            alone_bytes=self.setup.alone_bytes,
            room_bytes=self.setup.room_bytes,
            share_bytes=self.setup.share_bytes,
        )

    def confine(self) -> str:
        """Give up, for good, what making images does not need; return what could not be.

        Raises:
            RunError: The sandbox is required, and something could not be given up.
        """
        if self.setup.sandbox is Sandbox.OFF:
            return ""
        writes = tuple(filter(None, (_scratch(), *self._publisher.writes)))
        grants = Grants((self.setup.readable or self.setup.source_root,), writes)
        gaps = "; ".join(confine(grants))
        if gaps and self.setup.sandbox is Sandbox.REQUIRE:
            raise RunError(f"a worker cannot be confined as --sandbox require asks: {gaps}")
        self.grants = grants
        return gaps

    def outcome(self, job: Job) -> Outcome:
        """Make one job, publish it, and tell how it ended."""
        self._waited_s, self.has_grown = 0.0, False
        if self.grants:
            limit_file(job.source.size_bytes)
            limit_cpu(self.setup.timeout_s)
        wall_s, cpu_s = time.monotonic(), time.process_time()
        try:
            with reachable(f"{self.setup.source_root}/{job.source.path}") as path:
                hand = self._publisher.hand(job, path)
                outcome = self._publisher.outcome(hand, self._made(hand))
        except UnpublishableError as error:
            outcome = failed(job, error.failure)
        except _RefusedLeaseError:
            message = "the coordinator refused the memory it needs"
            outcome = failed(job, Failed(FailureKind.TOO_LARGE, Stage.PLAN, message))
        except OSError as error:
            outcome = self._broken_off(job, error, Stage.READ)
        except PublishingError as error:
            outcome = self._broken_off(job, error.error, Stage.PUBLISH)
        except MemoryError:
            message = "an allocation failed beyond the memory that was planned for it"
            outcome = failed(job, Failed(FailureKind.MEMORY, Stage.PROCESS, message))
        except Exception as error:  # noqa: BLE001 - the worker's edge: one file may not end the loop
            message = f"unexpected {type(error).__name__}: {error}"
            outcome = failed(job, Failed(FailureKind.CORRUPT, Stage.PROCESS, message))
        wall_s = time.monotonic() - wall_s - self._waited_s
        return replace(outcome, wall_s=wall_s, cpu_s=time.process_time() - cpu_s)

    def _broken_off(self, job: Job, error: OSError, stage: Stage) -> Outcome:
        return failed(job, self._refused(error) or os_failure(error, stage))

    def _refused(self, error: OSError) -> Failed | None:
        """Return the failure if it was the sandbox that refused a file."""
        name = error.filename
        is_denied = error.errno == errno.EACCES and isinstance(name, str | bytes)
        if not (self.grants and is_denied) or self.grants.covers(os.fsdecode(name)):
            return None
        message = f"the sandbox refused access to {os.fsdecode(name)}, which no image needs"
        return Failed(FailureKind.SANDBOX, Stage.PROCESS, message)

    def _made(self, hand: InHand) -> Product | Failed:
        job = hand.job
        if not job.source.codec:
            return Product(status=Status.KEPT, target="", width_px=0, height_px=0)

        def lease(cost_bytes: int) -> None:
            if cost_bytes > self.setup.base_bytes:
                began_s = time.monotonic()
                is_granted = self.ask(job.number, cost_bytes)
                self._waited_s += time.monotonic() - began_s
                if not is_granted:
                    raise _RefusedLeaseError
                self.has_grown = True

        with listening(lambda percent: self.advance(job.number, percent)):
            return self._mill(
                hand.path,
                job.source.codec,
                self.setup.recipe,
                self._limits,
                lease=lease,
                spool_folder=None if self.setup.is_dry_run else self._publisher.destination.root,
            )


def serve(channel: Channel, note: Note, ear: Ear | None = None) -> None:
    """Take a `Setup`, then jobs, until told to retire or left alone.

    Args:
        channel: To the coordinator.
        note: Where the job in hand is noted.
        ear: Hears what libraries complain of, where standard error is this process's own.
    """
    setup = cast("Setup", channel.recv())

    def ask(number: int, cost_bytes: int) -> bool:
        channel.send(CostKnown(setup.slot, number, cost_bytes))
        return isinstance(channel.recv(), Grant)

    def advance(number: int, percent: int) -> None:
        with contextlib.suppress(OSError):  # the coordinator has gone, and the next word ends us
            channel.send(Advanced(setup.slot, number, percent))

    if ear is not None:
        let_libraries_speak()
    worker = Worker(setup, ask, advance)
    channel.send(WorkerReady(setup.slot, worker.confine()))
    hoard = Hoard(setup.kept_bytes)
    while True:
        match channel.recv():
            case Send(jobs=jobs):
                for job in jobs:
                    note.take(job.number)
                    outcome = _overheard(worker, job, ear)
                    if worker.has_grown:
                        hoard.settle()
                    channel.send(JobEnded(setup.slot, job.number, outcome, resident_bytes()))
                    note.clear()
            case RetireWorker():
                return
            case unexpected:
                raise AssertionError(f"unexpected message {unexpected!r}")


def _overheard(worker: Worker, job: Job, ear: Ear | None) -> Outcome:
    if ear is None:
        return worker.outcome(job)
    with ear.image() as complaints:
        outcome = worker.outcome(job)
    if not complaints.notes:
        return outcome
    return replace(outcome, notes=(*outcome.notes, *complaints.notes))


def _scratch() -> str:
    """Make a folder for this process's temporary files, have them made there, and return it.

    Inside what the hatchery has set aside, which is removed with all that a dead worker left.
    """
    folder = os.path.join(tempfile.gettempdir(), str(os.getpid()))  # noqa: PTH118 - as os knows it
    try:
        os.mkdir(folder, 0o700)  # noqa: PTH102 - likewise
    except OSError:  # no room for large images then, and that is told of each
        return ""
    tempfile.tempdir = os.environ["TMPDIR"] = folder  # for Python, and for libvips
    return folder
