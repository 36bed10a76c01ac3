"""What is told of files that take long, while they are being made."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from rich.console import Console

from pixmill import events
from pixmill.api import optimize
from pixmill.imaging.progress import listening, watched
from pixmill.milling import Product, mill
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.reporting import Progress, UnderWay
from pixmill.settings import Settings
from pixmill.units import parse_geometry
from pixmill.vocabulary import Operation
from pixmill_cli.reporters.bar import shown
from pixmill_cli.reporters.silent import Silent

SAMPLE = Path(__file__).with_name("sample")
_RECIPE = Recipe(
    operations=frozenset({Operation.COMPRESS, Operation.RESIZE}), resize=parse_geometry("900")
)


class _Seen(Silent):
    def __init__(self) -> None:
        self.files: list[UnderWay] = []

    def progressed(self, progress: Progress) -> None:
        self.files += progress.under_way


@pytest.mark.parametrize("lease_bytes", [10**9, 14_000_000], ids=["pinned", "streamed"])
def test_a_slow_file_tells_how_far_it_is(lease_bytes: int) -> None:
    """What is told rises, comes a second apart at most often, and is a share of the whole."""
    told: list[int] = []
    clock = itertools.count(step=0.7)
    with listening(told.append, clock=lambda: next(clock)):
        source = str(SAMPLE / "travel" / "lake.jpg")
        made = mill(source, "jpg", _RECIPE, Limits(lease_bytes), lease=lambda _cost: None)
    assert isinstance(made, Product)
    if not isinstance(made.content, bytes | None):
        made.content.close()  # spooled, since it was streamed
    assert told
    assert told == sorted(set(told))
    assert 0 < told[0] <= told[-1] <= 100


def test_a_quick_file_is_not_told_of() -> None:
    """Nothing is said in the first two seconds, and nothing is watched where nobody listens."""
    told: list[int] = []
    with listening(told.append, clock=lambda: 0.0):
        source = str(SAMPLE / "travel" / "lake.jpg")
        mill(source, "jpg", _RECIPE, Limits(10**9), lease=lambda _cost: None)
    assert told == []
    assert watched(image := object()) is image


def test_a_run_shows_how_far_its_slow_files_are(tmp_path: Path) -> None:
    """What a worker tells reaches the reporters, under the file's name, while it is in hand."""
    seen = _Seen()
    source = SAMPLE / "travel" / "lake.jpg"
    settings = Settings(parallel=1)
    fault = "faults.dawdling:mill"
    out = tmp_path / "out"
    with optimize(source, out, _RECIPE, settings=settings, reporter=seen, mill=fault) as run:
        for _ in run:
            pass
    assert {file.path for file in seen.files} == {"lake.jpg"}
    assert 0 < seen.files[-1].fraction <= 1


def test_events_and_bar_name_slow_files() -> None:
    """Both ways of following a run tell of the file, its share, and nothing that moves a cursor."""
    progress = Progress(under_way=(UnderWay("a/gi\x1bant.tif", 0.42),))
    told = json.loads(events.line(events.progress_event(progress)))
    assert told["under_way"] == [{"path": "a/gi\x1bant.tif", "fraction": 0.42}]
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        console.print(shown(progress, budget_bytes=10**9, spinner=""))
    assert " 42%  a/gi\\x1bant.tif" in capture.get()
