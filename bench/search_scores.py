"""Measure the search for a score, on photos kept for proof.

Curves and constants come from the other half of the photos (`size_tables`). A photo counts where
the highest quality with full chroma reaches the target. Run `make bench-search`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.aiming import Aiming
from pixmill.codecs.spec import Encoding
from pixmill.imaging.encode import encoded
from pixmill.imaging.judge import Judge
from pixmill.registry import codec
from pixmill.strategies.score_search import BAND
from pixmill.vocabulary import Effort
from size_tables import photos, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS: Final = Path(__file__).parent / "results" / "search_scores.md"
PHOTOS: Final = {"jpg": 99, "webp": 99, "avif": 14}
TARGETS: Final = (50, 70, 80, 90)
QUALITIES: Final = range(5, 101)
TITLES: Final = (
    "| codec | target | photos that reach it | encodes | most | within 1.5 above | lowest | none |",
    "|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One search: what it took, where it ended, if anywhere, and whether less would do."""

    encodes: int
    score: float | None
    target: float
    is_lowest: bool = False

    @property
    def is_in_band(self) -> bool:
        """Whether the score is the target or hardly above it."""
        return self.score is not None and self.target <= self.score <= self.target + BAND


class Photo:
    """A photo whose encodings are made and scored once, however many searches ask for them."""

    def __init__(self, codec_name: str, path: Path) -> None:
        source = source_of(codec_name, path)
        image = pyvips.Image.new_from_buffer(source, "").copy_memory()
        judge = Judge(image)
        self.pixels = image.width * image.height
        self.has_sample, self.seams = judge.has_sample, judge.seams
        self.encoded = cache(partial(encoded, image))
        self.score = cache(judge.score)
        self.sample_score = cache(judge.sample_score)


def searched(photo: Photo, codec_name: str, target: float) -> Case | None:
    """Return how a search for a score goes, or `None` where no quality reaches it."""
    lossy = Encoding(codec=codec_name, quality=100, effort=Effort.BALANCED)
    tried: list[Encoding] = []

    def counted(encoding: Encoding) -> bytes:
        tried.append(encoding)
        return photo.encoded(encoding)

    aiming = Aiming(codec(codec_name), target, QUALITIES, counted, photo, photo.pixels)
    found = aiming.smallest((lossy,))
    highest = photo.encoded(replace(lossy, is_full_chroma=True))
    if found is None and photo.score(highest, codec_name) < target:
        return None
    if found is None:
        return Case(len(tried), None, target)
    case = Case(len(tried), found.score, target)
    lower = replace(found.encoding, quality=(found.encoding.quality or 0) - 1)
    lower_score = photo.score(photo.encoded(lower), codec_name)
    return replace(case, is_lowest=case.is_in_band or lower_score < target)


def rows(codec_name: str, *, is_proof: bool) -> Iterator[str]:
    """Yield one row of the table for each target."""
    paths = photos(is_proof=is_proof)[: PHOTOS[codec_name]]
    every = [Photo(codec_name, path) for path in paths]
    for target in TARGETS:
        made = [case for photo in every if (case := searched(photo, codec_name, target))]
        count = max(1, len(made))
        cells = (
            codec(codec_name).title,
            str(target),
            f"{len(made)} of {len(paths)}",
            f"{sum(case.encodes for case in made) / count:.2f}",
            str(max((case.encodes for case in made), default=0)),
            f"{100 * sum(case.is_in_band for case in made) / count:.1f} %",
            f"{100 * sum(case.is_lowest for case in made) / count:.1f} %",
            str(sum(case.score is None for case in made)),
        )
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, and record that of the proof half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tuning", action="store_true", help="the other half, and record nothing")
    is_proof = not parser.parse_args().tuning
    lines = list(TITLES)
    for name in PHOTOS:
        for row in rows(name, is_proof=is_proof):
            lines.append(row)
            print(row, flush=True)
    if is_proof:
        RESULTS.write_text(_page(lines), encoding="utf-8")


def _page(lines: list[str]) -> str:
    version = ".".join(str(pyvips.version(part)) for part in range(3))
    return (
        "# The search for a score\n\n"
        f"`make bench-search`, libvips {version}, `--effort balanced`, photos of 800 px (AVIF: "
        "512 px) that nothing was tuned to;\nqualities 5 to 100. `encodes` are of the whole, "
        "beside those of an eighth of it.\n`lowest`: in the band above the "
        "target, or the next lower quality misses the target.\n\n" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    main()
