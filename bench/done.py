"""An archive as a run leaves it, without the run: sources, results, and a journal that knows them.

What a second run has to look at is the same; that it finds everything done is for callers to see.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Final

from PIL import Image

from pixmill.journal.place import place_of
from pixmill.journal.store import opened
from pixmill.model import Outcome, Status
from pixmill.reporting import RunFacts

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.recipe import Recipe

__all__ = ["write_done", "write_small"]

FOLDER_FILES: Final = 100


def write_done(root: Path, files: int, recipe: Recipe, *, flat_files: int = 0) -> tuple[Path, Path]:
    """Write small images over folders of a hundred, so many of them into one flat folder.

    Returns:
        The sources' folder and the results'.
    """
    source, destination = root / "source", root / "web"
    place = place_of(str(destination))
    place.journal.parent.mkdir(parents=True)
    journal = opened(place.journal, lambda _folders: None)
    journal.begin(_facts(recipe), version="0")
    content = _image()
    for number in range(files):
        folder = "flat" if number < flat_files else f"{number // FOLDER_FILES:05}"
        name = f"{folder}/{number:06}.png"
        (destination / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
        (destination / name).write_bytes(content)
        mtime_ns = (source / name).stat().st_mtime_ns
        os.utime(destination / name, ns=(mtime_ns, mtime_ns))
        journal.end(_kept(name, len(content), mtime_ns))
    journal.close(None)
    return source, destination


def write_small(folder: Path, files: int) -> Path:
    """Write small images alone, in folders of a hundred, and return where."""
    content = _image()
    for number in range(files):
        path = folder / f"{number // FOLDER_FILES:05}" / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def _image() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "png")
    return buffer.getvalue()


def _kept(name: str, size_bytes: int, mtime_ns: int) -> Outcome:
    return Outcome(
        path=name,
        status=Status.KEPT,
        codec="png",
        bytes_read=size_bytes,
        mtime_ns=mtime_ns,
        destination=name,
        bytes_written=size_bytes,
    )


def _facts(recipe: Recipe) -> RunFacts:
    return RunFacts(
        source="source",
        destination="web",
        recipe=recipe.canonical(),
        fingerprint=recipe.fingerprint(),
        workers=1,
        memory_bytes=0,
        lease_bytes=0,
        is_dry_run=False,
    )
