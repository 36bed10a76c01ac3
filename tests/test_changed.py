"""A source that somebody else has at work is noticed, and nothing is published of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixmill.model import FailureKind, Status
from pixmill.recipe import Recipe
from pixmill.settings import Sandbox, Settings
from runs import HALVED, archive, by_path, ran, temporary_files

if TYPE_CHECKING:
    from pathlib import Path

# a confined worker could not change a source: here it plays the one who does
SETTINGS = Settings(parallel=1, sandbox=Sandbox.OFF, timeout_s=60.0)


@pytest.mark.parametrize("recipe", [HALVED, Recipe()], ids=["resized", "compressed"])
def test_a_source_that_changes_meanwhile_is_not_published(tmp_path: Path, recipe: Recipe) -> None:
    """Grown, touched, replaced and cut off fail as changed, removed as vanished; others pass."""
    changing = ["grown.jpg", "touched.jpg", "replaced.jpg", "cut.jpg"]
    source = archive(tmp_path / "in", "calm.jpg", "gone.jpg", *changing)
    out = tmp_path / "out"
    ended = ran(source, out, recipe=recipe, settings=SETTINGS, mill="faults.changing:mill")
    outcomes = by_path(ended.outcomes)
    assert outcomes["calm.jpg"].status in {Status.OPTIMIZED, Status.KEPT}
    for name in changing:
        failure = outcomes[name].failure
        assert failure is not None, name
        assert failure.kind is FailureKind.CHANGED, failure
        assert "run again" in failure.message
    gone = outcomes["gone.jpg"].failure
    assert gone is not None
    assert gone.kind is FailureKind.VANISHED
    assert [path.name for path in out.rglob("*.jpg")] == ["calm.jpg"]
    assert temporary_files(out) == []


def test_the_next_run_makes_what_has_calmed_down(tmp_path: Path) -> None:
    """What failed as changed is taken up again as it is now."""
    source = archive(tmp_path / "in", "grown.jpg")
    ran(source, tmp_path / "out", settings=SETTINGS, mill="faults.changing:mill")
    (outcome,) = ran(source, tmp_path / "out", settings=SETTINGS).outcomes
    assert outcome.status is Status.OPTIMIZED
