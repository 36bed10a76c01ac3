"""What may not be made beside others is made alone, to the same bytes whatever the workers."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from pixmill.milling import mill
from pixmill.model import Failed, FailureKind, Status
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.units import parse_geometry
from pixmill.vocabulary import Effort, Operation
from runs import TWO_WORKERS, archive, digests, ran

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = Recipe(
    operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
    resize=parse_geometry("64x64"),
    effort=Effort.FAST,
)
LITTLE_BYTES = 150_000_000
"""Of which an image may hold 55 MB beside others, and 78 alone."""


def _whole(size_px: tuple[int, int]) -> bytes:
    """Return a progressive JPEG at full chroma, whose coefficients take 6 bytes a pixel."""
    file = io.BytesIO()
    Image.new("RGB", size_px, "teal").save(file, "jpeg", progressive=True, subsampling=0)
    return file.getvalue()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return small photographs among two of 9 MP."""
    folder = archive(tmp_path_factory.mktemp("photos"), "a.jpg", "c.jpg", "e.jpg")
    for name, size_px in (("b.jpg", (3600, 2600)), ("d.jpg", (2600, 3600))):
        (folder / name).write_bytes(_whole(size_px))
    return folder


@pytest.fixture(scope="module")
def usual(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the digests of what is made with plenty of memory."""
    folder = tmp_path_factory.mktemp("usual")
    ran(photos, folder, recipe=RECIPE, settings=replace(TWO_WORKERS, memory_bytes=4_000_000_000))
    return digests(folder)


@pytest.mark.parametrize("workers", [1, 3])
def test_large_images_are_made_alone_among_others(
    photos: Path, usual: dict[str, str], tmp_path: Path, workers: int
) -> None:
    """Every image is made, to the bytes that plenty of memory and any number of workers give."""
    settings = replace(TWO_WORKERS, memory_bytes=LITTLE_BYTES, parallel=workers)
    ended = ran(photos, tmp_path, recipe=RECIPE, settings=settings)
    assert [outcome.status for outcome in ended.outcomes] == [Status.OPTIMIZED] * 5
    assert {outcome.attempts for outcome in ended.outcomes} == {1}
    assert digests(tmp_path) == usual


def test_what_no_machine_has_room_for_is_refused() -> None:
    """Nodes with less memory than the cap lets an image have refuse it, and plan nothing else."""
    limits = Limits(10_000_000, alone_bytes=100_000_000, is_enforced=False)
    content = _whole((3600, 2600))
    costs: list[int] = []
    made = mill(content, "jpg", RECIPE, limits, lease=costs.append)
    assert not isinstance(made, Failed)
    assert limits.lease_bytes < costs[0] <= limits.alone_bytes
    refused = mill(
        content, "jpg", RECIPE, replace(limits, room_bytes=costs[0] - 1), lease=costs.append
    )
    assert isinstance(refused, Failed)
    assert refused.kind is FailureKind.TOO_LARGE
    assert "no machine here can set aside more than" in refused.message
    assert len(costs) == 1
