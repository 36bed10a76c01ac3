"""Archives of damaged files, whole runs over them in contained workers, and a verdict on each file.

What a run must keep whatever it meets: every file is accounted for once, no worker dies, every
failure tells what is wrong, what was made decodes, and the sources stand as they stood.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fuzzing import seeds
from fuzzing.mutation import mutated
from pixmill.api import optimize
from pixmill.model import Failed, FailureKind, Outcome, Status
from pixmill.protocol import DEFAULT_MILL
from pixmill.recipe import Recipe
from pixmill.registry import codec
from pixmill.settings import Settings
from pixmill.units import parse_geometry
from pixmill.vocabulary import Corrupt, Effort, IfLarger, Keep, Operation

if TYPE_CHECKING:
    import random
    from pathlib import Path

__all__ = ["RECIPES", "SETTINGS", "Finding", "judged", "made_archive", "tell_tale"]

_MOST_OFTEN: Final = 8
_WORK: Final = frozenset({Operation.RESIZE, Operation.COMPRESS, Operation.CONVERT})
SETTINGS: Final = Settings(parallel=2, memory_bytes=400_000_000, timeout_s=60.0)

RECIPES: Final = {
    "keep": Recipe(effort=Effort.FAST, keep=frozenset({Keep.ALL})),
    "bare": Recipe(effort=Effort.FAST, keep=frozenset({Keep.NONE}), if_larger=IfLarger.WRITE),
    "small": Recipe(
        operations=_WORK,
        resize=parse_geometry("64x64"),
        target_format="webp",
        effort=Effort.FAST,
    ),
    "exact": Recipe(
        operations=frozenset({Operation.COMPRESS, Operation.CONVERT}),
        target_format="png",
        lossless=True,
        effort=Effort.FAST,
    ),
    "salvage": Recipe(effort=Effort.FAST, corrupt=Corrupt.SALVAGE),
}
"""One recipe for each way through the mill."""

_CHECK: Final = replace(RECIPES["small"], target_format="png", lossless=True)
_UNWANTED: Final = frozenset(
    {FailureKind.CRASHED, FailureKind.TIMEOUT, FailureKind.SANDBOX, FailureKind.MEMORY}
)
_UNDECODED: Final = _UNWANTED | {FailureKind.CORRUPT, FailureKind.UNSUPPORTED}
_UNTELLING: Final = re.compile(
    r"^unexpected [A-Z]|^unreadable|^[A-Z][a-z]+[ :,]|^.{0,7}$|[.]$|\n|Traceback|\[Errno"
    r"|0x[0-9a-f]{6}|<[\w.]+ object|has no attribute|not callable|index out of range|NoneType"
)
"""What a message says that was left as some library or Python put it, or says nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that was not kept.

    Attributes:
        trouble: Which, and how.
        path: The file it was about, relative to the archive; empty for the run as a whole.
    """

    trouble: str
    path: str = ""


def made_archive(folder: Path, rng: random.Random, *, files: int) -> None:
    """Fill a folder with damaged files of every format in turn."""
    folder.mkdir(parents=True)
    pools = [(name, pool) for name, pool in sorted(seeds.files().items()) if pool]
    for number in range(files):
        # formats with many seeds, which are those that matter most, come eight times as often
        name, pool = rng.choices(pools, [min(len(pool), _MOST_OFTEN) for _, pool in pools])[0]
        content = mutated(rng.choice(pool), pool, rng)
        (folder / f"{number:05}{codec(name).suffixes[0]}").write_bytes(content)


def judged(source: Path, work: Path, name: str, *, mill: str = DEFAULT_MILL) -> list[Finding]:
    """Run one of the recipes over an archive and return what it did not keep.

    Args:
        source: The archive.
        work: Where results go; emptied first.
        name: Of the recipe.
        mill: A fault in the place of pixmill's own mill.
    """
    shutil.rmtree(work, ignore_errors=True)
    before = _digests(source)
    out = work / "out"
    outcomes = _outcomes(source, out, RECIPES[name], mill=mill)
    found = _miscounted(outcomes, before)
    found += [
        Finding(f"{failure.kind} at {failure.stage}: {failure.message}", outcome.path)
        for outcome in outcomes
        if (failure := outcome.failure) and tell_tale(failure)
    ]
    if _digests(source) != before:
        found.append(Finding("sources were changed"))
    return found + _undecodable(out, work / "again", outcomes)


def tell_tale(failure: Failed) -> bool:
    """Whether a failure tells of a defect of pixmill's rather than of the file's."""
    return failure.kind in _UNWANTED or bool(_UNTELLING.search(failure.message))


def _outcomes(
    source: Path, destination: Path, recipe: Recipe, *, mill: str = DEFAULT_MILL
) -> list[Outcome]:
    with optimize(source, destination, recipe, settings=SETTINGS, mill=mill) as run:
        return list(run)


def _miscounted(outcomes: list[Outcome], before: dict[str, str]) -> list[Finding]:
    met = sorted(outcome.path for outcome in outcomes)
    return [] if met == sorted(before) else [Finding(f"met {len(met)} of {len(before)} files")]


def _undecodable(out: Path, work: Path, outcomes: list[Outcome]) -> list[Finding]:
    """Decode what was made anew, in contained workers too: a copy may be as bad as its source."""
    made = {
        outcome.destination: outcome.path
        for outcome in outcomes
        if outcome.status is Status.OPTIMIZED and outcome.destination
    }
    results = work / "in"
    results.mkdir(parents=True)
    for destination in made:
        shutil.copyfile(out / destination, results / destination)
    return [
        Finding(f"made what fails as {failure.kind}: {failure.message}", made[outcome.path])
        for outcome in _outcomes(results, work / "out", _CHECK)
        if (failure := outcome.failure) and failure.kind in _UNDECODED
    ]


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
