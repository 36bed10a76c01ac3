"""What pixmill asks of an object store holds on every one that it can be tried on.

Where a server is known to do otherwise the test is expected to fail on it, with the reason, and is
told once that is mended.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest
from obstore.store import LocalStore

from pixmill.address import Access, Address
from pixmill.model import FailureKind
from pixmill.storage.answers import StoreError
from pixmill.storage.objects import IfAbsent, IfMatch, ObjectFacts, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster.servers import Server

STORES: Final = ("folder", "memory", "moto", "rclone", "azurite", "gcs")
DEVIATIONS: Final = {
    ("rclone", "conditions"): "puts whatever stands there",
    ("gcs", "conditions"): "moto knows S3's conditions, not Google's generations",
    ("rclone", "matches"): "puts whatever stands there",
    ("azurite", "gone"): "as Azure does, it answers the condition before it looks for the object",
    ("folder", "headers"): "files have none",
    ("folder", "metadata"): "files have none",
    ("gcs", "metadata"): "moto keeps what has S3's names for it",
    ("folder", "strangers"): "nobody is a stranger to a folder",
    ("memory", "strangers"): "nobody is a stranger to memory",
    ("moto", "strangers"): "checks no signature",
    ("gcs", "strangers"): "checks no token",
}
NAMES: Final = (
    "plain.jpg",
    "ümläut und 日本.jpg",
    "a b+c&d=e;f.jpg",
    "100%25.jpg",
    "what?#!'().jpg",
    "deep/er/and/deeper.jpg",
    "-leading",
    ".hidden",
    "trailing.",
)
_numbers = count()


@pytest.fixture(params=STORES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of each store in turn; a test marked `differs` may fail where it must."""
    name = str(request.param)
    for marker in request.node.iter_markers("differs"):
        if reason := DEVIATIONS.get((name, marker.args[0])):
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return name


@pytest.fixture
def store(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ObjectStore:
    """Return an empty prefix of a store."""
    if name == "folder":
        return ObjectStore(Address("memory", "folder", "in/deep"), LocalStore(tmp_path))
    if name == "memory":
        return ObjectStore.opened(Address("memory", "bucket", "in/deep"), Access())
    server: Server = request.getfixturevalue(name)
    for variable, value in server.environ().items():
        monkeypatch.setenv(variable, value)
    address = server.address(f"contract-{next(_numbers)}/in/deep")
    return ObjectStore.opened(Address.parsed(address), Access())


def _facts(store: ObjectStore, key: str) -> ObjectFacts:
    facts = store.facts(key)
    assert facts is not None
    return facts


def _fetched(store: ObjectStore, expected: ObjectFacts, path: Path) -> bytes:
    with path.open("wb") as stream:
        store.fetch(expected.key, stream.fileno(), expected=expected)
    return path.read_bytes()


def _kind(deed: Callable[[], object]) -> FailureKind:
    with pytest.raises(StoreError) as caught:
        deed()
    return caught.value.failure.kind


@pytest.mark.parametrize("size_bytes", [0, 1, 100_000, 17_000_000])
def test_an_object_comes_back(store: ObjectStore, tmp_path: Path, size_bytes: int) -> None:
    """What is put comes back byte for byte, empty or in parts, with its size."""
    content = os.urandom(size_bytes)
    source = tmp_path / "source"
    source.write_bytes(content)
    store.put("a.bin", str(source))
    facts = _facts(store, "a.bin")
    assert facts.size_bytes == size_bytes
    assert _fetched(store, facts, tmp_path / "fetched") == content


def test_names_are_kept(store: ObjectStore, tmp_path: Path) -> None:
    """Every name that a file may have is listed as it was put, and leads to its own object."""
    for each in NAMES:
        store.put(each, each.encode())
    listed = {facts.key: facts for page in store.listed() for facts in page}
    assert set(listed) == set(NAMES)
    for each in NAMES:
        assert _fetched(store, listed[each], tmp_path / "fetched") == each.encode()


def test_only_the_prefix_is_listed(store: ObjectStore) -> None:
    """What only begins like the prefix is not below it; a folder's own objects are told apart."""
    for key in ("a", "b/c", "b/d/e"):
        store.put(key, b"x")
    beside = ObjectStore(store.address.beside("er"), store.client)
    beside.put("z", b"x")
    assert {facts.key for page in store.listed() for facts in page} == {"a", "b/c", "b/d/e"}
    assert {facts.key for facts in store.within("")} == {"a"}
    assert {facts.key for facts in store.within("b")} == {"b/c"}


def test_a_listing_goes_past_its_first_page(store: ObjectStore) -> None:
    """Of more objects than one answer may name each is listed once."""
    keys = {f"{number:05}" for number in range(1003)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b""), keys))
    listed = [facts.key for page in store.listed() for facts in page]
    assert sorted(listed) == sorted(keys)


def test_every_answer_tells_the_same_tag(store: ObjectStore) -> None:
    """Put, looked at or listed, an object has one tag; the next under its name has another."""
    done = store.put("a", b"first")
    (listed,) = (facts for page in store.listed() for facts in page)
    assert done.tag == _facts(store, "a").tag == listed.tag != ""
    assert store.put("a", b"other").tag != done.tag


def test_what_changed_is_not_fetched(store: ObjectStore, tmp_path: Path) -> None:
    """An object that was replaced by one of its size since it was met is `changed`."""
    store.put("a", b"first")
    met = _facts(store, "a")
    store.put("a", b"later")
    assert _kind(lambda: _fetched(store, met, tmp_path / "x")) is FailureKind.CHANGED


@pytest.mark.differs("gone")
def test_what_is_gone_is_not_fetched(store: ObjectStore, tmp_path: Path) -> None:
    """An object that was removed since it was met has vanished; removing it again is no trouble."""
    store.put("a", b"first")
    met = _facts(store, "a")
    store.remove("a")
    assert _kind(lambda: _fetched(store, met, tmp_path / "x")) is FailureKind.VANISHED
    assert store.facts("a") is None
    store.remove("a")


def test_another_length_is_no_whole(store: ObjectStore, tmp_path: Path) -> None:
    """A body of another length than was told is never taken for the object."""
    store.put("a", b"short")
    facts = _facts(store, "a")
    longer = ObjectFacts("a", facts.size_bytes + 1, facts.mtime_ns, facts.tag, facts.version)
    assert _kind(lambda: _fetched(store, longer, tmp_path / "x")) is FailureKind.IO


@pytest.mark.differs("conditions")
def test_an_empty_place_is_filled_once(store: ObjectStore) -> None:
    """A put that needs an empty place leaves what stands there."""
    store.put("a", b"mine", condition=IfAbsent())
    assert _kind(lambda: store.put("a", b"yours", condition=IfAbsent())) is FailureKind.EXISTS


@pytest.mark.differs("matches")
def test_only_what_was_seen_is_replaced(store: ObjectStore) -> None:
    """A put over what was seen is refused once something else stands there."""
    store.put("a", b"1")
    seen = _facts(store, "a")
    store.put("a", b"2", condition=IfMatch(seen))
    kind = _kind(lambda: store.put("a", b"3", condition=IfMatch(seen)))
    assert kind is FailureKind.CHANGED


def test_a_put_done_twice_is_one(store: ObjectStore, tmp_path: Path) -> None:
    """The same bytes put again, on a condition too, leave one object and no complaint."""
    for condition in (None, IfAbsent(), None):
        store.put("a", b"same", condition=condition)
    assert _fetched(store, _facts(store, "a"), tmp_path / "x") == b"same"


def test_a_second_copy_changes_nothing(store: ObjectStore, tmp_path: Path) -> None:
    """The tag stays, which Azure and Google give anew to the same bytes; others are replaced."""
    path, headers = tmp_path / "a", {"Content-Type": "image/png"}
    path.write_bytes(b"made")
    first = store.settle("a", str(path), headers)
    assert store.settle("a", str(path), headers).tag == first.tag
    path.write_bytes(b"MADE")
    assert store.settle("a", str(path), headers).size_bytes == 4
    assert _fetched(store, _facts(store, "a"), tmp_path / "fetched") == b"MADE"


@pytest.mark.differs("headers")
def test_headers_are_kept(store: ObjectStore) -> None:
    """What a CDN serves an object with comes back, by either way to make one."""
    given = {"Content-Type": "image/webp", "Cache-Control": "max-age=60"}
    for key, content in (("a", b"x"), ("large", os.urandom(9_000_000))):
        store.put(key, content, attributes=given)
        assert given.items() <= store.attributes(key).items()


@pytest.mark.differs("metadata")
def test_user_metadata_are_kept(store: ObjectStore) -> None:
    """Metadata of the user's own come back."""
    store.put("a", b"x", attributes={"origin": "ab c"})
    assert store.attributes("a")["origin"] == "ab c"


@pytest.mark.differs("strangers")
def test_strangers_are_told_so(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the right key nothing is fetched, put or listed, and the reason is `permission`."""
    store.put("a", b"x")
    met = _facts(store, "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-and-long-enough")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "d3JvbmctYW5kLWxvbmctZW5vdWdo")
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "wrong")
    stranger = ObjectStore.opened(store.address, Access())
    for deed in (
        lambda: _fetched(stranger, met, tmp_path / "x"),
        lambda: stranger.put("b", b"x"),
        lambda: list(stranger.listed()),
    ):
        assert _kind(deed) is FailureKind.PERMISSION


def test_no_bucket_is_told_so(store: ObjectStore) -> None:
    """A bucket that is not there is trouble of the run, with what to do."""
    if store.address.scheme == "memory":
        pytest.skip("these have no buckets")
    nowhere = Address(store.address.scheme, f"no{store.address.bucket}", "in")
    with pytest.raises(StoreError, match="bucket") as caught:
        ObjectStore.opened(nowhere, Access()).put("a", b"x")
    assert caught.value.failure.is_fatal
