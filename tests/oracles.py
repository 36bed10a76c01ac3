"""The programs that say what is right: ImageMagick, ffmpeg and exiftool, where they are installed.

`make oracles` installs them. Must not judge pixmill, only ask them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from PIL import ImageCms

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "needs_exiftool",
    "needs_ffmpeg",
    "needs_imagemagick",
    "shown_by_ffmpeg",
    "shown_by_imagemagick",
    "tags_by_exiftool",
]

_TIMEOUT_S: Final = 120
_LIMITS: Final = ("-limit", "memory", "1GiB", "-limit", "map", "1GiB", "-limit", "disk", "2GiB")
_TO_SRGB: Final = ("-intent", "relative", "-black-point-compensation", "-profile")
_RGB: Final = ("-colorspace", "sRGB")
_UPRIGHT_PNG: Final = ("-format", "png", "-background", "none", "-auto-orient")

_FIRST_FRAME: Final = ("-frames:v", "1", "-pix_fmt", "rgba")

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="needs ffmpeg: make oracles"
)
needs_imagemagick = pytest.mark.skipif(
    shutil.which("mogrify") is None, reason="needs ImageMagick: make oracles"
)
needs_exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="needs exiftool: make oracles"
)


def shown_by_imagemagick(paths: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Return each picture as an upright PNG in sRGB, of its first frame; none that it cannot read.

    Two processes for all: starting it costs more than most files do.
    """
    srgb = folder / "srgb.icc"
    srgb.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    links = [folder / f"{number:04}{path.suffix.lower()}" for number, path in enumerate(paths)]
    for link, path in zip(links, paths, strict=True):
        link.symlink_to(path.resolve())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda share: _show(share, srgb), (links[::2], links[1::2])))
    made = {path: _first(folder, link.stem) for path, link in zip(paths, links, strict=True)}
    return {path: found for path, found in made.items() if found is not None}


def _show(links: Sequence[Path], srgb: Path) -> None:
    # a PNG may lie on a virtual canvas, which `-coalesce` would draw: only frames need it
    rolls = [str(link) for link in links if link.suffix == ".gif"]
    stills = [str(link) for link in links if link.suffix != ".gif"]
    for how, named in ((["-coalesce"], rolls), (["+repage"], stills)):
        if named:
            subprocess.run(
                ["mogrify", *_LIMITS, *_UPRIGHT_PNG, *how, *_TO_SRGB, str(srgb), *_RGB, *named],
                check=False,  # it goes on after a file that it cannot read
                capture_output=True,
                timeout=_TIMEOUT_S,
            )


def shown_by_ffmpeg(paths: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Return each picture's first frame as a PNG, colours as they are; none that it cannot read."""
    shown = {path: folder / f"ffmpeg-{number:04}.png" for number, path in enumerate(paths)}
    for path, made in shown.items():
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", f"file:{path}", *_FIRST_FRAME, str(made)],
            check=False,
            capture_output=True,
            timeout=_TIMEOUT_S,
        )
    return {path: made for path, made in shown.items() if made.exists()}


def tags_by_exiftool(folder: Path) -> dict[str, dict[str, object]]:
    """Return every tag of every file below a folder, by path in it: those of previews too."""
    command = ["exiftool", "-json", "-recurse", "-a", "-u", "-G1", "-ee", "-b", "-m", "-q"]
    ended = subprocess.run(
        [*command, "-x", "System:all", str(folder)],
        check=False,  # files that are no images fail it
        capture_output=True,
        timeout=_TIMEOUT_S,
    )
    told = json.loads(ended.stdout or b"[]")
    return {Path(tags.pop("SourceFile")).relative_to(folder).as_posix(): tags for tags in told}


def _first(folder: Path, stem: str) -> Path | None:
    named = (folder / f"{stem}.png", folder / f"{stem}-0.png")
    return next((path for path in named if path.exists()), None)
