"""Totals add up, the ETA weighs cost, and memory stays bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.model import Failed, FailureKind, Outcome, SkipReason, Stage, Status
from pixmill.reporting import Progress, RunFacts, Summary
from pixmill.stats import Ahead, Tally

FACTS = RunFacts(
    source="in",
    destination="out",
    recipe={},
    fingerprint="",
    workers=1,
    memory_bytes=1,
    lease_bytes=1,
    is_dry_run=False,
)
MB = 1_000_000


def _made(
    path: str, size_bytes: int = MB, *, wall_s: float = 1.0, status: Status = Status.OPTIMIZED
) -> Outcome:
    return Outcome(
        path=path,
        status=status,
        codec=path.rpartition(".")[2],
        bytes_read=size_bytes,
        destination=path,
        bytes_written=size_bytes // 2,
        width_px=10,
        height_px=20,
        encodes=2,
        wall_s=wall_s,
    )


def _failed(path: str) -> Outcome:
    failure = Failed(FailureKind.CORRUPT, Stage.DECODE, "it is damaged")
    return Outcome(path=path, status=Status.FAILED, bytes_read=MB, failure=failure, attempts=3)


def _skipped(path: str) -> Outcome:
    return Outcome(path=path, status=Status.SKIPPED, bytes_read=5, reason=SkipReason.EXISTS)


def _ahead(*paths: str, size_bytes: int = MB, has_ended: bool = True) -> Ahead:
    ahead = Ahead()
    for path in paths:
        ahead.count(path, size_bytes)
    ahead.has_ended = has_ended
    return ahead


def _summary(tally: Tally) -> Summary:
    return tally.summary(9.0, FACTS, cpu_s=1.0, peak_memory_bytes=2, is_interrupted=False, fatal="")


def _progress(tally: Tally, now_s: float, ahead: Ahead) -> Progress:
    return tally.progress(now_s, ahead, in_hand=0, memory_bytes=0)


OUTCOMES = st.one_of(
    st.builds(_made, st.sampled_from(["a.jpg", "b.png", "c"]), st.integers(0, 10**9)),
    st.builds(
        lambda size_bytes: _made("k.gif", size_bytes, status=Status.KEPT), st.integers(0, 10**9)
    ),
    st.builds(_failed, st.just("f.jpg")),
    st.builds(_skipped, st.just("s.txt")),
)


@given(st.lists(OUTCOMES, max_size=40))
def test_totals_add_up(outcomes: list[Outcome]) -> None:
    """Every outcome is counted once, and bytes are those of what was published."""
    tally = Tally(0.0)
    for outcome in outcomes:
        tally.fold(outcome)
    summary = _summary(tally)
    counts = (summary.optimized, summary.kept, summary.skipped, summary.failed)
    assert summary.walked == sum(counts) == len(outcomes)
    published = [outcome for outcome in outcomes if outcome.destination]
    assert summary.bytes_read == sum(outcome.bytes_read for outcome in published)
    assert summary.bytes_written == sum(outcome.bytes_written for outcome in published)
    assert summary.bytes_read == sum(each.bytes_read for each in summary.formats.values())
    assert sum(each.files for each in summary.formats.values()) == len(published)
    assert len(summary.failures) == summary.failed
    assert sum(summary.skips.values()) == summary.skipped
    assert summary.encodes == 2 * len(published)
    assert summary.pixels_written == 200 * len(published)


def test_scores_have_a_median() -> None:
    """It is that of what was published with a score, to a tenth; absurd scores do no harm."""
    tally = Tally(0.0)
    assert _summary(tally).median_score is None
    tally.fold(_made("unscored.jpg"))
    for score in (80.44, 70.0, 1e308, -1e308, 91.0):
        tally.fold(replace(_made("a.jpg"), score=score))
    tally.fold(_failed("f.jpg"))
    assert _summary(tally).median_score == 80.4


def test_a_failure_is_told_whole() -> None:
    """Path, kind, stage, message and attempts of a failed file are in the summary."""
    tally = Tally(0.0)
    tally.fold(_failed("f.jpg"))
    (failure,) = _summary(tally).failures
    told = (failure.path, failure.kind, failure.stage, failure.message, failure.attempts)
    assert told == ("f.jpg", "corrupt", "decode", "it is damaged", 3)


def test_the_slowest_and_the_largest_are_ranked() -> None:
    """Ten of each are kept, highest first, whatever the order in which they came."""
    tally = Tally(0.0)
    for number in (n * 37 % 101 for n in range(101)):
        tally.fold(_made(f"{number}.jpg", 1000 - number, wall_s=1.0 + number))
    summary = _summary(tally)
    assert [one.path for one in summary.slowest] == [f"{100 - at}.jpg" for at in range(10)]
    assert [one.path for one in summary.largest] == [f"{at}.jpg" for at in range(10)]


def test_memory_stays_bounded() -> None:
    """Of many files and failures only so many are remembered, and all are counted."""
    tally, ahead = Tally(0.0), _ahead("a.jpg")
    for number in range(12_000):
        tally.fold(_failed(f"{number}.jpg"))
        tally.fold(_made(f"{number}.xyz{number}"))
        _progress(tally, number / 10, ahead)
    summary = _summary(tally)
    assert (summary.failed, len(summary.failures)) == (12_000, 10_000)
    assert len(summary.slowest) == len(summary.largest) == 10
    assert len(tally._window) <= 103
    assert len(tally._spent) <= 2


def test_while_scanning_there_is_no_eta() -> None:
    """Until the walk has ended nobody knows what remains."""
    tally = Tally(0.0)
    for number in range(10):
        tally.fold(_made(f"{number}.jpg"))
    ahead = _ahead(*(f"{number}.jpg" for number in range(20)), has_ended=False)
    progress = _progress(tally, 10.0, ahead)
    assert progress.is_scanning
    assert (progress.eta_s, progress.done_fraction, progress.files_found) == (None, None, 20)


def test_the_eta_weighs_cost_not_count() -> None:
    """Nine slow files that remain beside ninety quick ones that are done take most of the time."""
    tally = Tally(0.0)
    for number in range(90):
        tally.fold(_made(f"{number}.jpg", wall_s=0.1))
    tally.fold(_made("0.avif", wall_s=10.0))
    paths = [f"{number}.jpg" for number in range(90)] + [f"{number}.avif" for number in range(10)]
    progress = _progress(tally, 19.0, _ahead(*paths))
    assert progress.eta_s == pytest.approx(90.0)
    assert progress.done_fraction == pytest.approx(19 / 109)


def test_the_eta_knows_that_workers_share_the_work() -> None:
    """Worker seconds spent a second of the clock carry over to what remains."""
    tally = Tally(0.0)
    for number in range(10):
        tally.fold(_made(f"{number}.jpg"))
    progress = _progress(tally, 5.0, _ahead(*(f"{number}.jpg" for number in range(20))))
    assert progress.eta_s == pytest.approx(5.0)


def test_what_was_skipped_costs_nothing_more() -> None:
    """A rerun that skips most files does not expect them to take as long as those it makes."""
    tally = Tally(0.0)
    for number in range(10):
        tally.fold(_made(f"{number}.jpg"))
    ahead = _ahead(*(f"{number}.jpg" for number in range(10)), "a.txt", "b.txt")
    for number in range(10, 90):
        ahead.count(f"{number}.jpg", MB)
        outcome = Outcome(path=f"{number}.jpg", status=Status.SKIPPED, bytes_read=MB)
        tally.fold(outcome)
    progress = _progress(tally, 10.0, ahead)
    assert progress.eta_s == pytest.approx(0.0)
    assert progress.done_fraction == pytest.approx(1.0)


def test_rates_are_those_of_the_last_seconds() -> None:
    """A run that slows down shows it within its window, and files skipped are no speed."""
    tally, ahead = Tally(0.0), _ahead()
    for second in range(1, 31):
        for number in range(10 if second <= 15 else 1):
            tally.fold(_made(f"{second}-{number}.jpg"))
            tally.fold(_skipped(f"{second}-{number}.txt"))
        progress = _progress(tally, float(second), ahead)
    assert progress.files_per_s == pytest.approx(1.0)
    assert progress.bytes_per_s == pytest.approx(MB)
    assert progress.bytes_saved == progress.bytes_read // 2
    assert progress.elapsed_s == 30.0
