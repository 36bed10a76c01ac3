"""Measure how encoded size depends on quality: the `size_curve` of each lossy codec's record.

Encodes photos of the corpora with libvips at every quality that a curve has a point for, and prints
the mean natural logarithm of the size relative to quality 75. Run `python bench/size_curves.py`.
"""

from __future__ import annotations

import math
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.codecs.spec import Encoding
from pixmill.recipe import Effort
from pixmill.registry import codecs

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec

CORPORA: Final = Path(__file__).parents[2] / "shared" / "corpora"
QUALITIES: Final = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
REFERENCE_QUALITY: Final = 75
EDGE_PX: Final = 800
PHOTOS: Final = 16


def photos() -> list[pyvips.Image]:
    """Return decoded photos, from the half of the corpora kept for measuring."""
    paths = [*sorted(CORPORA.glob("kodak/*")), *sorted(CORPORA.glob("photos/*"))]
    chosen = [path for path in paths if zlib.crc32(path.name.encode()) % 2 == 0]
    step = len(chosen) / min(PHOTOS, len(chosen))
    return [_decoded(chosen[int(index * step)]) for index in range(min(PHOTOS, len(chosen)))]


def size_curve(spec: CodecSpec, images: list[pyvips.Image]) -> list[float]:
    """Return the mean logarithm of size at each quality, relative to the reference quality."""
    references = [_size_bytes(spec, image, REFERENCE_QUALITY) for image in images]
    return [
        sum(
            math.log(_size_bytes(spec, image, quality) / reference)
            for image, reference in zip(images, references, strict=True)
        )
        / len(images)
        for quality in QUALITIES
    ]


def _decoded(path: Path) -> pyvips.Image:
    image = pyvips.Image.thumbnail(str(path), EDGE_PX, height=EDGE_PX, size="down")
    return image.colourspace("srgb").copy_memory()


def _size_bytes(spec: CodecSpec, image: pyvips.Image, quality: int) -> int:
    encoding = Encoding(codec=spec.name, quality=quality, effort=Effort.BALANCED)
    if spec.save_options is None:
        raise ValueError(f"expected a codec with options to save, got {spec.name}")
    save = getattr(image, spec.saver)
    return len(save(keep="none", **spec.save_options(encoding)))


def main() -> None:
    """Print one line a codec, ready for its record."""
    if not CORPORA.is_dir():
        sys.exit(f"expected photos in {CORPORA}, found no such folder")
    images = photos()
    print(f"{len(images)} photos, qualities {QUALITIES}")
    for spec in codecs():
        if spec.can_write and spec.supports_lossy:
            points = ", ".join(f"{point:.3f}" for point in size_curve(spec, images))
            print(f"{spec.name}: ({points})", flush=True)


if __name__ == "__main__":
    main()
