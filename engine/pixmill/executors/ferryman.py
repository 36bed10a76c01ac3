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
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pixmill.address import Address, tag_digest
from pixmill.cataloguing import Catalogue
from pixmill.errors import OptionError
from pixmill.executors.gate import ForsakenError, Gate, Watch
from pixmill.executors.scratch import outlive
from pixmill.executors.stock import above, alone, batches
from pixmill.executors.vigil import BEAT_S, Alive
from pixmill.failures import os_failure
from pixmill.freight import (
    Broken,
    Catalogued,
    Delivered,
    Fetch,
    Fetched,
    Look,
    Looked,
    More,
    Publish,
)
from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.answers import StoreError
from pixmill.storage.objects import IfAbsent, ObjectStore
from pixmill.storage.paging import Pages
from pixmill.storage.probing import check_puts, does_answer
from pixmill.storage.settling import settle
from pixmill.units import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.address import ObjectFacts
    from pixmill.freight import Parcel, Reply, Request, Voyage
    from pixmill.model import Published

__all__ = ["main"]

_HEAVY_BYTES: Final = 1_000_000
_CREW_A_HEAVY: Final = 8
"""One in so many may put a body above that size at a time: those are held in memory."""
_UNEXPECTED: Final = 70
_TOLD_S: Final = 0.5  # a listing of a million objects takes a minute
_ROOM_BYTES: Final = 64 * 1024 * 1024  # what a disc must keep for results and other objects
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
    _watch: Watch = field(init=False)
    _gates: dict[Stage, Gate] = field(init=False)
    _fetches: SimpleQueue[Fetch] = field(default_factory=SimpleQueue)
    _looks: SimpleQueue[Look] = field(default_factory=SimpleQueue)
    _puts: SimpleQueue[Publish] = field(default_factory=SimpleQueue)
    _mores: SimpleQueue[More] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        """Bound what is held in memory, and put a gate before each kind of request."""
        self._heavy = threading.Semaphore(max(1, self.voyage.crew // _CREW_A_HEAVY))
        self._watch = Watch(self.mouth.say, self.voyage.access.patience_s)
        is_known, dry_run = self.voyage.is_known, self.voyage.settings.dry_run
        self._gates = {
            Stage.WALK: self._gate(self.source, has_answered=is_known),
            Stage.READ: self._gate(self.source),
            Stage.PLAN: self._gate(self.destination, has_answered=is_known or dry_run),
            Stage.PUBLISH: self._gate(self.destination),
        }

    def _gate(self, store: ObjectStore | None, *, has_answered: bool = True) -> Gate:
        name = "" if store is None else str(store.address)
        return Gate(name, lambda: store is None or does_answer(store), self._watch, has_answered)

    def run(self) -> None:
        """Serve until the run has gone."""
        _begin(self._board)
        while True:
            request: Request = self.mouth.connection.recv()
            match request:
                case More():
                    self._mores.put(request)
                case Fetch():
                    self._fetches.put(request)
                case Look():
                    self._looks.put(request)
                case Publish():
                    self._puts.put(request)

    def _board(self) -> None:
        """Answer nothing before it is known that results can be put."""
        destination = self.destination
        if destination is not None and not self.voyage.settings.dry_run:
            try:
                self._gates[Stage.PLAN].through(lambda: check_puts(destination))
            except StoreError as error:
                words = f"{destination.address} cannot be written: {error.failure.message}"
                self.mouth.say(Broken(words, None if error.failure.is_retryable else "output"))
                return
        _begin(self._watches)
        self._man(self._fetched, self._fetches)
        self._man(self._looked, self._looks)
        self._man(self._delivered, self._puts)
        self._lists()

    def _watches(self) -> None:
        while True:
            time.sleep(BEAT_S)
            self._watch.look()

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
        through = self._gates[Stage.READ].through
        try:
            if request.opening_bytes:
                opening = through(
                    lambda: source.opening(facts.key, request.opening_bytes, expected=facts)
                )
                return Fetched(request.number, opening=opening)
            _check_room(self.voyage.staging, facts.size_bytes)
            with _made(path) as descriptor:
                attributes = through(lambda: self._fetch(source, facts, descriptor))
                os.utime(descriptor, ns=(facts.identity_ns, facts.identity_ns))
                mtime_ns = os.fstat(descriptor).st_mtime_ns
        except (StoreError, OSError) as error:
            with contextlib.suppress(OSError):
                os.unlink(path)
            return Fetched(request.number, _failure(error, Stage.READ))
        return Fetched(request.number, None, b"", mtime_ns, tuple(attributes.items()))

    def _fetch(self, source: ObjectStore, facts: ObjectFacts, descriptor: int) -> dict[str, str]:
        """Fetch an object; a ferry that has not listed does not know a prefix that names one."""
        try:
            return source.fetch(facts.key, descriptor, expected=facts)
        except StoreError:
            if facts.key != source.address.prefix.rpartition("/")[2]:
                raise
            os.truncate(descriptor, os.lseek(descriptor, 0, os.SEEK_SET))
            outer = ObjectStore(above(source.address), source.client)
            with contextlib.suppress(StoreError):
                return outer.fetch(facts.key, descriptor, expected=facts)
            raise

    def _looked(self, request: Look) -> Looked:
        destination = self.destination
        if destination is None:
            raise AssertionError("results are files of this machine")
        folder, through = request.folder, self._gates[Stage.PLAN].through
        try:
            if folder is not None:
                return Looked(request.number, tuple(through(lambda: destination.within(folder))))
            found = [through(partial(destination.facts, name)) for name in request.names]
            return Looked(request.number, tuple(each for each in found if each is not None))
        except StoreError as error:
            return Looked(request.number, (), _failure(error, Stage.PLAN))

    def _delivered(self, request: Publish) -> Delivered:
        destination = self.destination
        if destination is None:
            raise AssertionError("results are files of this machine")
        through = self._gates[Stage.PUBLISH].through
        try:
            tags = tuple(
                through(partial(self._put, destination, parcel)) for parcel in request.parcels
            )
            for former in request.former:
                through(partial(_withdraw, destination, former))
        except (StoreError, OSError) as error:
            failure = _failure(error, Stage.PUBLISH)
            is_fatal = failure.is_fatal or self._is_shut_out(destination, failure)
            return Delivered(request.number, (), replace(failure, is_fatal=is_fatal))
        return Delivered(request.number, tags)

    def _is_shut_out(self, destination: ObjectStore, failure: Failed) -> bool:
        """Whether a refusal is that of every object to come."""
        if failure.kind is not FailureKind.PERMISSION:
            return False
        try:
            self._gates[Stage.PUBLISH].through(lambda: check_puts(destination))
        except StoreError as error:
            return error.is_configured
        return False

    def _put(self, destination: ObjectStore, parcel: Parcel) -> str:
        """Put one file, few large ones at a time, and return its tag."""
        path = f"{self.voyage.staging}/out/{parcel.staged}"
        is_heavy = os.stat(path).st_size > _HEAVY_BYTES
        with self._heavy if is_heavy else contextlib.nullcontext():
            attributes, tagging = dict(parcel.attributes), dict(self.voyage.settings.tagging)
            if self.voyage.is_shared and parcel.can_replace:
                return settle(
                    destination, parcel.key, path, attributes=attributes, tagging=tagging
                ).tag
            return destination.put(
                parcel.key,
                path,
                attributes=attributes,
                tagging=tagging,
                condition=None if parcel.can_replace else IfAbsent(),
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
            words = f"{source.address} cannot be listed: {error.failure.message}"
            self.mouth.say(Broken(words, "input" if error.is_configured else None))
            return
        self.mouth.say(Catalogued(replace(catalogue.ahead, has_ended=True)))
        for batch in batches(catalogue, after, self.source):
            self.mouth.say(batch)
            self._mores.get()

    def _catalogued(self, source: ObjectStore) -> Catalogue:
        catalogue = Catalogue(self.voyage.settings, self.voyage.excluded)
        pages, through = Pages(source), self._gates[Stage.WALK].through
        is_empty, due_s = True, time.monotonic() + _TOLD_S
        while (page := through(pages.taken)) is not None:
            is_empty = is_empty and not page
            catalogue.take(page)
            if time.monotonic() > due_s:
                due_s = time.monotonic() + _TOLD_S
                self.mouth.say(Catalogued(catalogue.ahead))
        if is_empty and source.address.prefix:
            self.source, facts = alone(source)
            catalogue.take([facts])
        return catalogue


def _begin(work: Callable[[], None]) -> None:
    """Have a thread work beside this one."""
    threading.Thread(target=_to_the_end, args=(work,), daemon=True).start()


def _to_the_end(work: Callable[[], None]) -> None:
    """Work, and end the process where that errs: a request without an answer stalls a run."""
    try:
        work()
    except ForsakenError:
        pass  # what there is to say was said when its gate was left closed
    except BaseException as error:  # noqa: BLE001 - the process's edge, and its words may hold secrets
        sys.stderr.write(f"pixmill: the ferry met an unexpected {type(error).__name__}\n")
        os._exit(_UNEXPECTED)


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


def _check_room(folder: str, size_bytes: int) -> None:
    """Refuse an object that the disc cannot take, before it has filled the disc for all others.

    Raises:
        StoreError: It is too large.
    """
    free_bytes = shutil.disk_usage(folder).free
    if size_bytes + _ROOM_BYTES > free_bytes:
        message = (
            f"the object has {format_size(size_bytes)}, and the disc that objects pass through has "
            f"{format_size(free_bytes)} free: make room, or set TMPDIR to a larger one"
        )
        raise StoreError(Failed(FailureKind.NO_SPACE, Stage.READ, message))


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
        try:
            _Ferryman(voyage, mouth, source, destination).run()
        finally:
            if voyage.is_shared:  # on a node nobody outlives the task but for its ferry
                outlive(voyage.staging)


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
