"""Who stands still is told from who is slow to be heard."""

from __future__ import annotations

from pixmill.executors.vigil import Vigil


def silent(vigil: Vigil, *, from_s: float, seconds: int, step_s: float = 0.2) -> bool:
    """Look every so often while nothing is heard; return whether patience has ended."""
    looks = int(seconds / step_s)
    return [vigil.is_over(from_s + number * step_s) for number in range(looks + 1)][-1]


def test_who_says_nothing_is_given_up() -> None:
    """Only once patience has ended, whenever the first look was."""
    vigil = Vigil(60.0)
    assert not silent(vigil, from_s=1000.0, seconds=60)
    assert silent(vigil, from_s=1060.0, seconds=1)


def test_every_word_renews_patience() -> None:
    """Whatever was silent before counts no more."""
    vigil = Vigil(60.0)
    assert not silent(vigil, from_s=0.0, seconds=59)
    vigil.heard()
    assert not silent(vigil, from_s=59.0, seconds=60)
    assert silent(vigil, from_s=119.0, seconds=2)


def test_time_in_which_nobody_listened_tells_nothing() -> None:
    """A machine that slept for a night, or a run that was stopped, hears before it judges."""
    vigil = Vigil(60.0)
    assert not silent(vigil, from_s=0.0, seconds=50)
    assert not vigil.is_over(50.0 + 12 * 3600)
    assert silent(vigil, from_s=50.0 + 12 * 3600, seconds=10)
