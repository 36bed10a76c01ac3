"""Mills for the performance checks: one that is slow on purpose, one that counts who works at once.

`python bench/mills.py IN OUT EDGE` makes smaller JPEGs of a folder without shrink-on-load, which
the checks must notice. `meet` holds each job until as many workers as are wanted have one. `idle`
does nothing, so that a run costs what the engine around the codecs does; `dozing` sleeps, for
longer over a large file, so that a run lasts as its order of files has it.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixmill import milling
from pixmill.api import optimize
from pixmill.model import Failed, Status
from pixmill.planning import planned
from pixmill.recipe import Recipe
from pixmill.settings import Settings
from pixmill.units import Geometry
from pixmill.vocabulary import Effort, Operation, StrategyName

if TYPE_CHECKING:
    from pixmill.header import Header
    from pixmill.plan import Plan
    from pixmill.planning import Limits

__all__ = ["MEETING", "MET", "blind", "dozing", "idle", "meet", "recipe_of"]

MEETING: Final = "meeting.json"
"""Beside the sources: how many `workers` are waited for, and `limit_s`, for how long since
this was written."""
MET: Final = "met"
"""Beside them, once they have met."""

_LOOK_S: Final = 0.01
_LARGE_BYTES: Final = 10_000_000
_LARGE_S: Final = 1.2
_SMALL_S: Final = 0.05


def recipe_of(edge_px: int) -> Recipe:
    """Return a recipe with one candidate at the fast effort: what a rival does."""
    return Recipe(
        operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
        resize=Geometry(edge_px, edge_px),
        quality=85,
        effort=Effort.FAST,
        strategy=StrategyName.FIXED,
    )


def blind(*arguments: Any, **named: Any) -> Any:
    """Make one image from all of its pixels, though its decoder could shrink them."""
    milling.planned = _whole  # type: ignore[attr-defined]  # of this worker alone
    return milling.mill(*arguments, **named)


def _whole(header: Header, recipe: Recipe, limits: Limits) -> Plan | Failed:
    plan = planned(header, recipe, limits)
    if isinstance(plan, Failed):
        return plan
    return replace(plan, load=replace(plan.load, shrink=1))


def meet(source: str, *arguments: Any, **named: Any) -> Any:
    """Make one image, but first wait until enough workers hold one; note it once they do.

    Whoever sees as many at once has proof of it, so that the others need not be as quick.
    """
    folder = Path(source).parent.parent
    wanted = json.loads((folder / MEETING).read_text())
    here, met = folder / f"here-{Path(source).name}", folder / MET
    here.touch()
    deadline_s = (folder / MEETING).stat().st_mtime + wanted["limit_s"]  # one for all
    while not met.exists() and time.time() < deadline_s:
        if len(list(folder.glob("here-*"))) >= wanted["workers"]:
            met.touch()
        time.sleep(_LOOK_S)
    here.unlink()
    return milling.mill(source, *arguments, **named)


def idle(_source: str, codec_name: str, *_arguments: Any, **_named: Any) -> milling.Product:
    """Make nothing of one image."""
    return milling.Product(status=Status.SKIPPED, target=codec_name, width_px=1, height_px=1)


def dozing(source: str, codec_name: str, *_arguments: Any, **_named: Any) -> milling.Product:
    """Sleep over one image."""
    is_large = Path(source).stat().st_size > _LARGE_BYTES
    time.sleep(_LARGE_S if is_large else _SMALL_S)
    return milling.Product(status=Status.SKIPPED, target=codec_name, width_px=1, height_px=1)


def main() -> int:
    """Make them, slowly."""
    source, destination, edge_px = sys.argv[1:]
    with optimize(
        source,
        destination,
        recipe_of(int(edge_px)),
        settings=Settings(parallel=2),
        mill="mills:blind",
    ) as run:
        return int(any(outcome.failure is not None for outcome in run))


if __name__ == "__main__":
    sys.exit(main())
