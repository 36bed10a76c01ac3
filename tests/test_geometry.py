"""Pixels land where fit, gravity and box say, for every size."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from pixmill.geometry import Placement, Size, cropped, offset, oriented, placed, shrink_on_load
from pixmill.units import Geometry
from pixmill.vocabulary import Fit, Gravity

EDGES = st.integers(min_value=1, max_value=70_000)
SIZES = st.builds(Size, EDGES, EDGES)
BOXES = st.builds(lambda size: Geometry(size.width_px, size.height_px), SIZES)
GEOMETRIES = st.one_of(
    BOXES,
    st.builds(lambda edge: Geometry(width_px=edge), EDGES),
    st.builds(lambda edge: Geometry(height_px=edge), EDGES),
    st.builds(lambda scale: Geometry(scale=scale), st.floats(min_value=0.001, max_value=4)),
)
FITS = st.sampled_from(Fit)


def _is_within(inner: Size, outer: Size) -> bool:
    return inner.width_px <= outer.width_px and inner.height_px <= outer.height_px


def _box(wanted: Geometry) -> Size:
    return Size(wanted.width_px or 0, wanted.height_px or 0)


def _is_in_proportion(source: Size, scaled: Size) -> bool:
    """Whether one edge is what the other asks for, within one pixel."""
    wide = source.width_px * scaled.height_px / source.height_px
    high = source.height_px * scaled.width_px / source.width_px
    return abs(wide - scaled.width_px) <= 1 or abs(high - scaled.height_px) <= 1


@given(source=SIZES, wanted=BOXES, can_enlarge=st.booleans())
def test_inside_never_exceeds_the_box(source: Size, wanted: Geometry, *, can_enlarge: bool) -> None:
    """An image that fits inside is nowhere larger than the box, and touches it unless smaller."""
    result = placed(source, wanted, Fit.INSIDE, can_enlarge=can_enlarge).result
    box = _box(wanted)
    assert _is_within(result, box)
    if can_enlarge or not _is_within(source, box):
        assert result.width_px == box.width_px or result.height_px == box.height_px
    else:
        assert result == source


@given(
    source=SIZES,
    wanted=GEOMETRIES,
    fit=FITS.filter(lambda fit: fit is not Fit.FILL),
    can_enlarge=st.booleans(),
)
def test_proportions_hold_within_one_pixel(
    source: Size, wanted: Geometry, fit: Fit, *, can_enlarge: bool
) -> None:
    """Whatever is not stretched on purpose keeps its proportions."""
    scaled = placed(source, wanted, fit, can_enlarge=can_enlarge).scaled
    assert _is_in_proportion(source, scaled)


@given(SIZES, GEOMETRIES, FITS)
def test_nothing_is_enlarged_unless_asked_for(source: Size, wanted: Geometry, fit: Fit) -> None:
    """Without `can_enlarge` no edge grows."""
    assert _is_within(placed(source, wanted, fit, can_enlarge=False).scaled, source)


@given(source=SIZES, wanted=GEOMETRIES, fit=FITS, can_enlarge=st.booleans())
def test_no_edge_ever_vanishes(
    source: Size, wanted: Geometry, fit: Fit, *, can_enlarge: bool
) -> None:
    """Every result has at least one pixel an edge."""
    placement = placed(source, wanted, fit, can_enlarge=can_enlarge)
    for size in (placement.scaled, placement.result):
        assert min(size.width_px, size.height_px) >= 1


@given(SIZES, BOXES)
def test_cover_gives_the_box_where_the_source_is_large_enough(
    source: Size, wanted: Geometry
) -> None:
    """A source at least as large as the box covers it exactly, by a cut alone."""
    box = _box(wanted)
    assume(_is_within(box, source))
    placement = placed(source, wanted, Fit.COVER, can_enlarge=False)
    assert placement.result == box
    assert not placement.is_padded


@given(SIZES, BOXES)
def test_cover_gives_the_box_to_any_source_that_may_be_enlarged(
    source: Size, wanted: Geometry
) -> None:
    """With `can_enlarge` the result of a cover is the box."""
    assert placed(source, wanted, Fit.COVER, can_enlarge=True).result == _box(wanted)


@given(SIZES, BOXES)
def test_cover_cuts_no_more_than_it_must(source: Size, wanted: Geometry) -> None:
    """One edge of a covered box is never cut, and no part of the box is left over."""
    placement = placed(source, wanted, Fit.COVER, can_enlarge=False)
    assert _is_within(placement.result, placement.scaled)
    assert _is_within(placement.result, _box(wanted))
    if not _is_within(_box(wanted), source):
        return
    assert (
        placement.result.width_px == placement.scaled.width_px
        or placement.result.height_px == placement.scaled.height_px
    )


@given(source=SIZES, wanted=BOXES, can_enlarge=st.booleans())
def test_contain_gives_the_box(source: Size, wanted: Geometry, *, can_enlarge: bool) -> None:
    """A contained image is padded to the box whatever its size, and never cut."""
    placement = placed(source, wanted, Fit.CONTAIN, can_enlarge=can_enlarge)
    assert placement.result == _box(wanted)
    assert not placement.is_cropped


@given(SIZES, BOXES)
def test_fill_gives_the_box_and_outside_reaches_it(source: Size, wanted: Geometry) -> None:
    """Stretching gives the box exactly; `outside` is at least as large on both edges."""
    box = _box(wanted)
    assert placed(source, wanted, Fit.FILL, can_enlarge=True).result == box
    assert _is_within(box, placed(source, wanted, Fit.OUTSIDE, can_enlarge=True).result)


@given(SIZES, BOXES)
def test_a_crop_is_the_part_of_the_box_that_the_image_has(source: Size, wanted: Geometry) -> None:
    """A cut scales nothing and gives the box, or the image where that is smaller."""
    placement = cropped(source, wanted)
    assert placement.scaled == source
    assert placement.result == Size(
        min(source.width_px, wanted.width_px or 0), min(source.height_px, wanted.height_px or 0)
    )


@given(SIZES, SIZES, st.sampled_from(Gravity))
def test_offsets_stay_in_bounds(first: Size, second: Size, gravity: Gravity) -> None:
    """At every gravity the smaller rectangle lies within the larger."""
    inner = Size(min(first.width_px, second.width_px), min(first.height_px, second.height_px))
    box = offset(first, inner, gravity)
    assert box.left_px >= 0
    assert box.top_px >= 0
    assert box.left_px + inner.width_px <= first.width_px
    assert box.top_px + inner.height_px <= first.height_px


def test_gravity_names_the_edge_that_stays() -> None:
    """Each compass point leaves its own edges at the border."""
    places = {
        gravity: offset(Size(100, 60), Size(50, 20), gravity)
        for gravity in (Gravity.NORTHWEST, Gravity.CENTRE, Gravity.SOUTHEAST, Gravity.NORTH)
    }
    corners = {gravity: (box.left_px, box.top_px) for gravity, box in places.items()}
    assert corners == {
        Gravity.NORTHWEST: (0, 0),
        Gravity.CENTRE: (25, 20),
        Gravity.SOUTHEAST: (50, 40),
        Gravity.NORTH: (25, 0),
    }


@given(SIZES, SIZES)
def test_shrink_on_load_leaves_the_resampler_a_factor_of_two(source: Size, scaled: Size) -> None:
    """Decoded smaller, an image is still twice as large as wanted, and no larger than it must."""
    factor = shrink_on_load(source, scaled)
    assert factor in {1, 2, 4, 8}
    if factor > 1:
        assert source.width_px >= 2 * factor * scaled.width_px
        assert source.height_px >= 2 * factor * scaled.height_px
    if factor < 8:
        assert (
            source.width_px < 4 * factor * scaled.width_px
            or source.height_px < 4 * factor * scaled.height_px
        )


@given(SIZES, st.integers(min_value=1, max_value=8))
def test_orientation_turns_back(size: Size, orientation: int) -> None:
    """Orientations 5 to 8 swap the edges, the others none, and twice is not at all."""
    turned = oriented(size, orientation)
    assert oriented(turned, orientation) == size
    assert (turned == size) == (orientation < 5 or size.width_px == size.height_px)


def test_one_edge_asks_for_the_other() -> None:
    """A box with one edge is as wide or high as the image's proportions ask."""
    photo = Size(4000, 3000)
    for wanted in (Geometry(width_px=800), Geometry(height_px=600), Geometry(scale=0.2)):
        expected = Placement(Size(800, 600), Size(800, 600))
        for fit in Fit:
            assert placed(photo, wanted, fit, can_enlarge=False) == expected


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 3000), st.sampled_from(Fit))
def test_the_one_edge_that_was_asked_for_is_met(
    width_px: int, height_px: int, asked_px: int, fit: Fit
) -> None:
    """A width or a height alone comes out exactly, whatever the other edge is rounded to."""
    source = Size(width_px, height_px)
    wide = placed(source, Geometry(width_px=asked_px), fit, can_enlarge=True)
    high = placed(source, Geometry(height_px=asked_px), fit, can_enlarge=True)
    assert (wide.result.width_px, high.result.height_px) == (asked_px, asked_px)
    smaller = placed(source, Geometry(width_px=asked_px), fit, can_enlarge=False)
    assert smaller.result.width_px == min(asked_px, width_px)
