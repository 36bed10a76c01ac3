"""Sizes, durations and geometry survive the trip between strings and numbers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.errors import OptionError
from pixmill.units import (
    Geometry,
    format_duration,
    format_size,
    parse_duration,
    parse_geometry,
    parse_savings,
    parse_size,
)

EDGES = st.integers(min_value=1, max_value=1_000_000)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("500kb", 500_000),
        ("500 kB", 500_000),
        ("500k", 500_000),
        ("500KiB", 512_000),
        ("1.5MiB", 1_572_864),
        ("0.1kB", 100),
        ("4.35kB", 4350),
        ("200000", 200_000),
        ("1b", 1),
        ("2 bytes", 2),
        ("1 byte", 1),
        (" 3GB ", 3_000_000_000),
        ("2t", 2 * 10**12),
    ],
)
def test_sizes_mean_what_they_say(text: str, size_bytes: int) -> None:
    """A kilobyte is 1000 bytes, a kibibyte 1024, whatever the case."""
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "kb", "-1kb", "1.5.0kb", "5 m b", "0", "0.4", "1e6", "inf", "٣kb", "1_000"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    """A size that does not parse, or names no byte, says what was expected."""
    with pytest.raises(OptionError, match="expected a size"):
        parse_size(text)


@given(st.integers(min_value=1, max_value=10**15))
def test_plain_bytes_are_exact(size_bytes: int) -> None:
    """A number of bytes comes back to the byte."""
    assert parse_size(str(size_bytes)) == size_bytes


@given(
    st.integers(min_value=0, max_value=99_999),
    st.sampled_from([("kb", 3), ("mb", 6), ("gb", 9)]),
)
def test_decimals_are_exact(tenths: int, unit: tuple[str, int]) -> None:
    """A decimal such as 4.35kB never loses a byte to binary fractions."""
    whole, rest = divmod(tenths, 100)
    expected = tenths * 10 ** (unit[1] - 2)
    if expected:
        assert parse_size(f"{whole}.{rest:02d}{unit[0]}") == expected


@given(st.integers(min_value=0, max_value=10**16))
def test_shown_sizes_stay_short(size_bytes: int) -> None:
    """A shown size has at most four digits before its decimal and always a unit."""
    assert re.fullmatch(r"\d{1,5}(\.\d)? (B|kB|MB|GB|TB)", format_size(size_bytes))


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_400_000, "1.4 MB"),
        (-1_400_000, "-1.4 MB"),
    ],
)
def test_sizes_are_shown_in_powers_of_1000(size_bytes: int, text: str) -> None:
    """Shown sizes roll over to the next unit instead of reading 1000.0 of the smaller one."""
    assert format_size(size_bytes) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("250ms", 0.25), ("1.5 m", 90.0)],
)
def test_durations_mean_what_they_say(text: str, seconds: float) -> None:
    """A bare number is seconds, units are ms, s, m and h."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "0", "0s", "-5s", "5d", "s", "1:30", "nan", "1e3"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A duration must parse and be positive."""
    with pytest.raises(OptionError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (9.94, "9.9 s"),
        (9.97, "10 s"),
        (42.4, "42 s"),
        (59.6, "1:00 min"),
        (187, "3:07 min"),
        (3599.7, "1:00 h"),
        (7500, "2:05 h"),
    ],
)
def test_durations_are_shown_for_people(seconds: float, text: str) -> None:
    """Shown durations use the unit a person would, and roll over cleanly."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "geometry"),
    [
        ("800x600", Geometry(width_px=800, height_px=600)),
        ("800X600", Geometry(width_px=800, height_px=600)),
        (" 800 ", Geometry(width_px=800)),
        ("800x", Geometry(width_px=800)),
        ("x600", Geometry(height_px=600)),
        ("50%", Geometry(scale=0.5)),
        ("12.5%", Geometry(scale=0.125)),
    ],
)
def test_geometry_means_what_it_says(text: str, geometry: Geometry) -> None:
    """Each spelling of a size names one box or one factor."""
    assert parse_geometry(text) == geometry


@pytest.mark.parametrize(
    "text",
    ["", "x", "0x600", "800x0", "-1x2", "1000001x1", "8e2", "0%", "%", "800x600x2", "a", "٣x٣"],
)
def test_what_is_no_geometry_is_refused(text: str) -> None:
    """A geometry has an edge of 1 to 1,000,000 px or a positive factor."""
    with pytest.raises(OptionError, match="expected"):
        parse_geometry(text)


@given(st.one_of(st.none(), EDGES), st.one_of(st.none(), EDGES))
def test_boxes_survive_being_spelled(width_px: int | None, height_px: int | None) -> None:
    """A box that is spelled and parsed is the same box."""
    if width_px or height_px:
        box = Geometry(width_px=width_px, height_px=height_px)
        assert parse_geometry(str(box)) == box


@given(st.integers(min_value=1, max_value=10_000_000))
def test_factors_survive_being_spelled(thousandths: int) -> None:
    """A factor that is spelled and parsed stays the same factor; the fingerprint relies on it."""
    geometry = parse_geometry(f"{thousandths / 1000}%")
    assert parse_geometry(str(geometry)) == geometry


@pytest.mark.parametrize(
    ("text", "source_bytes", "least_bytes"),
    [("5%", 1000, 50), ("0.1%", 10, 1), ("10kb", 1000, 10_000), ("33.3%", 1000, 333), ("1", 9, 1)],
)
def test_savings_are_a_share_or_a_size(text: str, source_bytes: int, least_bytes: int) -> None:
    """A share is taken of the source and rounded up, a size stands; spelled, both mean the same."""
    savings = parse_savings(text)
    assert savings.of(source_bytes) == least_bytes
    assert parse_savings(str(savings)) == savings


@pytest.mark.parametrize("text", ["", "0%", "100%", "-1%", "much", "5 %%", "0"])
def test_what_is_no_saving_is_refused(text: str) -> None:
    """Nothing, everything and more than that cannot be saved."""
    with pytest.raises(OptionError, match="expected a share"):
        parse_savings(text)
