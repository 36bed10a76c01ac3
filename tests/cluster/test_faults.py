"""What a store and its network do to 15 % of the requests costs time, and nothing else.

The proxy's seed is fixed, but the order of requests from several threads is not: each run of these
tests spoils others.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

from cluster.faulty import PASSING, Fault, Proxy
from pixmill.address import Access, Address
from pixmill.model import FailureKind
from pixmill.storage.answers import StoreError
from pixmill.storage.objects import IfAbsent, IfMatch, ObjectFacts, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cluster.servers import Server

OBJECTS: Final = 60
THREADS: Final = 12
SHARE: Final = 0.15
_numbers = count()


@pytest.fixture
def proxy(moto: Server) -> Iterator[Proxy]:
    """Return what spoils requests to the server."""
    with Proxy(moto.port, share=SHARE) as proxy:
        yield proxy


@pytest.fixture
def store(moto: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Return an empty prefix behind the proxy."""
    for variable, value in moto.environ(proxy.port).items():
        monkeypatch.setenv(variable, value)
    return ObjectStore.opened(Address.parsed(moto.address(f"faults-{next(_numbers)}")), Access())


def _content(number: int) -> bytes:
    return random.Random(number).randbytes(number * 3000)


def _each(deed: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(deed, range(OBJECTS)))


def _fetched(store: ObjectStore, expected: ObjectFacts, path: Path) -> bytes:
    with path.open("wb") as stream:
        store.fetch(expected.key, stream.fileno(), expected=expected)
    return path.read_bytes()


def test_nothing_is_lost_nor_half_written(store: ObjectStore, proxy: Proxy, tmp_path: Path) -> None:
    """Every object is put, listed and fetched as it was meant, whatever each fault does to it."""
    _each(lambda number: store.put(f"{number:03}", _content(number)))
    listed = {facts.key: facts for page in store.listed() for facts in page}
    assert len(listed) == OBJECTS

    def fetch(number: int) -> None:
        facts = listed[f"{number:03}"]
        assert store.facts(facts.key) == facts
        assert _fetched(store, facts, tmp_path / facts.key) == _content(number)

    _each(fetch)
    assert set(proxy.counts) == set(PASSING), "some faults never happened"


def test_conditions_hold(store: ObjectStore, proxy: Proxy) -> None:
    """A put on a condition, and a removal, are told as done even where the answer was lost."""

    def replace(number: int) -> None:
        key, content = f"{number:03}", _content(number)
        seen = store.put(key, b"first", condition=IfAbsent())
        done = store.put(key, content, condition=IfMatch(seen))
        assert store.facts(key) is not None
        with pytest.raises(StoreError) as caught:
            store.put(key, b"too late", condition=IfMatch(seen))
        assert caught.value.failure.kind is FailureKind.CHANGED
        assert done.size_bytes == len(content)

    _each(replace)
    assert proxy.counts[Fault.LOST], "no answer was lost"
    _each(lambda number: store.remove(f"{number:03}"))
    assert not [facts for page in store.listed() for facts in page]


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.RESET])
def test_a_store_that_never_answers_leaves_nothing(
    moto: Server, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """Where every request is spoiled a put fails as one that may pass, and no part of it stands."""
    address = Address.parsed(moto.address(f"faults-{next(_numbers)}"))
    with Proxy(moto.port, (fault,), share=1) as proxy:
        for variable, value in moto.environ(proxy.port).items():
            monkeypatch.setenv(variable, value)
        store = ObjectStore.opened(address, Access())
        with pytest.raises(StoreError) as caught:
            store.put("a", _content(1), condition=IfAbsent())
    assert caught.value.failure.is_retryable
    for variable, value in moto.environ().items():
        monkeypatch.setenv(variable, value)
    assert ObjectStore.opened(address, Access()).facts("a") is None
