"""The ferry's own process: fetches objects into files, and puts files as objects.

Run as `python -m pixmill.executors.ferryman DESCRIPTOR`. It takes a `Voyage` off its pipe, opens
its own clients from its own environment, and answers requests in whatever order they are done. It
never decodes an image and never forks; when the pipe ends it ends, whatever is under way: what was
not answered was not done.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import dropwhile
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pixmill.address import Address, tag_digest
from pixmill.cataloguing import Catalogue
from pixmill.errors import OptionError
from pixmill.executors.vigil import BEAT_S, Alive
from pixmill.failures import os_failure
from pixmill.freight import (
    Batch,
    Broken,
    Catalogued,
    Delivered,
    Fetch,
    Fetched,
    Look,
    Looked,
    More,
    Publish,
    passed,
)
from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.answers import StoreError
from pixmill.storage.objects import IfAbsent, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.address import ObjectFacts
    from pixmill.freight import Parcel, Passed, Reply, Request, Voyage
    from pixmill.model import Published

__all__ = ["main"]

_HEAVY_BYTES: Final = 1_000_000
_CREW_A_HEAVY: Final = 8
"""One in so many may put a body above that size at a time: those are held in memory."""
_BATCH_OBJECTS: Final = 256
_UNEXPECTED: Final = 70
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

Asked = TypeVar("Asked")


@dataclass(slots=True)
class _Mouth:
    """Says one thing at a time, whichever thread has something to say.

    Args:
        connection: To the run.
    """

    connection: Connection[Any, Any]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, words: Reply | Broken | Alive) -> None:
        """Say something, unless nobody listens any more."""
        with self._lock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(words)

    def beat(self) -> None:
        """Say for ever that this process lives, however long stores let all others wait."""
        while True:
            self.say(Alive())
            time.sleep(BEAT_S)


@dataclass(slots=True)
class _Ferryman:
    """Answers requests.

    Args:
        voyage: What it must know once.
        mouth: Speaks to the run.
        source: Where objects are fetched from.
        destination: Where they are put.
    """

    voyage: Voyage
    mouth: _Mouth
    source: ObjectStore | None
    destination: ObjectStore | None
    _heavy: threading.Semaphore = field(init=False)
    _mores: SimpleQueue[More] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        """Bound what is held in memory."""
        self._heavy = threading.Semaphore(max(1, self.voyage.crew // _CREW_A_HEAVY))

    def run(self) -> None:
        """Serve until the run has gone."""
        fetches, looks, puts = (SimpleQueue[Any]() for _ in range(3))
        self._man(self._fetched, fetches)
        self._man(self._looked, looks)
        self._man(self._delivered, puts)
        _begin(self._lists)
        while True:
            request: Request = self.mouth.connection.recv()
            match request:
                case More():
                    self._mores.put(request)
                case Fetch():
                    fetches.put(request)
                case Look():
                    looks.put(request)
                case Publish():
                    puts.put(request)

    def _man(self, answer: Callable[[Asked], Reply], queue: SimpleQueue[Asked]) -> None:
        def work() -> None:
            while True:
                self.mouth.say(answer(queue.get()))

        for _ in range(self.voyage.crew):
            _begin(work)

    def _fetched(self, request: Fetch) -> Fetched:
        source, facts = self.source, request.facts
        if source is None:
            raise AssertionError("sources are files of this machine")
        path = f"{self.voyage.staging}/in/{request.number}"
        try:
            if request.opening_bytes:
                opening = source.opening(facts.key, request.opening_bytes, expected=facts)
                return Fetched(request.number, opening=opening)
            with _made(path) as descriptor:
                attributes = source.fetch(facts.key, descriptor, expected=facts)
                os.utime(descriptor, ns=(facts.identity_ns, facts.identity_ns))
                mtime_ns = os.fstat(descriptor).st_mtime_ns
        except (StoreError, OSError) as error:
            with contextlib.suppress(OSError):
                os.unlink(path)
            return Fetched(request.number, _failure(error, Stage.READ))
        return Fetched(request.number, None, b"", mtime_ns, tuple(attributes.items()))

    def _looked(self, request: Look) -> Looked:
        destination = self.destination
        if destination is None:
            raise AssertionError("results are files of this machine")
        try:
            if request.folder is not None:
                return Looked(request.number, tuple(destination.within(request.folder)))
            found = (destination.facts(name) for name in request.names)
            return Looked(request.number, tuple(each for each in found if each is not None))
        except StoreError as error:
            return Looked(request.number, (), _failure(error, Stage.PLAN))

    def _delivered(self, request: Publish) -> Delivered:
        destination = self.destination
        if destination is None:
            raise AssertionError("results are files of this machine")
        try:
            tags = tuple(self._put(destination, parcel) for parcel in request.parcels)
            for former in request.former:
                _withdraw(destination, former)
        except (StoreError, OSError) as error:
            return Delivered(request.number, (), _failure(error, Stage.PUBLISH))
        return Delivered(request.number, tags)

    def _put(self, destination: ObjectStore, parcel: Parcel) -> str:
        """Put one file, few large ones at a time, and return its tag."""
        path = f"{self.voyage.staging}/out/{parcel.staged}"
        is_heavy = os.stat(path).st_size > _HEAVY_BYTES
        with self._heavy if is_heavy else contextlib.nullcontext():
            condition = None if parcel.can_replace else IfAbsent()
            return destination.put(
                parcel.key,
                path,
                attributes=dict(parcel.attributes),
                tagging=dict(self.voyage.settings.tagging),
                condition=condition,
            ).tag

    def _lists(self) -> None:
        """Answer every `More`, having taken in the whole listing at the first."""
        after = self._mores.get().after
        source = self.source
        if source is None:
            raise AssertionError("sources are files of this machine")
        try:
            catalogue = self._catalogued(source)
        except StoreError as error:
            self.mouth.say(Broken(f"{source.address} cannot be listed: {error.failure.message}"))
            return
        self.mouth.say(Catalogued(catalogue.ahead))
        for batch in _batches(catalogue, after, self.source):
            self.mouth.say(batch)
            self._mores.get()

    def _catalogued(self, source: ObjectStore) -> Catalogue:
        catalogue = Catalogue(self.voyage.settings, self.voyage.excluded)
        is_empty = True
        for page in source.listed():
            is_empty = is_empty and not page
            catalogue.take(page)
        if is_empty and source.address.prefix:
            self.source, facts = _alone(source)
            catalogue.take([facts])
        return catalogue


def _begin(work: Callable[[], None]) -> None:
    """Have a thread work beside this one."""
    threading.Thread(target=_to_the_end, args=(work,), daemon=True).start()


def _to_the_end(work: Callable[[], None]) -> None:
    """Work, and end the process where that errs: a request without an answer stalls a run."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - the process's edge, and its words may hold secrets
        sys.stderr.write(f"pixmill: the ferry met an unexpected {type(error).__name__}\n")
        os._exit(_UNEXPECTED)


def _alone(source: ObjectStore) -> tuple[ObjectStore, ObjectFacts]:
    """Return the one object that a prefix names, in the store that it lies in.

    Raises:
        StoreError: There is none.
    """
    address = source.address
    above, _, key = address.prefix.rpartition("/")
    store = ObjectStore(Address(address.scheme, address.bucket, above), source.client)
    facts = store.facts(key, stage=Stage.WALK)
    if facts is None:
        message = "nothing lies there: look at how it is spelled"
        raise StoreError(Failed(FailureKind.VANISHED, Stage.WALK, message))
    return store, facts


def _batches(
    catalogue: Catalogue, after: Passed | None, source: ObjectStore | None
) -> Iterator[Batch]:
    """Yield what is met in portions, the last one marked, which may be empty.

    What another ferry has told of before, which comes no later than `after`, is left out.
    """
    groups = dropwhile(
        lambda group: after is not None and passed(group) <= after, catalogue.groups()
    )
    address = None if source is None else source.address
    while True:
        taken = []
        objects = 0
        for folder, group in groups:
            taken.append((folder, group))
            objects += len(group)
            if objects >= _BATCH_OBJECTS:
                break
        has_ended = objects < _BATCH_OBJECTS
        yield Batch(tuple(taken), has_ended, address)
        if has_ended:
            return


def _withdraw(destination: ObjectStore, former: Published) -> None:
    """Remove an earlier result, unless somebody has put another in its place."""
    facts = destination.facts(former.path, stage=Stage.PUBLISH)
    is_own = facts is not None and facts.size_bytes == former.size_bytes
    if facts is not None and is_own and tag_digest(facts.tag) == former.digest:
        destination.remove(former.path)


@contextlib.contextmanager
def _made(path: str) -> Iterator[int]:
    with contextlib.suppress(FileNotFoundError):  # a ferry before this one may still hold it open
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _failure(error: StoreError | OSError, stage: Stage) -> Failed:
    """Return what went wrong; a full disc of this machine is that of every object to come."""
    if isinstance(error, StoreError):
        return error.failure
    if error.errno in _FULL:
        message = "no space is left for objects under way: make room, or set TMPDIR, and run again"
        return Failed(FailureKind.NO_SPACE, stage, message, is_fatal=True)
    return os_failure(error, stage)


def _opened(voyage: Voyage, address: Address | None) -> ObjectStore | None:
    return None if address is None else ObjectStore.opened(address, voyage.access)


def _served(connection: Connection[Any, Any]) -> None:
    """Take a voyage and serve it until the run has gone."""
    mouth = _Mouth(connection)
    with contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
        voyage: Voyage = connection.recv()
        _begin(mouth.beat)
        try:
            source = _opened(voyage, voyage.source)
            destination = _opened(voyage, voyage.destination)
        except OptionError as error:
            mouth.say(Broken(str(error), error.option))
            return
        _Ferryman(voyage, mouth, source, destination).run()


def main() -> None:
    """Be a ferry."""
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # stdout is data, and the coordinator's alone
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the coordinator decides when it ends
    _to_the_end(lambda: _served(connection))


if __name__ == "__main__":
    main()
    # Threads may be in the midst of requests that nobody waits for any more.
    os._exit(0)
