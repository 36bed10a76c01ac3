"""A confined process reaches what it was granted and nothing else; a confined run loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pixmill.sandbox import Grants, offered

if TYPE_CHECKING:
    from pathlib import Path

MISSING = offered().missing
confinable = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING) or "it can")
DENIED = "PermissionError"
KILLED = -signal.SIGSYS if sys.platform == "linux" else 0

# Each deed is done in a fork that has confined itself; what became of it is told as JSON.
DEEDS = """\
import ctypes, json, os, pathlib, resource, socket, subprocess, sys, threading, time
from pixmill.sandbox import Grants, confine, limit_file

source, granted, beside = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)

def threaded():
    seen = []
    thread = threading.Thread(target=seen.append, args=(1,))
    thread.start()
    thread.join()
    assert seen

def dated():
    with open(granted + "/dated", "w") as stream:
        os.utime(stream.fileno(), ns=(1, 1))

def renamed():
    pathlib.Path(granted, "one").write_text("x")
    os.link(granted + "/one", granted + "/two")
    os.rename(granted + "/one", granted + "/three")
    os.unlink(granted + "/two")

def moved_out():
    pathlib.Path(granted, "four").write_text("x")
    os.rename(granted + "/four", beside + "/four")

def outgrown():
    limit_file(0)
    with open(granted + "/huge", "w") as stream:
        os.ftruncate(stream.fileno(), (4 << 30) + 1)

def at_most_open():
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] <= 256

def typed():
    libc.ioctl(2, 0x5412, b"x")

def traced():
    libc.ptrace(16, os.getppid(), 0, 0)

deeds = {
    "read the source": lambda: pathlib.Path(source, "a").read_text(),
    "write into the output": lambda: pathlib.Path(granted, "new").write_text("x"),
    "make a folder in the output": lambda: os.mkdir(granted + "/folder"),
    "rename within the output": renamed,
    "date by descriptor": dated,
    "start a thread": threaded,
    "import late": lambda: __import__("xml.dom.minidom"),
    "read random bytes": lambda: os.open("/dev/urandom", os.O_RDONLY),
    "signal itself": lambda: os.kill(os.getpid(), 0),
    "know its memory": lambda: open("/proc/self/statm").read(),
    "keep few files open": at_most_open,
    "read /etc/passwd": lambda: open("/etc/passwd"),
    "list the root": lambda: os.listdir("/"),
    "read beside": lambda: open(beside + "/secret"),
    "read of another process": lambda: open(f"/proc/{os.getppid()}/environ"),
    "write into the source": lambda: open(source + "/a", "a"),
    "remove from the source": lambda: os.unlink(source + "/a"),
    "write beside": lambda: open(beside + "/new", "w"),
    "move out of the output": moved_out,
    "ask for a name": lambda: socket.socket(socket.AF_UNIX),
    "outgrow a file": outgrown,
    "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "run a shell": lambda: subprocess.run(["true"]),
    "fork": os.fork,
    "trace": traced,
    "signal others": lambda: os.kill(os.getppid(), 0),
    "limit others": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU),
    "change a mode": lambda: os.chmod(source + "/a", 0o777),
    "date by name": lambda: os.utime(source + "/a"),
    "type into the terminal": typed,
    "watch a folder": lambda: libc.inotify_add_watch(libc.inotify_init(), b"/etc", 2),
    "make a user namespace": lambda: libc.unshare(0x10000000),
}
told = {}
for name, deed in deeds.items():
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        gaps = confine(Grants((source,), (granted,)))
        said = " ".join(gaps)
        try:
            deed()
        except BaseException as error:
            said = type(error).__name__
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    said = os.read(reader, 100).decode()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    told[name] = said if status == 0 else status
print(json.dumps(told))
"""
ALLOWED = (
    *("read the source", "write into the output", "make a folder in the output"),
    *("rename within the output", "date by descriptor", "start a thread", "import late"),
    *("read random bytes", "signal itself", "know its memory", "keep few files open"),
)
REFUSED = (
    *("read /etc/passwd", "list the root", "read beside", "read of another process"),
    *("write into the source", "remove from the source", "write beside"),
    "ask for a name",
)
ENDING = (
    *("connect", "run a program", "run a shell", "fork", "trace", "signal others"),
    *("limit others", "change a mode", "date by name", "type into the terminal"),
    *("watch a folder", "make a user namespace"),
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | int]:
    """Return what became of each deed: nothing said, an exception's name, or a signal."""
    folder = tmp_path_factory.mktemp("deeds")
    places = [folder / name for name in ("source", "granted", "beside")]
    for place in places:
        place.mkdir()
    (places[0] / "a").write_text("a")
    (places[2] / "secret").write_text("secret")
    script = folder / "deeds.py"
    script.write_text(DEEDS)
    ended = subprocess.run(
        [sys.executable, script, *places], capture_output=True, text=True, check=True, timeout=120
    )
    assert [path.name for path in places[2].iterdir()] == ["secret"]
    assert (places[0] / "a").read_text() == "a"
    found: dict[str, str | int] = json.loads(ended.stdout)
    return found


@confinable
@pytest.mark.parametrize("deed", ALLOWED)
def test_what_a_worker_needs_is_allowed(told: dict[str, str | int], deed: str) -> None:
    """Reading sources, publishing, threads and late imports go on as before."""
    assert told[deed] == ""


@confinable
@pytest.mark.parametrize("deed", REFUSED)
def test_other_files_are_refused(told: dict[str, str | int], deed: str) -> None:
    """A file outside the grants cannot be opened, made or removed."""
    assert told[deed] == DENIED


@confinable
@pytest.mark.parametrize("deed", ENDING)
def test_other_deeds_end_the_process(told: dict[str, str | int], deed: str) -> None:
    """Programs, connections, other processes and names changed unopened end the process."""
    assert told[deed] == KILLED


@confinable
def test_nothing_is_moved_out_and_nothing_outgrows_its_limit(told: dict[str, str | int]) -> None:
    """A file cannot be renamed out of the output, nor grow beyond 4 GiB."""
    assert told["move out of the output"] in {DENIED, "OSError"}
    assert told["outgrow a file"] == "OSError"
    assert set(told) == {*ALLOWED, *REFUSED, *ENDING, "move out of the output", "outgrow a file"}


def test_grants_follow_links_and_folders(tmp_path: Path) -> None:
    """A grant covers what lies below it, where links lead, and no name that only begins alike."""
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    grants = Grants((str(tmp_path / "link"),), (str(tmp_path / "out"),))
    assert grants.covers(str(tmp_path / "in" / "deep" / "file"))
    assert grants.covers(str(tmp_path / "out"))
    assert not grants.covers(str(tmp_path / "inner"))
    assert not grants.covers("/etc/passwd")
