"""What the parts of `soak.py` share: their log, archives of small images, and what haunts them."""

from __future__ import annotations

import io
import itertools
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

from PIL import Image

from pixmill.recipe import Recipe
from pixmill.units import parse_geometry
from pixmill.vocabulary import Effort, Operation

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["HALVED", "MEMORY_BYTES", "Log", "haunted", "small_images", "write_archive"]

MEMORY_BYTES: Final = 200_000_000
HALVED: Final = Recipe(
    operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
    resize=parse_geometry("50%"),
    effort=Effort.FAST,
)
FOLDER_FILES: Final = 100


@dataclass(slots=True)
class Log:
    """Prints, keeps what was printed, and counts broken promises."""

    file: IO[str]
    violations: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)
        self.file.write(text + "\n")
        self.file.flush()

    def expect(self, promise: str, *, is_kept: bool) -> None:
        """Note a promise that was not kept."""
        if not is_kept:
            self.violations.append(promise)
            self.say(f"VIOLATION: {promise}")


@contextmanager
def haunted(
    strike: Callable[[], None], rng: random.Random, pauses_s: tuple[float, float]
) -> Iterator[None]:
    """Strike from a thread at random moments, pauses of least and most seconds apart."""
    end = threading.Event()

    def haunt() -> None:
        while not end.wait(rng.uniform(*pauses_s)):
            strike()

    thread = threading.Thread(target=haunt, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def small_images(count: int, rng: random.Random, *, edge_px: int) -> list[tuple[str, bytes]]:
    """Return encoded images in turn JPEG, PNG and WebP: suffix and content."""
    made = []
    for _, kind in zip(range(count), itertools.cycle(("jpeg", "png", "webp")), strict=False):
        width_px, height_px = rng.randint(edge_px // 2, edge_px), rng.randint(edge_px // 2, edge_px)
        coarse = (max(1, width_px // 8), max(1, height_px // 8))
        noise = Image.frombytes("RGB", coarse, rng.randbytes(coarse[0] * coarse[1] * 3))
        buffer = io.BytesIO()
        noise.resize((width_px, height_px), Image.Resampling.BICUBIC).save(buffer, kind)
        made.append((kind, buffer.getvalue()))
    return made


def write_archive(
    root: Path, files: int, images: list[tuple[str, bytes]], *, flat_files: int = 0
) -> None:
    """Write images over folders of a hundred files, and so many into one flat folder."""
    for number in range(files):
        kind, content = images[number % len(images)]
        folder = "flat" if number < flat_files else f"{number // FOLDER_FILES:05}"
        path = root / folder / f"{number:06}.{kind}"
        if number % FOLDER_FILES == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
