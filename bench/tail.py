"""What the order of files does to the end of a run: 40 photographs, and a large TIFF last by path.

Wall time of both orders in turn, from the first outcome to the last. First with workers that sleep
50 ms a photograph and 1.2 s over the TIFF, so that neither load nor CPUs count for
much; then with images, on two workers.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import pyvips

import pixmill
from pixmill.recipe import Recipe
from pixmill.reporting import FanOut
from pixmill.settings import Order, Settings

PHOTOS: Final = 40
_PHOTO_PX: Final = 600
_TIFF_PX: Final = 5000
_ROUNDS: Final = 3


def write_archive(folder: Path) -> Path:
    """Write the photographs and the TIFF, and return where."""
    folder.mkdir()
    for name, edge_px in [(f"{number:02}.jpg", _PHOTO_PX) for number in range(PHOTOS)] + [
        ("z.tif", _TIFF_PX)
    ]:
        clouds = pyvips.Image.perlin(edge_px, edge_px, cell_size=64, seed=edge_px)
        grain = pyvips.Image.gaussnoise(edge_px, edge_px, sigma=6, mean=128)
        bands = [(clouds * gain + grain).cast("uchar") for gain in (70, 55, 40)]
        image = bands[0].bandjoin(bands[1:]).copy(interpretation="srgb")
        image.write_to_file(str(folder / name))
    return folder


def run_s(source: Path, folder: Path, order: Order, workers: int, mill: str) -> float:
    """Return the seconds from the first outcome to the last, workers having started before."""
    settings = Settings(parallel=workers, order=order)
    with pixmill.optimize(
        source, folder, Recipe(quality=80), settings=settings, reporter=FanOut(), mill=mill
    ) as run:
        next(run)
        began_s = time.monotonic()
        assert all(outcome.failure is None for outcome in run)
    return time.monotonic() - began_s


def main() -> int:
    """Measure and print."""
    print("| workers | what they do | by path s | auto s | auto / path |")
    print("|--:|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="pixmill-tail-") as name:
        folder = Path(name)
        source = write_archive(folder / "in")
        for workers, what, mill in (
            (2, "sleep", "mills:dozing"),
            (8, "sleep", "mills:dozing"),
            (2, "make images", "pixmill.milling:mill"),
        ):
            least_s = dict.fromkeys(Order, float("inf"))
            for number in range(_ROUNDS):
                for order in Order:
                    target = folder / f"{what}-{workers}-{number}-{order}"
                    least_s[order] = min(
                        least_s[order], run_s(source, target, order, workers, mill)
                    )
            path_s, auto_s = least_s[Order.PATH], least_s[Order.AUTO]
            print(f"| {workers} | {what} | {path_s:.2f} | {auto_s:.2f} | {auto_s / path_s:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
