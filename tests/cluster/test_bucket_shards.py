"""Shards of one bucket on real servers: never beside another division, and joined to one run."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

import pixmill
from pixmill import api
from pixmill.address import Access, Address
from pixmill.errors import RunError
from pixmill.model import SkipReason
from pixmill.sharding import Shard
from pixmill.storage.objects import ObjectStore
from runs import HALVED, TWO_WORKERS, archive, by_path, ran

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.servers import Server
    from pixmill.settings import Settings

NAMES = tuple(f"{number:02}.jpg" for number in range(12))
_numbers = count()


@pytest.fixture(params=["moto", "rclone"])
def web(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of an output on each kind of server; rclone heeds no condition."""
    server: Server = request.getfixturevalue(request.param)
    for variable, value in server.environ().items():
        monkeypatch.setenv(variable, value)
    return server.address(f"shards-{next(_numbers)}/web")


def _shard(index: int, of: int) -> Settings:
    return replace(TWO_WORKERS, memory_bytes=500_000_000, shard=Shard(index, of))


def _state(web: str) -> set[str]:
    address = Address.parsed(web).beside(".pixmill")
    return {each.key for each in ObjectStore.opened(address, Access()).within("")}


def test_shards_of_a_bucket_become_one_run(web: str, tmp_path: Path) -> None:
    """Two shards, at a time when three are refused; then three know it all, and merging ends it."""
    source = archive(tmp_path / "in", *NAMES)
    with pixmill.optimize(source, web, HALVED, settings=_shard(0, 2)) as run:
        outcomes = [next(run)]
        for refused in (lambda: ran(source, web, settings=_shard(0, 3)), lambda: api.merge(web)):
            with pytest.raises(RunError, match="shards of 2 work on this output"):
                refused()
        outcomes += ran(source, web, settings=_shard(1, 2)).outcomes
        outcomes += run
    assert set(by_path(outcomes)) == set(NAMES)
    assert _state(web) == {"shard-0-of-2.sqlite", "shard-1-of-2.sqlite"}
    again = [ran(source, web, settings=_shard(index, 3)).outcomes for index in range(3)]
    assert {each.reason for outcomes in again for each in outcomes} == {SkipReason.DONE}
    assert _state(web) == {"journal-0.sqlite", *(f"shard-{n}-of-3.sqlite" for n in range(3))}
    merged = api.merge(web)
    assert (len(merged.joined), merged.lacking) == (3, ())
    assert _state(web) == {"journal-0.sqlite"}
    found = api.history(web)
    assert found is not None
    assert found.counts() == {"optimized": len(NAMES)}
    found.close(None)
