"""Screenshots and drawings: pixmill's adaptive against what others do at quality 80.

Format for format, every peer's result and pixmill's are scored against the same pixels by
SSIMULACRA2, as JPEG on white. Run `python bench/graphics.py`; `--every 5` takes a fifth of the
files, `--only png,jpg` some formats, `--effort best` another effort of pixmill's. It writes tables
to stdout.
Peers: Pillow and sharp (where `make bench-quality` installed it); caesium-style, which is mozjpeg
at 80 and PNG reduced by libimagequant at 80, by libvips' own savers, past pixmill's choices.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

import pyvips
from PIL import Image

from pixmill.imaging.errors import ImagingError
from pixmill.imaging.judge import Judge
from pixmill.imaging.load import reopened
from pixmill.milling import mill
from pixmill.planning import Limits
from pixmill.product import Product
from pixmill.recipe import Recipe
from pixmill.registry import codec, writable_names
from pixmill.vocabulary import Effort, Operation
from rating.pictures import Picture
from rating.sharp import Sharp, has_sharp

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER: Final = Path(__file__).parents[2] / "shared" / "corpora" / "graphics"
QUALITY: Final = 80
MOST_PX: Final = 2_000_000
NO_WORSE: Final = 0.3
"""Points that nobody sees."""

RECIPE: Final = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
    target_format="auto",
    quality=QUALITY,
)


@dataclass(slots=True)
class Tally:
    """What one contender made of all files.

    Attributes:
        sizes_bytes: Of its results.
        scores: Of the same.
    """

    sizes_bytes: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


def by_pillow(kind: str, **options: object) -> Callable[[bytes], bytes]:
    """Return what Pillow makes of a file."""

    def made(content: bytes) -> bytes:
        held = io.BytesIO()
        opened = Image.open(io.BytesIO(content))
        image = flattened(opened) if kind == "JPEG" else opened
        image.save(held, kind, **options)
        return held.getvalue()

    return made


def flattened(image: Image.Image) -> Image.Image:
    """Return an image on white, as JPEG holds it."""
    clear = image.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(white, clear).convert("RGB")


def by_imagequant(content: bytes) -> bytes:
    """Return a PNG of fewer colours."""
    image = pyvips.Image.new_from_buffer(content, "")
    return bytes(image.pngsave_buffer(palette=True, Q=QUALITY, effort=7, compression=9))


def by_mozjpeg(content: bytes) -> bytes:
    """Return a JPEG with all that mozjpeg does."""
    image = pyvips.Image.new_from_buffer(content, "")
    flat = image.flatten(background=[255]) if image.hasalpha() else image
    options = {"trellis_quant": True, "overshoot_deringing": True, "optimize_scans": True}
    return bytes(flat.jpegsave_buffer(Q=QUALITY, interlace=True, optimize_coding=True, **options))


def by_sharp(form: str, **options: object) -> Callable[[bytes], bytes]:
    """Return what sharp makes of a file; without transparency where the format has none."""

    def made(content: bytes) -> bytes:
        image = pyvips.Image.new_from_buffer(content, "").colourspace("srgb").cast("uchar")
        if form == "jpeg" and image.hasalpha():
            image = image.flatten(background=[255])
        return Sharp.running().encode(Picture("", image.copy_memory()), form, options).content

    return made


def by_pixmill(target: str, effort: Effort) -> Callable[[bytes], bytes]:
    """Return what pixmill makes of a file in one format, or in the one that `auto` chooses."""
    recipe = replace(RECIPE, target_format=target, effort=effort)

    def made(content: bytes) -> bytes:
        product = mill(content, "png", recipe, Limits(1 << 31), lease=lambda _: None)
        if not isinstance(product, Product):
            raise TypeError(product)
        return product.content if isinstance(product.content, bytes) else content

    return made


PEERS: Final[dict[str, dict[str, Callable[[bytes], bytes]]]] = {
    "png": {
        "Pillow, optimised": by_pillow("PNG", optimize=True),
        "caesium-style": by_imagequant,
        "sharp": by_sharp("png"),
        "sharp, palette of 80": by_sharp("png", palette=True, quality=QUALITY),
    },
    "jpg": {
        "Pillow": by_pillow("JPEG", quality=QUALITY),
        "caesium-style": by_mozjpeg,
        "sharp": by_sharp("jpeg", quality=QUALITY),
        "sharp, mozjpeg": by_sharp("jpeg", quality=QUALITY, mozjpeg=True),
    },
    "webp": {
        "Pillow": by_pillow("WEBP", quality=QUALITY),
        "sharp": by_sharp("webp", quality=QUALITY),
    },
    "auto": {},
}


def contenders(target: str, effort: Effort) -> dict[str, Callable[[bytes], bytes]]:
    """Return who is compared in a format; pixmill is the last."""
    installed = {
        name: made
        for name, made in PEERS[target].items()
        if has_sharp() or not name.startswith("sharp")
    }
    return {**installed, "pixmill": by_pixmill(target, effort)}


def shown(content: bytes, target: str) -> pyvips.Image:
    """Return the pixels of a file as a format can hold them."""
    image = reopened(content, "png")
    is_clear = image.hasalpha() and target in writable_names() and not codec(target).supports_alpha
    return image.flatten(background=[255]).copy_memory() if is_clear else image


def measured(files: list[Path], target: str, effort: Effort) -> dict[str, Tally]:
    """Return what every contender made of the files in one format."""
    every = contenders(target, effort)
    tallies = {name: Tally() for name in every}
    for file in files:
        content = file.read_bytes()
        try:
            judge = Judge(shown(content, target))
        except ImagingError:
            continue
        for name, made in every.items():
            result = made(content)
            kind = next(k for k in ("png", "jpg", "webp", "avif") if codec(k).recognises(result))
            tallies[name].sizes_bytes.append(len(result))
            tallies[name].scores.append(judge.score(result, kind))
    return tallies


def table(target: str, tallies: dict[str, Tally]) -> str:
    """Return the table: sums, scores, and how often pixmill is smaller and looks no worse."""
    ours = tallies["pixmill"]
    lines = [
        f"| {target} by | kB | mean score | lowest | pixmill smaller | no worse | both |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, tally in tallies.items():
        pairs = list(zip(tally.sizes_bytes, ours.sizes_bytes, strict=True))
        looks = list(zip(tally.scores, ours.scores, strict=True))
        smaller = [own < other for other, own in pairs]
        no_worse = [own >= other - NO_WORSE for other, own in looks]
        both = sum(map(all, zip(smaller, no_worse, strict=True)))
        kilobytes, count = sum(tally.sizes_bytes) / 1000, len(pairs)
        lines.append(
            f"| {name} | {kilobytes:.0f} | {fmean(tally.scores):.1f} | {min(tally.scores):.1f} "
            f"| {sum(smaller)}/{count} | {sum(no_worse)}/{count} | {both}/{count} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every so many files")
    parser.add_argument("--only", default=",".join(PEERS), help="formats, or auto")
    parser.add_argument("--effort", type=Effort, default=Effort.BALANCED, help="pixmill's effort")
    chosen = parser.parse_args()
    files = [
        path
        for path in sorted(FOLDER.glob("*.png"))
        if pyvips.Image.new_from_file(path).width * pyvips.Image.new_from_file(path).height
        <= MOST_PX
    ]
    for target in chosen.only.split(","):
        print(table(target, measured(files[:: chosen.every], target, chosen.effort)), flush=True)


if __name__ == "__main__":
    main()
