"""Make the bundled sample archive, tests/sample, from CC0 photographs of ../shared/corpora.

Small and real: one file of each kind that a web archive holds, and one corrupt and one mislabelled.
Run as `make sample`; the result is committed, so nobody else needs the corpora.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyvips
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
CORPORA = ROOT.parent / "shared" / "corpora"
SAMPLE = ROOT / "tests" / "sample"
# Where the photographs come from; all are CC0-1.0 (see NOTICE.md).
PHOTOS = {
    "travel/osprey.jpg": "photos/perched-osprey.jpg",
    "travel/lake.jpg": "photos/lake-sherburne.jpg",
    "travel/colosseum.jpg": "photos/roman-colosseum.jpg",
}


def photo(name: str, width_px: int) -> pyvips.Image:
    """Return a photograph of the corpora, shrunk to a width."""
    return pyvips.Image.thumbnail(str(CORPORA / name), width_px).copy_memory()


def main() -> None:
    """Make every file anew."""
    if SAMPLE.exists():
        shutil.rmtree(SAMPLE)
    for folder in ("travel", "shop", "assets"):
        (SAMPLE / folder).mkdir(parents=True)
    for target, source in PHOTOS.items():
        photo(source, 1600).jpegsave(str(SAMPLE / target), Q=88, keep="none")
    make_portrait()
    make_shop()
    make_assets()
    for path in sorted(SAMPLE.rglob("*.*")):
        print(f"{path.stat().st_size:>9,}  {path.relative_to(SAMPLE)}")


def make_portrait() -> None:
    """Make a photograph that lies on its side until EXIF orientation 6 is applied, with a place."""
    upright = photo("photos/canyon-wren.jpg", 1200)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "pixmill sample"
    exif[0x8298] = "CC0"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (48.0, 51.0, 30.0)
    gps[3], gps[4] = "E", (2.0, 17.0, 40.0)
    stored = upright.rot270()
    Image.fromarray(stored.numpy()).save(
        SAMPLE / "travel" / "wren-orientation-6.jpg", quality=88, exif=exif
    )


def make_shop() -> None:
    """Make product pictures: WebP, 16-bit TIFF, AVIF, BMP."""
    spices = photo("photos/the-spices-of-life.jpg", 900)
    spices.webpsave(str(SAMPLE / "shop" / "spices.webp"), Q=92, keep="none")
    deep = photo("photos/blue-periwinkle.jpg", 240).colourspace("rgb16")
    deep.tiffsave(
        str(SAMPLE / "shop" / "periwinkle-16bit.tif"), compression="deflate", predictor="horizontal"
    )
    photo("photos/tea-gardens.jpg", 800).heifsave(
        str(SAMPLE / "shop" / "tea.avif"), Q=60, compression="av1", effort=2, keep="none"
    )
    swatch = photo("photos/saturnian-profile.jpg", 200)
    Image.fromarray(swatch.numpy()).save(SAMPLE / "shop" / "swatch.bmp")


def make_assets() -> None:
    """Make drawings: alpha and palette PNG, animated GIF, SVG; a corrupt and a mislabelled file."""
    assets = SAMPLE / "assets"
    badge = pyvips.Image.svgload(str(CORPORA / "formats/svg/brain_thinking.svg"), scale=2.0)
    badge.pngsave(str(assets / "badge-alpha.png"), compression=6)
    shutil.copy(CORPORA / "formats/svg/derisking.svg", assets / "icon.svg")
    chart = Image.open(CORPORA / "graphics/18f_15-secondary-colors.png").convert("RGB")
    chart.quantize(64).save(assets / "chart-palette.png")
    frames = list(turning())
    frames[0].save(
        assets / "turning.gif", save_all=True, append_images=frames[1:], duration=80, loop=0
    )
    whole = (SAMPLE / "travel" / "lake.jpg").read_bytes()
    (assets / "corrupt-truncated.jpg").write_bytes(whole[: len(whole) // 6])
    chart.resize((600, 298)).save(assets / "really-a-png.jpg", format="PNG")
    (assets / "notes.txt").write_text("Not an image: pixmill leaves it alone, and says so.\n")


def turning() -> Iterator[Image.Image]:
    """Yield the frames of a square that turns."""
    square = Image.new("P", (120, 120), 0)
    square.putpalette([250, 250, 245, 200, 60, 40, 30, 90, 160])
    square.paste(1, (30, 30, 90, 90))
    square.paste(2, (50, 50, 70, 70))
    for step in range(12):
        yield square.rotate(step * 7.5, fillcolor=0)


if __name__ == "__main__":
    main()
