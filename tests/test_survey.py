"""The scan ahead: it counts everything, and only beside a run that has something to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import pixmill
from pixmill.model import SkipReason
from pixmill.reporting import FanOut
from runs import HALVED, TWO_WORKERS, archive, ran, until

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.run import Run
    from pixmill.survey import Survey


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """Return an archive of three files that a run has made."""
    source = archive(tmp_path / "in", "a.jpg", "b.png", "c/d.jpg")
    ran(source, tmp_path / "out")
    return source


def _observed(source: Path) -> Run:
    """Return a run that somebody watches, so that an ETA is wanted."""
    output = source.with_name("out")
    return pixmill.optimize(source, output, HALVED, settings=TWO_WORKERS, reporter=FanOut())


def _survey(run: Run) -> Survey:
    assert run._survey is not None
    return run._survey


def test_where_nothing_is_to_be_made_nothing_is_counted_ahead(done: Path) -> None:
    """A run with nothing to do does not walk the archive a second time beside itself."""
    with _observed(done) as run:
        assert [outcome.reason for outcome in run] == [SkipReason.DONE] * 3
    assert _survey(run)._thread is None


def test_the_first_job_begins_the_scan_of_everything(done: Path) -> None:
    """Files that were found done before the first job are counted, too, with their bytes."""
    archive(done, "c/new.png")
    with _observed(done) as run:
        assert next(run).reason is SkipReason.DONE
        ahead = _survey(run).ahead
        until(lambda: ahead.has_ended)
        assert ahead.files == 4
        sizes = [path.stat().st_size for path in done.rglob("*.*")]
        assert sum(ahead.sizes_bytes.values()) == sum(sizes)
