"""Whole runs against real servers on loopback: from bucket to bucket as from folder to folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import pixmill
from cluster.faulty import Proxy
from cluster.servers import SECRETS
from pixmill.address import Access, Address
from pixmill.model import SkipReason, Status
from pixmill.settings import MetadataDirective, Settings
from pixmill.storage.objects import ObjectStore
from pixmill.vocabulary import Operation
from runs import HALVED, TWO_WORKERS, archive, by_path, digests, left_running, ran

if TYPE_CHECKING:
    from cluster.servers import Server

_NAMES: Final = ("a.jpg", "B.png", "deep/er/c.webp", "deep/d e+ü.jpg", "deep/d e+ü.png", "x.gif")
_SHARE: Final = 0.15
_numbers = count()


@pytest.fixture(params=["moto", "gcs", "azurite", "rclone"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return each kind of server, with its access in the environment."""
    found: Server = request.getfixturevalue(request.param)
    for variable, value in found.environ().items():
        monkeypatch.setenv(variable, value)
    return found


@pytest.fixture
def s3(moto: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return the best likeness of S3, with its access in the environment."""
    for variable, value in moto.environ().items():
        monkeypatch.setenv(variable, value)
    return moto


def _prefix(server: Server) -> str:
    return server.address(f"run-{next(_numbers)}")


def _store(url: str) -> ObjectStore:
    return ObjectStore.opened(Address.parsed(url), Access())


def _filled(url: str, folder: Path) -> str:
    store = _store(url)
    for path in folder.rglob("*"):
        if path.is_file():
            store.put(path.relative_to(folder).as_posix(), path.read_bytes())
    return url


def _fetched(url: str, folder: Path) -> Path:
    store = _store(url)
    for page in store.listed():
        for facts in page:
            path = folder / facts.key
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                store.fetch(facts.key, stream.fileno(), expected=facts)
    return folder


def _kept_in(path: Path, **changes: object) -> Settings:
    return replace(TWO_WORKERS, journal=str(path / "journal.sqlite"), **changes)  # type: ignore[arg-type]


def test_a_bucket_gets_what_a_folder_gets(server: Server, tmp_path: Path) -> None:
    """On every kind of store results are the bytes of a run on disc, and a rerun does nothing."""
    folder, settings = archive(tmp_path / "in", *_NAMES), _kept_in(tmp_path)
    (folder / "notes.txt").write_text("no image")
    source, out = _filled(_prefix(server), folder), _prefix(server)
    first = ran(source, out, settings=settings)
    assert [each.failure for each in first.outcomes if each.failure] == []
    ran(folder, tmp_path / "disc")
    assert digests(_fetched(out, tmp_path / "fetched")) == digests(tmp_path / "disc")
    again = ran(source, out, settings=settings)
    assert {each.reason for each in again.outcomes} == {SkipReason.DONE, SkipReason.NOT_AN_IMAGE}


def test_faults_cost_time_and_nothing_else(
    moto: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 15 % of all requests spoilt every object is made, whole, and none twice over another."""
    folder = archive(tmp_path / "in", *(f"{number:02}.png" for number in range(40)), size_px=64)
    ran(folder, tmp_path / "disc")
    for variable, value in moto.environ().items():
        monkeypatch.setenv(variable, value)
    source, out = _filled(_prefix(moto), folder), _prefix(moto)
    with Proxy(moto.port, share=_SHARE) as proxy:
        for variable, value in moto.environ(proxy.port).items():
            monkeypatch.setenv(variable, value)
        ended = ran(source, out, settings=_kept_in(tmp_path))
        assert sum(proxy.counts.values()) > 5, "too few faults happened to prove anything"
    for variable, value in moto.environ().items():
        monkeypatch.setenv(variable, value)
    assert [each.failure for each in ended.outcomes if each.failure] == []
    assert digests(_fetched(out, tmp_path / "fetched")) == digests(tmp_path / "disc")


def test_keys_that_no_folder_could_hold(s3: Server, tmp_path: Path) -> None:
    """Keys longer than file names, and ones that are another's folder, are made like any other."""
    picture = (archive(tmp_path / "in", "a.jpg") / "a.jpg").read_bytes()
    source, out = _prefix(s3), _prefix(s3)
    keys = {"a", "a/b.jpg", f"{'long/' * 60}c.jpg", f"{'l' * 300}/d.jpg"}
    for key in keys:
        _store(source).put(key, picture)
    ended = ran(source, out, settings=_kept_in(tmp_path))
    assert {each.status for each in ended.outcomes} == {Status.OPTIMIZED}
    assert {facts.key for page in _store(out).listed() for facts in page} == keys - {"a"} | {
        "a.jpg"
    }


@pytest.mark.parametrize("directive", list(MetadataDirective))
def test_what_objects_say_of_themselves(
    s3: Server, tmp_path: Path, directive: MetadataDirective
) -> None:
    """An object has the type of its content; the rest is its source's, or what was asked for."""
    picture = (archive(tmp_path / "in", "a.png") / "a.png").read_bytes()
    source, out = _prefix(s3), _prefix(s3)
    given = {
        "Content-Type": "binary/octet-stream",
        "Content-Disposition": "inline",
        "Cache-Control": "no-store",
        "artist": "me",
    }
    _store(source).put("a.png", picture, attributes=given)
    operations = HALVED.operations | {Operation.CONVERT}
    recipe = replace(HALVED, operations=operations, target_format="webp")
    settings = _kept_in(tmp_path, metadata_directive=directive, cache_control="max-age=60")
    ran(source, out, recipe=recipe, settings=settings)
    own = {"Content-Type": "image/webp", "Cache-Control": "max-age=60"}
    carried = {"Content-Disposition": "inline", "artist": "me"}
    is_copied = directive is MetadataDirective.COPY
    assert _store(out).attributes("a.webp") == own | (carried if is_copied else {})


def test_objects_get_tags(s3: Server, tmp_path: Path) -> None:
    """Every object has the tags that were asked for, also one that is put in parts."""
    source, out = archive(tmp_path / "in", "a.png", "b.png"), _prefix(s3)
    settings = _kept_in(tmp_path, tagging=(("team", "web"), ("kind", "a b")))
    ran(source, out, settings=settings)
    large = tmp_path / "large"
    large.write_bytes(bytes(9_000_000))
    _store(out).put("large", str(large), tagging=dict(settings.tagging))
    for key in ("a.png", "b.png", "large"):
        path = f"/{out.removeprefix('s3://')}/{key}?tagging"
        told = s3.asked("GET", path, {"Authorization": "AWS x:y"}).decode()  # moto takes any
        found = dict(re.findall("<Key>(.*?)</Key><Value>(.*?)</Value>", told))
        assert found == {"team": "web", "kind": "a b"}, key


def test_an_object_that_changes_under_way(s3: Server, tmp_path: Path) -> None:
    """What was replaced after it was listed fails as changed, and nothing is put of it."""
    folder = archive(tmp_path / "in", *(f"{number:03}.png" for number in range(90)), size_px=64)
    source, out = _filled(_prefix(s3), folder), _prefix(s3)
    with pixmill.optimize(source, out, HALVED, settings=_kept_in(tmp_path)) as run:
        first = next(run)
        _store(source).put("089.png", (folder / "088.png").read_bytes())
        found = by_path([first, *run])
    failure = found["089.png"].failure
    assert failure is not None
    assert failure.kind == "changed"
    assert _store(out).facts("089.png") is None
    assert sum(each.failure is not None for each in found.values()) == 1


@pytest.mark.parametrize("trouble", ["none", "no bucket", "no access"])
def test_secrets_are_nowhere(rclone: Server, tmp_path: Path, trouble: str) -> None:
    """What gives access is in nothing that a run writes or says, however it ends."""
    folder = archive(tmp_path / "in", "a.jpg", "b.jpg")
    environ = rclone.environ()
    if trouble == "no access":
        environ["AWS_SECRET_ACCESS_KEY"] = f"not-{environ['AWS_SECRET_ACCESS_KEY']}"
    out = _prefix(rclone) if trouble != "no bucket" else "s3://nowhere/out"
    said = tmp_path / "said"
    said.mkdir()
    files = [f"--{name}={said / name}" for name in ("report", "events", "log-file", "journal")]
    command = [sys.executable, "-m", "pixmill_cli", "optimize", str(folder), out, "-v", *files]
    ended = subprocess.run(command, env=os.environ | environ, capture_output=True, check=False)
    assert ended.returncode == {"none": 0, "no bucket": 3, "no access": 1}[trouble]
    texts = [ended.stdout, ended.stderr, *(each.read_bytes() for each in said.iterdir())]
    for secret in (*SECRETS, environ["AWS_SECRET_ACCESS_KEY"]):
        assert not any(secret.encode() in text for text in texts)
    assert any(out.encode() in text for text in texts)


def test_little_is_under_way_and_nothing_is_left(s3: Server, tmp_path: Path) -> None:
    """Of more objects than the window holds few are staged at a time, and none once all is done."""
    folder = archive(tmp_path / "in", *(f"{number:03}.png" for number in range(150)), size_px=16)
    source, out = _filled(_prefix(s3), folder), _prefix(s3)
    servers = left_running()
    with pixmill.optimize(source, out, HALVED, settings=_kept_in(tmp_path)) as run:
        staging = Path(run._coordinator.shipping.staging.folder)  # type: ignore[union-attr]
        staged = [len(list((staging / "in").iterdir())) for _ in run]
    assert max(staged) < 100
    assert not staging.exists()
    assert left_running() == servers
