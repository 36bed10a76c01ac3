"""Nothing is written outside OUT, and no name or depth is too strange."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixmill.model import FailureKind, SkipReason, Status
from pixmill.settings import IfExists, Settings
from pixmill.storage.folders import reachable
from pixmill.storage.local import Destination, read_head, write_all
from runs import HALVED, archive, by_path, ran, temporary_files

if TYPE_CHECKING:
    from collections.abc import Callable

ONE_WORKER = Settings(parallel=1, timeout_s=60.0)


def _published(destination: Destination, name: str, meanwhile: Callable[[], object]) -> int:
    def write(descriptor: int) -> int:
        meanwhile()
        return write_all(descriptor, b"made")

    return destination.publish(name, write, mtime_ns=10**18, can_replace=True)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return a folder outside the output, in which nothing may ever appear."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_a_folder_that_becomes_a_link_leads_nowhere(tmp_path: Path, elsewhere: Path) -> None:
    """Replaced between two files it is refused; while one is written, it is not followed."""
    out, inner = tmp_path / "out", tmp_path / "out" / "a" / "b"
    destination = Destination(str(out))

    def swap() -> None:
        inner.rename(out / "moved")
        inner.symlink_to(elsewhere, target_is_directory=True)

    _published(destination, "a/b/one.jpg", lambda: None)
    _published(destination, "a/b/two.jpg", swap)
    assert (out / "moved" / "two.jpg").read_bytes() == b"made"
    with pytest.raises(NotADirectoryError, match="found a file or a link"):
        _published(destination, "a/b/three.jpg", lambda: None)
    with pytest.raises(NotADirectoryError, match="found a file or a link"):
        _published(destination, "a/b/deeper/four.jpg", lambda: None)
    assert list(elsewhere.iterdir()) == []
    assert temporary_files(tmp_path) == []


def test_an_output_that_becomes_a_link_leads_nowhere(tmp_path: Path, elsewhere: Path) -> None:
    """The output folder itself is held from the first file on."""
    out = tmp_path / "out"
    destination = Destination(str(out))
    _published(destination, "one.jpg", lambda: None)
    out.rename(tmp_path / "moved")
    out.symlink_to(elsewhere, target_is_directory=True)
    _published(destination, "two.jpg", lambda: None)
    assert sorted(os.listdir(tmp_path / "moved")) == ["one.jpg", "two.jpg"]  # noqa: PTH208 - names
    assert list(elsewhere.iterdir()) == []


def test_a_link_at_the_destination_is_replaced_and_not_followed(
    tmp_path: Path, elsewhere: Path
) -> None:
    """What it led to keeps its bytes, also where files are overwritten."""
    source, out = archive(tmp_path / "in", "a.jpg"), tmp_path / "out"
    out.mkdir()
    precious = elsewhere / "precious"
    precious.write_bytes(b"precious")
    (out / "a.jpg").symlink_to(precious)
    settings = Settings(parallel=1, if_exists=IfExists.OVERWRITE)
    (outcome,) = ran(source, out, settings=settings).outcomes
    assert outcome.status is Status.OPTIMIZED
    assert precious.read_bytes() == b"precious"
    assert not (out / "a.jpg").is_symlink()


def test_a_sweep_does_not_follow_links(tmp_path: Path, elsewhere: Path) -> None:
    """What looks like a temporary file of ours outside the output stays."""
    (elsewhere / ".pixmill-0.tmp").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(elsewhere, target_is_directory=True)
    assert Destination(str(tmp_path / "out")).sweep("link") == 0
    assert (elsewhere / ".pixmill-0.tmp").exists()


def test_strange_names_are_names(tmp_path: Path) -> None:
    """No UTF-8, newlines, leading dashes and 255 bytes go through whole."""
    source = archive(tmp_path / "in", "plain.jpg")
    content = (source / "plain.jpg").read_bytes()
    names = [b"\xff\xfe.jpg", b"two\nlines.jpg", b"-rf.jpg", b"--help.jpg", b"x" * 251 + b".jpg"]
    for name in names:
        Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_bytes(content)
    outcomes = ran(source, tmp_path / "out", settings=ONE_WORKER).outcomes
    assert {outcome.status for outcome in outcomes} == {Status.OPTIMIZED}
    made = os.listdir(os.fsencode(tmp_path / "out"))  # noqa: PTH208 - as bytes
    assert sorted(made) == sorted([*names, b"plain.jpg"])


def test_a_name_that_a_new_suffix_makes_too_long_fails_clearly(tmp_path: Path) -> None:
    """The one file that would have 256 bytes is refused, with the reason."""
    source = archive(tmp_path / "in", "x" * 251 + ".jpg", "y" * 250 + ".jpg")
    for path in source.iterdir():
        path.rename(path.with_suffix(".gif"))  # and its content says JPEG
    recipe = HALVED
    outcomes = by_path(ran(source, tmp_path / "out", recipe=recipe, settings=ONE_WORKER).outcomes)
    assert outcomes["x" * 251 + ".gif"].status is Status.OPTIMIZED
    long = archive(tmp_path / "long", "z" * 250 + ".jpg")
    (long / ("z" * 250 + ".jpg")).rename(long / ("z" * 252 + ".js"))
    settings = Settings(parallel=1)
    (outcome,) = ran(long, tmp_path / "out", settings=settings).outcomes
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.REFUSED
    assert "256 bytes" in outcome.failure.message


def test_a_tree_deeper_than_a_path_may_be_long_is_made(tmp_path: Path) -> None:
    """Walked, read and published by descriptor, and a second run finds everything done."""
    source = archive(tmp_path / "in", "top.jpg")
    content = (source / "top.jpg").read_bytes()
    part, depth = "d" * 200, 30
    descriptor = os.open(source, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(part, dir_fd=descriptor)
        inner = os.open(part, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    deepest = os.open("deep.jpg", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor)
    write_all(deepest, content)
    os.close(deepest)
    os.close(descriptor)
    deep = "/".join([part] * depth) + "/deep.jpg"
    with pytest.raises(OSError, match="too long"):
        (source / deep).stat()
    outcomes = by_path(ran(source, tmp_path / "out", settings=ONE_WORKER).outcomes)
    assert outcomes.keys() == {"top.jpg", deep}
    assert outcomes[deep].status is Status.OPTIMIZED, outcomes[deep]
    with reachable(str(tmp_path / "out" / deep)) as short:
        assert read_head(short, can_follow=False).size_bytes == outcomes[deep].bytes_written
    again = ran(source, tmp_path / "out", settings=ONE_WORKER).outcomes
    assert {outcome.status for outcome in again} == {Status.SKIPPED}


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    """A FIFO, a socket and a link to a device are skipped; a FIFO named as input too."""
    source = archive(tmp_path / "in", "a.jpg")
    os.mkfifo(source / "fifo.jpg")
    (source / "null.jpg").symlink_to(os.devnull)
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(source)  # a socket's name is short
        try:
            listening.bind("socket.jpg")
        finally:
            os.chdir(here)
        outcomes = by_path(ran(source, tmp_path / "out", settings=ONE_WORKER).outcomes)
    assert outcomes["a.jpg"].status is Status.OPTIMIZED
    reasons = {name: outcome.reason for name, outcome in outcomes.items() if outcome.reason}
    assert reasons == {
        "fifo.jpg": SkipReason.SPECIAL,
        "socket.jpg": SkipReason.SPECIAL,
        "null.jpg": SkipReason.SYMLINK,
    }
    assert not read_head(str(source / "socket.jpg"), can_follow=True).is_regular
    assert not read_head(os.devnull, can_follow=True).is_regular
    (outcome,) = ran(source / "fifo.jpg", tmp_path / "one", settings=ONE_WORKER).outcomes
    assert outcome.reason is SkipReason.SPECIAL


def test_errors_name_the_whole_path(tmp_path: Path) -> None:
    """Although the system was told a name alone."""
    destination = Destination(str(tmp_path))
    with pytest.raises(OSError, match="too long") as caught:
        _published(destination, "a/" + "x" * 256, lambda: None)
    assert caught.value.errno == errno.ENAMETOOLONG
    assert str(caught.value.filename).startswith(str(tmp_path / "a"))
