"""Runs of the command that are killed, stopped and deprived, and then resumed until all is well.

Each affliction strikes one run at a moment drawn by chance; afterwards a run without any must end
with the very bytes and times of an undisturbed one, nothing lost, changed, left over or running.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

import psutil

from faults.command import CLOCK, MILL
from faults.disc import FAULTS
from faults.plugin import MARKERS
from faults.vanishing import AWAY, brought_back
from pixmill import api
from pixmill.journal.place import place_of
from pixmill.journal.store import opened_to_read
from runs import TESTS, archive, digests, temporary_files, until

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["AFFLICTIONS", "ELSEWHERE_ONLY", "Havoc"]

_NAMES: Final = (
    *(f"{number % 4}/{number:02}.{('jpg', 'png', 'webp')[number % 3]}" for number in range(30)),
    *("0/once-segv-1.jpg", "1/segv.jpg", "2/abort.jpg", "3/hang.jpg", "once-abort.jpg"),
)
_FLAGS: Final = ("--resize", "50%", "--effort", "fast", "--parallel", "2", "--memory", "300MB")
_ENDINGS: Final = frozenset({0, 1, 3, 130, -signal.SIGKILL, -signal.SIGTERM})
_SLOWLY: Final = {MILL: "faults.slow:mill"}
"""What gives kills time to find a run at work."""
_START_S: Final = 1.0
_PAUSE_S: Final = 0.03
_PATIENCE_S: Final = 60.0


@dataclass(slots=True)
class Havoc:
    """An archive, and the chance that everything is drawn by.

    Args:
        folder: An empty folder for everything.
        rng: Decides.
        is_in_place: Whether runs replace the sources, which undo must bring back. Default: false.
    """

    folder: Path
    rng: random.Random
    is_in_place: bool = False
    source: Path = field(init=False)
    out: Path = field(init=False)
    _sources: dict[str, tuple[str, int]] = field(init=False)
    _expected: dict[str, tuple[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        """Make the archive, and run over it undisturbed."""
        for name in ("markers", "away", "scratch"):
            (self.folder / name).mkdir(parents=True)
        self.source = archive(self.folder / "in", *_NAMES)
        self._sources = _seen(self.source)
        self.out = self.folder / "reference"
        self._lay_out()
        assert self.begun().wait(_PATIENCE_S) == 0
        self._expected = _seen(self.out)
        assert len(self._expected) == len(_NAMES)
        self.out = self.folder / "out"

    def strike(self, affliction: str) -> str:
        """Let an affliction strike a run, judge what comes of the next, and tell what happened."""
        self._spoil()
        happened = AFFLICTIONS[affliction](self)
        left = self._published()
        self._judge()
        return f"{affliction}: {happened}, {left} of {len(_NAMES)} files were done"

    def begun(self, *flags: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start the command in a session of its own."""
        places: tuple[str, ...] = (str(self.source), str(self.out))
        if self.is_in_place:
            places = (str(self.out), "--in-place", "--backup", str(self.kept))
        log: IO[bytes] = (self.folder / "stderr").open("wb")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "faults.command", "optimize", *places, *_FLAGS, *flags],
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                env={
                    **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                    "PYTHONPATH": str(TESTS),
                    "TMPDIR": str(self.folder / "scratch"),
                    MARKERS: str(self.folder / "markers"),
                    AWAY: str(self.folder / "away"),
                    **environment,
                },
            )

    def ended(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for a run that was struck; it must end in a way there is, with all its processes."""
        code = process.wait(_PATIENCE_S)
        assert code in _ENDINGS, code
        told = (self.folder / "stderr").read_text(errors="replace")
        assert "Traceback" not in told, told
        until(lambda: not _left_of(self.folder))
        return f"ended with {code}"

    def at_some_moment(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait until some more results are published, and a little; return whether it still runs.

        One moment in four falls before the first.
        """
        there = self._published()
        most = len(_NAMES) - there
        wanted = there + (self.rng.randrange(most) if most and self.rng.random() < 0.75 else 0)
        while self._published() < wanted and process.poll() is None:
            time.sleep(0.002)
        pause_s = self.rng.uniform(0.0, _PAUSE_S if wanted > there else _START_S)
        deadline_s = time.monotonic() + pause_s
        while time.monotonic() < deadline_s and process.poll() is None:
            time.sleep(0.002)
        return process.poll() is None

    @property
    def kept(self) -> Path:
        """Where originals go that are replaced."""
        return self.out.with_suffix(".kept")

    def _lay_out(self) -> None:
        """Begin with an empty output, or with the sources themselves where they are replaced."""
        for folder in (self.out, self.kept, place_of(str(self.out)).journal.parent):
            shutil.rmtree(folder, ignore_errors=True)
        if self.is_in_place:
            shutil.copytree(self.source, self.out)

    def _published(self) -> int:
        done = self.kept if self.is_in_place else self.out
        return sum(path.is_file() for path in done.rglob("[!.]*.*"))

    def _spoil(self) -> None:
        """Begin anew, or lose some of the results that are there."""
        (self.folder / "markers" / "attempts").unlink(missing_ok=True)
        if self.is_in_place or self.rng.random() < 0.5 or not self.out.exists():
            self._lay_out()
            return
        for path in sorted(self.out.rglob("*.*")):
            if path.is_file() and self.rng.random() < 0.7:
                path.unlink()

    def _judge(self) -> None:
        assert _seen(self.source) == self._sources, "a source was touched"
        process = self.begun()
        assert process.wait(_PATIENCE_S) == 0, (self.folder / "stderr").read_text()
        assert _seen(self.out) == self._expected, "another output than that of a quiet run"
        assert _seen(self.source) == self._sources, "a source was touched"
        assert temporary_files(self.out) == []
        assert list((self.folder / "scratch").iterdir()) == []
        assert _left_of(self.folder) == [], "something is left running"
        journal = opened_to_read(place_of(str(self.out)).journal)
        assert journal is not None
        assert journal.counts() == {"optimized": len(_NAMES)}
        journal.close(None)
        if self.is_in_place:
            self._judge_undoing()

    def _judge_undoing(self) -> None:
        endings = {each.ending for each in api.undo(self.out)}
        assert endings == {api.Undoing.RESTORED}, endings
        assert _seen(self.out) == self._sources, "an original was not brought back as it was"
        assert list(self.kept.rglob("*")) == [], "something is left among the backups"


def _seen(folder: Path) -> dict[str, tuple[str, int]]:
    """Return content and time of every file."""
    times = {name: (folder / name).stat().st_mtime_ns for name in digests(folder)}
    return {name: (digest, times[name]) for name, digest in digests(folder).items()}


def _left_of(folder: Path) -> list[psutil.Process]:
    """Return what lives of a run, whoever its parent is: all of it shares one environment."""
    scratch, found = str(folder / "scratch"), []
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get("TMPDIR", "").startswith(scratch)
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:  # another user's, or just ended
            continue
    return found


def _tree(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        coordinator = psutil.Process(process.pid)
        return [*coordinator.children(recursive=True), coordinator]
    except psutil.Error:
        return []


def _kill(processes: list[psutil.Process]) -> None:
    for each in processes:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue


def _coordinator_killed(havoc: Havoc) -> str:
    process = havoc.begun(**_SLOWLY)
    havoc.at_some_moment(process)
    process.kill()
    return havoc.ended(process)


def _group_killed(havoc: Havoc) -> str:
    process = havoc.begun(**_SLOWLY)
    havoc.at_some_moment(process)
    _kill(_tree(process))
    return havoc.ended(process)


def _workers_killed(havoc: Havoc) -> str:
    process, kills = havoc.begun(**_SLOWLY), 0
    while havoc.at_some_moment(process):
        workers = _tree(process)[1:-1]
        kills += bool(workers)
        _kill([havoc.rng.choice(workers)] if workers else [])
    return f"{kills} workers killed, {havoc.ended(process)}"


def _stopped(havoc: Havoc) -> str:
    process, signals = havoc.begun(**_SLOWLY), havoc.rng.randint(1, 2)
    for _ in range(signals):
        if havoc.at_some_moment(process):
            process.terminate()
    return f"stopped {signals} times, {havoc.ended(process)}"


def _deprived(havoc: Havoc) -> str:
    rng = havoc.rng
    call = rng.choice(("write", "fsync", "link", "open"))
    number = rng.choice(("ENOSPC", "EDQUOT", "EROFS", "EIO"))
    fault = f"{call}:{number}:{rng.randrange(15)}{rng.choice(('', ':1', ':3'))}"
    if call == "link":
        fault += f" replace:{number}:0"
    process = havoc.begun(**{MILL: "faults.disc:mill", FAULTS: fault})
    return f"{fault}, {havoc.ended(process)}"


def _milled(mill: str, *flags: str) -> Callable[[Havoc], str]:
    def struck(havoc: Havoc) -> str:
        return havoc.ended(havoc.begun(*flags, **{MILL: f"faults.{mill}:mill"}))

    return struck


def _vanished(havoc: Havoc) -> str:
    told = havoc.ended(havoc.begun("--sandbox", "off", **{MILL: "faults.vanishing:mill"}))
    return f"{brought_back(havoc.folder / 'away')} sources vanished, {told}"


def _changed(havoc: Havoc) -> str:
    """Swap the contents of sources while they are read, and bring back what they were."""
    process = havoc.begun(**_SLOWLY)
    havoc.at_some_moment(process)
    paths = havoc.rng.sample(sorted(havoc.source.rglob("*.jpg")), 8)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    for path, other in zip(paths, reversed(paths), strict=True):
        path.write_bytes(before[other][0])
    told = havoc.ended(process)
    for path, (content, mtime_ns) in before.items():
        path.write_bytes(content)
        os.utime(path, ns=(mtime_ns, mtime_ns))
    return told


def _back_in_time(havoc: Havoc) -> str:
    told = havoc.ended(havoc.begun(**{CLOCK: str(havoc.rng.randint(1, 1 << 30))}))
    journal = opened_to_read(place_of(str(havoc.out)).journal)
    assert journal is not None
    last = journal.runs()[-1]
    journal.close(None)
    assert (last.ended_s or 0.0) < last.started_s
    return f"it ended {last.started_s - (last.ended_s or 0.0):.0f} s before it began, {told}"


ELSEWHERE_ONLY: Final = frozenset({"vanishing", "changing"})
"""Afflictions that touch sources themselves: in place there would be nothing to compare with."""

AFFLICTIONS: Final[dict[str, Callable[[Havoc], str]]] = {
    "coordinator killed": _coordinator_killed,
    "group killed": _group_killed,
    "workers killed": _workers_killed,
    "stopped": _stopped,
    "disc": _deprived,
    "crashes": _milled("crashing"),
    "hangs": _milled("hanging", "--timeout", "1s"),
    "vanishing": _vanished,
    "changing": _changed,
    "clock": _back_in_time,
    "slow disc": _milled("slow"),
}
