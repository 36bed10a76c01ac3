"""Promises of `imaging.steps`: sizes, orientation, alpha, colours and pages."""

from __future__ import annotations

import io
from itertools import product

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from corpora import CORPORA, corpus_files, needs_corpora
from imaging_cases import animated_png, encoding_for, made, plan_for, reread
from pixmill.header import Header
from pixmill.imaging.colour import to_eight_bits
from pixmill.imaging.encode import encoded
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.load import opened, pinned
from pixmill.imaging.probe import probe
from pixmill.imaging.steps import notes_of, run_steps
from pixmill.plan import Crop, Flatten, Load, Orient, Pad, Scale, SmartCrop, Step, ToSrgb
from pixmill.vocabulary import Gravity, Kernel

_FORMATS = {"grey": 1, "grey-alpha": 2, "rgb": 3, "rgba": 4}


def _header(image: pyvips.Image, codec: str = "png") -> Header:
    return Header(codec=codec, width_px=image.width, height_px=image.height, bands=image.bands)


def _flat(width_px: int, height_px: int, colour: list[int]) -> pyvips.Image:
    space = "b-w" if len(colour) < 3 else "srgb"
    grey = pyvips.Image.black(width_px, height_px, bands=len(colour)) + colour
    return grey.cast("uchar").copy(interpretation=space)


def _run(image: pyvips.Image, *steps: Step, size: tuple[int, int]) -> pyvips.Image:
    return run_steps(image, plan_for(_header(image), "png", *steps, size=size)).copy_memory()


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.tuples(st.integers(1, 500), st.integers(1, 500)),
    st.sampled_from(Kernel),
    st.sampled_from(sorted(_FORMATS)),
)
def test_scaling_hits_the_size(
    stored: tuple[int, int], wanted: tuple[int, int], kernel: Kernel, form: str
) -> None:
    """Any size becomes exactly any other, under any kernel, with flat colours left alone."""
    image = _flat(*stored, [200] * _FORMATS[form])
    result = _run(image, Scale(*wanted, kernel), size=wanted)
    assert (result.width, result.height) == wanted
    assert abs(result.max() - 200) <= 1
    assert abs(result.min() - 200) <= 1


def test_transparent_pixels_leave_no_fringe() -> None:
    """Red beside transparent black stays red at every partly transparent pixel."""
    red, clear = _flat(50, 100, [255, 0, 0, 255]), _flat(50, 100, [0, 0, 0, 0])
    result = _run(red.join(clear, "horizontal"), Scale(33, 33, Kernel.LANCZOS3), size=(33, 33))
    pixels = result.numpy()
    seen = pixels[pixels[..., 3] > 16]
    assert seen[:, 0].min() >= 250
    assert seen[:, 1:3].max() <= 5


@needs_corpora
@pytest.mark.parametrize("family", ["Landscape", "Portrait"])
def test_all_orientations_look_alike(family: str) -> None:
    """The eight EXIF orientations of one picture come out as one picture, and untagged."""
    upright = reread(made(CORPORA / "exif_orientation" / f"{family}_1.jpg", "png"))
    for number in range(2, 9):
        data = made(CORPORA / "exif_orientation" / f"{family}_{number}.jpg", "png")
        turned = reread(data)
        assert turned.size == upright.size
        assert turned.getexif().get(0x0112, 1) == 1
        apart = np.asarray(turned, np.int16) - np.asarray(upright, np.int16)
        assert np.abs(apart).mean() < 6, number


@needs_corpora
def test_orientation_of_webp_and_tiff_is_as_pillow_does_it() -> None:
    """Turning agrees pixel by pixel with Pillow's reading of the same tag."""
    for path in corpus_files("exif_orientation", "g4_orientation_*.tif"):
        with Image.open(path) as image:
            expected = np.asarray(image.convert("L"))
        assert np.array_equal(np.asarray(reread(made(path, "png")).convert("L")), expected)


def _delta(found: Image.Image, expected: Image.Image) -> float:
    lab = [
        np.asarray(
            ImageCms.profileToProfile(
                image.convert("RGB"),
                ImageCms.createProfile("sRGB"),
                ImageCms.createProfile("LAB"),
                outputMode="LAB",
            )
        ).astype(np.int16)
        for image in (found, expected)
    ]
    apart = [lab[0][..., 0] - lab[1][..., 0]] + [
        ((lab[0][..., band] - lab[1][..., band] + 128) % 256) - 128 for band in (1, 2)
    ]
    scaled = apart[0] * (100 / 255)
    return float(np.sqrt(scaled**2 + apart[1] ** 2 + apart[2] ** 2).mean())


@needs_corpora
@pytest.mark.parametrize(
    "name",
    [
        "color/p3.png",
        "color/prophoto.png",
        "color/flower_small.cmyk.jpg",
        "color/Channel_digital_image_CMYK_color.jpg",
        "formats/jpeg_odd/cmm-exception-adobe-rgb.jpg",
    ],
)
def test_conversion_agrees_with_littlecms(name: str) -> None:
    """Embedded profiles lead to the colours that Pillow's ImageCms finds."""
    path = CORPORA / name
    with Image.open(path) as image:
        image.load()
        profile = image.info.get("icc_profile")
        mode = "CMYK" if image.mode == "CMYK" else "RGB"
        source = image.convert(mode)
    if profile is None:
        pytest.skip("carries no profile")
    expected = ImageCms.profileToProfile(
        source,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert expected is not None
    assert _delta(reread(made(path, "png")), expected) < 1.5


@needs_corpora
@pytest.mark.parametrize("name", ["Nikon-D3-14bit", "a2d1un_nkitzmiller", "cvo9xd_keong_macan"])
def test_wide_gamut_agrees_with_its_srgb_twin(name: str) -> None:
    """Sixteen-bit linear Rec. 2020 becomes what its author rendered as sRGB."""
    twin = Image.open(CORPORA / "color" / f"{name}_srgb8.png")
    assert _delta(reread(made(CORPORA / "color" / f"{name}_2020_g1.png", "png")), twin) < 1.0


@needs_corpora
def test_grey_stays_grey_and_broken_profiles_are_survived() -> None:
    """Grey keeps one band; an unusable profile is left out with a note."""
    assert reread(made(CORPORA / "formats/jpeg_odd/gray-sample.jpg", "png")).mode == "L"
    path = CORPORA / "formats/jpeg_odd/corrupted-icc-srgb.jpg"
    plan = plan_for(probe(path, "jpg"), "png", ToSrgb())
    assert notes_of(run_steps(opened(path, plan), plan)) != ()


@needs_corpora
@pytest.mark.parametrize(
    "name",
    [
        "color/cielab-dagams.tiff",
        "formats/tiff/gradient-1c-32b-float.tiff",
        "pngsuite/16bit/basn4a16.png",
        "pngsuite/16bit/basi6a16.png",
    ],
)
def test_deep_and_odd_spaces_become_eight_bits(name: str) -> None:
    """Lab, float, 32-bit and 16-bit sources span the range of eight bits."""
    shown = np.asarray(reread(made(CORPORA / name, "webp")).convert("L"))
    assert shown.max() > 200
    assert shown.min() < 60


@needs_corpora
def test_sixteen_bits_survive_where_both_sides_have_them() -> None:
    """PNG to PNG keeps sixteen bits unless colours are converted."""
    path = CORPORA / "pngsuite/16bit/basi2c16.png"
    plan = plan_for(probe(path, "png"), "png")
    data = encoded(run_steps(opened(path, plan), plan), encoding_for("png"))
    assert pyvips.Image.pngload_buffer(data).format == "ushort"


@pytest.mark.parametrize(
    ("form", "is_transparent", "background"),
    list(product(sorted(_FORMATS), [True, False], ["#ffffff", "#ff8000"])),
)
def test_padding_shows_its_background(form: str, is_transparent: bool, background: str) -> None:  # noqa: FBT001 - a parameter of the test
    """The canvas is transparent or has the colour asked for, whatever the bands."""
    image = _flat(10, 10, [100] * (_FORMATS[form] - 1) + [255 if "alpha" in form else 100])
    result = _run(image, Pad(5, 2, 20, 14, background, is_transparent), size=(20, 14))
    corner = result.getpoint(0, 0)
    if is_transparent:
        assert corner[-1] == 0
    else:
        expected = [int(background[at : at + 2], 16) for at in (1, 3, 5)]
        shown = corner[:3] if len(corner) >= 3 else [corner[0]] * 3
        assert shown == expected
    assert result.getpoint(7, 5)[0] == 100


def test_flattening_turns_grey_to_colour_only_where_needed() -> None:
    """Half transparent grey on orange is a mixture in RGB; on white it stays grey."""
    image = _flat(4, 4, [0, 128])
    orange = _run(image, Flatten("#ff8000"), size=(4, 4))
    white = _run(image, Flatten("#ffffff"), size=(4, 4))
    assert orange.getpoint(1, 1) == pytest.approx([127, 64, 0], abs=1)
    assert white.getpoint(1, 1) == pytest.approx([127], abs=1)


@pytest.mark.parametrize("gravity", [Gravity.ATTENTION, Gravity.ENTROPY])
def test_smart_crop_finds_what_stands_out(gravity: Gravity) -> None:
    """Noise in a corner of a flat image is what stays."""
    noise = pyvips.Image.gaussnoise(40, 40, mean=128, sigma=60, seed=1).cast("uchar")
    patch = noise.bandjoin([noise.rot90(), noise.rot180()]).copy(interpretation="srgb")
    image = _flat(200, 100, [90, 90, 90]).insert(patch, 150, 30)
    result = _run(image, SmartCrop(60, 60, gravity), size=(60, 60))
    assert result.deviate() > 20


@needs_corpora
def test_animations_are_edited_frame_by_frame() -> None:
    """Every frame is scaled, cropped and turned by itself, and stays in its place."""
    path = CORPORA / "formats/gif/rotating-squares.gif"
    header = probe(path, "gif")
    steps = (Scale(40, 40, Kernel.LANCZOS3), Crop(10, 0, 20, 40), Orient(6))
    load = Load(pages=header.pages)
    plan = plan_for(header, "webp", *steps, size=(40, 20), load=load)
    result = pinned(run_steps(opened(path, plan), plan))
    assert (result.width, result.height) == (40, 20 * header.pages)
    assert result.get("page-height") == 20
    assert sum(result.get("delay")) == sum(pyvips.Image.gifload(str(path), n=-1).get("delay"))
    single = pyvips.Image.gifload(str(path), page=7).premultiply().resize(0.5).unpremultiply()
    expected = (single + 0.5).cast("uchar").crop(10, 0, 20, 40).rot90()
    assert (result.crop(0, 7 * 20, 40, 20) - expected).abs().max() <= 1


def test_animated_png_is_decoded_whole() -> None:
    """Frames, delays, loop count, transparency and motion of an APNG reach libvips."""
    source = animated_png()
    header = probe(source, "png")
    plan = plan_for(header, "webp", load=Load(pages=header.pages))
    image = pinned(run_steps(opened(source, plan), plan))
    assert (image.get("delay"), image.get("loop")) == ([50, 100, 150], 2)
    assert image.getpoint(25, 25) == [255, 0, 0, 255]
    assert image.getpoint(5, 25)[3] == 0
    assert reread(encoded(image, encoding_for("webp"))).n_frames == 3  # type: ignore[attr-defined]  # WebP has it


@needs_corpora
def test_avif_sequence_is_decoded_whole() -> None:
    """An AVIF sequence keeps its frames on the way to WebP."""
    path = CORPORA / "formats/avif/star.avifs"
    header = probe(path, "avif")
    plan = plan_for(header, "webp", load=Load(pages=header.pages))
    image = pinned(run_steps(opened(path, plan), plan))
    assert all(delay > 0 for delay in image.get("delay"))
    assert reread(encoded(image, encoding_for("webp"))).n_frames == header.pages  # type: ignore[attr-defined]  # WebP has it


@needs_corpora
def test_grey_of_twelve_bits_is_spread_over_sixteen() -> None:
    """A TIFF that libvips refuses comes through Pillow as bright as it is."""
    path = CORPORA / "formats/tiff/12bit.cropped.tif"
    header = probe(path, "tiff")
    image = pinned(opened(path, plan_for(header, "png")))
    with Image.open(path) as stored:
        darkest_and_brightest = stored.getextrema()
    assert header.bits == 16
    assert [image.min() * 4095 / 65535, image.max() * 4095 / 65535] == pytest.approx(
        darkest_and_brightest, abs=0.1
    )


@needs_corpora
def test_lab_of_eight_bits_shows_its_colours() -> None:
    """The same picture as another file holds in RGB, within what Lab of 8 bits rounds."""
    path = CORPORA / "formats/tiff/hopper.Lab.tif"
    plan = plan_for(probe(path, "tiff"), "png", ToSrgb())
    image = pinned(run_steps(opened(path, plan), plan))
    with Image.open(CORPORA / "formats/ppm/hopper.ppm") as same:
        expected = pyvips.Image.new_from_array(same.convert("RGB"))
    assert (image - expected).abs().avg() < 3


def test_a_broken_promise_is_refused() -> None:
    """An image that is not of the planned size does not leave."""
    with pytest.raises(ImagingError):
        _run(_flat(10, 10, [1]), size=(11, 10))


def test_signed_bytes_keep_their_bright_tones() -> None:
    """Signed grey bytes are read as the bits they are, as Pillow does; a cast made them black."""
    signed = pyvips.Image.new_from_memory(bytes([0, 100, 127, 128, 255]), 5, 1, 1, "char")
    shown = to_eight_bits(signed.copy(interpretation="b-w"))
    assert [shown(x, 0)[0] for x in range(5)] == [0, 100, 127, 128, 255]
