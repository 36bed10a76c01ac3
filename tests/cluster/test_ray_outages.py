"""Stores that stop answering nodes of a cluster: waited for, told once, given up in time."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

import pixmill
from cluster.faulty import Fault, Proxy
from cluster.ray_nodes import Nodes, nodes
from pixmill.address import Access, Address
from pixmill.model import Outcome, Status
from pixmill.settings import ExecutorName, Settings
from pixmill.storage.objects import ObjectStore
from runs import HALVED, Ended, Heard, archive, ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cluster.servers import Server

NODE_MB: Final = 700
OUTAGE_S: Final = 4.0
"""Twice what obstore's own retries outlast."""
NAMES: Final = tuple(f"{number:03}.jpg" for number in range(60))
BEFORE: Final = 4
_numbers = count()


@pytest.fixture(scope="module")
def cluster(moto: Server) -> Iterator[Nodes]:
    """Start a head and two nodes that have access to the server by their environment."""
    with nodes(**moto.environ()) as started:
        started.add(NODE_MB)
        started.add(NODE_MB)
        yield started


@pytest.fixture
def source(moto: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a prefix with small pictures, with access to its server in the environment."""
    for variable, value in moto.environ().items():
        monkeypatch.setenv(variable, value)
    folder = archive(tmp_path / "in", *NAMES)
    address = moto.address(f"ray-outage-{next(_numbers)}/in")
    store = ObjectStore.opened(Address.parsed(address), Access())
    for name in NAMES:
        store.put(name, (folder / name).read_bytes())
    return address


def struck(
    source: str, web: str, settings: Settings, heard: Heard, strike: Callable[[], None]
) -> Ended:
    """Run slowly, and strike once some objects have ended."""
    mill = "faults.slow:mill"
    with pixmill.optimize(source, web, HALVED, settings=settings, reporter=heard, mill=mill) as run:
        outcomes: list[Outcome] = [next(run) for _ in range(BEFORE)]
        strike()
        outcomes += run
    return Ended(outcomes, run.summary)


def through(proxy: Proxy, moto: Server, cluster: Nodes, patience_s: float) -> Settings:
    """Return how a run on the cluster is carried out, whose requests all go through a proxy."""
    return Settings(
        executor=ExecutorName.RAY,
        ray_address=cluster.address,
        memory_bytes=1_000_000_000,
        access=Access(endpoint_url=moto.url(proxy.port), patience_s=patience_s),
    )


def test_an_outage_costs_no_file(moto: Server, cluster: Nodes, source: str) -> None:
    """A store that is away for a while is waited for on every node, and that is told once."""
    web, heard = moto.address(f"ray-outage-{next(_numbers)}/web"), Heard()
    with Proxy(moto.port, (Fault.RESET,), share=0.0) as proxy:

        def strike() -> None:
            proxy.share = 1.0
            threading.Timer(OUTAGE_S, lambda: setattr(proxy, "share", 0.0)).start()

        far = struck(source, web, through(proxy, moto, cluster, 60.0), heard, strike)
    assert far.summary.fatal == ""
    assert Counter(each.status for each in far.outcomes) == {Status.OPTIMIZED: len(NAMES)}
    told = ["does not answer" in text for text in heard.notices if "answer" in text]
    assert told == [True, False], heard.notices


def test_patience_ends_and_the_run_is_resumed(moto: Server, cluster: Nodes, source: str) -> None:
    """A store that stays away ends the run; no file fails, and the next run makes the rest."""
    web, heard = moto.address(f"ray-outage-{next(_numbers)}/web"), Heard()
    with Proxy(moto.port, (Fault.RESET,), share=0.0) as proxy:
        settings = through(proxy, moto, cluster, 2.0)
        far = struck(source, web, settings, heard, lambda: setattr(proxy, "share", 1.0))
    assert "has not answered for 2.0 s" in far.summary.fatal
    assert {each.status for each in far.outcomes} == {Status.OPTIMIZED}
    assert len(far.outcomes) < len(NAMES)
    rest = ran(source, web, settings=replace(settings, access=Access()))
    assert {each.status for each in rest.outcomes} <= {Status.OPTIMIZED, Status.SKIPPED}
    assert rest.summary.optimized + len(far.outcomes) >= len(NAMES)
