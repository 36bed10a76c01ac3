"""All eight EXIF orientations, in every format that stores them, come out as Pillow shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from PIL import Image

import pixmill
from pictures import Pair, likenesses
from pixmill.recipe import Recipe
from pixmill.vocabulary import Operation

if TYPE_CHECKING:
    from pathlib import Path

_ORIENTATION: Final = 0x0112
_TO_PNG: Final = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
    target_format="png",
    lossless=True,
)
_EXACT: Final[dict[str, dict[str, Any]]] = {
    "jpg": {"quality": 100, "subsampling": 0},
    "tiff": {},
    "png": {},
    "webp": {"lossless": True},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
}


def _picture() -> Image.Image:
    """Return a picture that no turn or mirror leaves as it is."""
    picture = Image.linear_gradient("L").resize((40, 24)).convert("RGB")
    picture.paste((255, 0, 0), (0, 0, 12, 6))
    picture.paste((0, 0, 255), (30, 0, 40, 10))
    return picture


@pytest.mark.parametrize("suffix", _EXACT)
def test_all_orientations_are_applied_once(suffix: str, tmp_path: Path) -> None:
    """Each of the eight is upright as Pillow turns it, and the result asks for no more turning."""
    pairs = []
    for value in range(1, 9):
        exif = Image.Exif()
        exif[_ORIENTATION] = value
        source, result = tmp_path / f"{value}.{suffix}", tmp_path / f"{value}.result.png"
        _picture().save(source, exif=exif, **_EXACT[suffix])
        result.write_bytes(pixmill.optimize_bytes(source.read_bytes(), _TO_PNG))
        with Image.open(result) as shown:
            assert shown.getexif().get(_ORIENTATION, 1) == 1, value
        pairs.append(Pair(source, result))
    found = likenesses(pairs)
    assert [each.sizes for each in found] == [((40, 24),) * 2] * 4 + [((24, 40),) * 2] * 4
    assert min(each.psnr_db for each in found) >= 45.0, [each.psnr_db for each in found]
