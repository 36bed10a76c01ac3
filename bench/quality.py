"""Measure bytes at equal SSIMULACRA2 score, and the CPU they take, beside other encoders.

`make bench-quality`, or `make bench-quality ARGS="--only jpg,webp"`. Writes a table and plots into
bench/results. Peers that are not installed are named as missing.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import isnan, nan
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.imaging.confine import prepare_process
from rating.encoders import encoders
from rating.pictures import Kind, paths, picture
from rating.plot import Curve, drawn
from rating.rates import Point, Standing, more_bytes, share_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RESULTS: Final = Path(__file__).parent / "results"
PAGE: Final = RESULTS / "quality.md"
WORKERS: Final = 2
OURS: Final = "pixmill"
DRAWN: Final = (Kind.GRAPHICS, Kind.SCREENSHOTS)
_HEAD: Final = f"""# Bytes at equal quality, encoder against encoder

`make bench-quality`, libvips {".".join(str(pyvips.version(part)) for part in range(3))}, two
pictures at a time. The figures are Bjontegaard differences: by how much more or fewer bytes an
encoder says the same by SSIMULACRA2, over the scores from 40 to 95 that both reach, the mean of the
pictures. Photographs are of the half that nothing was tuned to; drawings are those of adaptive. CPU
is that of an encode on one thread; for programs with their start and the reading of a PPM or a PNG.
`pixmill at its CPU` says by how much more or fewer bytes pixmill takes than an encoder for the CPU
that this one takes, on the first set, interpolated between its efforts; none is as cheap as `-`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What is compared with each other.

    Attributes:
        name: As `--only` takes it.
        title: As a person reads it.
        qualities: Of each encoder's own scale, 0 to 100; one where nothing is lost.
        shown_quality: That of them at which pixmill's efforts are set side by side.
        edge_px: Longest edge of the pictures.
        kinds: Sets of pictures.
    """

    name: str
    title: str
    qualities: tuple[int, ...]
    shown_quality: int
    edge_px: int
    kinds: tuple[Kind, ...] = tuple(Kind)

    @property
    def is_exact(self) -> bool:
        """Whether nothing is lost, so that bytes alone count."""
        return len(self.qualities) == 1


FAMILIES: Final = (
    Family(
        name="jpg",
        title="JPEG",
        qualities=(40, 55, 70, 80, 88, 94),
        shown_quality=80,
        edge_px=1200,
    ),
    Family(
        name="webp",
        title="WebP",
        qualities=(40, 55, 70, 80, 88, 95),
        shown_quality=80,
        edge_px=1000,
    ),
    Family(
        name="avif",
        title="AVIF",
        qualities=(30, 42, 55, 70, 85),
        shown_quality=55,
        edge_px=560,
    ),
    Family(
        name="png",
        title="PNG without loss",
        qualities=(100,),
        shown_quality=100,
        edge_px=1000,
    ),
    Family(
        name="palette",
        title="PNG with a palette",
        qualities=(20, 45, 65, 80, 95),
        shown_quality=80,
        edge_px=560,
        kinds=DRAWN,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What the encoders of a family made of one picture, in the order of its qualities."""

    kind: Kind
    megapixels: float
    points: dict[str, list[Point]]


def rated(family: Family, kind: Kind, path: Path) -> Rated:
    """Return the points of one picture."""
    prepare_process()
    taken = picture(path, kind, family.edge_px)
    points: dict[str, list[Point]] = {}
    for encoder in encoders(family.name):
        if encoder.encode is None:
            continue
        points[encoder.name] = []
        for quality in family.qualities:
            made = encoder.encode(taken, quality)
            score = 100.0 if family.is_exact else taken.score(made.content)
            points[encoder.name].append(
                Point(size_bytes=len(made.content), score=score, cpu_s=made.cpu_s)
            )
    return Rated(kind=kind, megapixels=taken.megapixels, points=points)


def measured(family: Family) -> list[Rated]:
    """Return the points of every picture."""
    found: list[Rated] = []
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        for kind in family.kinds:
            found += pool.map(partial(rated, family, kind), paths(kind))
    return found


def section(family: Family, found: Sequence[Rated]) -> Iterator[str]:
    """Yield the lines of a family's table."""
    everyone = encoders(family.name)
    base = next(each.name for each in everyone if each.encode)
    counts = ", ".join(f"{sum(one.kind is kind for one in found)} {kind}" for kind in family.kinds)
    yield f"## {family.title}"
    yield ""
    what = "Bytes" if family.is_exact else "Bytes at equal score"
    yield f"{what} against {base}; {counts}, edges of at most {family.edge_px} px."
    yield ""
    cpu = " | ".join(f"CPU {kind}, ms/MP" for kind in family.kinds)
    yield f"| encoder | {' | '.join(family.kinds)} | {cpu} | pixmill at its CPU |"
    yield f"|---|{'---|' * (2 * len(family.kinds) + 1)}"
    names = [each.name for each in everyone if each.encode]
    rows = {
        name: [_standing(family, _of(found, kind), name, base) for kind in family.kinds]
        for name in names
    }
    ours = [rows[name][0] for name in names if name.startswith(OURS)]
    for name, row in rows.items():
        yield _row(name, row, "" if name.startswith(OURS) else _versus(row[0], ours))
    yield from _efforts(family, _of(found, family.kinds[0]), names)
    if not family.is_exact:
        yield ""
        yield f"![Score over bits a pixel, {family.kinds[0]}]({_plot_path(family).name})"
    missing = [each.name for each in everyone if each.encode is None]
    if missing:
        yield ""
        yield f"Not installed, so not measured: {', '.join(missing)}."
    yield ""


def _of(found: Sequence[Rated], kind: Kind) -> list[Rated]:
    return [one for one in found if one.kind is kind]


def _standing(family: Family, pictures: Sequence[Rated], name: str, base: str) -> Standing:
    share = (_exact if family.is_exact else _at_equal_score)(pictures, name, base)
    cpu_s = sum(point.cpu_s for one in pictures for point in one.points[name])
    encoded_mp = sum(one.megapixels * len(one.points[name]) for one in pictures)
    return Standing(1000 * cpu_s / encoded_mp, nan if share is None else share)


def _row(name: str, row: Sequence[Standing], versus: str) -> str:
    cells = [*(_percent(each.share) for each in row), *(f"{each.cpu:.3g}" for each in row)]
    return f"| {name} | {' | '.join(cells)} | {versus} |"


def _versus(peer: Standing, ours: Sequence[Standing]) -> str:
    share = share_at(ours, peer.cpu)
    return "-" if share is None else _percent((1 + share) / (1 + peer.share) - 1)


def _percent(share: float) -> str:
    return "-" if isnan(share) else f"{100 * share:+.1f} %"


def _efforts(family: Family, pictures: Sequence[Rated], names: Sequence[str]) -> Iterator[str]:
    """Yield what pixmill's efforts come to at a quality near the default."""
    at = family.qualities.index(family.shown_quality)
    yield ""
    at_quality = "" if family.is_exact else f" at quality {family.shown_quality}"
    yield f"| pixmill{at_quality}, {family.kinds[0]} | kB/MP | score | CPU, ms/MP |"
    yield "|---|---|---|---|"
    megapixels = sum(one.megapixels for one in pictures)
    for name in names:
        if name.startswith(OURS):
            points = [one.points[name][at] for one in pictures]
            size_kb = sum(point.size_bytes for point in points) / megapixels / 1000
            cpu_ms = 1000 * sum(point.cpu_s for point in points) / megapixels
            score = fmean(point.score for point in points)
            effort = name.removeprefix(OURS).strip()
            yield f"| {effort} | {size_kb:.4g} | {score:.1f} | {cpu_ms:.3g} |"


def _exact(pictures: Sequence[Rated], name: str, base: str) -> float | None:
    mine, theirs = (
        sum(one.points[each][0].size_bytes for one in pictures) for each in (name, base)
    )
    return mine / theirs - 1 if theirs else None


def _at_equal_score(pictures: Sequence[Rated], name: str, base: str) -> float | None:
    shares = [more_bytes(one.points[name], one.points[base]) for one in pictures]
    known = [share for share in shares if share is not None]
    return fmean(known) if known else None


def plot(family: Family, found: Sequence[Rated]) -> str:
    """Return a family's curves over the first of its sets."""
    pictures = [one for one in found if one.kind is family.kinds[0]]
    curves = [
        Curve(name, tuple(_mean(pictures, name, at) for at in range(len(family.qualities))))
        for name in pictures[0].points
    ]
    return drawn(f"{family.title}, {len(pictures)} {family.kinds[0]}", curves)


def _mean(pictures: Sequence[Rated], name: str, at: int) -> tuple[float, float]:
    """Return the mean bits a pixel and score of an encoder at one of the qualities."""
    points = [one.points[name][at] for one in pictures]
    bits = [
        8 * point.size_bytes / one.megapixels / 1e6
        for one, point in zip(pictures, points, strict=True)
    ]
    return fmean(bits), fmean(point.score for point in points)


def main() -> None:
    """Measure, print and record each family asked for; other families' records stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ",".join(family.name for family in FAMILIES)
    parser.add_argument("--only", default=names, help=f"a comma list of {names}")
    asked = set(parser.parse_args().only.split(","))
    if unknown := asked - {family.name for family in FAMILIES}:
        parser.error(f"expected some of {names}, got {', '.join(sorted(unknown))}")
    for family in FAMILIES:
        if family.name in asked:
            found = measured(family)
            text = "\n".join(section(family, found))
            print(text, flush=True)
            _record(family, text)
            if not family.is_exact:
                _plot_path(family).write_text(plot(family, found), encoding="utf-8")


def _record(family: Family, text: str) -> None:
    """Put a family's section in the place of the one that is there."""
    written = {**_written(), family.title: text}
    known = [written[each.title] for each in FAMILIES if each.title in written]
    PAGE.write_text("\n".join([_HEAD, *known]), encoding="utf-8")


def _written() -> dict[str, str]:
    """Return the sections that an earlier call has written, by their titles."""
    parts = PAGE.read_text(encoding="utf-8").split("\n## ")[1:] if PAGE.exists() else []
    return {part.splitlines()[0]: f"## {part.rstrip()}\n" for part in parts}


def _plot_path(family: Family) -> Path:
    return RESULTS / f"quality-{family.name}.svg"


if __name__ == "__main__":
    main()
