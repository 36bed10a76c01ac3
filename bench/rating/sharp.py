"""sharp in a process of its own, asked by lines of JSON; it lives as long as this process.

Its package lies in `rating/node`, where `make bench-quality` installs it if there is npm.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rating.pictures import Picture

__all__ = ["Made", "Sharp", "has_sharp"]

_FOLDER: Final = Path(__file__).parent / "node"


@dataclass(frozen=True, slots=True)
class Made:
    """What sharp made, and the CPU that it took."""

    content: bytes
    cpu_s: float


def has_sharp() -> bool:
    """Whether sharp is installed, and node to run it."""
    return shutil.which("node") is not None and (_FOLDER / "node_modules" / "sharp").is_dir()


@dataclass(slots=True)
class Sharp:
    """The process.

    Attributes:
        version: Of sharp.
    """

    process: subprocess.Popen[str]
    version: str = field(init=False)

    def __post_init__(self) -> None:
        """Wait until it says that it is there."""
        self.version = str(json.loads(_line(self.process.stdout))["version"])

    @staticmethod
    @cache
    def running() -> Sharp:
        """Return the process, started once; it ends with its standard input."""
        return Sharp(
            subprocess.Popen(
                ["node", "encode.mjs"],
                cwd=_FOLDER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )

    def encode(self, picture: Picture, form: str, options: Mapping[str, object]) -> Made:
        """Return a picture encoded as sharp encodes it with these options."""
        with tempfile.TemporaryDirectory() as folder:
            raw, output = Path(folder, "raw"), Path(folder, "output")
            raw.write_bytes(picture.pixels)
            asked = {
                "input": str(raw),
                "output": str(output),
                "width": picture.image.width,
                "height": picture.image.height,
                "channels": picture.image.bands,
                "format": form,
                "options": dict(options),
            }
            if self.process.stdin is None:
                raise RuntimeError("expected sharp to listen")
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            told = json.loads(_line(self.process.stdout))
            return Made(output.read_bytes(), float(told["cpuSeconds"]))


def _line(stream: IO[str] | None) -> str:
    line = stream.readline() if stream else ""
    if not line:
        raise RuntimeError("expected an answer from sharp, got its end: see what it printed")
    return line
