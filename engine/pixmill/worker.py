"""The child's loop: take jobs off the pipe, make them one after the other, tell how each ended.

Runs in a process of its own, or in the caller's for the inline executor. Must let no exception of
one file end the loop; what ends the process itself is the coordinator's to see.
"""

from __future__ import annotations

import errno
import importlib
import mmap
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, cast

from pixmill.errors import RunError
from pixmill.failures import os_failure
from pixmill.imaging.confine import let_libraries_speak, trim
from pixmill.milling import Product
from pixmill.model import Failed, FailureKind, Job, Outcome, SkipReason, Stage, Status
from pixmill.planning import Limits
from pixmill.protocol import (
    CostKnown,
    Grant,
    JobEnded,
    RetireWorker,
    Send,
    Setup,
    WorkerReady,
)
from pixmill.sandbox import Grants, confine, limit_cpu, limit_file
from pixmill.settings import Sandbox
from pixmill.storage.folders import reachable
from pixmill.storage.local import Destination, change_of, copy_into, write_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from pixmill.imaging.complaints import Ear
    from pixmill.recipe import Recipe

__all__ = ["Channel", "Mill", "Note", "Worker", "serve"]

_COPY_BYTES = 1024 * 1024
_PAGE_BYTES = mmap.PAGESIZE


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
    """The coordinator refuses the lease: the job is over."""


class _ChangedError(Exception):
    """The source is not what it was when it was met: what was made of it must not be published."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True)
class Worker:
    """Makes jobs.

    Args:
        setup: What it must know once.
        ask: Called with a job's number and its cost before it may hold more than the base;
            returns whether it may.
        has_grown: Whether the last job was granted more than the base.
        grants: What this process may still reach once it is confined.
    """

    setup: Setup
    ask: Callable[[int, int], bool]
    _mill: Mill = field(init=False)
    _destination: Destination = field(init=False)
    _limits: Limits = field(init=False)
    has_grown: bool = False
    grants: Grants | None = None
    _waited_s: float = 0.0
    _source: str = ""

    def __post_init__(self) -> None:
        """Load what makes an image."""
        module, _, function = self.setup.mill.partition(":")
        self._mill = cast("Mill", getattr(importlib.import_module(module), function))
        self._destination = Destination(
            self.setup.destination_root, is_flushed=self.setup.is_flushed
        )
        self._limits = Limits(self.setup.lease_bytes, self.setup.caps)

    def confine(self) -> str:
        """Give up, for good, what making images does not need; return what could not be.

        Raises:
            RunError: The sandbox is required, and something could not be given up.
        """
        if self.setup.sandbox is Sandbox.OFF:
            return ""
        writes = [scratch] if (scratch := _scratch()) else []
        if not self.setup.is_dry_run:
            self._destination.prepare()  # what is not there cannot be granted
            writes.append(self.setup.destination_root)
        grants = Grants((self.setup.readable or self.setup.source_root,), tuple(writes))
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
            with reachable(self._named(job)) as self._source:
                product = self._made(job)
                self._check_unchanged(job, product)
                outcome = self._published(job, product)
        except _ChangedError as error:
            outcome = _failed(job, error.failure)
        except _RefusedLeaseError:
            message = "the coordinator refused the memory it needs"
            outcome = _failed(job, Failed(FailureKind.TOO_LARGE, Stage.PLAN, message))
        except OSError as error:
            outcome = _failed(job, self._refused(error) or os_failure(error, Stage.PUBLISH))
        except MemoryError:
            message = "an allocation failed beyond the memory that was planned for it"
            outcome = _failed(job, Failed(FailureKind.MEMORY, Stage.PROCESS, message))
        except Exception as error:  # noqa: BLE001 - the worker's edge: one file may not end the loop
            message = f"unexpected {type(error).__name__}: {error}"
            outcome = _failed(job, Failed(FailureKind.CORRUPT, Stage.PROCESS, message))
        wall_s = time.monotonic() - wall_s - self._waited_s
        return replace(outcome, wall_s=wall_s, cpu_s=time.process_time() - cpu_s)

    def _refused(self, error: OSError) -> Failed | None:
        """Return the failure if it was the sandbox that refused a file."""
        name = error.filename
        is_denied = error.errno == errno.EACCES and isinstance(name, str | bytes)
        if not (self.grants and is_denied) or self.grants.covers(os.fsdecode(name)):
            return None
        message = f"the sandbox refused access to {os.fsdecode(name)}, which no image needs"
        return Failed(FailureKind.SANDBOX, Stage.PROCESS, message)

    def _made(self, job: Job) -> Product | Failed:
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

        return self._mill(
            self._source,
            job.source.codec,
            self.setup.recipe,
            self._limits,
            lease=lease,
            spool_folder=None if self.setup.is_dry_run else self._destination.root,
        )

    def _check_unchanged(self, job: Job, product: Product | Failed) -> None:
        """Refuse to publish from a source that somebody else has at work meanwhile.

        A failure stands, unless it is damage, which a change explains better.
        """
        if isinstance(product, Failed) and product.kind is not FailureKind.CORRUPT:
            return
        try:
            change = change_of(self._source, job.source.size_bytes, job.source.mtime_ns)
        except OSError as error:
            raise _ChangedError(os_failure(error, Stage.READ)) from error
        if change:
            message = f"the source changed while it was read: {change}; run again"
            raise _ChangedError(Failed(FailureKind.CHANGED, Stage.READ, message))

    def _named(self, job: Job) -> str:
        return f"{self.setup.source_root}/{job.source.path}"

    def _published(self, job: Job, product: Product | Failed) -> Outcome:
        if isinstance(product, Failed):
            return _failed(job, product)
        if product.status is Status.SKIPPED:
            return _ended(job, product, destination=None, written_bytes=0)
        written_bytes = product.content_bytes or job.source.size_bytes
        if not self.setup.is_dry_run:
            try:
                written_bytes = self._destination.publish(
                    job.destination,
                    self._writer(job, product),
                    mtime_ns=job.source.mtime_ns,
                    can_replace=self.setup.can_replace or job.can_replace or job.attempt > 1,
                )
            except FileExistsError:
                message = "a file appeared at its destination while it was made"
                return _failed(job, Failed(FailureKind.EXISTS, Stage.PUBLISH, message))
        return _ended(job, product, destination=job.destination, written_bytes=written_bytes)

    def _writer(self, job: Job, product: Product) -> Callable[[int], int]:
        content = product.content
        if content is None:
            return lambda descriptor: self._copied_source(job, product, descriptor)
        if isinstance(content, bytes):
            return lambda descriptor: write_all(descriptor, content)
        return lambda descriptor: _copied(content, descriptor)

    def _copied_source(self, job: Job, product: Product, descriptor: int) -> int:
        written_bytes = copy_into(self._source)(descriptor)
        self._check_unchanged(job, product)
        return written_bytes


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

    if ear is not None:
        let_libraries_speak()
    worker = Worker(setup, ask)
    channel.send(WorkerReady(setup.slot, worker.confine()))
    while True:
        match channel.recv():
            case Send(jobs=jobs):
                for job in jobs:
                    note.take(job.number)
                    outcome = _overheard(worker, job, ear)
                    if worker.has_grown:
                        trim()  # measured: 7 to 17 MB less between two files, for 1 to 6 ms
                    channel.send(JobEnded(setup.slot, job.number, outcome, _resident_bytes()))
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


def _resident_bytes() -> int:
    """Return this process's resident memory, 0 where the system does not tell it cheaply."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - once a file, kept cheap
            resident_pages = int(statm.read().split()[1])
    except OSError:
        return 0
    return resident_pages * _PAGE_BYTES


def _copied(content: IO[bytes], descriptor: int) -> int:
    written_bytes = 0
    content.seek(0)
    with content:
        while chunk := content.read(_COPY_BYTES):
            written_bytes += write_all(descriptor, chunk)
    return written_bytes


def _ended(job: Job, product: Product, *, destination: str | None, written_bytes: int) -> Outcome:
    return Outcome(
        path=job.source.path,
        status=product.status,
        codec=job.source.codec,
        bytes_read=job.source.size_bytes,
        mtime_ns=job.source.mtime_ns,
        destination=destination,
        bytes_written=written_bytes,
        reason=SkipReason.LARGER if product.status is Status.SKIPPED else None,
        target=product.target,
        width_px=product.width_px,
        height_px=product.height_px,
        quality=product.quality,
        encodes=product.encodes,
        is_salvaged=product.is_salvaged,
        attempts=job.attempt,
        notes=(*job.notes, *product.notes),
    )


def _failed(job: Job, failure: Failed) -> Outcome:
    return Outcome(
        path=job.source.path,
        status=Status.FAILED,
        codec=job.source.codec,
        bytes_read=job.source.size_bytes,
        mtime_ns=job.source.mtime_ns,
        failure=failure,
        attempts=job.attempt,
        notes=job.notes,
    )
