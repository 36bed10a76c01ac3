"""Measure the search for a size against trying every quality, on photos kept for proof.

Photos of the corpora are split by the CRC of their names (`size_tables`): curves and constants come
from one half, these numbers from the other. Budgets lie between the sizes of two neighbouring
qualities drawn evenly, so that a generous cap, which takes one encode, is as rare as any other.
Run `make bench-search`; the first time takes ten minutes, for a table of every quality a photo.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.codecs.spec import Encoding
from pixmill.imaging.sample import levelled, sampled_for_size
from pixmill.registry import codec
from pixmill.strategies.search import Bracket, Clues, highest_fitting
from pixmill.vocabulary import Effort
from size_tables import LOWEST, Table, photos, source_of, tables

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS: Final = Path(__file__).parent / "results" / "search.md"
BUDGETS: Final = 12
LOW: Final = 40
PHOTOS: Final = {"jpg": 99, "webp": 99, "avif": 14}


@dataclass(frozen=True, slots=True)
class Case:
    """One search: what it took, and how far from the best quality it ended."""

    encodes: int
    samples: int
    off_by: int
    is_over: bool


def cases(codec_name: str, table: Table, path: Path, *, is_like: bool) -> list[Case]:
    """Return a photo's searches, with or without the source's own size as a clue."""
    rng = random.Random(table.name)
    high = table.source_quality if is_like else 100
    sample = _remembered(codec_name, path)
    clues = Clues(
        curve=codec(codec_name).size_curve,
        jitter=codec(codec_name).size_jitter,
        reach=codec(codec_name).sample_reach,
        sample=sample,
        like_quality=table.source_quality if is_like else table.original_quality or 0,
        like_bytes=table.source_bytes if is_like else _scaled_bytes(table),
    )
    made = []
    for _ in range(BUDGETS):
        target = _budget(table, rng, high)
        found = highest_fitting(
            table.size_at, Bracket(target_bytes=target, low=LOW, high=high), clues
        )
        fitting = [q for q in range(LOW, high + 1) if table.size_at(q) <= target]
        best, got = max(fitting), found.quality or 0
        is_over = not got or table.size_at(got) > target
        made.append(Case(found.encodes, found.samples, abs(best - got), is_over))
    return made


def _scaled_bytes(table: Table) -> int:
    """Return what the original would take with as many pixels, 0 where it is no JPEG."""
    if table.original_quality is None:
        return 0
    return round(table.original_bytes * table.pixels / table.original_pixels)


def _remembered(codec_name: str, path: Path) -> Callable[[int], int] | None:
    """Return what a sample of one photo tells, each quality encoded once for all its budgets."""
    image = pyvips.Image.new_from_buffer(source_of(codec_name, path), "").copy_memory()
    squares = sampled_for_size(image)
    if squares is None:
        return None
    sampled = levelled(squares, image)

    @cache
    def whole_bytes(quality: int) -> int:
        encoding = Encoding(codec=codec_name, quality=quality, effort=Effort.BALANCED)
        return sampled.whole_bytes(encoding)

    return whole_bytes


def _budget(table: Table, rng: random.Random, high: int) -> int:
    quality = rng.randint(LOW, high)
    size_bytes = table.size_at(quality)
    above_bytes = table.size_at(min(quality + 1, LOWEST + len(table.sizes) - 1))
    drawn = size_bytes + round((above_bytes - size_bytes) * rng.random())
    return max(drawn, table.size_at(LOW))


def line(codec_name: str, *, is_proof: bool, is_like: bool) -> str:
    """Return one row of the table of results."""
    paths = photos(is_proof=is_proof)[: PHOTOS[codec_name]]
    made = [
        case
        for path, table in zip(paths, tables(codec_name, paths), strict=True)
        for case in cases(codec_name, table, path, is_like=is_like)
    ]
    count = len(made)
    cells = (
        codec(codec_name).title,
        "same pixels" if is_like else "resized",
        str(len(paths)),
        str(count),
        f"{sum(case.encodes for case in made) / count:.2f}",
        str(max(case.encodes for case in made)),
        f"{sum(case.samples for case in made) / count:.1f}",
        f"{100 * sum(case.off_by == 0 for case in made) / count:.1f} %",
        str(max(case.off_by for case in made)),
        str(sum(case.is_over for case in made)),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, and record that of the proof half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tuning", action="store_true", help="the other half, and record nothing")
    is_proof = not parser.parse_args().tuning
    lines = [
        "| codec | source | photos | searches | encodes | most | samples | exact | worst | over |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in PHOTOS:
        for is_like in (False, True):
            lines.append(line(name, is_proof=is_proof, is_like=is_like))
            print(lines[-1], flush=True)
    if is_proof:
        RESULTS.write_text(_page(lines), encoding="utf-8")


def _page(lines: list[str]) -> str:
    version = ".".join(str(pyvips.version(part)) for part in range(3))
    return (
        "# The search for a size, against every quality\n\n"
        f"`make bench-search`, libvips {version}, `--effort balanced`, photos of 800 px (AVIF: "
        "512 px) that no curve was made of;\nqualities 40 to 100, or to the source's own where its "
        "pixels stay as they are. A sample is an eighth of these pixels, and\nless of larger "
        "photos.\n\n" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    main()
