"""A result is looked at as its next reader will: what was meant passes, anything else is told."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import pyvips
from PIL import Image, ImageCms

from pixmill.header import Metadata
from pixmill.imaging.probe import probe
from pixmill.imaging.verify import Expected, difference, duration_ms, is_still, is_transparent
from pixmill.milling import Product, mill
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.registry import codec, writable_names
from pixmill.vocabulary import Colour, Keep, Operation

EDGE_PX = 40


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """Return an image encoded by Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def gradient(mode: str = "RGB") -> Image.Image:
    """Return a small picture with something in it."""
    ramp = Image.linear_gradient("L").resize((EDGE_PX, EDGE_PX))
    image = Image.merge("RGB", (ramp, ramp.rotate(90), ramp.rotate(180)))
    if mode == "RGBA":
        image.putalpha(ramp)
    return image.convert(mode)


def milled(content: bytes, codec_name: str, recipe: Recipe) -> Product:
    """Return what pixmill makes of an image."""
    made = mill(content, codec_name, recipe, Limits(1 << 30), lease=lambda _cost_bytes: None)
    assert isinstance(made, Product)
    return made


@pytest.mark.parametrize("target", writable_names())
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_what_pixmill_makes_is_what_it_meant(target: str, mode: str) -> None:
    """Every format, with alpha and without, in colour and grey, turns out as it was meant."""
    recipe = Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}), target_format=target
    )
    made = milled(saved(gradient(mode), "PNG"), "png", recipe)
    if made.expected is not None:
        assert isinstance(made.content, bytes)
        assert difference(made.content, made.target, made.expected) == ""
    assert made.expected is not None or target == "png"


@pytest.mark.parametrize("target", writable_names())
def test_an_orientation_that_is_left_is_expected_where_it_can_be(target: str) -> None:
    """Left unapplied, an orientation is a fact of formats that store it, and of no other."""
    exif = Image.Exif()
    exif[0x0112] = 6
    recipe = Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
        target_format=target,
        auto_orient=False,
    )
    made = milled(saved(gradient(), "JPEG", exif=exif), "jpg", recipe)
    assert made.expected is None or isinstance(made.content, bytes)
    if made.expected is not None and isinstance(made.content, bytes):
        assert difference(made.content, made.target, made.expected) == ""
        has_exif = Metadata.EXIF in codec(target).supports_metadata
        can_tell = has_exif and target not in ("avif", "heic", "jxl")  # which turn their pixels
        assert made.expected.orientation == (6 if can_tell else 1)


EXPECTED = Expected(width_px=EDGE_PX, height_px=EDGE_PX)


@pytest.mark.parametrize(
    ("content", "expected", "told"),
    [
        (saved(gradient(), "JPEG"), EXPECTED, ""),
        (saved(gradient(), "JPEG")[:-400], EXPECTED, "does not decode"),
        (b"no image at all", EXPECTED, "does not decode"),
        (saved(gradient(), "JPEG"), replace(EXPECTED, height_px=41), "expected pixels 40x41"),
        (saved(gradient(), "JPEG"), replace(EXPECTED, orientation=6), "orientation 6, found 1"),
        (saved(gradient(), "JPEG"), replace(EXPECTED, profile="Display P3"), "profile Display P3"),
        (saved(gradient(), "JPEG"), replace(EXPECTED, pages=2), "expected 2 pages, found 1"),
        (saved(gradient(), "JPEG"), replace(EXPECTED, is_transparent=True), "expected alpha"),
        (saved(gradient(), "JPEG"), replace(EXPECTED, is_transparent=None), ""),
    ],
    ids=["sound", "cut", "garbage", "size", "orientation", "profile", "pages", "alpha", "unknown"],
)
def test_what_is_not_as_meant_is_told(content: bytes, expected: Expected, told: str) -> None:
    """Each fact that differs is named with what was expected and what was found."""
    found = difference(content, "jpg", expected)
    assert told in found
    assert bool(told) == bool(found)


def test_transparency_that_nobody_meant_is_told() -> None:
    """Alpha that hides something is wrong where none was meant; alpha that hides nothing is not."""
    clear, opaque = gradient("RGBA"), gradient().convert("RGBA")
    assert "no transparency" in difference(saved(clear, "PNG"), "png", EXPECTED)
    assert difference(saved(opaque, "PNG"), "png", EXPECTED) == ""


@pytest.mark.parametrize(("alpha", "answer"), [(255, False), (254, None), (10, True)])
def test_faint_transparency_may_be_rounded(alpha: int, answer: bool | None) -> None:  # noqa: FBT001
    """What hides almost nothing may come back opaque; what hides much may not."""
    image = pyvips.Image.black(8, 8, bands=3).cast("uchar").copy(interpretation="srgb")
    assert is_transparent(image.bandjoin(alpha)) is answer
    assert is_transparent(image) is False


def test_a_profile_that_is_lost_is_told() -> None:
    """Where colours are kept as they are, a result without their profile is wrong."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    assert profile is not None
    wide = pyvips.Image.black(EDGE_PX, EDGE_PX, bands=3).cast("uchar").copy(interpretation="srgb")
    tagged = wide.icc_export(output_profile="p3")
    content = tagged.jpegsave_buffer(keep="icc")
    recipe = Recipe(colour=Colour.KEEP, keep=frozenset({Keep.ICC}), quality=50)
    made = milled(content, "jpg", recipe)
    expected = made.expected or replace(EXPECTED, profile="Display P3")
    assert expected.profile
    assert difference(content, "jpg", expected) == ""
    assert "profile" in difference(wide.jpegsave_buffer(), "jpg", expected)


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_equal_frames_may_be_joined(form: str) -> None:
    """An encoder may show one of two equal frames for twice the time; a lost frame is told."""
    still = pyvips.Image.pngload_buffer(saved(gradient(), "PNG"))
    source = pyvips.Image.arrayjoin([still, still, still.rot90()], across=1).copy()
    source.set_type(pyvips.GValue.gint_type, "page-height", EDGE_PX)
    source.set_type(pyvips.GValue.array_int_type, "delay", [100, 200, 300])
    expected = Expected(
        width_px=EDGE_PX,
        height_px=EDGE_PX,
        pages=3,
        duration_ms=600,
        is_transparent=None,
    )
    assert duration_ms(source, 3) == 600
    result = source.write_to_buffer(f".{form}")
    assert difference(result, form, expected) == ""
    assert probe(result, form).pages == 2
    cut = still.write_to_buffer(f".{form}")
    assert "expected 3 pages" in difference(cut, form, expected)
    assert difference(cut, form, replace(expected, is_still=True)) == ""
    assert not is_still(source, 3)
    assert is_still(source.crop(0, 0, EDGE_PX, 2 * EDGE_PX), 2)


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_a_frame_without_a_time_lasts_as_viewers_show_it(form: str) -> None:
    """A delay of nothing is a tenth of a second to viewers, whether an encoder says so or not."""
    still = pyvips.Image.pngload_buffer(saved(gradient(), "PNG"))
    source = pyvips.Image.arrayjoin([still, still.rot90()], across=1).copy()
    source.set_type(pyvips.GValue.gint_type, "page-height", EDGE_PX)
    source.set_type(pyvips.GValue.array_int_type, "delay", [0, 1000])
    expected = replace(EXPECTED, pages=2, duration_ms=duration_ms(source, 2), is_transparent=None)
    assert expected.duration_ms == 1100
    assert difference(source.write_to_buffer(f".{form}"), form, expected) == ""
