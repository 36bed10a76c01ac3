"""The walk where a store has a part in it: looks and fetches are asked for ahead of their turn.

A window of sources is open at a time, bounded in number and in bytes. Each goes through three
queues, in order: what it is, what stands where its result goes, and whether it is here. Where each
node of a cluster fetches for itself, only beginnings come here. It never waits for the network: it
says `PAUSE`, so that workers and Ctrl-C are heard. Must not decide what becomes of a source: the
feeder does, once it is answered.
"""

from __future__ import annotations

import posixpath
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pixmill.failures import os_failure
from pixmill.feeding import Group
from pixmill.freight import PAUSE, Batch, Catalogued, Fetch, Fetched, Look, Looked, More
from pixmill.model import Failed, FailureKind, Job, Outcome, Stage
from pixmill.registry import suffix_owner
from pixmill.remote import RemoteResults, RemoteSources
from pixmill.settings import IfExists
from pixmill.staging import Cargo
from pixmill.storage.local import HEAD_BYTES, read_head
from pixmill.units import format_size
from pixmill.walking import Sort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.address import ObjectFacts
    from pixmill.feeding import Feeder
    from pixmill.freight import Pause, Request
    from pixmill.model import SourceRef
    from pixmill.naming import Named, Namer
    from pixmill.sieving import Sieve
    from pixmill.staging import Staging
    from pixmill.stats import Ahead
    from pixmill.walking import Met

__all__ = ["Incoming"]

_WINDOW_FILES: Final = 8
"""Open at a time for each request of a kind that the ferry has under way."""
_FETCHES: Final = 2
"""Asked for likewise: one is on its way, and the next is known."""
_BACKLOG_GROUPS: Final = 64
"""Fewer, and the next batch is asked for."""


@dataclass(slots=True)
class _Opened:
    """Files that may want one name, until each is known for what it is."""

    group: Group
    awaited: set[str]


@dataclass(slots=True)
class _Asked:
    """A named source, until it is known what stands where its result goes."""

    found: Named | Outcome
    look: int | None = None


@dataclass(frozen=True, slots=True)
class _Want:
    """An object that is to be fetched, or the beginning of it."""

    path: str
    facts: ObjectFacts
    opening_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        return 0 if self.opening_bytes else self.facts.size_bytes


@dataclass(slots=True)
class Incoming:
    """The walk of one run.

    Args:
        feeder: Decides.
        staging: Where fetched sources are.
        send: Asks the ferry.
        limit_bytes: What fetched sources may hold together; one that is larger comes alone.
        ahead: Told what the listing has counted.
        crew: Requests of a kind that the ferry has under way at a time.
    """

    feeder: Feeder
    staging: Staging
    send: Callable[[Request], None]
    limit_bytes: int
    ahead: Ahead
    crew: int
    _local: Iterator[Group | Outcome] = field(init=False)
    _sources: RemoteSources | None = field(init=False)
    _results: RemoteResults | None = field(init=False)
    _backlog: deque[Group] = field(default_factory=deque)
    _opened: deque[_Opened] = field(default_factory=deque)
    _asked: deque[_Asked] = field(default_factory=deque)
    _loading: deque[Job | Outcome] = field(default_factory=deque)
    _ready: deque[Job | Outcome] = field(default_factory=deque)
    _early: deque[_Want] = field(default_factory=deque)
    _late: deque[_Want] = field(default_factory=deque)
    _fetching: dict[int, _Want] = field(default_factory=dict)
    _looks: dict[int, Looked | None] = field(default_factory=dict)
    _last_look: Look | None = None
    _folder: tuple[str, ...] | None = None
    _namer: Namer = field(init=False)
    _sieve: Sieve = field(init=False)
    _number: int = 0
    _files: int = 0
    _is_asked_for_more: bool = False
    _has_ended: bool = False

    def __post_init__(self) -> None:
        """Know which side is a bucket."""
        self._namer, self._sieve = self.feeder.namer(), self.feeder.sieve()
        walker, destination = self.feeder.walker, self.feeder.destination
        self._sources = walker if isinstance(walker, RemoteSources) else None
        self._results = destination if isinstance(destination, RemoteResults) else None
        self._local = iter(()) if self._sources is not None else self.feeder.groups()

    def found(self) -> Iterator[Job | Outcome | Pause]:
        """Yield what `Feeder.jobs` would, and `PAUSE` wherever an answer is still to come."""
        while True:
            self._advance()
            if self._ready:
                yield self._let_go(self._ready.popleft())
            elif self._is_done:
                return
            else:
                yield PAUSE

    def hear(self, reply: Catalogued | Batch | Fetched | Looked) -> None:
        """Take in an answer of the ferry."""
        match reply:
            case Catalogued(ahead):
                self.ahead.files, self.ahead.sizes_bytes = ahead.files, ahead.sizes_bytes
                self.ahead.has_ended = ahead.has_ended
            case Batch(groups, has_ended):
                self._is_asked_for_more, self._has_ended = False, has_ended
                for folder, listed in groups:
                    self._enter(folder)
                    if not self._sieve.passes(listed[0].met.key, [one.met.path for one in listed]):
                        continue
                    for one in listed:
                        self._met(one.facts)
                    self._backlog.append(Group([one.met for one in listed], self._namer))
            case Fetched():
                self._arrived(reply)
            case Looked(number):
                self._looks[number] = reply

    @property
    def _is_done(self) -> bool:
        queues = (self._backlog, self._opened, self._asked, self._loading, self._ready)
        return self._has_ended and not any(queues)

    def _advance(self) -> None:
        self._open()
        self._name()
        self._decide()
        self._load()
        self._fetch()

    def _met(self, facts: ObjectFacts) -> None:
        if self._sources is not None:
            self._sources.meet(facts)

    def _enter(self, folder: tuple[str, ...]) -> None:
        """Begin a folder, whose objects come one after the other, unless that has been done."""
        if folder != self._folder:
            self._folder, self._namer = folder, self.feeder.namer()
            self._sieve = self.feeder.sieve()

    def _open(self) -> None:
        """Let groups into the window, having looked up what the journal knows of them."""
        if self._sources is None:
            self._take_local()
        elif len(self._backlog) < _BACKLOG_GROUPS and not (
            self._is_asked_for_more or self._has_ended
        ):
            self._is_asked_for_more = True
            self.send(More())
        groups = []
        while self._backlog and self._files < self.crew * _WINDOW_FILES:
            groups.append(self._backlog.popleft())
            self._files += len(groups[-1].mets)
        if groups:
            self.feeder.recall.look_up([met.path for each in groups for met in each.mets])
        for group in groups:
            wants = [want for met in group.mets if (want := self._want(met)) is not None]
            self._early.extend(wants)
            self._opened.append(_Opened(group, {want.path for want in wants}))

    def _take_local(self) -> None:
        while not self._has_ended and self._files + len(self._backlog) < self.crew * _WINDOW_FILES:
            found = next(self._local, None)
            if found is None:
                self._has_ended = True
            elif isinstance(found, Outcome):
                self._files += 1
                self._ready.append(found)
            else:
                self._backlog.append(found)

    def _want(self, met: Met) -> _Want | None:
        """Return what must be fetched to know what an object is: all of it if that is likely."""
        sources = self._sources
        if sources is None or met.sort is not Sort.FILE:
            return None
        facts = sources.facts(met.path)
        is_claimed = bool(suffix_owner(posixpath.splitext(met.path)[1]))
        most_bytes = self.feeder.settings.max_file_bytes
        if not facts.size_bytes:
            sources.open(met.path, b"")
        elif self.feeder.recall.remembered(met, sources) is not None:
            return None
        elif is_claimed and facts.size_bytes > most_bytes:
            sources.open(met.path, _too_large(facts))
        elif is_claimed and self._is_to_come(met.path):
            return _Want(met.path, facts)
        else:
            return _Want(met.path, facts, HEAD_BYTES)
        return None

    def _name(self) -> None:
        """Name the groups whose files are known, and ask what stands where results may go."""
        while self._opened and not self._opened[0].awaited:
            group = self._opened.popleft().group
            for found in self.feeder.named(group):
                self._asked.append(_Asked(found, self._look(found)))
            for met in group.mets:
                if not self.feeder.settings.shard.holds(met.path):  # it had a say, and no more
                    self._forget(met.path)

    def _look(self, found: Named | Outcome) -> int | None:
        """Ask what stands under all names that a source has, had or may get."""
        if self._results is None or isinstance(found, Outcome):
            return None
        if found.series is not None:
            return self._looked(Look(0, folder=posixpath.dirname(found.series.before)))
        record = self.feeder.recall.of(found.source.path)
        names = set() if record is None else {each.path for each in record.published}
        if self.feeder.settings.if_exists is not IfExists.OVERWRITE:
            names |= set(found.choices or (found.destination,))
        return self._looked(Look(0, tuple(sorted(names - {""})))) if names - {""} else None

    def _looked(self, look: Look) -> int:
        """Ask, unless the same folder was asked for just now: many series share one."""
        last = self._last_look
        if last is not None and look.folder is not None and look.folder == last.folder:
            return last.number
        self._number += 1
        self._last_look = Look(self._number, look.names, look.folder)
        self._looks[self._number] = None
        self.send(self._last_look)
        return self._number

    def _decide(self) -> None:
        """Make jobs of what is answered, and have those sources come that are not here."""
        while self._asked:
            asked = self._asked[0]
            answer = None if asked.look is None else self._looks[asked.look]
            if asked.look is not None and answer is None:
                return
            self._asked.popleft()
            found = self._decided(asked.found, answer)
            self._loading.append(found)
            if isinstance(found, Job) and self._is_missing(found.source):
                self._late.append(_Want(found.source.path, self._facts(found.source.path)))
            self._forget_looks()

    def _decided(self, found: Named | Outcome, answer: Looked | None) -> Job | Outcome:
        if isinstance(found, Outcome):
            return found
        if answer is not None and answer.failure is not None:
            return Outcome.failed(found.source, answer.failure)
        if answer is None or self._results is None:
            return self.feeder.job(found)
        self._results.show(answer.found)
        job = self.feeder.job(found)
        if isinstance(job, Job) and self._results.has_unknown:
            return replace(job, can_replace=True)
        return job

    def _forget_looks(self) -> None:
        kept = {asked.look for asked in self._asked}
        last = None if self._last_look is None else self._last_look.number
        for number in [each for each in self._looks if each not in kept and each != last]:
            del self._looks[number]

    def _is_to_come(self, path: str) -> bool:
        return self.staging.is_source_staged and self.feeder.settings.shard.holds(path)

    def _is_missing(self, source: SourceRef) -> bool:
        return self.staging.is_source_staged and self.staging.cargo(source.path) is None

    def _facts(self, path: str) -> ObjectFacts:
        if self._sources is None:
            raise AssertionError("files of this machine are not fetched")
        return self._sources.facts(path)

    def _load(self) -> None:
        """Let go of what has all that it needs."""
        while self._loading:
            found = self._loading[0]
            if isinstance(found, Job) and self._is_missing(found.source):
                return
            self._ready.append(self._loading.popleft())

    def _let_go(self, found: Job | Outcome) -> Job | Outcome:
        path = found.source.path if isinstance(found, Job) else found.path
        if isinstance(found, Job):
            self.staging.jobs[path] = found
        else:
            self.staging.clear(path)
        self._forget(path)
        return found

    def _forget(self, path: str) -> None:
        """Make room in the window: all that was known of a source has been used."""
        self._files -= 1
        self.feeder.recall.forget(path)
        if self._sources is not None:
            self._sources.forget(path)

    def _fetch(self) -> None:
        """Ask for what is wanted, in order, as far as there is room.

        What everything else waits for is asked for whether there is room or not.
        """
        first = self._first()
        for queue in (self._late, self._early):
            while queue and len(self._fetching) < self.crew * _FETCHES:
                want = queue[0]
                has_room = self.staging.held_bytes + want.held_bytes <= self.limit_bytes
                if not (has_room or want.path in first):
                    return
                queue.popleft()
                self._number += 1
                self._fetching[self._number] = want
                self.staging.held_bytes += want.held_bytes
                self.send(Fetch(self._number, want.facts, want.opening_bytes))

    def _first(self) -> set[str]:
        """Return the sources whose turn it is."""
        if self._loading:
            found = self._loading[0]
            return {found.source.path} if isinstance(found, Job) else set()
        return self._opened[0].awaited if self._opened else set()

    def _arrived(self, reply: Fetched) -> None:
        want = self._fetching.pop(reply.number)
        if reply.failure is not None:
            self.staging.held_bytes -= want.held_bytes
        elif not want.opening_bytes:
            cargo = Cargo(reply.number, want.facts.size_bytes, reply.mtime_ns, reply.attributes)
            self.staging.take(want.path, cargo)
        opened = next((each for each in self._opened if want.path in each.awaited), None)
        if opened is not None:
            opened.awaited.discard(want.path)
            if self._sources is not None:
                self._sources.open(want.path, self._opening(want, reply))
        elif reply.failure is not None:
            self._lost(want.path, reply.failure)

    def _opening(self, want: _Want, reply: Fetched) -> bytes | Failed:
        if reply.failure is not None or want.opening_bytes:
            return reply.failure or reply.opening
        try:
            return read_head(f"{self.staging.folder}/in/{reply.number}", can_follow=False).content
        except OSError as error:
            return os_failure(error, Stage.READ)

    def _lost(self, path: str, failure: Failed) -> None:
        """Turn a job whose source does not come into its failure, in its place."""
        for at, found in enumerate(self._loading):
            if isinstance(found, Job) and found.source.path == path:
                self._loading[at] = Outcome.failed(found.source, failure)


def _too_large(facts: ObjectFacts) -> Failed:
    size = format_size(facts.size_bytes)
    message = f"the object has {size}, and more is allowed only by --max-file-size"
    return Failed(FailureKind.TOO_LARGE, Stage.READ, message)
