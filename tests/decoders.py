"""What Pillow and libvips make of files without pixmill: the judges of what can be decoded.

A script of its own, which reads paths from stdin, zero bytes between them, and prints one JSON list
a file: the path, then for each library an empty text if it decoded every frame without reporting
damage, else what it reported. Each file is decoded in a fork of its own, with limits, since this is
what crafted files are for. Must not import pixmill.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pi_heif
import pyvips
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["Verdict", "verdicts"]

_DATA_BYTES: Final = 2 << 30
_TIMEOUT_S: Final = 30
_LAYERED: Final = frozenset({"PSD"})
"""Formats whose further frames are parts of the picture."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What two libraries report of one file; nothing where one decoded it completely.

    Attributes:
        pillow: What Pillow, with pi-heif as its plug-in, reports.
        libvips: What libvips reports.
    """

    pillow: str
    libvips: str

    @property
    def is_decodable(self) -> bool:
        """Whether one of them decodes it completely."""
        return not (self.pillow and self.libvips)


def verdicts(paths: Iterable[Path], processes: int = 2) -> dict[Path, Verdict]:
    """Return what the libraries make of files, decoded in so many processes at a time."""
    listed = list(paths)
    shares = [listed[first::processes] for first in range(processes)]
    with ThreadPoolExecutor(processes) as pool:
        lines = [line for told in pool.map(_told_of, shares) for line in told.splitlines()]
    found = {path: Verdict(*told) for path, *told in map(json.loads, lines)}
    return {path: found[str(path)] for path in listed}


def _told_of(share: list[Path]) -> str:
    named = "\0".join(map(str, share))
    command = [sys.executable, __file__]
    return subprocess.run(
        command, input=named, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _by_pillow(path: str) -> None:
    warnings.simplefilter("error")
    with Image.open(path) as image:
        image.load()
        frames = 1 if image.format in _LAYERED else getattr(image, "n_frames", 1)
        for frame in range(1, frames):
            image.seek(frame)
            image.load()


def _by_libvips(path: str) -> None:
    image = pyvips.Image.new_from_file(path, fail_on="warning")
    image.avg()
    pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
    for page in range(1, pages):
        pyvips.Image.new_from_file(path, fail_on="warning", page=page).avg()


def _tried(decode: Callable[[str], None], path: str) -> str:
    try:
        decode(path)
    except Exception as error:  # noqa: BLE001 - a crafted file can raise anything
        return f"{type(error).__name__}: {error}"
    return ""


def _judge(path: str, pipe: int) -> None:
    """Decode one file, telling what each library reports as soon as it has."""
    resource.setrlimit(resource.RLIMIT_DATA, (_DATA_BYTES, _DATA_BYTES))
    signal.alarm(_TIMEOUT_S)
    with open(os.devnull, "wb") as silence:  # noqa: PTH123 - its descriptor is what is wanted
        os.dup2(silence.fileno(), sys.stderr.fileno())
    for decode in (_by_pillow, _by_libvips):
        os.write(pipe, json.dumps(_tried(decode, path)[:300]).encode() + b"\n")


def _judged(path: str) -> list[str]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            _judge(path, writing)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        told = [json.loads(line) for line in pipe]
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return [*told, *[f"died with {status}"] * (2 - len(told))]


def main() -> None:
    """Judge the files named on stdin."""
    Image.MAX_IMAGE_PIXELS = None
    pi_heif.register_heif_opener()
    Image.init()
    gc.freeze()
    for path in sys.stdin.read().split("\0"):
        sys.stdout.write(json.dumps([path, *_judged(path)]) + "\n")
        sys.stdout.flush()  # or every fork would write it once more


if __name__ == "__main__":
    main()
