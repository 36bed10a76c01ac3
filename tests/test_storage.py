"""A result stands whole under its name or not at all, and nothing else is left behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from faults.recording import deeds, recorded
from pixmill.errors import RunError
from pixmill.settings import Durability
from pixmill.storage.durability import syncer
from pixmill.storage.local import Destination, copy_into, read_head, write_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MTIME_NS = 1_600_000_000_123_456_789


def _writer(content: bytes) -> Callable[[int], int]:
    return lambda descriptor: write_all(descriptor, content)


def _publish(root: Path, name: str, content: bytes = b"new", *, can_replace: bool = False) -> int:
    return Destination(str(root)).publish(
        name, _writer(content), mtime_ns=MTIME_NS, can_replace=can_replace
    )


def _names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_a_result_is_published_whole_with_its_time(tmp_path: Path) -> None:
    """Content, modification time and folders are as they were asked for."""
    assert _publish(tmp_path / "out", "deep/in/a.webp") == 3
    file = tmp_path / "out" / "deep" / "in" / "a.webp"
    assert file.read_bytes() == b"new"
    assert file.stat().st_mtime_ns == MTIME_NS
    assert _names(tmp_path) == ["out/deep/in/a.webp"]


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt(), ValueError("no")])
@pytest.mark.parametrize("can_replace", [False, True])
def test_a_writer_that_fails_leaves_nothing(
    tmp_path: Path, error: BaseException, *, can_replace: bool
) -> None:
    """Whatever ends a writer, no half-written file and no temporary one is left."""
    if can_replace:
        (tmp_path / "a.webp").write_bytes(b"old")
    before = _names(tmp_path)

    def fail(descriptor: int) -> int:
        write_all(descriptor, b"half")
        raise error

    with pytest.raises(type(error)):
        Destination(str(tmp_path)).publish(
            "a.webp", fail, mtime_ns=MTIME_NS, can_replace=can_replace
        )
    assert _names(tmp_path) == before


def test_nobody_sees_a_result_before_it_is_whole(tmp_path: Path) -> None:
    """While it is written, a result has a hidden name, and the old file stands."""
    (tmp_path / "a.webp").write_bytes(b"old")
    seen: list[list[str]] = []

    def write(descriptor: int) -> int:
        written_bytes = write_all(descriptor, b"half")
        seen.append(_names(tmp_path))
        assert (tmp_path / "a.webp").read_bytes() == b"old"
        return written_bytes

    Destination(str(tmp_path)).publish("a.webp", write, mtime_ns=MTIME_NS, can_replace=True)
    ((temporary, old),) = seen
    assert temporary.startswith(".pixmill-")
    assert old == "a.webp"
    assert (tmp_path / "a.webp").read_bytes() == b"half"


def test_a_file_that_stands_there_is_not_replaced_unless_allowed(tmp_path: Path) -> None:
    """A file or link that appeared meanwhile is kept, and nothing is left of the attempt."""
    (tmp_path / "a.webp").write_bytes(b"old")
    (tmp_path / "b.webp").symlink_to("nowhere")
    for name in ("a.webp", "b.webp"):
        with pytest.raises(FileExistsError):
            _publish(tmp_path, name)
    assert (tmp_path / "a.webp").read_bytes() == b"old"
    assert _names(tmp_path) == ["a.webp", "b.webp"]
    _publish(tmp_path, "a.webp", can_replace=True)
    assert (tmp_path / "a.webp").read_bytes() == b"new"


def test_replacing_a_link_leaves_what_it_names(tmp_path: Path) -> None:
    """A link at the destination is replaced itself: what it leads to is never written."""
    source = tmp_path / "source.png"
    source.write_bytes(b"precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.webp").symlink_to(source)
    _publish(tmp_path / "out", "a.webp", can_replace=True)
    assert source.read_bytes() == b"precious"
    assert not (tmp_path / "out" / "a.webp").is_symlink()


@pytest.mark.parametrize("parent", ["link", "file"])
def test_no_link_below_the_root_is_passed(tmp_path: Path, parent: str) -> None:
    """A link or a file where a folder should be is refused, so nothing leaves the destination."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "out" / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="expected a folder"):
        _publish(tmp_path / "out", f"{parent}/a.webp")
    assert _names(tmp_path / "elsewhere") == []


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    """The root is the user's own choice, and may be a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    _publish(tmp_path / "root", "a.webp")
    assert _names(tmp_path / "real") == ["a.webp"]


def test_a_root_that_cannot_be_made_ends_the_run(tmp_path: Path) -> None:
    """A file where the output folder should be is told before anything is done."""
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(RunError, match="cannot make the output folder"):
        Destination(str(tmp_path / "out")).prepare()


def test_the_umask_is_respected(tmp_path: Path) -> None:
    """A result has the permissions that any new file of this user has."""
    before = os.umask(0o027)
    try:
        _publish(tmp_path, "a.webp")
        (tmp_path / "b").write_bytes(b"")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.webp", "b")}
    assert modes == {0o640}


def test_the_longest_name_can_be_published(tmp_path: Path) -> None:
    """The temporary name fits wherever the final one does."""
    name = "é" * 125 + ".webp"
    assert len(os.fsencode(name)) == 255
    _publish(tmp_path, name)
    assert _names(tmp_path) == [name]
    with pytest.raises(OSError, match="File name too long"):
        _publish(tmp_path, "x" + name)
    assert _names(tmp_path) == [name]


def test_names_that_are_no_text_are_published(tmp_path: Path) -> None:
    """A surrogate-escaped name gets its own bytes back."""
    _publish(tmp_path, os.fsdecode(b"caf\xe9.webp"))
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"caf\xe9.webp"]


def test_a_sweep_removes_what_was_abandoned_and_nothing_else(tmp_path: Path) -> None:
    """Temporary files without a living owner go; anything else stays, links and folders too."""
    abandoned = [f".pixmill-{number:016x}.tmp" for number in range(3)]
    spared = [".pixmill-notes", "a.tmp", ".pixmill-0.tmp.webp"]
    for name in (*abandoned, *spared):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".pixmill-link.tmp").symlink_to("a.tmp")
    (tmp_path / ".pixmill-folder.tmp").mkdir()
    os.mkfifo(tmp_path / ".pixmill-fifo.tmp")
    assert Destination(str(tmp_path)).sweep("") == 3
    assert _names(tmp_path) == sorted([*spared, ".pixmill-fifo.tmp", ".pixmill-link.tmp"])
    assert Destination(str(tmp_path)).sweep("not/there") == 0


def test_a_sweep_spares_what_is_being_written(tmp_path: Path) -> None:
    """A result in the hands of this or another process is left alone."""
    swept: list[int] = []

    def write(descriptor: int) -> int:
        swept.append(Destination(str(tmp_path)).sweep(""))
        return write_all(descriptor, b"new")

    Destination(str(tmp_path)).publish("a.webp", write, mtime_ns=MTIME_NS, can_replace=False)
    assert swept == [0]
    assert _names(tmp_path) == ["a.webp"]


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    """A process killed while it writes leaves a file that the next sweep removes."""
    code = (
        "import os, signal, sys\n"
        "from pixmill.storage.local import Destination\n"
        "die = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Destination(sys.argv[1]).publish('a', die, mtime_ns=0, can_replace=False)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert ended.returncode == -9
    assert len(_names(tmp_path)) == 1
    assert Destination(str(tmp_path)).sweep("") == 1
    assert _names(tmp_path) == []


def test_sweeping_never_disturbs_publishing(tmp_path: Path) -> None:
    """A folder that is swept again and again while results are published loses none."""
    destination, is_done = Destination(str(tmp_path)), threading.Event()

    def sweep() -> None:
        while not is_done.is_set():
            destination.sweep("")

    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    for sweeper in sweepers:
        sweeper.start()
    try:
        for number in range(200):
            _publish(tmp_path, f"{number}.webp")
    finally:
        is_done.set()
        for sweeper in sweepers:
            sweeper.join()
    assert len(_names(tmp_path)) == 200


def test_a_copy_is_the_source_byte_for_byte(tmp_path: Path) -> None:
    """What is kept is copied whole, however large."""
    content = os.urandom(3_000_001)
    (tmp_path / "a.png").write_bytes(content)
    destination = Destination(str(tmp_path / "out"))
    write = copy_into(str(tmp_path / "a.png"))
    assert destination.publish("a.png", write, mtime_ns=0, can_replace=False) == len(content)
    assert (tmp_path / "out" / "a.png").read_bytes() == content


def test_a_head_is_read_without_waiting(tmp_path: Path) -> None:
    """A FIFO is told by its kind, a link refused unless it may be followed, 4096 bytes are read."""
    os.mkfifo(tmp_path / "fifo")
    assert not read_head(str(tmp_path / "fifo"), can_follow=False).is_regular
    (tmp_path / "a").write_bytes(b"x" * 5000)
    head = read_head(str(tmp_path / "a"), can_follow=False)
    assert (len(head.content), head.size_bytes, head.is_regular) == (4096, 5000, True)
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        read_head(str(tmp_path / "link"), can_follow=False)
    assert read_head(str(tmp_path / "link"), can_follow=True).size_bytes == 5000


def test_a_folder_that_was_removed_needs_no_flush(tmp_path: Path) -> None:
    """Somebody who tidies up the output meanwhile does not end the run."""
    (tmp_path / "file").write_bytes(b"")
    sync = syncer(str(tmp_path), Durability.FULL)
    sync({"gone/deep", "file", ""})


def test_new_folders_are_flushed_into_those_above_once(tmp_path: Path) -> None:
    """The names of a result's folders last as it does, and cost nothing the second time."""
    (tmp_path / "out" / "a" / "b").mkdir(parents=True)
    with recorded(str(tmp_path / "log")):
        sync = syncer(str(tmp_path / "out"), Durability.FULL)
        for _ in range(2):
            sync({"a/b"})
    flushed = [str(each.folder) for each in deeds(tmp_path / "log")]  # type: ignore[union-attr]
    assert sorted(flushed[:3]) == [str(tmp_path / each) for each in ("out", "out/a", "out/a/b")]
    assert flushed[3:] == [str(tmp_path / "out/a/b")]
