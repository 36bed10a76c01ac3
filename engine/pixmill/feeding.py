"""From what the walk meets to jobs, and to the outcomes of what is no job.

Reads the first bytes of every file to tell its format by content; chooses destinations.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.failures import RETRYABLE_ERRNOS, os_failure
from pixmill.journal.store import STARTED
from pixmill.model import Failed, FailureKind, Job, Outcome, SkipReason, SourceRef, Stage, Status
from pixmill.naming import Named, Namer, folded, wrong_suffix
from pixmill.registry import codec, recognised, suffix_owner
from pixmill.settings import IfExists, OnCollision, Redo
from pixmill.storage.local import read_head
from pixmill.units import format_size
from pixmill.walking import Met, Sort, Trouble, Walker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.journal.store import Journal, Record
    from pixmill.recipe import Recipe
    from pixmill.settings import Settings
    from pixmill.storage.local import Destination, Head

__all__ = ["Feeder"]

_MAX_NAME_BYTES = 255  # NAME_MAX of every file system that matters
_SKIPS = {
    Sort.HIDDEN: SkipReason.HIDDEN,
    Sort.EXCLUDED: SkipReason.EXCLUDED,
    Sort.SYMLINK: SkipReason.SYMLINK,
    Sort.SPECIAL: SkipReason.SPECIAL,
}


@dataclass(slots=True)
class Feeder:
    """Turns the walk into jobs.

    Args:
        walker: Where files come from.
        recipe: Decides suffixes.
        settings: Decides what is taken.
        destination: Where results go.
        fingerprint: Fingerprint of the recipe, which the journal's records are held against.
        journal: What was done before, or `None` to make everything.
        protected: Folder inside the destination root, relative to it, that holds the sources
            and must not be written to; empty where there is none.
        only: Relative path of the one file to take, or empty for all.
    """

    walker: Walker
    recipe: Recipe
    settings: Settings
    destination: Destination
    fingerprint: str = ""
    journal: Journal | None = None
    protected: str = ""
    only: str = ""
    _number: int = 0
    _known: dict[str, Record] = field(default_factory=dict)

    def jobs(self) -> Iterator[Job | Outcome]:
        """Yield a job for every source to be made, an outcome for every other file met."""
        if self.only:
            met = Met("", self.only, Sort.FILE, is_link=True)
            yield from self._grouped([met], Namer(self.recipe))
            return
        for folder in self.walker.folders():
            for trouble in folder.troubles:
                yield _unlisted(trouble)
            if not self.settings.dry_run:
                for path in folder.paths:
                    self.destination.sweep(path)
            namer = Namer(self.recipe, folder.names)
            for group in folder.groups:
                yield from self._grouped(group, namer)

    def _grouped(self, group: list[Met], namer: Namer) -> Iterator[Job | Outcome]:
        sources = []
        for met in group:
            source = self._source(met)
            if isinstance(source, Outcome):
                yield source
            else:
                sources.append(source)
        if sources:
            for named in namer.named(sources):
                yield self._job(named)
        self._known.clear()

    def _source(self, met: Met) -> SourceRef | Outcome:
        """Tell what a file is by its first bytes, or why it is left alone."""
        if met.sort is not Sort.FILE:
            return _skipped(SourceRef(met.path, 0, 0, ""), _SKIPS[met.sort])
        path = os.path.join(self.walker.root, met.path)
        if (known := self._remembered(path, met)) is not None:
            return self._wanted(known)
        try:
            head = self._head(path, met)
        except OSError as error:
            return _failed(SourceRef(met.path, 0, 0, ""), os_failure(error, Stage.READ))
        name = recognised(head.content)
        source = SourceRef(met.path, head.size_bytes, head.mtime_ns, name)
        if not head.is_regular:
            return _skipped(source, SkipReason.SPECIAL)
        return self._wanted(source)

    def _head(self, path: str, met: Met) -> Head:
        """Read the first bytes; what may pass is tried again at once: names wait for what it is."""
        for _ in range(self.settings.retries):
            try:
                return read_head(path, can_follow=met.is_link)
            except OSError as error:
                if error.errno not in RETRYABLE_ERRNOS:
                    raise
        return read_head(path, can_follow=met.is_link)

    def _remembered(self, path: str, met: Met) -> SourceRef | None:
        """Return an unchanged source as the journal knows it, without opening the file."""
        record = self.journal.record_of(met.path) if self.journal is not None else None
        if record is None:
            return None
        self._known[met.path] = record
        try:
            status = os.stat(path, follow_symlinks=met.is_link)
        except OSError:  # opening it will tell
            return None
        source = SourceRef(met.path, status.st_size, status.st_mtime_ns, record.codec)
        return source if record.is_of(source) and record.codec else None

    def _wanted(self, source: SourceRef) -> SourceRef | Outcome:
        wanted = self.settings.supported_formats
        if source.codec and wanted and source.codec not in wanted:
            return _skipped(source, SkipReason.FORMAT)
        if source.codec and source.size_bytes > self.settings.max_file_bytes:
            size = format_size(source.size_bytes)
            message = f"the file has {size}, and more is allowed only by --max-file-size"
            return _failed(source, Failed(FailureKind.TOO_LARGE, Stage.READ, message))
        if source.codec and not codec(source.codec).can_read:
            title = codec(source.codec).title
            message = f"{title} is recognised and cannot be read by this release"
            return _failed(source, Failed(FailureKind.UNSUPPORTED, Stage.READ, message))
        if source.codec:
            return source
        return self._other(source)

    def _other(self, source: SourceRef) -> SourceRef | Outcome:
        """Judge a file whose content is no image: one that claims to be an image is damaged."""
        claimed = suffix_owner(os.path.splitext(source.path)[1])
        wanted = self.settings.supported_formats
        if claimed and (not wanted or claimed in wanted):
            title = codec(claimed).title
            message = f"the name says {title}, the content is no image that pixmill knows"
            return _failed(source, Failed(FailureKind.CORRUPT, Stage.READ, message))
        if self.settings.copy_others:
            return source
        return _skipped(source, SkipReason.NOT_AN_IMAGE)

    def _job(self, named: Named) -> Job | Outcome:
        source = named.source
        record = self._known.get(source.path)
        if (reason := self._left(source, named.destination, record)) is not None:
            return _skipped(source, reason)
        if (refused := self._refused(named)) is not None:
            return _failed(source, refused)
        is_own = record is not None and record.destination == named.destination
        may_replace = is_own or self.settings.if_exists is IfExists.OVERWRITE
        if not may_replace and self.destination.exists(named.destination):
            return self._exists(source)
        number, self._number = self._number, self._number + 1
        return Job(number, source, named.destination, can_replace=is_own, notes=_notes(named))

    def _left(
        self, source: SourceRef, destination: str, record: Record | None
    ) -> SkipReason | None:
        """Return why the journal lets a source be left alone, or nothing where it is to be made."""
        redo = self.settings.redo
        if redo is Redo.FAILED and (record is None or record.outcome != Status.FAILED):
            return SkipReason.NOT_FAILED
        if redo is not Redo.CHANGED or record is None:
            return None
        is_same = record.is_of(source) and record.fingerprint == self.fingerprint
        if not is_same or record.outcome in {STARTED, Status.FAILED}:
            return None
        if record.outcome == Status.SKIPPED:
            return SkipReason.DONE
        is_there = record.destination == destination and self.destination.holds(
            destination, record.written_bytes, source.mtime_ns
        )
        return SkipReason.DONE if is_there else None

    def _refused(self, named: Named) -> Failed | None:
        if named.rival and self.settings.on_collision is OnCollision.FAIL:
            message = f"wants the name that {named.rival} has: rename it, or use suffix"
            return Failed(FailureKind.COLLISION, Stage.PLAN, message)
        size = len(os.fsencode(named.destination.rpartition("/")[2]))
        if size > _MAX_NAME_BYTES:
            message = f"its new name has {size} bytes and {_MAX_NAME_BYTES} are allowed: shorten it"
            return Failed(FailureKind.REFUSED, Stage.PLAN, message)
        inside = folded(named.destination + "/").startswith(folded(self.protected) + "/")
        if not self.protected or not inside:
            return None
        message = "its destination lies among the sources: choose another output folder"
        return Failed(FailureKind.REFUSED, Stage.PLAN, message)

    def _exists(self, source: SourceRef) -> Outcome:
        if self.settings.if_exists is IfExists.SKIP:
            return _skipped(source, SkipReason.EXISTS)
        message = "a file stands at its destination: use --if-exists skip or overwrite"
        return _failed(source, Failed(FailureKind.EXISTS, Stage.PLAN, message))


def _notes(named: Named) -> tuple[str, ...]:
    """Return what the user should know of a name: a wrong suffix, a rival."""
    notes = []
    if suffix := wrong_suffix(named.source):
        notes.append(f"named {suffix}, and its content is {codec(named.source.codec).title}")
    if named.rival:
        notes.append(f"its name was taken by {named.rival}")
    return tuple(notes)


def _skipped(source: SourceRef, reason: SkipReason) -> Outcome:
    return Outcome(
        path=source.path,
        status=Status.SKIPPED,
        codec=source.codec,
        bytes_read=source.size_bytes,
        mtime_ns=source.mtime_ns,
        reason=reason,
    )


def _failed(source: SourceRef, failure: Failed) -> Outcome:
    return Outcome(
        path=source.path,
        status=Status.FAILED,
        codec=source.codec,
        bytes_read=source.size_bytes,
        mtime_ns=source.mtime_ns,
        failure=failure,
    )


def _unlisted(trouble: Trouble) -> Outcome:
    failure = os_failure(trouble.error, Stage.WALK)
    return _failed(SourceRef(trouble.path or ".", 0, 0, ""), failure)
