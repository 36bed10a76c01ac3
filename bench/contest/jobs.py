"""The jobs that everybody is given, and the files they are done on.

Files are copies of the corpora's, under names of their own where there are too few; what the
corpora lack is made up from a seed. Must not know who does a job, nor how.
"""

from __future__ import annotations

import itertools
import random
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pyvips

from contest.sizes import shown_px
from done import write_done
from memory import CORPORA
from pixmill.recipe import Recipe
from pixmill.vocabulary import Effort, StrategyName
from soaking import small_images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["JOBS", "STRATEGY", "Job", "Place", "Task"]

STRATEGY: Final = StrategyName.FIXED
"""pixmill's in every job: one encoding, as the others make."""

_SMALL_EDGE_PX: Final = 64
_PHOTO_PX: Final = 1920
_WIDTHS: Final = (320, 640, 1280, 1920)
_GIANT_PX: Final = (12_000, 9_000)


@dataclass(frozen=True, slots=True)
class Task:
    """What is to become of each file, in words that every contestant understands.

    Attributes:
        suffix: Suffix of the results; empty for the source's own.
        edge_px: Longest edge of a result; `None` leaves the size.
        quality: 1 to 100; `None` for no loss, or whatever fits `max_bytes`.
        max_bytes: Most bytes of a result, at the best quality that fits; `None` for no cap.
        widths: Widths of which each file gets a result, none of them above its own; empty for one
            result.
    """

    suffix: str = ""
    edge_px: int | None = None
    quality: int | None = None
    max_bytes: int | None = None
    widths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where sources lie and results go.

    Attributes:
        source: Folder of the sources.
        destination: Folder of the results.
    """

    source: Path
    destination: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job.

    Attributes:
        key: Its letter, as `--jobs` takes it.
        title: As a person reads it.
        task: What is to be done.
        files: How many files it is done on.
        quick_files: Likewise under `--quick`.
        prepare: Writes that many sources below a folder, and returns where they are.
        rivals: Who competes with pixmill, as far as they are installed.
        effort: pixmill's and the floor's. Default: what others do where they are told no more.
        is_repeated: Whether everything is done already, so that results must not be removed.
        has_floor: Whether there are codec calls that a bare loop can do.
    """

    key: str
    title: str
    task: Task
    files: int
    quick_files: int
    prepare: Callable[[Path, int], Place]
    rivals: tuple[str, ...] = ()
    effort: Effort = Effort.FAST
    is_repeated: bool = False
    has_floor: bool = True

    @property
    def is_lossless(self) -> bool:
        """Whether no pixel may change."""
        return not self.is_repeated and self.task.quality is None and self.task.max_bytes is None

    def quickened(self) -> Job:
        """Return the job on fewer files."""
        return replace(self, files=self.quick_files)


def _photos(folder: Path, files: int) -> Place:
    """Copy photographs that every job on photographs scales down."""
    found = sorted((CORPORA / "photos").glob("*.jpg"))
    return _copied(folder, [file for file in found if max(shown_px(file)) > _PHOTO_PX], files)


def _wide_photos(folder: Path, files: int) -> Place:
    """Copy photographs of which every width can be made."""
    found = sorted((CORPORA / "photos").glob("*.jpg"))
    return _copied(folder, [file for file in found if shown_px(file)[0] > max(_WIDTHS)], files)


def _graphics(folder: Path, files: int) -> Place:
    return _copied(folder, sorted((CORPORA / "graphics").glob("*.png")), files)


def _copied(folder: Path, originals: list[Path], files: int) -> Place:
    """Copy so many files under names of their own, drawn so that few are like all of them."""
    place = _placed(folder)
    random.Random(1).shuffle(originals)
    for number, original in zip(range(files), itertools.cycle(originals), strict=False):
        shutil.copyfile(original, place.source / f"{number:05}{original.suffix}")
    return place


def _small(folder: Path, files: int) -> Place:
    place = _placed(folder)
    made = small_images(files, random.Random(1), edge_px=_SMALL_EDGE_PX)
    for number, (suffix, content) in enumerate(made):
        (place.source / f"{number:05}.{suffix}").write_bytes(content)
    return place


def _done(folder: Path, files: int) -> Place:
    recipe = Recipe(effort=Effort.FAST, strategy=STRATEGY)
    return Place(*write_done(folder, files, recipe))


def _giant(folder: Path, files: int) -> Place:
    place = _placed(folder)
    width_px, height_px = _GIANT_PX
    for number in range(files):
        tile = pyvips.Image.perlin(1000, 1000, cell_size=125, seed=number).cast("uchar")
        image = tile.replicate(width_px // tile.width, height_px // tile.height)
        image = image.bandjoin([image, image]).copy(interpretation="srgb")
        image.tiffsave(str(place.source / f"{number:05}.tif"))
    return place


def _placed(folder: Path) -> Place:
    place = Place(folder / "source", folder / "results")
    place.source.mkdir(parents=True)
    return place


_LIBRARIES: Final = ("sharp", "pillow")
_BATCHES: Final = (*_LIBRARIES, "vipsthumbnail", "opencv")
_EVERYBODY: Final = (*_BATCHES, "imagemagick", "graphicsmagick")

JOBS: Final = (
    Job(
        key="a",
        title="photos to 1920 px JPEG q85",
        task=Task(".jpg", edge_px=1920, quality=85),
        files=96,
        quick_files=12,
        prepare=_photos,
        rivals=_EVERYBODY,
    ),
    Job(
        key="b",
        title="photos to 400 px JPEG q85",
        task=Task(".jpg", edge_px=400, quality=85),
        files=96,
        quick_files=12,
        prepare=_photos,
        rivals=_BATCHES,
    ),
    Job(
        key="c",
        title="photos to four widths, 320, 640, 1280 and 1920 px, JPEG q85",
        task=Task(".jpg", widths=_WIDTHS, quality=85),
        files=48,
        quick_files=8,
        prepare=_wide_photos,
        rivals=("sharp", "sharp-clone"),
        has_floor=False,
    ),
    Job(
        key="d",
        title="photos to 1920 px WebP q80",
        task=Task(".webp", edge_px=1920, quality=80),
        files=24,
        quick_files=6,
        prepare=_photos,
        rivals=_BATCHES,
        effort=Effort.BALANCED,
    ),
    Job(
        key="e",
        title="PNG graphics without loss",
        task=Task(".png"),
        files=16,
        quick_files=6,
        prepare=_graphics,
        rivals=_LIBRARIES,
        effort=Effort.BALANCED,
    ),
    Job(
        key="f",
        title="small files, each in its format",
        task=Task(quality=80),
        files=10_000,
        quick_files=500,
        prepare=_small,
        rivals=_LIBRARIES,
    ),
    Job(
        key="g",
        title="photos to 1920 px JPEG of at most 200 kB",
        task=Task(".jpg", edge_px=1920, max_bytes=200_000),
        files=48,
        quick_files=6,
        prepare=_photos,
        rivals=_LIBRARIES,
    ),
    Job(
        key="h",
        title="photos to 1920 px AVIF q50",
        task=Task(".avif", edge_px=1920, quality=50),
        files=4,
        quick_files=2,
        prepare=_photos,
        rivals=_LIBRARIES,
        effort=Effort.BALANCED,
    ),
    Job(
        key="i",
        title="a second run with nothing to do",
        task=Task(),
        files=20_000,
        quick_files=2_000,
        prepare=_done,
        is_repeated=True,
        has_floor=False,
    ),
    Job(
        key="j",
        title="one giant TIFF of 108 MP to 1920 px JPEG q85",
        task=Task(".jpg", edge_px=1920, quality=85),
        files=1,
        quick_files=1,
        prepare=_giant,
        rivals=_BATCHES,
    ),
)
"""What is measured, by the letters of the suite; files are few where others take long."""
