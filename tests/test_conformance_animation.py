"""Every animation of the corpora keeps the frames that Pillow composes, as lossless WebP."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from PIL import Image, ImageChops

from corpora import corpus_files, needs_corpora
from pictures import Pair, likenesses

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.corpora, needs_corpora]

COMMAND: Final = str(Path(sys.executable).with_name("pixmill"))
_BARE: Final = "clear where no frame has drawn, as in browsers: Pillow paints there"
_JOINED: Final = "of 30 frames libwebp joins those that are equal, 9 are left"
EXCEPTIONS: Final = {
    "border_touching_layers.gif": _BARE,
    "dispose_bgnd.gif": _BARE,
    "issue_1455_undersized.gif": _BARE,
    "rotating-squares.gif": _JOINED,
}
"""Animations whose frames are not Pillow's, each with the reason."""


def _is_animated(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.format in {"GIF", "WEBP", "PNG", "AVIF"} and bool(
                getattr(image, "n_frames", 1) > 1
            )
    except OSError:
        return False


def test_animations_keep_their_frames(tmp_path: Path) -> None:
    """Their number and the pixels of each are Pillow's, for every file that is not on the list."""
    (tmp_path / "in").mkdir()
    for path in filter(_is_animated, corpus_files("formats")):
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    command = [COMMAND, "optimize", str(tmp_path / "in"), str(tmp_path / "out")]
    how = ("--target-format", "webp", "--lossless", "--effort", "fast", "--durability", "none")
    told = ("-q", "--if-larger", "write", "--events", str(tmp_path / "events"))
    subprocess.run([*command, *how, *told], check=True, capture_output=True, timeout=120)
    events = map(json.loads, (tmp_path / "events").read_text(encoding="utf-8").splitlines())
    made = [each for each in events if each["type"] == "file"]
    assert len(made) > 15
    found = likenesses(
        [
            Pair(tmp_path / "in" / each["path"], tmp_path / "out" / each["destination"])
            for each in made
        ]
    )
    wrong = {
        each["path"]
        for each, seen in zip(made, found, strict=True)
        if len(set(seen.sizes)) > 1 or len(set(seen.frames)) > 1 or seen.psnr_db < 45
    }
    assert wrong == set(EXCEPTIONS)
    for each in made:
        if EXCEPTIONS.get(each["path"]) == _BARE:
            source, result = tmp_path / "in" / each["path"], tmp_path / "out" / each["destination"]
            assert _is_alike_where_opaque(source, result)
        if EXCEPTIONS.get(each["path"]) == _JOINED:
            source, result = tmp_path / "in" / each["path"], tmp_path / "out" / each["destination"]
            assert list(_by_tick(source)) == list(_by_tick(result))


def _by_tick(path: Path) -> Iterator[bytes]:
    """Yield what an animation shows in each of the hundredths of a second that it lasts."""
    with Image.open(path) as image:
        for index in range(_frames(image)):
            image.seek(index)
            image.load()
            shown = image.convert("RGBA").convert("RGBa").tobytes()
            for _ in range(round(image.info["duration"] / 10)):
                yield shown


def _is_alike_where_opaque(source: Path, result: Path) -> bool:
    """Return whether what a result shows is the source's, and what is clear is all that differs."""
    with Image.open(source) as held, Image.open(result) as shown:
        for index in range(_frames(held)):
            held.seek(index)
            shown.seek(index)
            frame = held.convert("RGBA")
            frame.alpha_composite(shown.convert("RGBA"))
            if ImageChops.difference(frame, held.convert("RGBA")).getbbox(alpha_only=False):
                return False
        return _frames(held) == _frames(shown)


def _frames(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))
