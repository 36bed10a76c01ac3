"""The door to object stores, on obstore's store in memory and on one over a folder."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import pytest
from obstore.store import LocalStore, MemoryStore

from pixmill.address import Access, Address, is_address
from pixmill.errors import OptionError
from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.answers import StoreError
from pixmill.storage.objects import IfAbsent, IfMatch, ObjectFacts, ObjectStore
from pixmill.storage.paging import Pages
from pixmill.storage.secrets import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"  # noqa: S105 - nobody's


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Return a prefix of a store that knows conditions, and of one that knows few."""
    address = Address("memory", "bucket", "in/deep")
    if request.param == "memory":
        return ObjectStore.opened(address, Access())
    return ObjectStore(address, LocalStore(tmp_path))


@pytest.fixture
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ObjectStore, str], bytes]:
    """Return what fetches an object's bytes."""
    path = tmp_path_factory.mktemp("fetched") / "object"

    def fetch(store: ObjectStore, key: str) -> bytes:
        facts = store.facts(key)
        assert facts is not None
        with path.open("wb") as stream:
            store.fetch(key, stream.fileno(), expected=facts)
        return path.read_bytes()

    return fetch


def _failure(deed: Callable[[], object]) -> FailureKind:
    with pytest.raises(StoreError) as caught:
        deed()
    return caught.value.failure.kind


def _fetch(store: ObjectStore, expected: ObjectFacts, path: Path) -> None:
    with path.open("wb") as stream:
        store.fetch(expected.key, stream.fileno(), expected=expected)


def test_what_is_put_is_fetched(
    store: ObjectStore, fetched: Callable[[ObjectStore, str], bytes]
) -> None:
    """An object comes back byte for byte, and is told of by name, size and tag."""
    done = store.put("a/ü b+c.jpg", b"picture", attributes={"Content-Type": "image/jpeg"})
    assert fetched(store, "a/ü b+c.jpg") == b"picture"
    facts = store.facts("a/ü b+c.jpg")
    assert facts is not None
    assert (facts.key, facts.size_bytes, facts.tag) == ("a/ü b+c.jpg", 7, done.tag)
    assert store.facts("a") is None


def test_a_large_file_is_put_in_parts(
    store: ObjectStore, fetched: Callable[[ObjectStore, str], bytes], tmp_path: Path
) -> None:
    """A file beyond what one PUT takes arrives whole, and is put over nothing but itself."""
    content = os.urandom(9_000_000)
    source = tmp_path / "large"
    source.write_bytes(content)
    store.put("large", str(source), condition=IfAbsent())
    assert fetched(store, "large") == content
    store.put("large", str(source), condition=IfAbsent())  # as by who takes over from the dead
    again = tmp_path / "other"
    again.write_bytes(content[::-1])
    kind = _failure(lambda: store.put("large", str(again), condition=IfAbsent()))
    assert kind is FailureKind.EXISTS


def test_only_what_lies_below_the_prefix_is_listed(store: ObjectStore) -> None:
    """A listing tells of every object below the prefix, by names that are relative to it."""
    names = {"a.jpg", "b/c.jpg", "b/d/e.jpg", "z"}
    for name in names:
        store.put(name, b"x")
    beside = ObjectStore(Address("memory", "bucket", "in/deeper"), store.client)
    beside.put("not-this", b"x")
    assert {facts.key for page in store.listed() for facts in page} == names
    assert {facts.key for facts in store.within("b")} == {"b/c.jpg"}
    assert {facts.key for facts in store.within("")} == {"a.jpg", "z"}


def test_a_listing_comes_in_pages() -> None:
    """However many objects there are, no more than one request's worth are held at a time."""
    store = ObjectStore(Address("memory", "bucket"), MemoryStore())
    for number in range(1001):
        store.put(f"{number:04}", b"")
    assert [len(page) for page in store.listed()] == [1000, 1]


class _Breaking(ObjectStore):
    """A store whose listings break off after a page."""

    def listed(self, *, after: str = "") -> Iterator[list[ObjectFacts]]:
        yield next(super().listed(after=after), [])
        raise StoreError(Failed(FailureKind.IO, Stage.WALK, "cut", is_retryable=True))


def test_a_listing_that_breaks_off_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it breaks off, every object is told of once."""
    monkeypatch.setattr("pixmill.storage.objects._PAGE_KEYS", 3)
    store = _Breaking(Address("memory", "bucket", "in"), MemoryStore())
    names = [f"{number:02}" for number in range(8)]
    for name in names:
        store.put(name, b"")
    pages, found = Pages(store), list[str]()
    while len(found) < len(names):
        found += [facts.key for facts in pages.taken() or []]
        assert _failure(pages.taken) is FailureKind.IO
    assert found == names


def test_a_listing_in_no_order_is_not_gone_on_with() -> None:
    """What breaks off where keys do not come in order is told as trouble that does not pass."""

    class _Unsorted(_Breaking):
        def listed(self, *, after: str = "") -> Iterator[list[ObjectFacts]]:
            for page in super().listed(after=after):
                yield page[::-1]

    store = _Unsorted(Address("memory", "bucket"), MemoryStore())
    for name in "abc":
        store.put(name, b"")
    pages = Pages(store)
    pages.taken()
    with pytest.raises(StoreError) as caught:
        pages.taken()
    assert not caught.value.failure.is_retryable


def test_a_changed_object_is_not_fetched(store: ObjectStore, tmp_path: Path) -> None:
    """What was replaced after it was met is refused as changed, what is gone as vanished."""
    store.put("a", b"first")
    met = store.facts("a")
    assert met is not None
    store.put("a", b"later")
    assert _failure(lambda: _fetch(store, met, tmp_path / "x")) is FailureKind.CHANGED
    store.remove("a")
    assert _failure(lambda: _fetch(store, met, tmp_path / "x")) is FailureKind.VANISHED
    store.remove("a")


def test_part_of_an_object_is_not_the_whole(store: ObjectStore, tmp_path: Path) -> None:
    """An object of another length than was told is a failure that may pass, never a source."""
    store.put("a", b"short")
    facts = store.facts("a")
    assert facts is not None
    longer = ObjectFacts("a", facts.size_bytes + 1, facts.mtime_ns, facts.tag)
    assert _failure(lambda: _fetch(store, longer, tmp_path / "x")) is FailureKind.IO


def test_nothing_is_put_over_what_stands(store: ObjectStore) -> None:
    """A put that needs an empty place fails where another object stands; one alike is its own."""
    store.put("a", b"mine", condition=IfAbsent())
    assert _failure(lambda: store.put("a", b"yours", condition=IfAbsent())) is FailureKind.EXISTS
    assert store.put("a", b"mine", condition=IfAbsent()).tag == getattr(store.facts("a"), "tag", "")


def test_a_put_over_what_was_seen() -> None:
    """A put over an object that was seen fails once another was put there meanwhile."""
    store = ObjectStore(Address("memory", "bucket"), MemoryStore())
    seen = store.put("journal", b"1")
    store.put("journal", b"2", condition=IfMatch(seen))
    kind = _failure(lambda: store.put("journal", b"3", condition=IfMatch(seen)))
    assert kind is FailureKind.CHANGED


def test_what_stands_already_is_not_put_again(tmp_path: Path) -> None:
    """Whoever comes second with the same changes not even the tag; anything else is replaced."""
    store = ObjectStore.opened(Address("memory", "bucket", "in"), Access())
    path, jpeg = tmp_path / "made", {"Content-Type": "image/jpeg"}
    path.write_bytes(b"made")
    first = store.settle("a", str(path), jpeg)
    assert store.settle("a", str(path), jpeg).tag == first.tag
    named = store.settle("a", str(path), jpeg | {"Cache-Control": "no-store"})
    assert named.tag != first.tag
    path.write_bytes(b"MADE")
    assert store.settle("a", str(path), jpeg).tag != named.tag
    assert store.attributes("a") == jpeg


def test_an_object_without_a_tag_is_fetched(store: ObjectStore, tmp_path: Path) -> None:
    """There are listings that tell none; its size is then all that it is held against."""
    store.put("a", b"picture")
    _fetch(store, ObjectFacts("a", 7, 0, ""), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"picture"
    assert store.opening("a", 3, expected=ObjectFacts("a", 7, 0, "")) == b"pic"


def test_attributes_are_kept() -> None:
    """Headers and user metadata come back as they were put."""
    store = ObjectStore(Address("memory", "bucket"), MemoryStore())
    given = {"Content-Type": "image/webp", "Cache-Control": "max-age=60", "origin": "x"}
    store.put("a", b"x", attributes=given)
    assert store.attributes("a") == given


@pytest.mark.parametrize("key", ["a//b", "../a", "a\nb", "./a"])
def test_a_key_that_cannot_be_named_is_refused(store: ObjectStore, key: str) -> None:
    """Keys that obstore does not take are a failure of that object, whatever they look like."""
    assert _failure(lambda: store.facts(key)) is FailureKind.REFUSED
    assert _failure(lambda: store.put(key, b"x")) is FailureKind.REFUSED


def test_no_store_is_pickled(store: ObjectStore) -> None:
    """A store holds credentials, so it cannot be sent anywhere."""
    with pytest.raises(TypeError, match="credentials"):
        pickle.dumps(store)


def test_errors_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot be reached is told of without what gives access to it."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)
    said = redacted(
        f"PUT https://me:pw@host/a?X-Amz-Signature=abc&sig=def: {_SECRET} authorization: Bearer x"
    )
    for secret in (_SECRET, "abc", "def", "pw", "Bearer x"):
        assert secret not in said
    assert "https://" in said
    assert "host/a" in said


def test_addresses() -> None:
    """A URL names a bucket and a prefix, and is spelled the same again."""
    address = Address.parsed("S3://bucket/in/deep/")
    assert address == Address("s3", "bucket", "in/deep")
    assert str(address) == "s3://bucket/in/deep"
    assert str(Address.parsed("gs://bucket")) == "gs://bucket"
    assert address.beside(".pixmill") == Address("s3", "bucket", "in/deep.pixmill")
    assert Address("s3", "bucket").holds(address)
    assert not address.holds(Address("s3", "bucket", "in/deeper"))
    assert is_address("s3://bucket")
    assert not is_address("s3:/bucket")


@pytest.mark.parametrize(
    "url",
    ["ftp://host/x", "s3://", "s3://key:secret@bucket/x", "az://box/x?sig=secret", "s3://b/x#y"],
)
def test_urls_that_are_refused(url: str) -> None:
    """A URL of another kind, or one that carries a secret, is refused without repeating it."""
    with pytest.raises(OptionError) as caught:
        Address.parsed(url, option="input")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["host:9000", "https://key:secret@host", "http://host/?sig=secret"])
def test_endpoints_that_are_refused(url: str) -> None:
    """An endpoint is an http URL without a secret."""
    with pytest.raises(OptionError) as caught:
        Access(endpoint_url=url)
    assert "secret" not in str(caught.value)
