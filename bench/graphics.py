"""Screenshots and drawings: pixmill's adaptive against what others do at quality 80.

Every peer's result and pixmill's are scored against the same pixels by SSIMULACRA2. Run
`python bench/graphics.py`; `--every 5` takes a fifth of the files. It writes a table to stdout.
Peers: Pillow as JPEG, WebP and optimised PNG; caesium-style, which is mozjpeg at 80 and PNG reduced
by libimagequant at 80; both by libvips' own savers, past pixmill's choices.
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
from pixmill.recipe import Operation, Recipe
from pixmill.registry import codec

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER: Final = Path(__file__).parents[2] / "shared" / "corpora" / "graphics"
QUALITY: Final = 80
MOST_PX: Final = 2_000_000

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


def by_pixmill(target: str) -> Callable[[bytes], bytes]:
    """Return what pixmill makes of a file in one format, or in the one that `auto` chooses."""
    recipe = replace(RECIPE, target_format=target)

    def made(content: bytes) -> bytes:
        product = mill(content, "png", recipe, Limits(1 << 31), lease=lambda _: None)
        if not isinstance(product, Product):
            raise TypeError(product)
        return product.content if isinstance(product.content, bytes) else content

    return made


CONTENDERS: Final = {
    "Pillow JPEG": by_pillow("JPEG", quality=QUALITY),
    "Pillow WebP": by_pillow("WEBP", quality=QUALITY),
    "Pillow PNG, optimised": by_pillow("PNG", optimize=True),
    "caesium-style PNG": by_imagequant,
    "caesium-style JPEG": by_mozjpeg,
    "pixmill png": by_pixmill("png"),
    "pixmill jpg": by_pixmill("jpg"),
    "pixmill webp": by_pixmill("webp"),
    "pixmill auto": by_pixmill("auto"),
}


def measured(files: list[Path]) -> dict[str, Tally]:
    """Return what every contender made of the files."""
    tallies = {name: Tally() for name in CONTENDERS}
    for file in files:
        content = file.read_bytes()
        try:
            judge = Judge(reopened(content, "png"))
        except ImagingError:
            continue
        for name, made in CONTENDERS.items():
            result = made(content)
            kind = next(k for k in ("png", "jpg", "webp", "avif") if codec(k).recognises(result))
            tallies[name].sizes_bytes.append(len(result))
            tallies[name].scores.append(judge.score(result, kind))
    return tallies


def table(tallies: dict[str, Tally]) -> str:
    """Return the table: sums, means, and how often `auto` is smaller and looks no worse."""
    ours = tallies["pixmill auto"]
    lines = ["| by | kB | mean score | auto smaller | auto no worse |", "|---|---|---|---|---|"]
    for name, tally in tallies.items():
        pairs = list(zip(tally.sizes_bytes, ours.sizes_bytes, strict=True))
        looks = list(zip(tally.scores, ours.scores, strict=True))
        smaller = sum(own < other for other, own in pairs)
        no_worse = sum(own >= other - 0.3 for other, own in looks)
        kilobytes = sum(tally.sizes_bytes) / 1000
        count = len(pairs)
        mean = fmean(tally.scores)
        lines.append(
            f"| {name} | {kilobytes:.0f} | {mean:.1f} | {smaller}/{count} | {no_worse}/{count} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every so many files")
    files = [
        path
        for path in sorted(FOLDER.glob("*.png"))
        if pyvips.Image.new_from_file(path).width * pyvips.Image.new_from_file(path).height
        <= MOST_PX
    ]
    print(table(measured(files[:: parser.parse_args().every])))


if __name__ == "__main__":
    main()
