"""A confined process reaches what it was granted and nothing else; a confined run loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from PIL import Image

from corpora import CORPORA, needs_corpora
from faults.knowing import VARIABLES
from pixmill.confinement import confinement_warnings, readable
from pixmill.errors import RunError
from pixmill.executors.hatchery import NurseryHatchery, SpawnHatchery
from pixmill.executors.hearing import UntrustedError, Voice, heard, spoken
from pixmill.executors.scratch import Scratch
from pixmill.model import (
    Failed,
    FailureKind,
    Job,
    Outcome,
    Output,
    SkipReason,
    SourceRef,
    Stage,
    Status,
)
from pixmill.protocol import CostKnown, JobEnded, Send, Setup, WorkerReady
from pixmill.recipe import Recipe
from pixmill.sandbox import Grants, Offer, offered
from pixmill.settings import Sandbox, Settings, Symlinks
from pixmill.units import parse_geometry
from pixmill.vocabulary import Effort, Operation
from runs import TESTS, archive, by_path, digests, ran, temporary_files

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

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


BREAKING = "faults.breaking:mill"
SOUND = ("a.jpg", "b.png", "deep/c.webp")
REQUIRED = Settings(parallel=2, timeout_s=60.0, sandbox=Sandbox.REQUIRE)
OPEN = Settings(parallel=2, timeout_s=60.0, sandbox=Sandbox.OFF)
LETTERS = b"""<svg xmlns="http://www.w3.org/2000/svg" width="200" height="60">
<text x="5" y="45" font-family="DejaVu Sans, sans-serif" font-size="40">pixmill</text></svg>"""
UNCONFINABLE = Offer(0, has_seccomp=True, missing=("Landlock: not in this kernel",))


@confinable
def test_a_breach_costs_its_own_file(tmp_path: Path) -> None:
    """A rule that a codec breaks is refused and recorded as sandbox; every other file is made."""
    deeds = [f"{name}.jpg" for name in ("passwd", "beside", "exec", "connect")]
    others = ("ptrace.jpg", "escape.jpg", "into-source.jpg", "meek-passwd.jpg")
    source = archive(tmp_path / "in", *SOUND, *deeds, *others)
    ended = ran(source, tmp_path / "out", settings=REQUIRED, mill=BREAKING)
    outcomes = by_path(ended.outcomes)
    for name in (*deeds, "ptrace.jpg", "escape.jpg"):
        failure = outcomes[name].failure
        assert failure is not None, name
        assert failure.kind is FailureKind.SANDBOX, name
        assert "sandbox" in failure.message
        assert outcomes[name].attempts == 1
    assert outcomes["into-source.jpg"].status is Status.FAILED  # as if the folder were read-only
    for name in (*SOUND, "meek-passwd.jpg"):
        assert outcomes[name].status is Status.OPTIMIZED
    assert len(digests(tmp_path / "out")) == len(SOUND) + 1
    assert not list(tmp_path.rglob("stray"))
    assert not temporary_files(tmp_path)


@confinable
@pytest.mark.parametrize(
    ("deed", "kind", "mill"),
    [
        ("mumble", FailureKind.SANDBOX, BREAKING),
        ("chatter", FailureKind.TIMEOUT, BREAKING),
        ("greedy", FailureKind.SANDBOX, "faults.greedy:mill"),
        ("boast", FailureKind.SANDBOX, "faults.boasting:mill"),
    ],
)
def test_a_worker_cannot_hold_the_run_up(
    tmp_path: Path, deed: str, kind: FailureKind, mill: str
) -> None:
    """Half a message, endless ones, a cost and a share that cannot be take one file's time."""
    source = archive(tmp_path / "in", f"{deed}.jpg", "z.jpg")
    settings = replace(REQUIRED, parallel=1, timeout_s=2.0, sandbox=Sandbox.AUTO)
    outcomes = by_path(ran(source, tmp_path / "out", settings=settings, mill=mill).outcomes)
    failure = outcomes[f"{deed}.jpg"].failure
    assert failure is not None
    assert failure.kind is kind
    assert outcomes["z.jpg"].status is Status.OPTIMIZED


@confinable
def test_only_the_named_file_is_readable(tmp_path: Path) -> None:
    """A run over one file cannot read its neighbours."""
    source = archive(tmp_path / "in", "sibling.jpg", "other.jpg")
    (outcome,) = ran(
        source / "sibling.jpg", tmp_path / "out", settings=REQUIRED, mill=BREAKING
    ).outcomes
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.SANDBOX


def test_without_a_sandbox_nothing_is_refused(tmp_path: Path) -> None:
    """`off` leaves workers as they are."""
    source = archive(tmp_path / "in", "passwd.jpg", "sibling.jpg", "other.jpg")
    ended = ran(source, tmp_path / "out", settings=OPEN, mill=BREAKING)
    assert {outcome.status for outcome in ended.outcomes} == {Status.OPTIMIZED}


@confinable
def test_the_sample_is_the_same_inside(tmp_path: Path) -> None:
    """Every format of the sample gives the same bytes with and without the sandbox."""
    recipe = Recipe(
        operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
        resize=parse_geometry("400"),
        effort=Effort.FAST,
    )
    inside = ran(TESTS / "sample", tmp_path / "in", recipe=recipe, settings=REQUIRED)
    outside = ran(TESTS / "sample", tmp_path / "out", recipe=recipe, settings=OPEN)
    assert digests(tmp_path / "in") == digests(tmp_path / "out")
    told = [sorted((each.path, each.status) for each in run.outcomes) for run in (inside, outside)]
    assert told[0] == told[1]


@confinable
@needs_corpora
def test_every_format_is_the_same_inside(tmp_path: Path) -> None:
    """Formats of libvips, Pillow and libheif end alike with and without the sandbox."""
    recipe = Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS, Operation.RESIZE}),
        target_format="webp",
        resize=parse_geometry("200"),
        effort=Effort.FAST,
    )
    inside = ran(CORPORA / "formats", tmp_path / "in", recipe=recipe, settings=REQUIRED)
    outside = ran(CORPORA / "formats", tmp_path / "out", recipe=recipe, settings=OPEN)
    assert digests(tmp_path / "in") == digests(tmp_path / "out")
    assert inside.summary.failed == outside.summary.failed


@confinable
def test_letters_in_svg_are_drawn_inside(tmp_path: Path) -> None:
    """Fonts are found inside the sandbox: letters look as they do outside."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "letters.svg").write_bytes(LETTERS)
    recipe = Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}), target_format="png"
    )
    ran(tmp_path / "in", tmp_path / "inside", recipe=recipe, settings=REQUIRED)
    ran(tmp_path / "in", tmp_path / "outside", recipe=recipe, settings=OPEN)
    assert digests(tmp_path / "inside") == digests(tmp_path / "outside")
    assert (tmp_path / "inside" / "letters.png").exists()


@confinable
def test_a_dry_run_writes_nothing_and_works(tmp_path: Path) -> None:
    """A dry run inside the sandbox makes every file and no folder."""
    source = archive(tmp_path / "in", *SOUND)
    settings = Settings(parallel=1, dry_run=True, sandbox=Sandbox.REQUIRE)
    ended = ran(source, tmp_path / "out", settings=settings)
    assert {outcome.status for outcome in ended.outcomes} == {Status.OPTIMIZED}
    assert not (tmp_path / "out").exists()


@confinable
def test_links_that_lead_out_are_followed_where_asked(tmp_path: Path) -> None:
    """`--symlinks follow` reads through links inside the sandbox, and says what that means."""
    source = archive(tmp_path / "in", "a.jpg")
    archive(tmp_path / "elsewhere", "b.jpg")
    (source / "link.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    settings = Settings(parallel=1, symlinks=Symlinks.FOLLOW, sandbox=Sandbox.REQUIRE)
    ended = ran(source, tmp_path / "out", settings=settings)
    assert {outcome.status for outcome in ended.outcomes} == {Status.OPTIMIZED}
    assert any("follow" in warning for warning in ended.summary.facts.warnings)


@confinable
def test_images_too_large_to_hold_are_made_inside(tmp_path: Path) -> None:
    """An image that is turned by way of a temporary file is made, and the file is gone."""
    (tmp_path / "in").mkdir()
    image = Image.new("RGB", (6000, 4000), "teal")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "in" / "turned.jpg", exif=exif)
    settings = Settings(parallel=1, memory_bytes=230_000_000, sandbox=Sandbox.REQUIRE)
    recipe = Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
        target_format="png",
        effort=Effort.FAST,
    )
    (outcome,) = ran(tmp_path / "in", tmp_path / "out", recipe=recipe, settings=settings).outcomes
    assert outcome.failure is None
    assert (outcome.width_px, outcome.height_px) == (4000, 6000)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["turned.png"]


@pytest.mark.parametrize("make", [NurseryHatchery, SpawnHatchery])
@confinable
def test_a_breach_is_told_by_every_hatchery(
    tmp_path: Path, make: type[NurseryHatchery | SpawnHatchery]
) -> None:
    """A worker ends by SIGSYS however it was started, and its temporary folder goes with it."""
    source = archive(tmp_path / "in", "exec.jpg")
    setup = Setup(
        slot=0,
        source_root=str(source),
        destination_root=str(tmp_path / "out"),
        recipe=Recipe(),
        lease_bytes=100_000_000,
        base_bytes=8_000_000,
        can_replace=False,
        is_dry_run=False,
        mill=BREAKING,
        sandbox=Sandbox.REQUIRE,
    )
    hatchery = make()
    try:
        worker = hatchery.hatch()
        worker.connection.send(setup)
        assert worker.connection.poll(60)
        assert heard(worker.connection, 0) == WorkerReady(0)
        job = Job(0, SourceRef("exec.jpg", 1, 0, "jpg"), "exec.jpg")
        worker.connection.send(Send(0, (job,)))
        assert worker.exit_code() == KILLED
    finally:
        hatchery.close()


def test_a_required_sandbox_that_is_not_there_stops_the_run() -> None:
    """`require` names what is missing; `auto` tells it and goes on; `off` says nothing."""
    with pytest.raises(RunError, match="Landlock: not in this kernel"):
        confinement_warnings(REQUIRED, UNCONFINABLE, is_source_inside=False)
    (warning,) = confinement_warnings(Settings(), UNCONFINABLE, is_source_inside=False)
    assert "Landlock" in warning
    assert confinement_warnings(OPEN, UNCONFINABLE, is_source_inside=True) == ()


def test_what_the_sandbox_cannot_hold_is_told() -> None:
    """An output around its input, and links to anywhere, leave a hole that is told."""
    whole = Offer(7, has_seccomp=True, missing=())
    (warning,) = confinement_warnings(Settings(), whole, is_source_inside=True)
    assert "holds the input" in warning
    assert readable(Settings(symlinks=Symlinks.FOLLOW), "/in", "") == os.sep
    assert readable(Settings(), "/in", "a.jpg") == "/in/a.jpg"
    assert readable(Settings(), "/in", "") == "/in"


class Outlaw:
    """Unpickled without care, it calls a function."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Name the function."""
        return os.mkdir, ("stray",)


@pytest.mark.parametrize(
    "report",
    [
        WorkerReady(3, "Landlock: not in this kernel"),
        CostKnown(3, 1, 10**12),
        JobEnded(
            3,
            1,
            Outcome(path="a.jpg", status=Status.SKIPPED, reason=SkipReason.LARGER, notes=("x",)),
            5,
        ),
        JobEnded(
            3,
            1,
            Outcome(
                path="\udcff", status=Status.FAILED, failure=Failed(FailureKind.IO, Stage.READ, "x")
            ),
        ),
    ],
    ids=lambda report: type(report).__name__,
)
def test_what_workers_say_arrives(report: WorkerReady | CostKnown | JobEnded) -> None:
    """Every report is heard as it was said."""
    ours, theirs = Pipe()
    Voice(theirs).send(report)
    assert heard(ours, 3) == report


HEARD = JobEnded(3, 1, Outcome(path="a.jpg", status=Status.KEPT, wall_s=0.5), 5)
TAGGED = Output(suffix=".jpg", target="jpg", width_px=1, height_px=1, size_bytes=1, tag="its")


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Outlaw()),
        pickle.dumps(WorkerReady(3)),
        b"Nr\xff\xff\xff\x07.",  # a pickle that sets 2 GB aside
        spoken(WorkerReady(4)),
        b"3",
        b"[]",
        b'["WorkerReady", 3]',
        b'["WorkerReady", 3, "", ""]',
        b'["Outcome", 3, ""]',
        b'["CostKnown", 3, 1, NaN]',
        b'["CostKnown", 3, 1, 1e9]',
        b'["CostKnown", 3, true, 1]',
        b'["CostKnown", 3, 1, 9223372036854775808]',
        b'["WorkerReady", 3, "\\ud800"]',
        b"[" * 100_000,
        spoken(HEARD)[:-4],
        spoken(HEARD).decode().encode("utf-16"),
        spoken(HEARD).replace(b"0.5", b"Infinity"),
        spoken(HEARD).replace(b"0.5", b"true"),
        spoken(HEARD).replace(b'"kept"', b'"gone"'),
        spoken(HEARD).replace(b'"kept"', b'["kept"]'),
        spoken(HEARD).replace(b'"a.jpg"', b"null"),
        spoken(HEARD).replace(b"[]", b"[1]"),
        spoken(JobEnded(3, 1, cast("Outcome", None))),
        spoken(replace(HEARD, outcome=replace(HEARD.outcome, tag="of-an-object"))),
        spoken(replace(HEARD, outcome=replace(HEARD.outcome, outputs=(TAGGED,)))),
        b"",
        b"\0" * (2 << 20),
    ],
    ids=str,
)
def test_what_no_worker_says_is_refused(content: bytes) -> None:
    """What calls, belongs to another slot or has fields of other types is no report."""
    ours, theirs = Pipe()
    sender = threading.Thread(target=send_all, args=(theirs, content))
    sender.start()
    with pytest.raises(UntrustedError):
        heard(ours, 3)
    ours.close()
    sender.join()
    assert not Path("stray").exists()


def send_all(connection: Connection[object, object], content: bytes) -> None:
    """Send what fits until the other end is closed."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError), connection:
        connection.send_bytes(content)


@confinable
def test_what_killed_runs_left_is_removed() -> None:
    """A folder for temporary files that nobody holds goes with the next run; a held one stays."""
    held, left = Scratch.made(), Scratch.made()
    os.close(left.descriptor)
    last = Scratch.made()
    assert Path(held.path).is_dir()
    assert not Path(left.path).exists()
    for scratch in (held, last):
        scratch.close()
        assert not Path(scratch.path).exists()


def test_workers_get_no_access_to_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What gives access to object stores is in no worker's environment; the rest of it is."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "secret")
    ended = ran(archive(tmp_path / "in", "a.jpg"), tmp_path / "out", mill="faults.knowing:mill")
    (failure,) = (each.failure for each in ended.outcomes)
    assert failure is not None
    assert failure.message == "knows PIXMILL_TEST_VARIABLE"
