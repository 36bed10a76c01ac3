"""`-` reads one image from stdin and writes one to stdout: whole, contained, or not at all."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pixmill import api
from pixmill.model import FailureKind
from pixmill.settings import Settings
from pixmill_cli.exit_codes import ExitCode

COMMAND = str(Path(sys.executable).with_name("pixmill"))
TO_STDOUT = ("optimize", "-", "-", "--effort", "fast")


@pytest.fixture
def picture() -> bytes:
    """Return a PNG that can be made smaller."""
    ramp = Image.linear_gradient("L").resize((96, 64))
    held = io.BytesIO()
    Image.merge("RGB", (ramp, ramp.rotate(180), ramp)).save(held, "PNG", compress_level=0)
    return held.getvalue()


def ended(*args: str, stdin: bytes, code: int, scratch: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the command, check its exit code, and that its temporary files are gone."""
    result = subprocess.run(
        [COMMAND, *args],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    assert result.returncode == code, result.stderr
    assert list(scratch.iterdir()) == []
    return result


def test_an_image_goes_through_a_pipe(picture: bytes, tmp_path: Path) -> None:
    """What comes on stdin leaves on stdout in the format asked for, in silence."""
    args = (*TO_STDOUT, "--target-format", "webp", "--resize", "48")
    result = ended(*args, stdin=picture, code=ExitCode.OK, scratch=tmp_path)
    with Image.open(io.BytesIO(result.stdout)) as image:
        assert (image.format, image.size) == ("WEBP", (48, 32))
    assert result.stderr == b""


def test_a_file_goes_to_stdout(picture: bytes, tmp_path: Path) -> None:
    """A file named as the input is written to stdout and stays as it is; nothing stands beside."""
    folder = tmp_path / "photos"
    scratch = tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    path = folder / "one.png"
    path.write_bytes(picture)
    result = ended("optimize", str(path), "-", stdin=b"", code=ExitCode.OK, scratch=scratch)
    assert 0 < len(result.stdout) < len(picture)
    assert path.read_bytes() == picture
    assert sorted(tmp_path.rglob("*")) == [folder, path, scratch]


def test_an_image_that_is_kept_passes_through(picture: bytes, tmp_path: Path) -> None:
    """Where nothing smaller is found, stdout gets the very bytes of stdin."""
    args = (*TO_STDOUT, "--min-savings", "99.9%")
    result = ended(*args, stdin=picture, code=ExitCode.OK, scratch=tmp_path)
    assert result.stdout == picture


@pytest.mark.parametrize(
    ("cut_bytes", "args", "told"),
    [
        (-400, (), b"corrupt at read"),
        (None, ("--max-file-size", "1kb"), b"too-large at read"),
        (None, ("--max-stream-pixels", "10"), b"too-large at plan"),
        (1, (), b"not-an-image"),
        (0, (), b"not-an-image"),
    ],
)
def test_a_failed_image_writes_nothing(
    picture: bytes, tmp_path: Path, *, cut_bytes: int | None, args: tuple[str, ...], told: bytes
) -> None:
    """What cannot be made leaves stdout empty; stderr says why, and the exit code is 1."""
    stdin = picture[:cut_bytes]
    result = ended(*TO_STDOUT, *args, stdin=stdin, code=ExitCode.SOME_FAILED, scratch=tmp_path)
    assert result.stdout == b""
    assert told in result.stderr


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("-", "web"), b"one image from stdin goes to stdout"),
        (("-", "--in-place", "--no-backup"), b"one image from stdin goes to stdout"),
        (("-", "-", "--json"), b"the image itself is written to stdout"),
        (("-", "-", "--events", "-"), b"the image itself is written to stdout"),
        ((".", "-"), b"is a folder"),
        (("-", "-", "--journal", "j.sqlite"), b"--journal: one image goes to a pipe"),
        (("-", "-", "--shard", "0/2"), b"--shard: one image goes to a pipe"),
        (("-", "-", "--dry-run"), b"--dry-run: one image goes to a pipe"),
    ],
)
def test_what_cannot_be_piped_is_refused(
    picture: bytes, tmp_path: Path, args: tuple[str, ...], told: bytes
) -> None:
    """Streams and folders, and two kinds of data on one stdout, do not mix: exit code 2."""
    args = ("optimize", *args)
    result = ended(*args, stdin=picture, code=ExitCode.USAGE, scratch=tmp_path)
    assert told in result.stderr
    assert result.stdout == b""


def test_a_reader_who_leaves_is_no_trouble(picture: bytes) -> None:
    """A closed pipe ends the command in silence; a full disc ends it with 3 and a word."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as closed, open("/dev/full", "wb") as full:  # noqa: PTH123 - pipes
        for stdout, code, told in (
            (closed, ExitCode.OK, b""),
            (full, ExitCode.RUN_FAILED, b"pixmill: cannot write stdout: no space left on device\n"),
        ):
            result = subprocess.run(
                [COMMAND, *TO_STDOUT],
                input=picture,
                stdout=stdout,
                stderr=subprocess.PIPE,
                check=False,
                timeout=60,
            )
            assert (result.returncode, result.stderr) == (code, told)


def test_an_image_is_made_in_a_worker(picture: bytes, tmp_path: Path) -> None:
    """A decoder that takes its process down costs the image alone, not the caller."""
    path = tmp_path / "segv.png"
    path.write_bytes(picture)
    sink = io.BytesIO()
    ended = api.optimize_stream(path, sink, mill="faults.crashing:mill")
    assert ended.outcome is not None
    assert ended.outcome.failure is not None
    assert ended.outcome.failure.kind is FailureKind.CRASHED
    assert sink.getvalue() == b""


def test_no_more_is_read_than_is_allowed(picture: bytes) -> None:
    """A stream without an end is left at the first byte beyond the largest file."""
    source = io.BytesIO(picture)
    settings = Settings(max_file_bytes=1000)
    ended = api.optimize_stream(source, io.BytesIO(), settings=settings)
    assert source.tell() == 1001
    assert ended.outcome is not None
    assert ended.outcome.failure is not None
    assert ended.outcome.failure.kind is FailureKind.TOO_LARGE
    assert ended.bytes_piped == 0
