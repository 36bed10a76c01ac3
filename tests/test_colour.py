"""Promises of `imaging.colour`, with littleCMS, as Pillow carries it, to say what is right."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from corpora import CORPORA, needs_corpora
from imaging_cases import encoding_for, plan_for, reread
from pictures import delta_e, lab_of
from pixmill.api import optimize_bytes
from pixmill.codecs.icc_profiles import grey_profile
from pixmill.codecs.png_chunks import SIGNATURE
from pixmill.codecs.png_colour import implied_profile
from pixmill.header import Header, Metadata, Space
from pixmill.imaging import icc
from pixmill.imaging.colour import background_of, in_p3, in_srgb, ready_for_background
from pixmill.imaging.encode import encoded
from pixmill.imaging.load import opened
from pixmill.imaging.metadata import with_metadata
from pixmill.imaging.probe import probe
from pixmill.imaging.steps import run_steps
from pixmill.operations.context import Context
from pixmill.plan import ToP3
from pixmill.recipe import Recipe
from pixmill.registry import codec, writable_names
from pixmill.vocabulary import Colour, IfLarger, Keep

if TYPE_CHECKING:
    from collections.abc import Callable

_PROFILE: Final = "icc-profile-data"
_MOST_DELTA_E: Final = 1.0
_P3: Final = bytes(pyvips.Image.profile_load("p3"))
_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
_LAB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
_LOSSLESS: Final = Recipe(lossless=True, if_larger=IfLarger.WRITE)
_PRESS: Final = bytes(pyvips.Image.profile_load("cmyk"))
"""What libvips takes CMYK without a profile for; littleCMS reads it below."""

_REAL: Final = {
    "adobe-rgb": "formats/jpeg_odd/cmm-exception-adobe-rgb.jpg",
    "prophoto": "color/prophoto.png",
    "display-p3": "color/p3.png",
}
_MADE: Final[dict[str, Callable[[pyvips.Image], pyvips.Image]]] = {"srgb": in_srgb, "p3": in_p3}


def _chart(bands: int) -> pyvips.Image:
    """Return every mixture of a few steps of each ink: a whole gamut, its edges included."""
    steps = np.linspace(0, 255, 16 if bands < 4 else 9).astype(np.uint8)
    mixed = np.stack(np.meshgrid(*[steps] * bands), -1).reshape(-1, len(steps), bands)
    space = {1: "b-w", 3: "srgb", 4: "cmyk"}[bands]
    return pyvips.Image.new_from_array(mixed).copy(interpretation=space)


def _under(image: pyvips.Image, profile: bytes) -> pyvips.Image:
    tagged = image.copy()
    tagged.set_type(pyvips.GValue.blob_type, _PROFILE, profile)
    return tagged


def _real(name: str) -> bytes:
    with Image.open(CORPORA / _REAL[name]) as image:
        return bytes(image.info["icc_profile"])


def _by_littlecms(image: Image.Image, source: bytes, target: bytes) -> Image.Image:
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(source)),
        ImageCms.ImageCmsProfile(io.BytesIO(target)),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None
    return converted


def _apart(found: Image.Image, expected: Image.Image) -> float:
    """Return the mean CIEDE2000 of two pictures that are read alike."""
    pair = (lab_of(image.convert("RGBA"), 1) for image in (found, expected))
    return float(delta_e(*pair).mean())


def _written(source: bytes, target: str, keep: frozenset[Keep]) -> Image.Image:
    plan = plan_for(probe(source, "png"), target, ToP3())
    image = with_metadata(run_steps(opened(source, plan), plan), keep)
    return reread(encoded(image, encoding_for(target)))


@needs_corpora
@pytest.mark.parametrize("gamut", ["srgb", "p3"])
@pytest.mark.parametrize("name", _REAL)
def test_wide_gamuts_come_out_as_littlecms_has_them(name: str, gamut: str) -> None:
    """Over the whole gamut of real profiles, dE2000 is below 1 on the mean, in both targets."""
    chart, target = _chart(3), {"srgb": _SRGB, "p3": _P3}[gamut]
    found = Image.fromarray(_MADE[gamut](_under(chart, _real(name))).numpy())
    expected = _by_littlecms(Image.fromarray(chart.numpy()), _real(name), target)
    assert _apart(found, expected) < _MOST_DELTA_E


@pytest.mark.parametrize("gamut", ["srgb", "p3"])
def test_inks_without_a_profile_are_those_of_one_press(gamut: str) -> None:
    """CMYK that says nothing comes out as littleCMS has it under libvips' own press."""
    chart, target = _chart(4), {"srgb": _SRGB, "p3": _P3}[gamut]
    found = Image.fromarray(_MADE[gamut](chart).numpy())
    expected = _by_littlecms(Image.fromarray(chart.numpy(), "CMYK"), _PRESS, target)
    assert _apart(found, expected) < _MOST_DELTA_E


@pytest.mark.parametrize("gamut", ["srgb", "p3"])
def test_lab_is_seen_in_the_light_that_it_is_defined_in(gamut: str) -> None:
    """CIE Lab is under D50, as littleCMS has it; taken for D65 it was up to 6.5 dE2000 off."""
    lightness, a, b = np.meshgrid(range(20, 100, 10), range(-32, 33, 8), range(-32, 33, 8))
    told = np.stack([lightness, a, b], -1).reshape(-1, 9, 3)
    found = _MADE[gamut](pyvips.Image.new_from_array(told.astype(np.float32), interpretation="lab"))
    stored = np.stack([np.round(told[..., 0] * 2.55), *np.moveaxis(told[..., 1:], -1, 0)], -1)
    lab = Image.frombytes("LAB", (9, len(told)), stored.astype(np.int16).astype(np.uint8).tobytes())
    target = {"srgb": _SRGB, "p3": _P3}[gamut]
    assert _apart(Image.fromarray(found.numpy()), _by_littlecms(lab, _LAB, target)) < _MOST_DELTA_E


def test_srgb_becomes_p3_exactly() -> None:
    """Every sRGB colour is within P3: what littleCMS makes of it, to a step of eight bits."""
    chart = _chart(3)
    expected = _by_littlecms(Image.fromarray(chart.numpy()), _SRGB, _P3)
    apart = np.abs(in_p3(chart).numpy().astype(int) - np.asarray(expected).astype(int))
    assert apart.max() <= 1


def test_sixteen_bits_and_floats_become_the_same_p3() -> None:
    """Depth changes no colour: 16 bits and linear floats give what 8 bits give, to a step."""
    chart = _chart(3)
    expected = in_p3(chart)
    for deep in (chart.colourspace("rgb16"), chart.colourspace("scrgb")):
        assert (in_p3(deep) - expected).abs().max() <= 1


def test_alpha_passes_a_conversion_unchanged() -> None:
    """Every alpha is what it was, to a step from 16 bits; clear and opaque stay what they are."""
    grey = pyvips.Image.identity()
    image = grey.bandjoin([grey, grey, grey]).copy(interpretation="srgb")
    for made in (in_srgb, in_p3):
        for source in (image, image.colourspace("rgb16"), _under(image, _P3)):
            alpha = made(source)[3]
            assert (alpha - grey).abs().max() <= (source.format == "ushort")
            assert (alpha(0, 0), alpha(255, 0)) == ([0], [255])


@pytest.mark.parametrize(
    "target", [name for name in writable_names() if Metadata.ICC in codec(name).supports_metadata]
)
@pytest.mark.parametrize("keep", [Keep.NONE, Keep.ICC, Keep.ALL])
def test_p3_says_that_it_is_p3(target: str, keep: Keep) -> None:
    """The profile is embedded whatever metadata is kept: the pixels mean nothing without it."""
    source = encoded(_chart(3), encoding_for("png"))
    shown = _written(source, target, frozenset({keep}))
    assert icc.is_p3(shown.info["icc_profile"])
    assert shown.mode == "RGB"


@pytest.mark.parametrize("name", writable_names())
@pytest.mark.parametrize("space", [Space.RGB, Space.GREY, Space.CMYK])
def test_p3_is_made_where_it_can_be_told(name: str, space: Space) -> None:
    """A format without profiles gets sRGB, and grey stays sRGB's grey, which is P3's too."""
    header = Header(codec="tiff", width_px=9, height_px=9, space=space)
    context = Context(header, Recipe(colour=Colour.P3), codec(name))
    assert context.is_wide == (space is not Space.GREY and context.is_told)
    assert context.is_converted == (context.is_wide or space is Space.CMYK)


def test_p3_is_left_alone_under_p3() -> None:
    """A source in Display P3 needs no conversion to it, and needs one to sRGB."""
    header = probe(encoded(_under(_chart(3), _P3), encoding_for("png")), "png")
    assert (header.is_p3, header.is_srgb) == (True, False)
    for colour, is_converted in ((Colour.P3, False), (Colour.SRGB, True), (Colour.KEEP, False)):
        assert Context(header, Recipe(colour=colour), codec("png")).is_converted == is_converted


@needs_corpora
@pytest.mark.parametrize("name", _REAL)
def test_a_background_is_the_colour_that_was_named(name: str) -> None:
    """Under a profile that stays, an sRGB colour is what littleCMS says it is there."""
    pixel = Image.new("RGB", (1, 1), (200, 80, 40))
    expected = _by_littlecms(pixel, _SRGB, _real(name)).getpixel((0, 0))
    image = _under(_chart(3), _real(name))
    assert background_of(image, "#c85028") == pytest.approx(expected, abs=2)
    assert background_of(image, "#ffffff") == [255, 255, 255]
    deep = _under(_chart(3).colourspace("rgb16"), _real(name))
    found = background_of(deep, "#c85028")
    assert found == pytest.approx([value * 257 for value in background_of(image, "#c85028")])


def test_a_broken_profile_changes_no_background() -> None:
    """A profile that cannot be read says nothing of a background either."""
    broken = _under(_chart(3), _P3[:200])
    assert background_of(broken, "#c85028") == [200, 80, 40]


@needs_corpora
def test_grey_leaves_its_profile_where_a_coloured_background_comes() -> None:
    """Grey under a profile of its own is converted before it turns to RGB."""
    with Image.open(CORPORA / "formats/png/16-bit-grey-alpha.png") as stored:
        profile = stored.info["icc_profile"]
    grey = _under(_chart(1), profile)
    ready = ready_for_background(grey, "#ff8000")
    assert (ready.bands, ready.get_typeof(_PROFILE)) == (3, 0)
    assert (ready[0] - in_srgb(grey)).abs().max() == 0


def _png_of(mode: str, gamma: int, *, red_x: int = 64_000) -> bytes:
    """Return a chart as PNG that tells its colours by `gAMA` and `cHRM`, in hundred thousandths."""
    held, told = io.BytesIO(), PngImagePlugin.PngInfo()
    told.add(b"gAMA", gamma.to_bytes(4, "big"))
    places = (31_270, 32_900, red_x, 33_000, 30_000, 60_000, 15_000, 6_000)
    told.add(b"cHRM", b"".join(place.to_bytes(4, "big") for place in places))
    Image.fromarray(_chart(3).numpy()).convert(mode).save(held, "PNG", pnginfo=told)
    return held.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_gamma_and_primaries_are_heeded_as_browsers_do(mode: str) -> None:
    """Linear light, by both chunks, is shown by sRGB's curve: a mean tone of 128 becomes 188."""
    source = _png_of(mode, 100_000)
    made = np.asarray(reread(optimize_bytes(source, _LOSSLESS)).convert("RGB")).astype(float)
    light = np.asarray(Image.open(io.BytesIO(source)).convert("RGB")) / 255
    shown = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(made - shown * 255).mean() < 1
    assert made.mean() > light.mean() * 255 + 30


def test_what_says_srgb_is_left_alone() -> None:
    """The pair that many programs write for sRGB changes nothing; broken numbers say nothing."""
    for source in (_png_of("RGB", 45_455), _png_of("RGB", 0), _png_of("RGB", 1, red_x=30_000)):
        header = probe(source, "png")
        assert (header.is_srgb, header.has_profile) in {(True, True), (True, False)}
        made = reread(optimize_bytes(source, _LOSSLESS)).convert("RGB")
        assert np.array_equal(np.asarray(made), _chart(3).numpy())


@given(st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32), st.sampled_from([0, 2, 3]))
def test_no_numbers_make_a_profile_fail_otherwise(gamma: int, places: bytes, kind: int) -> None:
    """Whatever the chunks say, there is a profile that can be read, none, or a `ValueError`."""
    told = {b"IHDR": bytes(9) + bytes([kind]) + bytes(3), b"gAMA": gamma.to_bytes(4, "big")}
    body = b"".join(
        len(held).to_bytes(4, "big") + name + held + bytes(4)
        for name, held in {**told, b"cHRM": places, b"IDAT": b""}.items()
    )
    try:
        profile = implied_profile(io.BytesIO(SIGNATURE + body))
    except ValueError:
        return
    assert not profile or icc.colour_space(profile) == ("RGB" if kind else "GRAY")


@pytest.mark.parametrize("power", [1.0, 1.8, 2.2, 2.6])
def test_grey_profiles_come_out_as_littlecms_has_them(power: float) -> None:
    """Grey under a curve of its own becomes sRGB's grey, one band and no profile."""
    ramp, profile = pyvips.Image.identity().copy(interpretation="b-w"), grey_profile(power)
    found = in_srgb(_under(ramp, profile))
    assert (found.bands, found.get_typeof(_PROFILE)) == (1, 0)
    grey = Image.fromarray(ramp.numpy().reshape(1, 256))
    expected = _by_littlecms(grey, profile, _SRGB)
    assert _apart(Image.fromarray(found.numpy().reshape(1, 256)), expected) < _MOST_DELTA_E


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("made", [in_srgb, in_p3])
def test_light_beyond_white_is_clipped(
    bands: int, made: Callable[[pyvips.Image], pyvips.Image]
) -> None:
    """Floats above 1.0 are white, infinity included, and those below 0.0 are black."""
    light = np.array([[0.0, -0.5, 0.2140, 1.0, 1.5, 1e6, np.inf]], np.float32)
    image = pyvips.Image.new_from_array(np.repeat(light[..., None], bands, axis=-1))
    found = made(image.copy(interpretation="scrgb" if bands == 3 else "b-w")).numpy()
    shown = found.reshape(7, -1)[:, 0].astype(int)
    assert shown == pytest.approx([0, 0, 127, 255, 255, 255, 255], abs=1)
