"""A plan follows from header, recipe and limits alone, and fits what it was given."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.header import GainMap, Header, Metadata, Space
from pixmill.model import Failed, FailureKind, Stage
from pixmill.plan import Crop, Flatten, Load, Orient, Pad, Plan, Scale, SmartCrop, ToSrgb
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.registry import codec_names, codecs, writable_names
from pixmill.targeting import target_of
from pixmill.units import Geometry
from pixmill.vocabulary import Colour, Fit, Gravity, Keep, Kernel, Operation, StrategyName

PLENTY = Limits(10**15)
PHOTO = Header(codec="jpg", width_px=4000, height_px=3000, file_bytes=3_000_000, quality=90)
READABLE = [spec.name for spec in codecs() if spec.can_read]
EDGES = st.integers(min_value=1, max_value=16_000)
HEADERS = st.builds(
    Header,
    codec=st.sampled_from(READABLE),
    width_px=EDGES,
    height_px=EDGES,
    bands=st.integers(min_value=3, max_value=4),
    bits=st.sampled_from([8, 16]),
    orientation=st.integers(min_value=1, max_value=8),
    space=st.sampled_from(Space),
    is_progressive=st.booleans(),
    is_lossless=st.booleans(),
)
TARGETS = st.sampled_from(writable_names())


def _recipe(
    resize: Geometry | None = None, *, target: str = "keep", crop: bool = False, **others: object
) -> Recipe:
    operations = {Operation.COMPRESS}
    if resize is not None:
        operations.add(Operation.CROP if crop else Operation.RESIZE)
    if target != "keep":
        operations.add(Operation.CONVERT)
    recipe = Recipe(operations=frozenset(operations), resize=resize, target_format=target)
    return replace(recipe, **others)  # type: ignore[arg-type]  # checked by the dataclass


def _plan(header: Header, recipe: Recipe, limits: Limits = PLENTY) -> Plan:
    plan = planned(header, recipe, limits)
    assert isinstance(plan, Plan), plan
    return plan


def _refused(header: Header, recipe: Recipe, limits: Limits = PLENTY) -> Failed:
    failure = planned(header, recipe, limits)
    assert isinstance(failure, Failed), failure
    assert failure.stage is Stage.PLAN
    return failure


def test_steps_come_in_one_fixed_order() -> None:
    """Fewer pixels first, then upright, sRGB, cut, flattened and padded."""
    header = replace(
        PHOTO, codec="png", bands=4, has_alpha=True, orientation=6, is_srgb=False, has_profile=True
    )
    covered = _recipe(Geometry(100, 100), target="jpg", fit=Fit.COVER)
    steps = _plan(header, covered).steps
    assert [type(step) for step in steps] == [Scale, Orient, ToSrgb, Crop, Flatten]
    contained = _recipe(Geometry(100, 100), target="jpg", fit=Fit.CONTAIN)
    steps = _plan(header, contained).steps
    assert [type(step) for step in steps] == [Scale, Orient, ToSrgb, Flatten, Pad]


@pytest.mark.parametrize("name", ["jpg", "webp"])
def test_linear_light_begins_with_the_decoder(name: str) -> None:
    """Colours come first, no decoder averages stored values, and the floats are in the cost."""
    header = replace(PHOTO, codec=name, is_srgb=False, has_profile=True, orientation=6)
    stored = _recipe(Geometry(100, 100), target="png")
    linear = _plan(header, replace(stored, linear=True))
    assert [type(step) for step in linear.steps] == [ToSrgb, Scale, Orient]
    assert linear.load == Load() != _plan(header, stored).load
    floats_bytes = 4000 * 1600 * 3 * 4
    assert linear.cost_bytes > floats_bytes
    nearest = replace(stored, linear=True, kernel=Kernel.NEAREST)
    assert _plan(header, nearest).steps == _plan(header, replace(nearest, linear=False)).steps


def test_linear_light_still_draws_vectors_at_their_size() -> None:
    """Drawing averages nothing that was stored, so that a drawing is made at its final scale."""
    drawing = replace(PHOTO, codec="svg")
    recipe = _recipe(Geometry(100, 100), target="png")
    assert _plan(drawing, replace(recipe, linear=True)).load == _plan(drawing, recipe).load


def test_an_image_that_needs_nothing_has_no_steps() -> None:
    """A photo that is only to be compressed has no steps and nothing that is demanded."""
    plan = _plan(PHOTO, _recipe())
    assert (plan.steps, plan.load) == ((), Load())
    assert (plan.is_demanded, plan.is_rewrap_demanded, plan.is_pinned) == (False, False, True)


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (800, 600)), (3, (800, 600)), (6, (450, 600))]
)
def test_a_turned_image_is_measured_upright(orientation: int, size: tuple[int, int]) -> None:
    """The box holds the image as it is displayed; scaling happens before turning."""
    header = replace(PHOTO, orientation=orientation)
    plan = _plan(header, _recipe(Geometry(800, 600)))
    assert (plan.width_px, plan.height_px) == size
    scale = plan.steps[0]
    assert isinstance(scale, Scale)
    stored = (scale.width_px, scale.height_px)
    assert stored == (size if orientation < 5 else size[::-1])


def test_orientation_is_left_when_the_user_says_so() -> None:
    """Without auto_orient nothing is turned, and the stored size is what counts."""
    header = replace(PHOTO, orientation=6)
    plan = _plan(header, _recipe(auto_orient=False))
    assert plan.steps == ()
    assert (plan.width_px, plan.height_px) == (4000, 3000)
    assert not plan.is_demanded
    assert _plan(header, _recipe()).is_demanded


@pytest.mark.parametrize(
    ("header", "recipe", "is_demanded"),
    [
        (PHOTO, _recipe(Geometry(800, 600)), True),
        (PHOTO, _recipe(Geometry(8000, 6000)), False),
        (PHOTO, _recipe(Geometry(8000, 6000), enlarge=True), True),
        (PHOTO, _recipe(target="webp"), True),
        (PHOTO, _recipe(target="jpg"), False),
        (replace(PHOTO, is_srgb=False, has_profile=True), _recipe(), True),
        (replace(PHOTO, is_srgb=False, has_profile=True), _recipe(colour=Colour.KEEP), False),
        (replace(PHOTO, space=Space.CMYK, bands=4), _recipe(colour=Colour.KEEP), True),
        (replace(PHOTO, codec="png", bits=16), _recipe(colour=Colour.KEEP), False),
        (replace(PHOTO, codec="png", bits=16), _recipe(target="webp", colour=Colour.KEEP), True),
    ],
)
def test_what_the_recipe_demands_is_told_from_what_it_allows(
    header: Header, recipe: Recipe, *, is_demanded: bool
) -> None:
    """A change of size, format, orientation or colour is demanded; mere compression is not."""
    assert _plan(header, recipe).is_demanded == is_demanded


@pytest.mark.parametrize(
    ("keep", "found", "is_demanded"),
    [
        ({Keep.NONE}, {Metadata.EXIF}, True),
        ({Keep.ALL}, set(Metadata), False),
        ({Keep.EXIF}, {Metadata.EXIF}, False),
        ({Keep.EXIF}, {Metadata.EXIF, Metadata.XMP}, True),
        ({Keep.ICC, Keep.COPYRIGHT}, {Metadata.ICC}, False),
        ({Keep.ICC, Keep.COPYRIGHT}, {Metadata.EXIF}, True),
        ({Keep.NO_GPS}, {Metadata.EXIF}, True),
        ({Keep.NONE}, set(), False),
    ],
)
def test_metadata_that_must_go_demands_a_new_wrapping(
    keep: set[Keep], found: set[Metadata], *, is_demanded: bool
) -> None:
    """A source may be published as it is only where it carries nothing that must go."""
    header = replace(PHOTO, metadata=frozenset(found))
    plan = _plan(header, _recipe(keep=frozenset(keep)))
    assert plan.is_rewrap_demanded == is_demanded
    assert not plan.is_demanded


def test_decoders_shrink_where_they_can() -> None:
    """JPEG by DCT, WebP and SVG by scale, and nothing where the size stays."""
    small = _recipe(Geometry(400, 300))
    assert _plan(PHOTO, small).load == Load(shrink=4)
    webp = replace(PHOTO, codec="webp")
    assert _plan(webp, small).load == Load(scale=0.2)
    assert _plan(webp, _recipe(Geometry(2000, 1500))).load == Load()
    assert _plan(webp, replace(small, kernel=Kernel.NEAREST)).load == Load()
    drawing = _plan(replace(PHOTO, codec="svg"), small)
    assert (drawing.load, drawing.target) == (Load(scale=0.1), "png")


def test_a_vector_stays_one_until_a_size_is_asked_for() -> None:
    """Under `keep` an SVG is left as it is; with a size, or a target, it becomes pixels."""
    assert target_of("svg", _recipe()).name == "svg"
    assert target_of("svg", _recipe(Geometry(100, 100))).name == "png"
    assert target_of("svg", _recipe(target="webp")).name == "webp"


def test_every_format_has_a_target_that_can_be_written() -> None:
    """Under `keep` what cannot be written becomes what its record falls back to."""
    for name in codec_names():
        assert target_of(name, _recipe(Geometry(10, 10))).can_write, name
    assert target_of("heic", _recipe()).name == "jpg"


def test_a_cut_looks_at_stills_alone() -> None:
    """Attention finds its part in one picture; frames are all cut alike."""
    recipe = _recipe(Geometry(100, 100), crop=True, gravity=Gravity.ATTENTION)
    assert _plan(PHOTO, recipe).steps == (SmartCrop(100, 100, Gravity.ATTENTION),)
    frames = replace(PHOTO, codec="gif", pages=3, is_animated=True)
    assert _plan(frames, recipe).steps == (Crop(1950, 1450, 100, 100),)
    picked = _plan(frames, replace(recipe, pages=2))
    assert picked.steps == (SmartCrop(100, 100, Gravity.ATTENTION),)
    still = _recipe(Geometry(100, 100), target="jpg", crop=True, gravity=Gravity.ATTENTION)
    first = _plan(replace(frames, codec="webp"), still)
    assert isinstance(first.steps[0], SmartCrop)


def test_transparency_is_kept_or_put_on_a_colour() -> None:
    """Padding is transparent where alpha lives on; where it cannot, white or the colour shows."""
    header = replace(PHOTO, codec="png", bands=4, has_alpha=True)
    contained = _recipe(Geometry(100, 100), fit=Fit.CONTAIN)
    pad = _plan(header, contained).steps[-1]
    assert isinstance(pad, Pad)
    assert pad.is_transparent
    coloured = _plan(header, replace(contained, background="#102030")).steps[-1]
    assert isinstance(coloured, Pad)
    assert (coloured.is_transparent, coloured.background) == (False, "#102030")
    flat = _plan(header, _recipe(target="jpg"))
    assert flat.steps == (Flatten("#ffffff"),)
    assert not flat.has_alpha


def test_pages_and_frames_that_are_lost_are_told() -> None:
    """A target without pages takes the first, and the user hears of it."""
    frames = replace(PHOTO, codec="gif", pages=12, is_animated=True)
    kept = _plan(frames, _recipe(target="webp"))
    assert (kept.pages, kept.notes) == (12, ())
    lost = _plan(frames, _recipe(target="jpg"))
    assert (lost.pages, lost.notes) == (1, ("JPEG takes the first of 12 frames",))
    pages = replace(PHOTO, codec="tiff", pages=3)
    assert _plan(pages, _recipe()).pages == 3
    assert _plan(pages, _recipe(target="webp")).notes == ("WebP takes the first of 3 pages",)


def test_a_page_that_is_picked_is_a_change() -> None:
    """The source's own bytes hold the other pages too, so they would not do."""
    frames = replace(PHOTO, codec="gif", pages=12, is_animated=True)
    assert _plan(frames, _recipe(pages=1)).is_demanded
    assert not _plan(replace(frames, pages=1), _recipe(pages=1)).is_demanded


def test_frames_that_are_decoded_whole_count_as_such() -> None:
    """An animated PNG is held whole while it is read: planned so, and capped as what is whole."""
    still = replace(PHOTO, codec="png", is_lossless=True)
    moving = replace(still, pages=10, is_animated=True)
    read_alone = Recipe(strategy=StrategyName.LOSSLESS)
    assert _plan(moving, read_alone).cost_bytes > 8 * moving.pixels
    one = _plan(moving, replace(read_alone, pages=2)).cost_bytes
    assert 8 * still.pixels < one < 4 * moving.pixels
    vast = replace(moving, pages=30)
    assert "to decode whole" in _refused(vast, _recipe()).message
    assert _plan(replace(vast, pages=1, is_animated=False), _recipe()).pages == 1


def test_a_lost_gain_map_is_told() -> None:
    """An Ultra HDR photo stays one or becomes an ordinary one, and says so."""
    found = GainMap(offset=2_000_000, size_bytes=100_000, width_px=1000, height_px=750)
    bright = replace(PHOTO, has_gain_map=True, gain_map=found)
    assert _plan(bright, _recipe()).gain_map == found
    assert _plan(bright, _recipe()).losses == ()
    padded = _recipe(Geometry(100, 100), fit=Fit.CONTAIN)
    unreadable = replace(bright, gain_map=None)
    for header, recipe in (
        (unreadable, _recipe()),
        (bright, _recipe(target="webp")),
        (bright, padded),
    ):
        plan = _plan(header, recipe)
        assert plan.gain_map is None
        assert plan.losses[0].startswith("the Ultra HDR gain map was dropped: ")


def test_a_gain_map_is_paid_for() -> None:
    """Shaping a map costs memory by its own size, however small the file is that holds it."""
    found = GainMap(offset=2_000_000, size_bytes=100_000, width_px=4000, height_px=3000, bands=3)
    bright = replace(PHOTO, has_gain_map=True, gain_map=found)
    smaller = _recipe(Geometry(1900, 1900))
    more_bytes = _plan(bright, smaller).cost_bytes - _plan(PHOTO, smaller).cost_bytes
    assert more_bytes > 3 * 2000 * 1500


def test_an_animation_is_never_flattened_in_silence() -> None:
    """Where a format's own animations cannot be written, a demanded change is refused."""
    header = replace(PHOTO, codec="jpg", pages=9, is_animated=True)
    failure = _refused(header, _recipe(Geometry(100, 100)))
    assert failure.kind is FailureKind.UNSUPPORTED
    assert "webp or gif" in failure.message


def test_an_image_longer_than_the_format_stores_is_refused() -> None:
    """WebP ends at 16,383 pixels an edge: the message says so, and what to try."""
    header = replace(PHOTO, width_px=20_000, height_px=10)
    failure = _refused(header, _recipe(target="webp"))
    assert failure.kind is FailureKind.TOO_LARGE
    assert "16383" in failure.message
    assert "--resize 16383x16383" in failure.message
    assert isinstance(planned(header, _recipe(Geometry(800, 600), target="webp"), PLENTY), Plan)


def test_memory_decides_how_much_is_held() -> None:
    """With less memory an image is not packed, held for one encode only, streamed, refused."""
    recipe = _recipe(target="png")
    packed = _plan(PHOTO, recipe)
    assert (packed.is_packed, packed.is_pinned, packed.is_lean) == (True, True, False)
    whole = _plan(PHOTO, recipe, Limits(packed.cost_bytes - 1))
    assert (whole.is_packed, whole.is_pinned, whole.is_lean) == (False, True, False)
    streamed = _plan(PHOTO, recipe, Limits(whole.cost_bytes - 1))
    assert not streamed.is_pinned
    assert streamed.cost_bytes < whole.cost_bytes
    failure = _refused(PHOTO, recipe, Limits(1_000_000))
    assert failure.kind is FailureKind.TOO_LARGE
    assert "may hold 1.0 MB" in failure.message
    assert "raise --memory to" in failure.message


def test_a_share_decides_between_ways_to_the_same_bytes_alone() -> None:
    """What is beyond its share is made frugally where that keeps to it, and never otherwise."""
    recipe = _recipe(Geometry(1920, 1920), strategy=StrategyName.FIXED, target="webp")
    usual = _plan(PHOTO, recipe)
    frugal = _plan(PHOTO, recipe, replace(PLENTY, share_bytes=usual.cost_bytes - 1))
    assert not usual.is_frugal
    assert frugal == replace(usual, is_frugal=True, cost_bytes=frugal.cost_bytes)
    assert frugal.cost_bytes < usual.cost_bytes
    scarce = replace(PLENTY, share_bytes=frugal.cost_bytes - 1)
    assert _plan(PHOTO, recipe, scarce) == usual


def test_an_image_that_may_be_made_alone_is_not_shrunk_for_want_of_memory() -> None:
    """The decoder shrinks farther than fidelity allows only where no memory would save it that."""
    header = replace(PHOTO, width_px=4096, height_px=4096, is_progressive=True, samples_per_px=3.0)
    recipe = _recipe(Geometry(1920, 1920), strategy=StrategyName.FIXED, target="webp")
    usual = _plan(header, recipe)
    scarce = Limits(usual.cost_bytes - 6_000_000)
    coarse = _plan(header, recipe, scarce)
    assert (usual.load.shrink, coarse.load.shrink) == (1, 2)
    assert coarse.cost_bytes <= scarce.lease_bytes
    failure = _refused(header, recipe, replace(scarce, alone_bytes=usual.cost_bytes))
    assert failure.kind is FailureKind.TOO_LARGE


@given(HEADERS, TARGETS, st.integers(min_value=10**7, max_value=10**9))
def test_what_fits_beside_others_is_planned_as_ever(
    header: Header, target: str, lease_bytes: int
) -> None:
    """That more may be held alone changes no plan of an image that needs no more, nor its bytes."""
    limits = Limits(lease_bytes, alone_bytes=2 * lease_bytes)
    plan = planned(header, _recipe(target=target), limits)
    if isinstance(plan, Plan):
        assert plan == planned(header, _recipe(target=target), Limits(lease_bytes))


@pytest.mark.parametrize("target", ["jpg", "webp", "avif"])
def test_drawn_content_has_room_for_its_chroma(target: str) -> None:
    """Where only the pixels can tell that chroma must stay whole, its memory is planned for."""
    drawn = _plan(PHOTO, _recipe(target=target, strategy=StrategyName.ADAPTIVE, quality=80))
    fixed = _plan(PHOTO, _recipe(target=target, strategy=StrategyName.FIXED, quality=80))
    assert drawn.cost_bytes > 1.3 * fixed.cost_bytes


@pytest.mark.parametrize("target", ["jpg", "avif"])
def test_unspent_fidelity_has_room(target: str) -> None:
    """A conversion alone asks for a high quality, and its memory is planned for."""
    recipe = _recipe(target=target, strategy=StrategyName.FIXED)
    unspent = replace(recipe, operations=frozenset({Operation.CONVERT}))
    assert _plan(PHOTO, unspent).cost_bytes > 1.3 * _plan(PHOTO, recipe).cost_bytes


@given(HEADERS, TARGETS, st.integers(min_value=10**6, max_value=10**10))
def test_no_plan_costs_more_than_it_may(header: Header, target: str, lease_bytes: int) -> None:
    """Whatever was planned fits the lease, and less memory never gives a dearer plan."""
    plan = planned(header, _recipe(target=target), Limits(lease_bytes))
    more = planned(header, _recipe(target=target), Limits(2 * lease_bytes))
    if isinstance(plan, Plan):
        assert 0 < plan.cost_bytes <= lease_bytes
        assert isinstance(more, Plan)
    else:
        assert plan.kind is FailureKind.TOO_LARGE


@given(HEADERS, TARGETS, EDGES, EDGES)
def test_costs_never_fall_as_images_grow(
    header: Header, target: str, more_width_px: int, more_height_px: int
) -> None:
    """More pixels at their own size never ask for less memory."""
    larger = replace(
        header,
        width_px=max(header.width_px, more_width_px),
        height_px=max(header.height_px, more_height_px),
    )
    recipe = _recipe(target=target)
    assert _plan(header, recipe).cost_bytes <= _plan(larger, recipe).cost_bytes


@given(HEADERS, TARGETS, EDGES, EDGES)
def test_a_result_never_exceeds_the_box(
    header: Header, target: str, width_px: int, height_px: int
) -> None:
    """Whatever the orientation, the result is inside the box and the last size is the plan's."""
    plan = _plan(header, _recipe(Geometry(width_px, height_px), target=target))
    assert plan.width_px <= width_px
    assert plan.height_px <= height_px
    scales = [step for step in plan.steps if isinstance(step, Scale)]
    if scales:
        upright = (scales[0].width_px, scales[0].height_px)
        assert (plan.width_px, plan.height_px) == (
            upright if header.orientation < 5 else upright[::-1]
        )
