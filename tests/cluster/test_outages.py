"""Stores that stop answering for longer than a request is repeated, and stores that shut us out."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

import pixmill
from cluster.faulty import Fault, Proxy
from cluster.servers import SECRET
from pixmill.address import Access, Address
from pixmill.model import FailureKind, SkipReason, Status
from pixmill.storage.objects import ObjectStore
from pixmill_cli.exit_codes import ExitCode
from runs import HALVED, TWO_WORKERS, Heard, archive, digests, ran

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.servers import Server
    from pixmill.settings import Settings

NAMES: Final = tuple(f"{number:03}.png" for number in range(60))
OUTAGE_S: Final = 4.0
"""Twice what obstore's own retries outlast."""
_numbers = count()


@pytest.fixture
def source(moto: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a prefix with small pictures, with access to its server in the environment."""
    _enter(moto, monkeypatch)
    folder = archive(tmp_path / "in", *NAMES, size_px=32)
    address = moto.address(f"outage-{next(_numbers)}/in")
    store = ObjectStore.opened(Address.parsed(address), Access())
    for name in NAMES:
        store.put(name, (folder / name).read_bytes())
    return address


def _enter(server: Server, monkeypatch: pytest.MonkeyPatch, port: int | None = None) -> None:
    for variable, value in server.environ(port).items():
        monkeypatch.setenv(variable, value)


def _web(server: Server) -> str:
    return server.address(f"outage-{next(_numbers)}/web")


def _patient(patience_s: float) -> Settings:
    return replace(TWO_WORKERS, access=Access(patience_s=patience_s))


def _fetched(url: str, folder: Path) -> dict[str, str]:
    store = ObjectStore.opened(Address.parsed(url), Access())
    folder.mkdir()
    for page in store.listed():
        for facts in page:
            with (folder / facts.key).open("wb") as stream:
                store.fetch(facts.key, stream.fileno(), expected=facts)
    return digests(folder)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.UNAVAILABLE])
def test_an_outage_costs_no_file(
    moto: Server, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """A store that is away, or asks for mercy, is waited for: nothing fails, told once."""
    web, heard = _web(moto), Heard()
    with Proxy(moto.port, (fault,), share=0.0) as proxy:
        _enter(moto, monkeypatch, proxy.port)
        with pixmill.optimize(source, web, HALVED, settings=_patient(60.0), reporter=heard) as run:
            outcomes = [next(run)]
            proxy.share = 1.0
            back = threading.Timer(OUTAGE_S, lambda: setattr(proxy, "share", 0.0))
            back.start()
            outcomes += run
            back.join()
    assert run.summary.fatal == ""
    assert {each.status for each in outcomes} == {Status.OPTIMIZED}
    assert len(outcomes) == len(NAMES)
    stores = [text for text in heard.notices if "answer" in text]
    assert ["does not answer" in text for text in stores] == [True, False], stores
    _enter(moto, monkeypatch)
    ran(tmp_path / "in", tmp_path / "disc")
    assert _fetched(web, tmp_path / "fetched") == digests(tmp_path / "disc")
    assert {each.reason for each in ran(source, web).outcomes} == {SkipReason.DONE}


def test_patience_ends_and_the_run_is_resumed(
    moto: Server, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that stays away ends the run; no file fails, and the next run makes the rest."""
    web = _web(moto)
    with Proxy(moto.port, (Fault.RESET,), share=0.0) as proxy:
        _enter(moto, monkeypatch, proxy.port)
        with pixmill.optimize(source, web, HALVED, settings=_patient(1.0)) as run:
            outcomes = [next(run)]
            proxy.share = 1.0
            outcomes += run
    assert "has not answered for 1.0 s" in run.summary.fatal
    assert {each.status for each in outcomes} == {Status.OPTIMIZED}
    assert len(outcomes) < len(NAMES)
    _enter(moto, monkeypatch)
    rest = ran(source, web)
    assert {each.status for each in rest.outcomes} <= {Status.OPTIMIZED, Status.SKIPPED}
    assert {each.reason for each in ran(source, web).outcomes} == {SkipReason.DONE}


def test_ctrl_c_waits_for_no_store(
    moto: Server, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is stopped while a store is away ends, without waiting for it to come back."""
    heard = Heard()
    with Proxy(moto.port, (Fault.RESET,), share=0.0) as proxy:
        _enter(moto, monkeypatch, proxy.port)
        with pixmill.optimize(
            source, _web(moto), HALVED, settings=_patient(300.0), reporter=heard
        ) as run:
            next(run)
            proxy.share = 1.0
            stop = threading.Thread(target=_drained, args=(run, heard))
            stop.start()
            list(run)
            stop.join()
            ended_s = time.monotonic()
    assert run.summary.is_interrupted
    assert not run.summary.failed
    assert time.monotonic() - ended_s < 15.0


def _drained(run: pixmill.Run, heard: Heard) -> None:
    while not any("does not answer" in text for text in heard.notices):
        time.sleep(0.01)
    run.drain()


def test_leave_that_is_taken_away_ends_the_run(
    moto: Server, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing may be put any more the run is drained as by a full disc: few files fail."""
    settings = replace(TWO_WORKERS, journal=str(tmp_path / "journal"))
    with Proxy(moto.port, (Fault.FORBIDDEN,), share=0.0, methods=("PUT",)) as proxy:
        _enter(moto, monkeypatch, proxy.port)
        with pixmill.optimize(source, _web(moto), HALVED, settings=settings) as run:
            next(run)
            proxy.share = 1.0
            failed = [each.failure for each in run if each.failure is not None]
    assert "the store refuses access" in run.summary.fatal
    assert {each.kind for each in failed} == {FailureKind.PERMISSION}
    assert len(failed) < len(NAMES) / 2


@pytest.mark.parametrize("kept", ["here", "there"])
@pytest.mark.parametrize("trouble", ["no bucket", "wrong key"])
def test_what_is_set_up_wrong_is_told_at_once(
    rclone: Server, tmp_path: Path, trouble: str, kept: str
) -> None:
    """An output that takes nothing is one error of usage, before anything is fetched or made."""
    folder = archive(tmp_path / "in", "a.jpg", "b.jpg")
    environ = rclone.environ()
    if trouble == "wrong key":
        environ["AWS_SECRET_ACCESS_KEY"] = f"not-{SECRET}"
    out = "s3://nowhere/out" if trouble == "no bucket" else _web(rclone)
    command = [sys.executable, "-m", "pixmill_cli", "optimize", str(folder), out, "--events=-"]
    command += [f"--journal={tmp_path / 'journal'}"] if kept == "here" else []
    ended = subprocess.run(
        command, env=os.environ | environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == ExitCode.USAGE
    words = {"no bucket": "the bucket does not exist", "wrong key": "does not know these cred"}
    assert words[trouble] in ended.stderr
    assert '"type": "file"' not in ended.stdout


@pytest.mark.parametrize("bucket", ["nowhere", "pixmill"])
def test_a_source_that_is_closed_is_told_at_once(
    rclone: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: str
) -> None:
    """So is an input that may not be listed, or is in no bucket."""
    _enter(rclone, monkeypatch)
    if bucket == "pixmill":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"not-{SECRET}")
    with pytest.raises(pixmill.OptionError) as caught:
        ran(f"s3://{bucket}/in", tmp_path / "out")
    assert caught.value.option == "input"
