"""The journal of a bucket's output on real servers, whatever they and the network do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import pixmill
from cluster.faulty import Fault, Proxy
from cluster.servers import SECRETS
from pixmill import api
from pixmill.address import Access, Address
from pixmill.errors import RunError
from pixmill.model import SkipReason, Status
from pixmill.sharding import Shard
from pixmill.storage.objects import ObjectStore
from runs import HALVED, TWO_WORKERS, archive, digests, ran

if TYPE_CHECKING:
    from cluster.servers import Server

NAMES: Final = tuple(f"{number:02}.jpg" for number in range(12))
KILLED: Final = """
import os, signal, sys, pixmill
from runs import HALVED, TWO_WORKERS
if __name__ == "__main__":
    with pixmill.optimize(*sys.argv[1:], HALVED, settings=TWO_WORKERS) as run:
        [next(run) for _ in range(5)]
        os.killpg(0, signal.SIGKILL)
"""
_numbers = count()


@pytest.fixture(params=["moto", "rclone", "azurite", "gcs"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return each kind of server, with its access in the environment."""
    found: Server = request.getfixturevalue(request.param)
    _enter(found, monkeypatch)
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of small photographs."""
    return archive(tmp_path / "in", *NAMES)


def _enter(server: Server, monkeypatch: pytest.MonkeyPatch, port: int | None = None) -> None:
    for variable, value in server.environ(port).items():
        monkeypatch.setenv(variable, value)


def _web(server: Server) -> str:
    return server.address(f"journal-{next(_numbers)}/web")


def _fetched(url: str, folder: Path) -> dict[str, str]:
    store = ObjectStore.opened(Address.parsed(url), Access())
    folder.mkdir()
    for page in store.listed():
        for facts in page:
            with (folder / facts.key).open("wb") as stream:
                store.fetch(facts.key, stream.fileno(), expected=facts)
    return digests(folder)


def _endings(web: str) -> list[str]:
    found = api.history(web)
    assert found is not None
    endings = [run.ending for run in found.runs()]
    found.close(None)
    return endings


def test_a_killed_run_is_resumed(server: Server, source: Path, tmp_path: Path) -> None:
    """On every server a run that was killed is resumed to the very bytes of a run on disc."""
    web, path = _web(server), tmp_path / "script.py"
    path.write_text(KILLED, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, str(path), str(source), web]
    killed = subprocess.run(
        command, check=False, start_new_session=True, timeout=60, env=environment
    )
    assert killed.returncode == -signal.SIGKILL
    resumed = ran(source, web)
    assert {each.status for each in resumed.outcomes} == {Status.OPTIMIZED}
    assert {each.reason for each in ran(source, web).outcomes} == {SkipReason.DONE}
    assert _endings(web)[-2:] == ["done", "done"]
    ran(source, tmp_path / "disc")
    assert _fetched(web, tmp_path / "fetched") == digests(tmp_path / "disc")


def test_the_second_of_two_runs_is_refused(server: Server, source: Path) -> None:
    """On every server, those without conditions too, one run at a time works on an output."""
    web = _web(server)
    with pixmill.optimize(source, web, HALVED, settings=TWO_WORKERS) as run:
        next(run)
        with pytest.raises(RunError, match="another run works on this output"):
            ran(source, web)
        list(run)
    assert not run.summary.fatal


def test_a_replaced_run_leaves_the_journal(server: Server, source: Path) -> None:
    """A run that finds another's journal in place of its own says so, and does not replace it."""
    web = _web(server)
    state = ObjectStore.opened(Address.parsed(web).beside(".pixmill"), Access())
    with pixmill.optimize(source, web, HALVED, settings=TWO_WORKERS) as run:
        next(run)
        state.put("lock-0", b"another's")
        state.put("journal-0.sqlite", b"another's")
        list(run)
    assert "another run" in run.summary.fatal
    for name in ("lock-0", "journal-0.sqlite"):
        facts = state.facts(name)
        assert facts is not None
        assert facts.size_bytes == len(b"another's")


def test_shards_are_merged_in_the_bucket(server: Server, source: Path, tmp_path: Path) -> None:
    """On every server: byte for byte one run's, and known as such by the next, once merged."""
    web = _web(server)
    for index in (0, 1):
        ran(source, web, settings=replace(TWO_WORKERS, shard=Shard(index, 2)))
    merged = api.merge(web)
    assert (merged.joined, merged.lacking) == ((Shard(0, 2), Shard(1, 2)), ())
    assert merged.summary is not None
    assert merged.summary.optimized == len(NAMES)
    assert {each.reason for each in ran(source, web).outcomes} == {SkipReason.DONE}
    ran(source, tmp_path / "disc")
    assert _fetched(web, tmp_path / "fetched") == digests(tmp_path / "disc")


def test_faults_do_not_reach_the_journal(
    moto: Server, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 15 % of requests spoilt runs end well, know each other's work, and hide their keys."""
    web = _web(moto)
    counts = 0
    for seed in range(4):
        with Proxy(moto.port, share=0.15, seed=seed) as proxy:
            _enter(moto, monkeypatch, proxy.port)
            ended = ran(source, web)
            counts += proxy.counts.total()
        assert not ended.summary.fatal
        expected = SkipReason.DONE if seed else None
        assert {each.reason for each in ended.outcomes} == {expected}
    assert counts > 4, "too few faults happened to prove anything"
    _enter(moto, monkeypatch)
    assert _endings(web) == ["done"] * 4
    state = ObjectStore.opened(Address.parsed(web).beside(".pixmill"), Access())
    facts = state.facts("journal-0.sqlite")
    assert facts is not None
    with (tmp_path / "journal").open("wb") as stream:
        state.fetch(facts.key, stream.fileno(), expected=facts)
    assert not any(secret.encode() in (tmp_path / "journal").read_bytes() for secret in SECRETS)


def test_a_store_that_goes_away_ends_the_run(
    moto: Server, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that cannot be kept any more is told as trouble of the run; the next resumes."""
    web = _web(moto)
    with Proxy(moto.port, (Fault.RESET,), share=0.0) as proxy:
        _enter(moto, monkeypatch, proxy.port)
        with pixmill.optimize(source, web, HALVED, settings=TWO_WORKERS) as run:
            outcomes = [next(run) for _ in NAMES]
            proxy.share = 1.0
            assert list(run) == []
    assert "cannot be kept" in run.summary.fatal
    assert {each.status for each in outcomes} == {Status.OPTIMIZED}
    _enter(moto, monkeypatch)
    assert {each.status for each in ran(source, web).outcomes} <= {Status.OPTIMIZED, Status.SKIPPED}
    assert {each.reason for each in ran(source, web).outcomes} == {SkipReason.DONE}
