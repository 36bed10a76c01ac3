"""What the first issue asks for, on the corpora of real and damaged images."""

from __future__ import annotations

import io
import os
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import pyvips
from PIL import Image

import pixmill
from corpora import CORPORA, corpus_files, needs_corpora
from pixmill.geometry import Size
from pixmill.model import FailureKind, Status
from pixmill.recipe import Recipe
from pixmill.settings import Settings
from pixmill.units import parse_geometry
from pixmill.vocabulary import Effort, Operation
from runs import Ended, digests, ran

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.corpora, needs_corpora]

BOX = Size(800, 600)
CAP_BYTES = 60_000
TWO_HUNDRED_MB = Settings(parallel=2, memory_bytes=200_000_000)


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    """Return a run over the whole corpora, `--resize 800x600 --quality 85`, and where it went."""
    recipe = Recipe(
        operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
        resize=parse_geometry("800x600"),
        quality=85,
        effort=Effort.FAST,
    )
    out = tmp_path_factory.mktemp("boxed")
    return ran(CORPORA, out, recipe=recipe, settings=TWO_HUNDRED_MB), out


def shown_size(path: Path) -> Size | None:
    """Return the size of an image's first page as two independent libraries read it, if either."""
    try:
        image = pyvips.Image.new_from_file(str(path))
        return Size(image.width, image.height)
    except pyvips.Error:
        pass
    try:
        with warnings.catch_warnings(), Image.open(path) as opened:
            return Size(*opened.size)
    except Exception:  # noqa: BLE001 - Pillow raises what it likes at damaged files
        return None


def test_every_file_is_accounted_for(boxed: tuple[Ended, Path]) -> None:
    """Optimized, kept, skipped and failed add up to the files walked, and each ends once."""
    ended, out = boxed
    walked = [name for _, _, names in os.walk(CORPORA) for name in names]
    summary = ended.summary
    assert summary.walked == len(walked) == len({each.path for each in ended.outcomes})
    assert summary.walked == (summary.optimized + summary.kept + summary.skipped + summary.failed)
    published = {str(each.destination) for each in ended.outcomes if each.destination}
    assert set(digests(out)) == published


def test_only_files_are_to_blame(boxed: tuple[Ended, Path]) -> None:
    """Over all formats and damages no worker crashes, hangs or fails for want of memory."""
    ended, _ = boxed
    kinds = Counter(each.failure.kind for each in ended.outcomes if each.failure)
    assert not set(kinds) & {FailureKind.CRASHED, FailureKind.TIMEOUT, FailureKind.MEMORY}
    assert ended.summary.optimized > 400


def test_no_output_exceeds_its_box(boxed: tuple[Ended, Path]) -> None:
    """What was kept included, each lies within 800 x 600, in proportion, and is not enlarged."""
    ended, out = boxed
    for outcome in ended.outcomes:
        if outcome.destination is None:
            continue
        size = shown_size(out / outcome.destination)
        assert size is not None, outcome.destination
        assert size.width_px <= BOX.width_px, outcome.path
        assert size.height_px <= BOX.height_px, outcome.path
        source = shown_size(CORPORA / outcome.path)
        is_vector = outcome.codec == "svg"
        if source is not None and not is_vector:
            turned = Size(source.height_px, source.width_px)
            assert _is_fitted(source, size) or _is_fitted(turned, size), (outcome.path, source)


def _is_fitted(source: Size, size: Size) -> bool:
    """Whether a size is a source's, shrunk into the box in proportion, to the pixel."""
    scale = min(1.0, BOX.width_px / source.width_px, BOX.height_px / source.height_px)
    return (
        abs(source.width_px * scale - size.width_px) <= 1
        and abs(source.height_px * scale - size.height_px) <= 1
        and size.width_px <= source.width_px
        and size.height_px <= source.height_px
    )


def capped(cap_bytes: int, *, quality: int | None = None, min_quality: int = 10) -> Recipe:
    """Return a recipe for JPEGs of at most so many bytes."""
    return Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
        target_format="jpg",
        max_size_bytes=cap_bytes,
        quality=quality,
        min_quality=min_quality,
        effort=Effort.FAST,
    )


def ten_photos(folder: Path) -> Path:
    """Write ten photos of the corpora at 800 px, well above the cap, and return their folder."""
    folder.mkdir()
    found = [*corpus_files("kodak")[:4], *corpus_files("photos", "*.jpg")[::9]][:10]
    for number, path in enumerate(found):
        with Image.open(path) as image:
            image.draft("RGB", (1600, 1600))
            image.thumbnail((800, 800))
            image.convert("RGB").save(folder / f"{number}.jpg", quality=70 + 3 * number)
    return folder


def test_the_highest_quality_that_fits_is_found(tmp_path: Path) -> None:
    """On ten files: no quality above the one chosen, up to the bound, would have fitted."""
    source = ten_photos(tmp_path / "in")
    ended = ran(source, tmp_path / "out", recipe=capped(CAP_BYTES))
    assert len(ended.outcomes) == 10
    searched = 0
    for outcome in ended.outcomes:
        if outcome.status is Status.KEPT:
            assert outcome.bytes_read <= CAP_BYTES
            continue
        assert outcome.status is Status.OPTIMIZED, outcome
        assert outcome.bytes_written <= CAP_BYTES
        bound = pixmill.api.inspect(source / outcome.path).quality or 92
        assert outcome.quality is not None
        assert outcome.quality <= bound
        searched += outcome.quality < bound
        content = (source / outcome.path).read_bytes()
        for quality in range(outcome.quality + 1, bound + 1):
            recipe = capped(CAP_BYTES, quality=quality, min_quality=quality)
            with pytest.raises(pixmill.ImageError, match="more than"):
                pixmill.optimize_bytes(content, recipe)
    assert searched >= 4


def test_no_file_exceeds_five_hundred_kilobytes(tmp_path: Path) -> None:
    """`--max-size 500kb --target-format jpg` over real photos: at most 500,000 bytes each."""
    source = tmp_path / "in"
    source.mkdir()
    for path in [*corpus_files("kodak"), *corpus_files("photos")[::5]]:
        (source / path.name).symlink_to(path)
    settings = Settings(parallel=2, symlinks=pixmill.settings.Symlinks.FOLLOW)
    ended = ran(source, tmp_path / "out", recipe=capped(500_000), settings=settings)
    assert ended.summary.optimized > 10
    for outcome in ended.outcomes:
        if outcome.status is Status.OPTIMIZED:
            content = (tmp_path / "out" / str(outcome.destination)).read_bytes()
            assert len(content) == outcome.bytes_written <= 500_000
            with Image.open(io.BytesIO(content)) as image:
                assert image.format == "JPEG"
        else:
            assert outcome.failure is None or outcome.failure.kind is FailureKind.UNREACHABLE
