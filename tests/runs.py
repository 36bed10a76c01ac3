"""Small archives, whole runs over them, and what is to be looked at afterwards."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from PIL import Image

import pixmill
from pixmill.recipe import Recipe
from pixmill.settings import Settings
from pixmill.units import parse_geometry
from pixmill.vocabulary import Effort, Operation
from pixmill_cli.reporters.silent import Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.model import Outcome
    from pixmill.reporting import Summary

__all__ = [
    "HALVED",
    "TWO_WORKERS",
    "Ended",
    "Heard",
    "archive",
    "by_path",
    "digests",
    "left_running",
    "ran",
    "scripted",
    "temporary_files",
    "until",
    "workers",
]

HALVED = Recipe(
    operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
    resize=parse_geometry("50%"),
    effort=Effort.FAST,
)
TWO_WORKERS = Settings(parallel=2, timeout_s=60.0)
TESTS = Path(__file__).parent
_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended."""

    outcomes: list[Outcome]
    summary: Summary


class Heard(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def noticed(self, text: str) -> None:
        """Keep it."""
        self.notices.append(text)


def archive(root: Path, *names: str, size_px: int = 48) -> Path:
    """Make a folder of small photographs, each a little different, and return it."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = random.Random(number).randbytes((size_px // 4) ** 2 * 3)
        noise = Image.frombytes("RGB", (size_px // 4, size_px // 4), coarse)
        image = noise.resize((size_px, size_px + number % 7), Image.Resampling.BICUBIC)
        image.save(path, quality=95)
    return root


def ran(
    source: Path | str,
    destination: Path | str | None,
    *,
    recipe: Recipe = HALVED,
    settings: Settings = TWO_WORKERS,
    mill: str = "pixmill.milling:mill",
) -> Ended:
    """Run to the end."""
    with pixmill.optimize(source, destination, recipe, settings=settings, mill=mill) as run:
        outcomes = list(run)
    return Ended(outcomes, run.summary)


def by_path(outcomes: list[Outcome]) -> dict[str, Outcome]:
    """Return outcomes by path, each of which may appear once."""
    found = {outcome.path: outcome for outcome in outcomes}
    assert len(found) == len(outcomes)
    return found


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def temporary_files(folder: Path) -> list[Path]:
    """Return what pixmill has left half-written."""
    return list(folder.rglob(".pixmill-*"))


def left_running(pid: int | None = None) -> list[psutil.Process]:
    """Return every process below one, but for multiprocessing's resource tracker."""
    found = psutil.Process(pid).children(recursive=True)
    return [each for each in found if not runs_as(each, "resource_tracker")]


def workers() -> list[psutil.Process]:
    """Return the workers below this process: children of its nursery."""
    return [each for each in left_running() if _parent(each) not in {None, os.getpid()}]


def runs_as(process: psutil.Process, words: str) -> bool:
    """Whether a process is still there, and these words are in its command line."""
    try:
        return words in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def _parent(process: psutil.Process) -> int | None:
    try:
        return int(process.ppid())
    except psutil.Error:
        return None


def until(is_so: Callable[[], bool], *, patience_s: float = _PATIENCE_S) -> None:
    """Wait for something to be so; fail when it is not for long."""
    deadline_s = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.01)


def scripted(
    script: str, *args: Path | str, on_stdin: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a Python script in a process of its own, by path or fed on stdin."""
    path = Path(args[0]) / "script.py"
    path.write_text(script, encoding="utf-8")
    named = "-" if on_stdin else str(path)
    return subprocess.run(
        [sys.executable, named, *map(str, args)],
        input=script if on_stdin else None,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"PYTHONPATH": str(TESTS)},
    )
