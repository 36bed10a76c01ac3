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
from typing import IO, TYPE_CHECKING, Final, NoReturn, cast

import obstore
from obstore import exceptions
from obstore.store import GCSStore, LocalStore

from pixmill.address import ObjectFacts
from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.answers import CHANGED, EXISTS, StoreError, failure_of, telling
from pixmill.storage.clients import client_of
from pixmill.storage.drafts import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from obstore import GetOptions, ObjectMeta, PutMode, PutResult, UpdateVersion

    from pixmill.address import Access, Address
    from pixmill.storage.clients import Client

__all__ = ["IfAbsent", "IfMatch", "ObjectFacts", "ObjectStore", "StoreError"]

_PAGE_KEYS: Final = 1000  # what one request to any store lists
_SINGLE_BYTES: Final = 8_000_000
_PART_BYTES: Final = 5 * 1024 * 1024  # the least that S3 takes
_PARTS_AT_ONCE: Final = 2  # each is held in memory
# A request's time is that of its body, and obstore resumes none that has taken three minutes: of
# 2 GB at 10 MB/s nothing would be left. In 5 minutes this comes at 220 kB/s.
_SPAN_BYTES: Final = 64 * 1024 * 1024
_NO_SPANS: Final = "non-partial response"  # rclone's answer to a range, as obstore tells of it
_CHUNK_BYTES: Final = 1024 * 1024
# obstore repeats neither a removal nor a put on a condition where the connection broke.
_PAUSES_S: Final = tuple(0.1 * 2**attempt for attempt in range(4))


@dataclass(frozen=True, slots=True)
class IfAbsent:
    """Put only where no object stands."""


@dataclass(frozen=True, slots=True)
class IfMatch:
    """Put only over the object that was seen.

    Attributes:
        seen: It, as `put`, `facts` or a listing told of it.
    """

    seen: ObjectFacts


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
        span_bytes = _SPAN_BYTES
        while True:
            before_bytes = _position(descriptor)
            try:
                attributes = self._span(key, descriptor, expected, span_bytes)
            except StoreError as error:
                has_grown = _position(descriptor) > before_bytes
                if span_bytes and _NO_SPANS in error.failure.message:
                    span_bytes = 0
                elif not (has_grown and error.failure.is_retryable):
                    raise
            else:
                if _position(descriptor) == expected.size_bytes:
                    return attributes

    def _span(
        self, key: str, descriptor: int, expected: ObjectFacts, span_bytes: int
    ) -> dict[str, str]:
        """Write the next so many bytes, or all from the beginning if 0; return the attributes."""
        start, size_bytes = _position(descriptor), expected.size_bytes
        if start >= size_bytes or not span_bytes:
            start = os.lseek(descriptor, 0, os.SEEK_SET)
            os.ftruncate(descriptor, 0)
        end = min(start + (span_bytes or size_bytes), size_bytes)
        options: GetOptions = {"if_match": expected.tag} if expected.tag else {}
        if (start, end) != (0, size_bytes):
            options["range"] = (start, end)
        with telling(Stage.READ):
            answer = obstore.get(self.client, self._key(key), options=options)
            chunks = iter(answer.stream(min_chunk_size=_CHUNK_BYTES))
        if expected.tag and _quoted(answer.meta["e_tag"]) not in {expected.tag, ""}:
            # there are servers that know no condition, rclone's for one
            raise StoreError(Failed(FailureKind.CHANGED, Stage.READ, CHANGED))
        while True:
            with telling(Stage.READ):
                chunk = next(chunks, None)
            if chunk is None:
                break
            write_all(descriptor, memoryview(chunk))
        if _position(descriptor) != end:
            message = f"{_position(descriptor)} of {size_bytes} bytes arrived: run again"
            raise StoreError(Failed(FailureKind.IO, Stage.READ, message, is_retryable=True))
        return dict(answer.attributes)

    def opening(self, key: str, size_bytes: int, *, expected: ObjectFacts) -> bytes:
        """Return the first bytes of an object, without the rest being sent.

        The answer is left once they are there: a range would do, but for servers that ignore it.

        Raises:
            StoreError: As for `fetch`.
        """
        with telling(Stage.READ):
            answer = obstore.get(
                self.client,
                self._key(key),
                options={"if_match": expected.tag} if expected.tag else None,
            )
            chunk = next(iter(answer.stream(min_chunk_size=size_bytes)), b"")
            return bytes(chunk)[:size_bytes]

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
        size_bytes = len(content) if isinstance(content, bytes) else os.stat(content).st_size
        if isinstance(condition, IfAbsent) and size_bytes > _SINGLE_BYTES:
            if (mine := self._standing(key, content, size_bytes)) is not None:
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
                mine = self._equal(key, content, size_bytes)
                if mine is None:
                    raise StoreError(failure_of(error, Stage.PUBLISH)) from None
                return mine
            except StoreError as error:
                if condition is None or not error.failure.is_retryable or not pause_s:
                    raise
                _pause(pause_s)
        return ObjectFacts(key, size_bytes, 0, _quoted(done["e_tag"]), done["version"] or "")

    def settle(self, key: str, path: str, attributes: Mapping[str, str]) -> ObjectFacts:
        """Make an object of a file over whatever stands there, unless that is this very object.

        For who may not be the only one to put it: a second copy changes nothing, not even the tag,
        which Google and Azure give anew to the same bytes.

        Raises:
            StoreError: It could not be put.
            OSError: The file cannot be read.
        """
        size_bytes = os.stat(path).st_size
        for pause_s in (*_PAUSES_S, 0.0):
            seen = self.facts(key, stage=Stage.PUBLISH)
            if seen is not None and self._holds(seen, path, size_bytes, attributes):
                return seen
            condition = IfAbsent() if seen is None else IfMatch(seen)
            is_single = size_bytes <= _SINGLE_BYTES  # parts cannot be put on a condition
            try:
                return self.put(
                    key, path, attributes=attributes, condition=condition if is_single else None
                )
            except StoreError as error:
                if error.failure.kind not in _OVERTAKEN or not pause_s:
                    raise
                _pause(pause_s)
        raise AssertionError("the last try has returned or raised")

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
        is_whole = size_bytes <= _SINGLE_BYTES or condition is not None
        body = content if isinstance(content, bytes) else Path(content)
        with telling(Stage.PUBLISH, through=_CONDITIONS):
            return obstore.put(
                self.client,
                self._key(key),
                body,
                attributes=self._carried(attributes),
                tags=dict(tagging) if tagging else None,
                mode=_mode(condition),
                use_multipart=not is_whole,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

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

    def _standing(self, key: str, content: bytes | str, size_bytes: int) -> ObjectFacts | None:
        """Return what stands at a key if its bytes are these; refuse to put over any other."""
        if self.facts(key, stage=Stage.PUBLISH) is None:
            return None
        if (mine := self._equal(key, content, size_bytes)) is None:
            raise StoreError(Failed(FailureKind.EXISTS, Stage.PUBLISH, EXISTS))
        return mine

    def _can_match(self, seen: ObjectFacts) -> bool:
        """Whether the store puts on condition that an object stands still: folders never do."""
        is_numbered = not isinstance(self.client, GCSStore) or bool(seen.version)
        return is_numbered and not isinstance(self.client, LocalStore)

    def _refuse_changed(self, key: str, seen: ObjectFacts) -> None:
        found = self.facts(key, stage=Stage.PUBLISH)
        if found is None or found.tag != seen.tag:
            raise StoreError(Failed(FailureKind.CHANGED, Stage.PUBLISH, CHANGED))

    def _equal(self, key: str, content: bytes | str, size_bytes: int) -> ObjectFacts | None:
        """Return what stands at a key if its bytes are these."""
        found = self.facts(key, stage=Stage.PUBLISH)
        return found if found and self._holds(found, content, size_bytes) else None

    def _holds(
        self,
        found: ObjectFacts,
        content: bytes | str,
        size_bytes: int,
        attributes: Mapping[str, str] | None = None,
    ) -> bool:
        """Whether an object has these bytes, and these attributes if any are given."""
        if found.size_bytes != size_bytes:
            return False
        with telling(Stage.PUBLISH), _opened(content) as ours:
            answer = obstore.get(self.client, self._key(found.key))
            said = dict(answer.attributes)
            chunks = answer.stream(min_chunk_size=_CHUNK_BYTES)
            is_equal = all(ours.read(len(chunk)) == bytes(chunk) for chunk in chunks)
            is_equal = is_equal and not ours.read(1)
        return is_equal and self._carried(attributes) in (None, said)

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
            tag=_quoted(meta["e_tag"]),
            version=meta["version"] or "",
        )


_OVERTAKEN: Final = frozenset({FailureKind.EXISTS, FailureKind.CHANGED})
_CONDITIONS: Final = (exceptions.AlreadyExistsError, exceptions.PreconditionError)


def _mode(condition: IfAbsent | IfMatch | None) -> PutMode:
    if condition is None:
        return "overwrite"
    if isinstance(condition, IfAbsent):
        return "create"
    seen = condition.seen
    version = {"version": seen.version} if seen.version else {}
    return cast("UpdateVersion", {"e_tag": seen.tag} | version)


def _position(descriptor: int) -> int:
    return os.lseek(descriptor, 0, os.SEEK_CUR)


def _pause(longest_s: float) -> None:
    time.sleep(longest_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter


def _quoted(tag: str | None) -> str:
    """Return a tag as S3 spells it: listings of Azure, and of others, leave out the quotes."""
    return f'"{tag}"' if tag and not tag.endswith('"') else tag or ""


def _opened(content: bytes | str) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")
