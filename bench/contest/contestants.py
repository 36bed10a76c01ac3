"""Who competes: how each is found on this machine, and what it is told to do a job.

Every contestant gets as many processes as there are CPUs and is set up as its own documentation
advises. Must not measure anything.
"""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import PIL

from contest.floor import calls
from contest.jobs import STRATEGY
from contest.measuring import Command
from contest.sizes import shown_px
from memory import COMMAND
from pixmill.release import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from contest.jobs import Job, Place, Task

__all__ = ["CAPPED", "FLOOR", "PEERS", "PIXMILL", "Contestant", "Order"]

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".peers"
"""Where `make bench-peers` puts what does not come from Debian."""

CAP: Final = "200MB"
"""Of the whole tree of processes; the mission's."""

_HERE: Final = Path(__file__).parent
_XARGS_FILES: Final = "8"


@dataclass(frozen=True, slots=True)
class Order:
    """One job for one contestant.

    Attributes:
        job: What is to be done.
        place: Where sources lie and results go.
        files: The sources.
        processes: How many may run.
        folder: Where notes may be left.
    """

    job: Job
    place: Place
    files: tuple[Path, ...]
    processes: int
    folder: Path

    @property
    def report(self) -> Path:
        """Where pixmill's report goes."""
        return self.folder / "report.json"

    def note(self, name: str, **more: object) -> str:
        """Write the order down for a program, and return where."""
        path = self.folder / f"{name}.json"
        written = {
            "task": asdict(self.job.task),
            "files": [str(file) for file in self.files],
            "destination": str(self.place.destination),
            "processes": self.processes,
            **more,
        }
        path.write_text(json.dumps(written))
        return str(path)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One program.

    Attributes:
        name: As a job names its rivals.
        title: As a person reads it.
        found: Returns its version; `None` where it is not installed.
        command: Returns what does an order.
    """

    name: str
    title: str
    found: Callable[[], str | None]
    command: Callable[[Order], Command]


def _said(*words: str, environment: dict[str, str] | None = None) -> str | None:
    """Return the first line that a program says, `None` where it cannot be run."""
    with suppress(OSError, subprocess.TimeoutExpired):
        ended = subprocess.run(
            words,
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, **(environment or {})},
        )
        if ended.returncode == 0 and ended.stdout:
            return ended.stdout.splitlines()[0].strip()
    return None


@cache
def _compile() -> None:
    """Compile pixmill's modules, as pip compiles all that it installs but what is editable.

    Where Python is told to write none (PYTHONDONTWRITEBYTECODE), each run of an editable
    installation compiles them again, coordinator and workers: of 0.92 s of CPU that a run over two
    small files took on a busy machine 0.22 went there.
    """
    for folder in ("engine", "cli"):
        compileall.compile_dir(ROOT / folder, quiet=1)


def _by_pixmill(order: Order) -> Command:
    _compile()
    task = order.job.task
    words = [COMMAND, "optimize", str(order.place.source), str(order.place.destination)]
    words += ["--report", str(order.report)]
    words += ["--parallel", str(order.processes), "--quiet"]
    words += ["--effort", str(order.job.effort), "--strategy", str(STRATEGY)]
    words += ["--lossless"] if order.job.is_lossless else []
    words += ["--resize", f"{task.edge_px}x{task.edge_px}"] if task.edge_px else []
    words += ["--widths", ",".join(map(str, task.widths))] if task.widths else []
    words += ["--target-format", task.suffix[1:]] if task.suffix else []
    words += ["--quality", str(task.quality)] if task.quality else []
    # the others' bisection may go down to quality 1
    words += ["--max-size", str(task.max_bytes), "--min-quality", "1"] if task.max_bytes else []
    return Command(words)


def _by_capped(order: Order) -> Command:
    """Return pixmill inside the memory that it promises to keep to."""
    command = _by_pixmill(order)
    return replace(command, words=[*command.words, "--memory", CAP])


def _by_floor(order: Order) -> Command:
    listed = [calls(file, order.job) for file in order.files]
    note = order.note("floor", calls=listed)
    return Command([sys.executable, str(_HERE / "floor_loop.py"), note])


def _sharp_environment(processes: int) -> dict[str, str]:
    return {"PIXMILL_PEERS": str(FOLDER), "UV_THREADPOOL_SIZE": str(processes)}


def _sharp_version() -> str | None:
    return _said("node", str(_HERE / "sharp.mjs"), environment=_sharp_environment(1))


def _by_sharp(order: Order) -> Command:
    environment = _sharp_environment(order.processes)
    return Command(["node", str(_HERE / "sharp.mjs"), order.note("sharp")], environment)


def _by_sharp_clone(order: Order) -> Command:
    """Return what makes the outputs of a file of one `sharp()`, by its `clone()`."""
    environment = _sharp_environment(order.processes)
    note = order.note("sharp-clone", is_cloned=True)
    return Command(["node", str(_HERE / "sharp.mjs"), note], environment)


def _by_xargs(order: Order, words: list[str], environment: dict[str, str]) -> Command:
    """Return a program with files of its folder at its end, in as many processes at a time."""
    stdin = b"".join(os.fsencode(file.name) + b"\0" for file in order.files)
    xargs = ["xargs", "-0", "-P", str(order.processes), "-n", _XARGS_FILES]
    return Command([*xargs, *words], environment, stdin, order.place.source)


def _by_vipsthumbnail(order: Order) -> Command:
    task = order.job.task
    result = f"{order.place.destination}/%s{task.suffix}[Q={task.quality},strip]"
    words = ["vipsthumbnail", "--size", f"{task.edge_px}x{task.edge_px}>", "-o", result]
    return _by_xargs(order, words, {"VIPS_CONCURRENCY": "1"})


def _hint(task: Task) -> str:
    """Return how far libjpeg may scale: not below the result, as sharp does.

    Twice that would look better and take longer; a hint above the picture makes ImageMagick 6
    scale it up.
    """
    return f"{task.edge_px}x{task.edge_px}"


def _magick_words(order: Order) -> list[str]:
    """Return what both Magicks understand."""
    task = order.job.task
    edge_px = task.edge_px or 0
    return [
        *("-resize", f"{edge_px}x{edge_px}>", "-quality", str(task.quality)),
        *("-format", task.suffix[1:]),
    ]


def _imagemagick_version() -> str | None:
    return next((said for name in ("magick", "mogrify") if (said := _magick_said(name))), None)


def _magick_said(name: str) -> str | None:
    said = _said(name, "-version")
    return said.removeprefix("Version: ") if said and "ImageMagick" in said else None


def _by_imagemagick(order: Order) -> Command:
    task = order.job.task
    program = ["magick", "mogrify"] if _magick_said("magick") else ["mogrify"]
    words = [*program, "-path", str(order.place.destination)]
    words += ["-define", f"jpeg:size={_hint(task)}", "-auto-orient", *_magick_words(order)]
    return _by_xargs(order, words, {"MAGICK_THREAD_LIMIT": "1"})


def _by_graphicsmagick(order: Order) -> Command:
    """Return its command, which joins its folder for results with the names as they are given."""
    words = ["gm", "mogrify", "-output-directory", str(order.place.destination)]
    words += ["-size", _hint(order.job.task), "-auto-orient", *_magick_words(order)]
    return _by_xargs(order, words, {"OMP_NUM_THREADS": "1"})


def _by_pillow(order: Order) -> Command:
    return Command([sys.executable, str(_HERE / "pillow_pool.py"), order.note("pillow")])


def _opencv_python() -> str:
    return str(FOLDER / "opencv" / "bin" / "python")


def _by_opencv(order: Order) -> Command:
    note = order.note("opencv", longest_px={file.name: max(shown_px(file)) for file in order.files})
    return Command([_opencv_python(), str(_HERE / "opencv_pool.py"), note])


PIXMILL: Final = Contestant("pixmill", "pixmill", lambda: VERSION, _by_pixmill)
CAPPED: Final = Contestant(
    "pixmill-capped", f"pixmill, --memory {CAP}", lambda: VERSION, _by_capped
)
FLOOR: Final = Contestant("floor", "codec floor", lambda: "bare libvips loop", _by_floor)
PEERS: Final = (
    Contestant("sharp", "sharp", _sharp_version, _by_sharp),
    Contestant("sharp-clone", "sharp, clone()", _sharp_version, _by_sharp_clone),
    Contestant(
        "vipsthumbnail",
        "vipsthumbnail, xargs -P",
        lambda: _said("vipsthumbnail", "--version"),
        _by_vipsthumbnail,
    ),
    Contestant("pillow", "Pillow pool", lambda: PIL.__version__, _by_pillow),
    Contestant(
        "opencv",
        "OpenCV pool",
        lambda: _said(_opencv_python(), str(_HERE / "opencv_pool.py")),
        _by_opencv,
    ),
    Contestant(
        "graphicsmagick", "GraphicsMagick", lambda: _said("gm", "-version"), _by_graphicsmagick
    ),
    Contestant("imagemagick", "ImageMagick", _imagemagick_version, _by_imagemagick),
)
