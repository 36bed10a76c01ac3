"""From what the walk meets to jobs, and to the outcomes of what is no job.

Reads the first bytes of every file to tell its format by content; chooses destinations.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, field
from os.path import splitext
from typing import TYPE_CHECKING

from pixmill.failures import RETRYABLE_ERRNOS, os_failure
from pixmill.model import Failed, FailureKind, Job, Outcome, SkipReason, SourceRef, Stage, Status
from pixmill.naming import Named, Namer, folded, wrong_suffix
from pixmill.places import Places, Sources, UnreachedError
from pixmill.registry import codec, recognised, suffix_owner
from pixmill.settings import IfExists, OnCollision, template_for
from pixmill.sieving import Sieve
from pixmill.storage.standing import Standing
from pixmill.targeting import target_of
from pixmill.units import format_size
from pixmill.walking import Met, Sort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from pixmill.model import Published
    from pixmill.recall import Recall
    from pixmill.recipe import Recipe
    from pixmill.series import NameTemplate
    from pixmill.settings import Settings
    from pixmill.sharding import Shard
    from pixmill.storage.local import Head
    from pixmill.storage.originals import Backups
    from pixmill.walking import Trouble

    Ahead: TypeAlias = Callable[[Iterator[list[Met]]], Iterator[list[Met]]]

__all__ = ["Feeder", "Group"]

_WIDEST_PX = 9_999_999
_MAX_NAME_BYTES = 255  # NAME_MAX of every file system that matters
_SKIPS = {
    Sort.HIDDEN: SkipReason.HIDDEN,
    Sort.EXCLUDED: SkipReason.EXCLUDED,
    Sort.SYMLINK: SkipReason.SYMLINK,
    Sort.SPECIAL: SkipReason.SPECIAL,
}


@dataclass(frozen=True, slots=True)
class Group:
    """Files that may want one name.

    Attributes:
        mets: The files.
        namer: Names those of their folder.
    """

    mets: list[Met]
    namer: Namer


@dataclass(slots=True)
class Feeder:
    """Turns the walk into jobs.

    Args:
        walker: Where files come from.
        recipe: Decides suffixes.
        settings: Decides what is taken.
        destination: Where results go.
        recall: Knows what was done before.
        backups: Where originals go that are replaced in place, or `None`.
        protected: Folder inside the destination root, relative to it, that holds the sources
            and must not be written to; empty where there is none.
        only: Relative path of the one file to take, or empty for all.
    """

    walker: Sources
    recipe: Recipe
    settings: Settings
    destination: Places
    recall: Recall
    backups: Backups | None = None
    protected: str = ""
    only: str = ""
    _number: int = 0
    _template: NameTemplate | None = field(init=False)
    _standing: Standing | None = field(init=False)
    _shard: Shard | None = field(init=False)

    def __post_init__(self) -> None:
        """Know how several outputs of a source are named, and what is left to others."""
        shard = self.settings.shard
        self._shard = None if shard.is_whole else shard  # a call a file costs those without
        self._template = template_for(self.recipe, self.settings)
        known = self._template
        self._standing = None if known is None else Standing(self.destination, known)

    def jobs(self) -> Iterator[Job | Outcome]:
        """Yield a job for every source to be made, an outcome for every other file met.

        What another shard makes is neither. A folder that cannot be listed is every shard's
        trouble: each may have lost files of its own in it.
        """
        for found in self.groups(self.recall.ahead):
            if isinstance(found, Outcome):
                yield found
            else:
                yield from self._grouped(found)

    def groups(self, ahead: Ahead = iter) -> Iterator[Group | Outcome]:
        """Yield files that may want one name, and outcomes of folders that cannot be read.

        Args:
            ahead: Passes the groups of a folder on, to see some before their turn. Default: as
                they come.
        """
        if self.only:
            met = Met("", self.only, self._sort_of_only(), is_link=True)
            for mets in ahead(self._passing(iter([[met]]))):
                yield Group(mets, Namer(self.recipe, template=self._template))
            return
        for folder in self.walker.folders():
            for trouble in folder.troubles:
                yield _unlisted(trouble)
            if not self.settings.dry_run:
                self._sweep(folder.paths)
            namer = self.namer(folder.names)
            for mets in ahead(self._passing(folder.groups, folder.names)):
                yield Group(mets, namer)

    def namer(self, folders: frozenset[str] = frozenset()) -> Namer:
        """Return what names the files of one folder, given the folded names of those in it."""
        return Namer(self.recipe, folders, self._template)

    def sieve(self, folders: frozenset[str] = frozenset()) -> Sieve:
        """Return what tells which files of one folder have to be named, likewise."""
        return Sieve(self.settings.shard, folders, self._template)

    def _passing(
        self, groups: Iterator[list[Met]], folders: frozenset[str] = frozenset()
    ) -> Iterator[list[Met]]:
        """Leave out what another shard makes, but for what has a say in the names of this one's."""
        shard = self._shard
        if shard is None:
            return groups
        if self.settings.in_place:
            own = ([met for met in group if shard.holds(met.path)] for group in groups)
            return filter(None, own)
        sieve = self.sieve(folders)
        return (
            group for group in groups if sieve.passes(group[0].key, [met.path for met in group])
        )

    def _sort_of_only(self) -> Sort:
        """Tell whether the one file is taken: links are followed, but not replaced in place."""
        is_link = os.path.islink(os.path.join(self.walker.root, self.only))
        return Sort.SYMLINK if is_link and self.settings.in_place else Sort.FILE

    def _sweep(self, paths: tuple[str, ...]) -> None:
        for path in paths:
            self.destination.sweep(path)
            if self.backups is not None:
                self.backups.sweep(path)

    def _grouped(self, group: Group) -> Iterator[Job | Outcome]:
        for found in self.named(group):
            yield found if isinstance(found, Outcome) else self.job(found)

    def named(self, group: Group) -> Iterator[Named | Outcome]:
        """Tell what the files of a group are, and name those that may be made.

        The groups of a folder must be named in order.
        """
        sources = []
        for met in group.mets:
            source = self._source(met)
            if not isinstance(source, Outcome):
                sources.append(source)
            elif self._shard is None or self._shard.holds(met.path):
                yield source
        if sources and self.settings.in_place:
            yield from (Named(source, source.path) for source in sources)
        elif sources:
            for named in group.namer.named(sources):
                if self._shard is None or self._shard.holds(named.source.path):
                    yield named

    def _source(self, met: Met) -> SourceRef | Outcome:
        """Tell what a file is by its first bytes, or why it is left alone."""
        if met.sort is not Sort.FILE:
            return _skipped(SourceRef(met.path, 0, 0, ""), _SKIPS[met.sort])
        if (known := self.recall.remembered(met, self.walker)) is not None:
            return self._wanted(known)
        try:
            head = self._head(met)
        except OSError as error:
            return Outcome.failed(SourceRef(met.path, 0, 0, ""), os_failure(error, Stage.READ))
        except UnreachedError as error:
            return Outcome.failed(error.source, error.failure)
        name = recognised(head.content)
        source = SourceRef(met.path, head.size_bytes, head.mtime_ns, name, head.inode, head.tag)
        if not head.is_regular:
            return _skipped(source, SkipReason.SPECIAL)
        return self._wanted(source)

    def _head(self, met: Met) -> Head:
        """Read the first bytes; what may pass is tried again at once: names wait for what it is."""
        for _ in range(self.settings.retries):
            try:
                return self.walker.head(met)
            except OSError as error:
                if error.errno not in RETRYABLE_ERRNOS:
                    raise
        return self.walker.head(met)

    def _wanted(self, source: SourceRef) -> SourceRef | Outcome:
        wanted = self.settings.supported_formats
        if source.codec and wanted and source.codec not in wanted:
            return _skipped(source, SkipReason.FORMAT)
        if source.codec and source.size_bytes > self.settings.max_file_bytes:
            size = format_size(source.size_bytes)
            message = f"the file has {size}, and more is allowed only by --max-file-size"
            return Outcome.failed(source, Failed(FailureKind.TOO_LARGE, Stage.READ, message))
        if source.codec and not codec(source.codec).can_read:
            title = codec(source.codec).title
            message = f"{title} is recognised and cannot be read by this release"
            return Outcome.failed(source, Failed(FailureKind.UNSUPPORTED, Stage.READ, message))
        if source.codec:
            return source
        return self._other(source)

    def _other(self, source: SourceRef) -> SourceRef | Outcome:
        """Judge a file whose content is no image: one that claims to be an image is damaged."""
        claimed = suffix_owner(os.path.splitext(source.path)[1])
        wanted = self.settings.supported_formats
        if claimed and (not wanted or claimed in wanted):
            title = codec(claimed).title
            found = (
                "the content is no image that pixmill knows" if source.size_bytes else "it is empty"
            )
            message = f"the name says {title}, {found}"
            return Outcome.failed(source, Failed(FailureKind.CORRUPT, Stage.READ, message))
        if self.settings.copy_others:
            return source
        return _skipped(source, SkipReason.NOT_AN_IMAGE)

    def job(self, named: Named) -> Job | Outcome:
        """Return the job that makes a source, or why it is left alone."""
        source = named.source
        left = self.recall.left(source, named)
        if isinstance(left, Failed):
            return Outcome.failed(source, left)
        if left is not None:
            return _skipped(source, left)
        if self.settings.in_place:
            return self._job_in_place(source)
        if (refused := self._refused(named)) is not None:
            return Outcome.failed(source, refused)
        record = self.recall.of(source.path)
        own = "" if record is None else record.destination
        former = self.recall.former(source, named)
        is_cautious = self.settings.if_exists is not IfExists.OVERWRITE
        if is_cautious and self._is_taken(named, own, former):
            return self._exists(source)
        # of several outputs all that stand are its own, then, and may be what a crash has left
        is_own = named.is_met_by(own) or bool(named.series and own)
        return Job(
            self._next(),
            source,
            named.destination,
            can_replace=is_own,
            notes=_notes(named),
            choices=named.choices,
            former=former,
            series=named.series,
        )

    def _is_taken(self, named: Named, own: str, former: tuple[Published, ...]) -> bool:
        """Whether a file that is not pixmill's own stands where the result may go."""
        if own == named.destination:
            return False
        if named.series is not None and self._standing is not None:
            known = {each.path for each in former}
            return any(
                name not in known and not named.series.had(name, own)
                for name in self._standing.of(named.series)
            )
        names = named.choices or (named.destination,)
        return any(self.destination.exists(name) for name in names if name != own)

    def _job_in_place(self, source: SourceRef) -> Job | Outcome:
        """Return the job that replaces a source, unless its format is read and not written."""
        if target_of(source.codec, self.recipe).name != source.codec:
            return _skipped(source, SkipReason.NO_WRITER)
        backup = "" if self.backups is None else self.backups.name_for(source)
        return Job(
            self._next(),
            source,
            source.path,
            can_replace=True,
            backup=backup,
            notes=_notes(Named(source, source.path)),
        )

    def _next(self) -> int:
        number, self._number = self._number, self._number + 1
        return number

    def _refused(self, named: Named) -> Failed | None:
        if named.rival and self.settings.on_collision is OnCollision.FAIL:
            message = (
                f"wants the name that {named.rival} has: rename it, or use --on-collision suffix"
            )
            return Failed(FailureKind.COLLISION, Stage.PLAN, message)
        if self._is_like_output(named):
            message = "its name is one that an output of another source may have: rename it"
            return Failed(FailureKind.COLLISION, Stage.PLAN, message)
        name = self._longest(named).rpartition("/")[2]
        size = len(name) if name.isascii() else len(os.fsencode(name))
        if size > _MAX_NAME_BYTES:
            message = f"its new name has {size} bytes and {_MAX_NAME_BYTES} are allowed: shorten it"
            return Failed(FailureKind.REFUSED, Stage.PLAN, message)
        if self.protected and folded(f"{named.destination}/").startswith(
            folded(f"{self.protected}/")
        ):
            message = "its destination lies among the sources: choose another output folder"
            return Failed(FailureKind.REFUSED, Stage.PLAN, message)
        return None

    def _is_like_output(self, named: Named) -> bool:
        """Whether what is no image is named like one of several outputs of some image."""
        name = folded(posixpath.basename(named.destination))
        if self._template is None or named.source.codec or not suffix_owner(splitext(name)[1]):
            return False
        return self._template.key_of(name) not in {"", name}

    def _longest(self, named: Named) -> str:
        if named.series is None:
            return named.destination
        suffix = max(named.series.suffixes, key=len)
        return named.series.name(max(self.recipe.widths, default=_WIDEST_PX), suffix)

    def _exists(self, source: SourceRef) -> Outcome:
        if self.settings.if_exists is IfExists.SKIP:
            return _skipped(source, SkipReason.EXISTS)
        message = "a file stands at its destination: use --if-exists skip or overwrite"
        return Outcome.failed(source, Failed(FailureKind.EXISTS, Stage.PLAN, message))


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


def _unlisted(trouble: Trouble) -> Outcome:
    failure = os_failure(trouble.error, Stage.WALK)
    return Outcome.failed(SourceRef(trouble.path or ".", 0, 0, ""), failure)
