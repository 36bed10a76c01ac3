"""Results on their way into a bucket: put before their outcomes are recorded.

So the journal never speaks of what is not there. A worker is free as soon as it has made a result;
how many wait here is bounded, and while it is full nothing new is begun. Must not record.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pixmill.freight import Parcel, Publish
from pixmill.model import Failed, FailureKind, Outcome, Stage
from pixmill.registry import codec
from pixmill.settings import IfExists, MetadataDirective

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.freight import Delivered, Request
    from pixmill.model import Job
    from pixmill.settings import Settings
    from pixmill.staging import Staging

__all__ = ["Outgoing"]

_MOST_OUTCOMES: Final = 64
_TYPE: Final = "Content-Type"
_CACHE: Final = "Cache-Control"
# What the store says of bytes that are not these any more, or of where they are kept.
_OF_THE_SOURCE: Final = frozenset({_TYPE, "Content-Encoding", "Storage-Class"})
_LOST: Final = "the process that speaks to object stores has ended: run again"


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """An outcome, and the files that are being put."""

    outcome: Outcome
    staged: tuple[str, ...]


@dataclass(slots=True)
class Outgoing:
    """What is being put.

    Args:
        staging: Where results are.
        settings: Which attributes they get, and whether they may replace.
        send: Asks the ferry.
        limit_bytes: What results on their way may hold together.
    """

    staging: Staging
    settings: Settings
    send: Callable[[Request], None]
    limit_bytes: int
    _under_way: dict[int, _UnderWay] = field(default_factory=dict)
    _landed: deque[Outcome] = field(default_factory=deque)
    _number: int = 0
    _held_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing new should be begun."""
        return len(self._under_way) >= _MOST_OUTCOMES or self._held_bytes > self.limit_bytes

    @property
    def is_empty(self) -> bool:
        """Whether everything has landed and was taken."""
        return not (self._under_way or self._landed)

    @property
    def has_landed(self) -> bool:
        """Whether outcomes whose results are in their places were not taken yet."""
        return bool(self._landed)

    def takes(self, outcome: Outcome) -> bool:
        """Have results put, and return whether there are any; the outcome lands later."""
        job = self.staging.jobs.get(outcome.path)
        is_to_be_put = self.staging.is_result_staged and not self.settings.dry_run
        if job is None or outcome.destination is None or not is_to_be_put:
            self.staging.clear(outcome.path)
            return False
        self._number += 1
        self._held_bytes += outcome.bytes_written
        parcels = self._parcels(job, outcome)
        self._under_way[self._number] = _UnderWay(
            outcome, tuple(parcel.staged for parcel in parcels)
        )
        keys = {parcel.key for parcel in parcels}
        former = tuple(each for each in job.former if each.path not in keys)
        self.send(Publish(self._number, parcels, former))
        return True

    def hear(self, reply: Delivered) -> None:
        """Take in that results were put, or could not be."""
        under_way = self._under_way.pop(reply.number)
        outcome = under_way.outcome
        self._held_bytes -= outcome.bytes_written
        job = self.staging.jobs[outcome.path]
        self._landed.append(
            _tagged(outcome, reply.tags)
            if reply.failure is None
            else Outcome.failed(
                job.source, reply.failure, attempts=outcome.attempts, notes=outcome.notes
            )
        )
        self.staging.clear(outcome.path, under_way.staged)

    def lose(self) -> None:
        """Give up what is under way: nobody will tell any more whether it was put."""
        for outcome in (each.outcome for each in self._under_way.values()):
            source = self.staging.jobs[outcome.path].source
            failure = Failed(FailureKind.IO, Stage.PUBLISH, _LOST, is_fatal=True)
            self._landed.append(Outcome.failed(source, failure, attempts=outcome.attempts))
        self._under_way.clear()

    def abandon(self) -> None:
        """Forget what is under way: it is not done, and the next run makes it again."""
        self._under_way.clear()

    def landed(self) -> list[Outcome]:
        """Return, once, the outcomes whose results are in their places."""
        landed = list(self._landed)
        self._landed.clear()
        return landed

    def _parcels(self, job: Job, outcome: Outcome) -> tuple[Parcel, ...]:
        can_replace = job.can_replace or self.settings.if_exists is IfExists.OVERWRITE
        known = {each.path for each in job.former}
        return tuple(
            Parcel(
                result.staged,
                result.name,
                self._attributes(job, result.target),
                can_replace or result.name in known,
            )
            for result in self.staging.results(job, outcome)
        )

    def _attributes(self, job: Job, target: str) -> tuple[tuple[str, str], ...]:
        """Return what an object gets: a source's own, and what is said of these bytes."""
        cargo = self.staging.cargo(job.source.path)
        carried = dict(cargo.attributes) if cargo is not None else {}
        if self.settings.metadata_directive is MetadataDirective.REPLACE:
            carried = {name: value for name, value in carried.items() if name == _TYPE}
        media_type = codec(target).media_type if target else carried.get(_TYPE, "")
        kept = {name: text for name, text in carried.items() if name not in _OF_THE_SOURCE}
        said = {_TYPE: media_type, _CACHE: self.settings.cache_control or ""}
        return tuple((kept | {name: text for name, text in said.items() if text}).items())


def _tagged(outcome: Outcome, tags: tuple[str, ...]) -> Outcome:
    if not outcome.outputs:
        return replace(outcome, tag=tags[0])
    outputs = (replace(each, tag=tag) for each, tag in zip(outcome.outputs, tags, strict=True))
    return replace(outcome, outputs=tuple(outputs))
