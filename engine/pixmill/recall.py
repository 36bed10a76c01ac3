"""What the journal knows of a source, held against what is there now: is anything left to do?

Must not open a source; where content decides, it asks for its digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pixmill.journal.rows import STARTED
from pixmill.model import Failed, FailureKind, Published, SkipReason, Stage, Status
from pixmill.settings import Redo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.journal.rows import Record
    from pixmill.journal.store import Journal
    from pixmill.model import SourceRef
    from pixmill.naming import Named
    from pixmill.settings import Settings
    from pixmill.walking import Met

__all__ = ["Recall", "Results", "Sources"]

_LOOKUP_FILES = 256
_DOWNS_ALLOWED = 1
_QUARANTINED = (
    "the whole run ended without a word {downs} times with it in its hands, so it is left alone: "
    "look at it, and take it up again with --retry-failed"
)


class Sources(Protocol):
    """Where sources are: a folder, or a bucket."""

    def ref(self, met: Met, codec: str) -> SourceRef:
        """Return one as it stands now; see `walking.Walker`."""

    def digest(self, met: Met) -> str:
        """Return the SHA-256 of its content; see `walking.Walker`."""


class Results(Protocol):
    """Where results are: a folder, or a bucket."""

    def has(self, published: Published) -> bool:
        """Return whether a result stands as it was published."""

    def holds_content(self, relative: str, digest: str) -> bool:
        """Return whether a result with this SHA-256 stands at a name."""


@dataclass(slots=True)
class Recall:
    """Knows what was done before.

    Args:
        journal: What was done before, or `None` to know nothing.
        settings: Decides what is made again.
        destination: Where results are.
        fingerprint: Fingerprint of the recipe, which records are held against.
    """

    journal: Journal | None
    settings: Settings
    destination: Results
    fingerprint: str
    _known: dict[str, Record] = field(default_factory=dict)
    _same_content: set[str] = field(default_factory=set)

    def ahead(self, groups: Iterator[list[Met]]) -> Iterator[list[Met]]:
        """Pass groups on, having looked up what the journal knows of some hundred files at once."""
        if self.journal is None:
            yield from groups
            return
        while taken := _taken(groups):
            self._known = {}
            self._same_content.clear()
            self.look_up([met.path for group in taken for met in group])
            yield from taken

    def look_up(self, paths: list[str]) -> None:
        """Have what the journal knows of some sources at hand, beside that of others."""
        if self.journal is not None:
            self._known |= self.journal.records_of(paths)

    def forget(self, path: str) -> None:
        """Let go of what was looked up of a source."""
        self._known.pop(path, None)
        self._same_content.discard(path)

    def of(self, path: str) -> Record | None:
        """Return what is known of a source of the groups at hand."""
        return self._known.get(path)

    def remembered(self, met: Met, sources: Sources) -> SourceRef | None:
        """Return an unchanged source as the journal knows it, without looking at what it is."""
        record = self._known.get(met.path)
        if record is None or not record.codec:
            return None
        try:
            source = sources.ref(met, record.codec)
            if self.settings.checksum and not self._is_alike(record, source, met, sources):
                return None
        except OSError:  # opening it will tell
            return None
        return source if self._is_known(record, source) else None

    def left(self, source: SourceRef, named: Named) -> SkipReason | Failed | None:
        """Return why a source is left alone, or nothing where it is to be made."""
        redo, record = self.settings.redo, self._known.get(source.path)
        if redo is Redo.FAILED and (record is None or record.outcome != Status.FAILED):
            return SkipReason.NOT_FAILED
        if redo is not Redo.CHANGED or record is None:
            return None
        if not self._is_known(record, source) or record.fingerprint != self.fingerprint:
            return None
        if record.downs > _DOWNS_ALLOWED:
            message = _QUARANTINED.format(downs=record.downs)
            return Failed(FailureKind.QUARANTINED, Stage.PLAN, message)
        if record.outcome in {STARTED, Status.FAILED}:
            return None
        is_done = record.outcome == Status.SKIPPED or self._stands(record, source, named)
        return SkipReason.DONE if is_done else None

    def former(self, source: SourceRef, named: Named) -> tuple[Published, ...]:
        """Return what was published of a source under its names; it may be gone since."""
        record = self._known.get(source.path)
        if record is None:
            return ()
        if named.series is not None:
            series, pattern = named.series, record.destination
            return tuple(each for each in record.published if series.had(each.path, pattern))
        if record.destination not in named.choices:
            return ()
        return (Published(record.destination, record.written_bytes, record.mtime_ns),)

    def _is_alike(self, record: Record, source: SourceRef, met: Met, sources: Sources) -> bool:
        """Whether a source's content is the recorded one, or that put in its place; noted if so."""
        sizes = {record.size_bytes, record.written_bytes if self.settings.in_place else 0}
        digests = {record.digest, record.written_digest if self.settings.in_place else ""}
        is_same = source.size_bytes in sizes and sources.digest(met) in digests - {""}
        if is_same:
            self._same_content.add(source.path)
        return is_same

    def _is_known(self, record: Record, source: SourceRef) -> bool:
        if self.settings.checksum:
            return source.path in self._same_content
        return record.is_of(source) or (self.settings.in_place and record.is_result(source))

    def _stands(self, record: Record, source: SourceRef, named: Named) -> bool:
        """Whether what was published of a source is there, as it was published."""
        if self.settings.in_place:
            is_kept = record.outcome == Status.KEPT
            return is_kept or source.size_bytes == record.written_bytes
        if not named.is_met_by(record.destination):
            return False
        return all(self._holds(each) for each in record.published)

    def _holds(self, published: Published) -> bool:
        if self.settings.checksum:
            return self.destination.holds_content(published.path, published.digest)
        return self.destination.has(published)


def _taken(groups: Iterator[list[Met]]) -> list[list[Met]]:
    """Take groups of so many files together as are looked up at once, or all that are left."""
    taken, files = [], 0
    for group in groups:
        taken.append(group)
        files += len(group)
        if files >= _LOOKUP_FILES:
            break
    return taken
