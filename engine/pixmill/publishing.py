"""What becomes of a product: published in the output, put in place of its source, or neither.

Runs in a worker. Must not make images nor retry.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pixmill.failures import os_failure
from pixmill.imaging.verify import difference
from pixmill.model import Failed, FailureKind, Outcome, Output, SkipReason, Stage, Status
from pixmill.registry import codec
from pixmill.storage.folders import Root
from pixmill.storage.local import (
    Destination,
    UnreadError,
    change_of,
    copy_into,
    write_all,
)
from pixmill.storage.originals import Backup, ChangedError, NoBackup, Original, digest_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from pixmill.model import Job
    from pixmill.product import Product
    from pixmill.protocol import Setup
    from pixmill.series import Series

__all__ = ["InHand", "Publisher", "PublishingError", "UnpublishableError", "failed"]

_COPY_BYTES = 1024 * 1024


class UnpublishableError(Exception):
    """What was made must not be published: its source changed, or it is not what was meant."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


class PublishingError(Exception):
    """The destination does not take what was made."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class InHand:
    """One source while it is made.

    Attributes:
        job: What is to be made of it.
        path: Absolute path that the system takes.
        digest: SHA-256 of its content, hexadecimal, where it is needed; else empty.
    """

    job: Job
    path: str
    digest: str = ""


@dataclass(slots=True)
class Publisher:
    """Publishes what a worker has made.

    Args:
        setup: What the worker knows.
    """

    setup: Setup
    destination: Destination = field(init=False)
    _backups: Root = field(init=False)
    _written_digest: str = ""

    def __post_init__(self) -> None:
        """Hold the destination and the backups."""
        root = self.setup.destination_root
        self.destination = Destination(root, is_flushed=self.setup.is_flushed)
        self._backups = Root(self.setup.backup_root)

    @property
    def writes(self) -> tuple[str, ...]:
        """The folders that are written to; what is not there cannot be granted, so it is made."""
        if self.setup.is_dry_run:
            return ()
        self.destination.prepare()
        return tuple(filter(None, (self.setup.destination_root, self.setup.backup_root)))

    @property
    def _needs_digest(self) -> bool:
        is_needed = self.setup.is_hashed or self.setup.is_verified or self.setup.is_in_place
        return is_needed and not self.setup.is_dry_run

    def hand(self, job: Job, path: str) -> InHand:
        """Return a source that is about to be made.

        Raises:
            UnpublishableError: It cannot be read.
        """
        if not self._needs_digest:
            return InHand(job, path)
        try:
            return InHand(job, path, digest_at(path))
        except OSError as error:
            raise UnpublishableError(os_failure(error, Stage.READ)) from error

    def outcome(self, hand: InHand, product: Product | Failed) -> Outcome:
        """Publish what was made of a source, unless it changed, and tell how that ended.

        Raises:
            UnpublishableError: It must not be published.
            PublishingError: It cannot be.
            UnreadError: Its source cannot be read to the end.
        """
        _check_unchanged(hand, product)
        if isinstance(product, Failed):
            return failed(hand.job, product)
        if product.status is Status.SKIPPED:
            return _ended(hand, product, destination=None, written_bytes=0)
        self._written_digest = ""
        try:
            if hand.job.series is not None:
                return self._published_series(hand, product, hand.job.series)
            ended = self._replaced if self.setup.is_in_place else self._published
            outcome = ended(hand, product)
            digest = self._written_digest
            return replace(outcome, written_digest=digest) if digest else outcome
        except ChangedError as error:
            raise UnpublishableError(_changed(str(error))) from error
        except FileExistsError as error:
            place = f" as {hand.job.backup} among the backups" if hand.job.backup else ""
            message = f"a file appeared at its destination while it was made{place}"
            raise UnpublishableError(Failed(FailureKind.EXISTS, Stage.PUBLISH, message)) from error
        except UnreadError:
            raise
        except OSError as error:
            raise PublishingError(error) from error

    def _published(self, hand: InHand, product: Product) -> Outcome:
        job = hand.job
        destination = (
            job.named(codec(product.target).suffixes[0]) if job.choices else (job.destination)
        )
        written_bytes = self._write(hand, product, destination, can_replace=self._can_replace(job))
        self._withdraw_former(job, {destination})
        twins = [
            each for each in job.choices if each != destination and self.destination.exists(each)
        ]
        if twins:
            told = (f"{twin} stands beside it" for twin in twins)
            product = replace(product, notes=(*product.notes, *told))
        return _ended(hand, product, destination=destination, written_bytes=written_bytes)

    def _published_series(self, hand: InHand, product: Product, series: Series) -> Outcome:
        """Publish every output of a source; all have been made, so what fails now is the disc."""
        job = hand.job
        former = {each.path for each in job.former}
        outputs = []
        for member in product.members or (product,):  # a source that stands for itself
            self._written_digest = ""
            suffix = codec(member.target).suffixes[0]
            name = series.name(member.width_px, suffix)
            can_replace = self._can_replace(job) or name in former
            written_bytes = self._write(hand, member, name, can_replace=can_replace)
            outputs.append(_output(member, suffix, written_bytes, self._written_digest))
        self._withdraw_former(job, {series.name(each.width_px, each.suffix) for each in outputs})
        written_bytes = sum(each.size_bytes for each in outputs)
        ended = _ended(hand, product, destination=job.destination, written_bytes=written_bytes)
        return replace(ended, outputs=tuple(outputs))

    def _can_replace(self, job: Job) -> bool:
        return self.setup.can_replace or job.can_replace or job.attempt > 1

    def _write(self, hand: InHand, product: Product, name: str, *, can_replace: bool) -> int:
        """Publish one file, unless this is a dry run, and return its bytes."""
        if self.setup.is_dry_run:
            return product.content_bytes or hand.job.source.size_bytes
        is_checked = self.setup.is_hashed or self.setup.is_verified
        return self.destination.publish(
            name,
            _writer(hand, product),
            mtime_ns=hand.job.source.mtime_ns,
            can_replace=can_replace,
            check=self._check(hand, product) if is_checked else None,
        )

    def _withdraw_former(self, job: Job, names: set[str]) -> None:
        """Remove what an earlier run made of a source under names that it has no more."""
        if self.setup.is_dry_run:
            return
        for former in job.former:
            if former.path not in names:
                self.destination.withdraw(former.path, former.size_bytes, former.mtime_ns)

    def _replaced(self, hand: InHand, product: Product) -> Outcome:
        """Put a product in place of its source where it is smaller, else leave the source alone."""
        job, source = hand.job, hand.job.source
        is_smaller = self.setup.recipe.is_smaller(product.content_bytes, source.size_bytes)
        if product.status is not Status.OPTIMIZED or not is_smaller:
            kept = replace(product, status=Status.KEPT)
            return _ended(hand, kept, destination=None, written_bytes=source.size_bytes)
        written_bytes = product.content_bytes
        if not self.setup.is_dry_run:
            written_bytes = self.destination.replace(
                job.destination,
                _writer(hand, product),
                original=Original(source.size_bytes, source.mtime_ns, source.inode, hand.digest),
                keeper=Backup(self._backups, job.backup) if job.backup else NoBackup(),
                check=self._check(hand, product),
            )
        ended = _ended(hand, product, destination=job.destination, written_bytes=written_bytes)
        return replace(ended, backup=job.backup)

    def _check(self, hand: InHand, product: Product) -> Callable[[str], None]:
        """Return what looks at a result before it has its name."""

        def check(path: str) -> None:
            self._written_digest = digest_at(path)
            if not (self.setup.is_verified or self.setup.is_in_place):
                return
            if wrong := self._difference(path, hand, product):
                message = f"what was written is not what was meant: {wrong}"
                raise UnpublishableError(Failed(FailureKind.UNVERIFIED, Stage.VERIFY, message))

        return check

    def _difference(self, path: str, hand: InHand, product: Product) -> str:
        """Return how a file differs from what was meant; empty where it does not."""
        if product.expected is not None:
            return difference(path, product.target, product.expected)
        is_same = self._written_digest == hand.digest
        return "" if is_same else "expected a copy of the source, found other bytes"


def failed(job: Job, failure: Failed) -> Outcome:
    """Return the outcome of a job that failed."""
    return Outcome.failed(job.source, failure, attempts=job.attempt, notes=job.notes)


def _check_unchanged(hand: InHand, product: Product | Failed) -> None:
    """Refuse to publish from a source that somebody else has at work meanwhile.

    A failure stands, unless it is damage, which a change explains better.
    """
    if isinstance(product, Failed) and product.kind is not FailureKind.CORRUPT:
        return
    try:
        change = change_of(hand.path, hand.job.source)
    except OSError as error:
        raise UnpublishableError(os_failure(error, Stage.READ)) from error
    if change:
        raise UnpublishableError(_changed(change))


def _writer(hand: InHand, product: Product) -> Callable[[int], int]:
    content = product.source if product.content is None else product.content
    if content is None:
        return lambda descriptor: _copied_source(hand, product, descriptor)
    if isinstance(content, bytes):
        return lambda descriptor: write_all(descriptor, content)
    return lambda descriptor: _copied(content, descriptor)


def _copied_source(hand: InHand, product: Product, descriptor: int) -> int:
    written_bytes = copy_into(hand.path)(descriptor)
    _check_unchanged(hand, product)
    return written_bytes


def _copied(content: IO[bytes], descriptor: int) -> int:
    written_bytes = 0
    content.seek(0)
    with content:
        while chunk := content.read(_COPY_BYTES):
            written_bytes += write_all(descriptor, chunk)
    return written_bytes


def _output(product: Product, suffix: str, written_bytes: int, digest: str) -> Output:
    return Output(
        suffix=suffix,
        target=product.target,
        width_px=product.width_px,
        height_px=product.height_px,
        size_bytes=written_bytes,
        quality=product.quality,
        score=product.score,
        digest=digest,
    )


def _changed(how: str) -> Failed:
    message = f"the source changed while it was read: {how}; run again"
    return Failed(FailureKind.CHANGED, Stage.READ, message)


def _ended(
    hand: InHand, product: Product, *, destination: str | None, written_bytes: int
) -> Outcome:
    job = hand.job
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
        score=product.score,
        encodes=product.encodes,
        is_salvaged=product.is_salvaged,
        attempts=job.attempt,
        digest=hand.digest,
        notes=(*job.notes, *product.notes),
    )
