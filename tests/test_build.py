"""The package builds with and without a compiler, and scores the same either way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pixmill.release import VERSION

ROOT = Path(__file__).parents[1]
COMPILED = ("pixmill/perception/_kernel.so", "pixmill/imaging/_huffman.so")
SCORE = """
import random
from pixmill.perception.kernels import kernel
from pixmill.perception.metric import Raster, score
seeded = random.Random(7)
first = bytearray(seeded.randbytes(300 * 240 * 3))
second = bytearray(min(255, each + 9) for each in first)
print(kernel().name, score(Raster(first, 300, 240), Raster(second, 300, 240)))
"""
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def built(folder: Path, **env: str) -> Path:
    """Return the wheel that is built of the source, unpacked."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return wheel


def scored(folder: Path) -> tuple[str, float]:
    """Return which kernel an unpacked wheel uses, and its score."""
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", SCORE]
    ended = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    name, score = ended.stdout.split()
    return name, float(score)


@needs_compiler
def test_a_compiler_makes_no_difference_but_speed(tmp_path: Path) -> None:
    """With a compiler the wheel is for a platform; without, for all, and it asks for numpy."""
    with_one, without = tmp_path / "with", tmp_path / "without"
    compiled, plain = built(with_one), built(without, CC="/bin/false")
    assert "-py3-none-linux" in compiled.name or "-py3-none-macosx" in compiled.name
    assert plain.name == f"pixmill-{VERSION}-py3-none-any.whl"
    assert all((with_one / name).exists() for name in COMPILED)
    assert not any((without / name).exists() for name in COMPILED)
    needs = {
        folder: next(folder.glob("*.dist-info/METADATA")).read_text()
        for folder in (with_one, without)
    }
    assert "Requires-Dist: numpy>=2.0\n" in needs[without]
    assert "Requires-Dist: numpy>=2.0\n" not in needs[with_one]
    (native, first), (arrays, second) = scored(with_one), scored(without)
    assert (native, arrays) == ("native", "numpy")
    assert first == pytest.approx(second, abs=0.02)
