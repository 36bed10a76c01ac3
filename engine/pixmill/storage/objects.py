"""One prefix of an object store: listed, fetched from and put to. The only door to obstore.

Every call blocks, is repeated by obstore where it may pass (5 times, with backoff, for some
seconds), and may be made from several threads. Keys are relative to the prefix. Nothing that this
module says holds a secret, and a store is never pickled: each process opens its own.

obstore must never be used in a process that will be forked: a fork's calls hang for ever.
"""

from __future__ import annotations

import io
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NoReturn

import obstore
from obstore import exceptions
from obstore.store import GCSStore, LocalStore

from pixmill.address import ObjectFacts
from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.answers import CHANGED, EXISTS, StoreError, failure_of, telling
from pixmill.storage.clients import client_of
from pixmill.storage.conditions import IfAbsent, IfMatch, mode_of
from pixmill.storage.spans import NO_SPANS, fetched, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from obstore import GetOptions, ObjectMeta, PutResult

    from pixmill.address import Access, Address
    from pixmill.storage.clients import Client

__all__ = ["SINGLE_BYTES", "IfAbsent", "IfMatch", "ObjectFacts", "ObjectStore", "StoreError"]

_PAGE_KEYS: Final = 1000  # what one request to any store lists
SINGLE_BYTES: Final = 8_000_000
_PART_BYTES: Final = 5 * 1024 * 1024  # the least that S3 takes
_PARTS_AT_ONCE: Final = 2  # each is held in memory
_CHUNK_BYTES: Final = 1024 * 1024
# obstore repeats neither a removal nor a put on a condition where the connection broke.
_PAUSES_S: Final = tuple(0.1 * 2**attempt for attempt in range(4))


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A prefix of a bucket.

    Args:
        address: Where it is.
        client: What speaks to the store, for the whole bucket.
    """

    address: Address
    client: Client = field(repr=False)  # AzureStore panics at it, past every `except Exception`

    @classmethod
    def opened(cls, address: Address, access: Access) -> ObjectStore:
        """Return a store, with a client made of the environment and the access given.

        Nothing is asked of the store yet.

        Raises:
            OptionError: A profile is asked for and boto3 is missing, or it has no credentials.
        """
        return cls(address, client_of(address, access))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a store holds credentials: open another where it is needed")

    def listed(self, *, after: str = "") -> Iterator[list[ObjectFacts]]:
        """Yield all objects below the prefix, page by page, in the store's own order.

        S3, Google and Azure list by key; others may not. Markers of folders, empty objects whose
        keys end in a slash, are told as empty objects without it.

        Args:
            after: Key after which it begins, where the store lists by key. Default: all.

        Raises:
            StoreError: The listing broke off, or a key is one that obstore cannot name: one with
                empty parts, `.` or `..` among them, or control characters.
        """
        with telling(Stage.WALK):
            offset = self._key(after) if after else None
            for page in obstore.list(
                self.client, self.address.prefix, offset=offset, chunk_size=_PAGE_KEYS
            ):
                found = (self._facts(each) for each in page)
                yield [facts for facts in found if facts.key > after]  # azurite begins anew

    def within(self, folder: str) -> list[ObjectFacts]:
        """Return the objects right below a folder of keys, which is relative; empty for the top.

        Raises:
            StoreError: The listing broke off.
        """
        with telling(Stage.WALK):
            below = self._key(folder) if folder else self.address.prefix
            found = obstore.list_with_delimiter(self.client, below)
            return [self._facts(each) for each in found["objects"]]

    def facts(self, key: str, *, stage: Stage = Stage.PLAN) -> ObjectFacts | None:
        """Return what is known of an object, `None` where there is none.

        Raises:
            StoreError: The store did not tell.
        """
        with telling(stage):
            try:
                return self._facts(obstore.head(self.client, self._key(key)))
            except FileNotFoundError:
                return None

    def attributes(self, key: str) -> dict[str, str]:
        """Return an object's headers and user metadata, by the names that `put` takes.

        Raises:
            StoreError: It is gone, or the store did not tell.
        """
        with telling(Stage.READ):
            found = obstore.get(self.client, self._key(key), options={"head": True})
            return dict(found.attributes)

    def fetch(self, key: str, descriptor: int, *, expected: ObjectFacts) -> dict[str, str]:
        """Write an object to a file, piece by piece, whatever its size; return its attributes.

        A body that ends early is asked for again from where it ended, on condition that it is the
        same object, and what arrived is counted: part of an object is never taken for the whole.

        Args:
            key: The object.
            descriptor: A file, open for writing; what lies before its position has arrived.
            expected: The object as it was met.

        Raises:
            StoreError: It is gone, is another object by now, or did not arrive whole.
            OSError: The file cannot be written.
        """
        return fetched(self.client, self._key(key), descriptor, expected)

    def opening(self, key: str, size_bytes: int, *, expected: ObjectFacts) -> bytes:
        """Return the first bytes of an object, with the rest sent by no server that knows ranges.

        Left once they are there, an answer had half of 1 MB sent on loopback.

        Raises:
            StoreError: As for `fetch`.
        """
        options: GetOptions = {"if_match": expected.tag} if expected.tag else {}
        first: GetOptions = {**options, "range": (0, min(size_bytes, expected.size_bytes))}
        try:
            with telling(Stage.READ):
                return bytes(obstore.get(self.client, self._key(key), options=first).bytes())
        except StoreError as error:
            if NO_SPANS not in error.failure.message:
                raise
        with telling(Stage.READ):
            answer = obstore.get(self.client, self._key(key), options=options)
            return bytes(next(iter(answer.stream(min_chunk_size=size_bytes)), b""))[:size_bytes]

    def put(
        self,
        key: str,
        content: bytes | str,
        *,
        attributes: Mapping[str, str] | None = None,
        tagging: Mapping[str, str] | None = None,
        condition: IfAbsent | IfMatch | None = None,
    ) -> ObjectFacts:
        """Make an object in one step: nobody ever sees part of it.

        Up to 8 MB, and wherever it must match, by one PUT; larger files in parts that become the
        object at the end. Parts of an upload that died stay, unseen, until a rule of the bucket
        removes them.

        Args:
            key: The object.
            content: Its bytes, or the path of a file that holds them.
            attributes: `Content-Type`, `Cache-Control` and their like; any other name is user
                metadata. Default: none.
            tagging: Its tags, where the store has any. Default: none.
            condition: What must stand there. Stores that do not know conditions put
                regardless, so it must not be the only guard. Default: whatever.

        Returns:
            The object; its time is not told.

        Raises:
            StoreError: It could not be put; `exists` or `changed` where the condition is not met.
            OSError: The file cannot be read.
        """
        size_bytes = _size_bytes(content)
        if isinstance(condition, IfAbsent) and size_bytes > SINGLE_BYTES:
            if (mine := self._standing(key, content)) is not None:
                return mine
            condition = None  # parts cannot be put on a condition
        if isinstance(condition, IfMatch) and not self._can_match(condition.seen):
            self._refuse_changed(key, condition.seen)
            condition = None
        for pause_s in (*_PAUSES_S, 0.0):
            try:
                done = self._put(
                    key,
                    content,
                    size_bytes,
                    attributes=attributes,
                    tagging=tagging,
                    condition=condition,
                )
                break
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
                # A PUT whose answer was lost, tried again, meets the object that it has made.
                mine = self.facts(key, stage=Stage.PUBLISH)
                if mine is None or not self.holds(mine, content):
                    raise StoreError(failure_of(error, Stage.PUBLISH)) from None
                return mine
            except StoreError as error:
                if condition is None or not error.failure.is_retryable or not pause_s:
                    raise
                _pause(pause_s)
        return ObjectFacts(key, size_bytes, 0, quoted(done["e_tag"]), done["version"] or "")

    def _put(
        self,
        key: str,
        content: bytes | str,
        size_bytes: int,
        *,
        attributes: Mapping[str, str] | None,
        tagging: Mapping[str, str] | None,
        condition: IfAbsent | IfMatch | None,
    ) -> PutResult:
        is_whole = size_bytes <= SINGLE_BYTES or condition is not None
        body = content if isinstance(content, bytes) else Path(content)
        with telling(Stage.PUBLISH, through=_CONDITIONS):
            return obstore.put(
                self.client,
                self._key(key),
                body,
                attributes=self._carried(attributes),
                tags=dict(tagging) if tagging else None,
                mode=mode_of(condition),
                use_multipart=not is_whole,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def holds(
        self,
        found: ObjectFacts,
        content: bytes | str,
        attributes: Mapping[str, str] | None = None,
    ) -> bool:
        """Return whether an object has these bytes, and these attributes if any are given.

        Raises:
            StoreError: It is gone, or the store did not tell.
            OSError: The file cannot be read.
        """
        if found.size_bytes != _size_bytes(content):
            return False
        with telling(Stage.READ), _opened(content) as ours:
            answer = obstore.get(self.client, self._key(found.key))
            said = dict(answer.attributes)
            chunks = answer.stream(min_chunk_size=_CHUNK_BYTES)
            is_equal = all(ours.read(len(chunk)) == bytes(chunk) for chunk in chunks)
            is_equal = is_equal and not ours.read(1)
        return is_equal and self._carried(attributes) in (None, said)

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is no trouble.

        Raises:
            StoreError: It could not be removed.
        """
        for pause_s in (*_PAUSES_S, 0.0):
            try:
                with telling(Stage.PUBLISH, through=(FileNotFoundError,)):
                    obstore.delete(self.client, self._key(key))
            except FileNotFoundError:
                return
            except StoreError as error:
                if not error.failure.is_retryable or not pause_s:
                    raise
                _pause(pause_s)
            else:
                return

    def _standing(self, key: str, content: bytes | str) -> ObjectFacts | None:
        """Return what stands at a key if its bytes are these; refuse to put over any other."""
        found = self.facts(key, stage=Stage.PUBLISH)
        if found is not None and not self.holds(found, content):
            raise StoreError(Failed(FailureKind.EXISTS, Stage.PUBLISH, EXISTS))
        return found

    def _can_match(self, seen: ObjectFacts) -> bool:
        """Whether the store puts on condition that an object stands still: folders never do."""
        is_numbered = not isinstance(self.client, GCSStore) or bool(seen.version)
        return is_numbered and not isinstance(self.client, LocalStore)

    def _refuse_changed(self, key: str, seen: ObjectFacts) -> None:
        found = self.facts(key, stage=Stage.PUBLISH)
        if found is None or found.tag != seen.tag:
            raise StoreError(Failed(FailureKind.CHANGED, Stage.PUBLISH, CHANGED))

    def _carried(self, attributes: Mapping[str, str] | None) -> dict[str, str] | None:
        """Return attributes as the client takes them; folders of this machine have none."""
        is_capable = attributes is not None and not isinstance(self.client, LocalStore)
        return dict(attributes or {}) if is_capable else None

    def _key(self, key: str) -> str:
        return f"{self.address.prefix}/{key}" if self.address.prefix else key

    def _facts(self, meta: ObjectMeta) -> ObjectFacts:
        above = f"{self.address.prefix}/" if self.address.prefix else ""
        return ObjectFacts(
            key=meta["path"].removeprefix(above),
            size_bytes=meta["size"],
            mtime_ns=int(meta["last_modified"].timestamp() * 1_000_000) * 1000,
            tag=quoted(meta["e_tag"]),
            version=meta["version"] or "",
        )


_CONDITIONS: Final = (exceptions.AlreadyExistsError, exceptions.PreconditionError)


def _pause(longest_s: float) -> None:
    time.sleep(longest_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter


def _size_bytes(content: bytes | str) -> int:
    return len(content) if isinstance(content, bytes) else os.stat(content).st_size


def _opened(content: bytes | str) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")
