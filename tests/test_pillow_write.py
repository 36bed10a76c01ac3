"""What Pillow writes is exact where it is asked for, and the same file where it is faster."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pyvips
from PIL import Image

from imaging_cases import encoding_for, reread
from pixmill.codecs.spec import Encoding
from pixmill.header import Header
from pixmill.imaging.encode import encode_to_file, encoded
from pixmill.imaging.verify import Expected, difference
from pixmill.model import Status
from pixmill.operations.context import Context
from pixmill.recipe import CodecOption, Recipe
from pixmill.registry import codec, recognised, writable_names
from pixmill.settings import Settings
from pixmill.targeting import target_of
from pixmill.vocabulary import Colour, Effort, Operation
from runs import by_path, ran

if TYPE_CHECKING:
    from pathlib import Path

_BY_PILLOW = ("bmp", "jp2")
_CONVERT = frozenset({Operation.CONVERT, Operation.COMPRESS})


def _image(bands: int) -> pyvips.Image:
    noise = [
        pyvips.Image.gaussnoise(61, 47, seed=at, mean=128).cast("uchar") for at in range(bands)
    ]
    shown = noise[0].bandjoin(noise[1:]) if bands > 1 else noise[0]
    return shown.copy(interpretation="srgb" if bands > 2 else "b-w").copy_memory()


@pytest.mark.parametrize(
    ("target", "bands"), [("bmp", 1), ("bmp", 3), ("jp2", 1), ("jp2", 2), ("jp2", 3), ("jp2", 4)]
)
def test_every_pixel_comes_back(target: str, bands: int, tmp_path: Path) -> None:
    """Grey or colours, with alpha where the format has it, are what they were, in a file too."""
    image = _image(bands)
    data = encoded(image, encoding_for(target))
    assert recognised(data[:4096]) == target
    shown = reread(data)
    assert len(shown.getbands()) == bands
    assert shown.tobytes() == image.write_to_memory()
    with (tmp_path / "out").open("w+b") as file:
        encode_to_file(image, encoding_for(target), file.fileno())
    assert (tmp_path / "out").read_bytes() == data


def _cut_out(bands: int) -> pyvips.Image:
    """Return noise, with every other pixel or so hidden where there is alpha."""
    image = _image(bands)
    return (image[:3].bandjoin(image[3] > 128) if bands > 3 else image).copy_memory()


def _profiled(image: pyvips.Image) -> pyvips.Image:
    """Return it with the profile of a wider colour space, in memory."""
    wide = image.icc_transform("p3", input_profile="srgb", embedded=False)
    return wide.copy_memory()


@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("quality", [None, 75])
@pytest.mark.parametrize("has_profile", [True, False])
def test_what_is_handed_over_is_the_same_file(
    bands: int,
    quality: int | None,
    *,
    has_profile: bool,
) -> None:
    """Where Pillow's library is faster it makes what libvips makes, to the byte."""
    image = _profiled(_cut_out(bands)) if has_profile else _cut_out(bands)
    spec = codec("webp")
    assert spec.handed is not None
    encoding = Encoding(codec="webp", quality=quality, effort=Effort.BALANCED)
    assert spec.handed(encoding, 61 * 47) is not None
    flags = "icc" if has_profile else "none"
    expected = image.webpsave_buffer(keep=flags, **spec.options(encoding))
    assert encoded(image, encoding) == expected
    assert recognised(expected[:4096]) == "webp"


def test_what_pillow_cannot_write_alike_is_not_handed_over() -> None:
    """Metadata, frames, deep and grey pixels, large images and libvips' own means stay with it."""
    spec, lossy = codec("webp"), Encoding(codec="webp", quality=75, effort=Effort.BEST)
    assert spec.handed is not None
    for other in (
        replace(lossy, effort=Effort.FAST),
        replace(lossy, is_full_chroma=True),
        replace(lossy, is_near_lossless=True),
        replace(lossy, is_moving=True),
        replace(lossy, tuned=(CodecOption("webp", "effort", 5),)),
    ):
        assert spec.handed(other, 100) is None, other
    assert spec.handed(lossy, 50_000_000) is None
    assert spec.handed(replace(lossy, is_frugal=True), 100) is None
    told, deep = _image(3).copy(), (_image(3).cast("ushort") * 257).cast("ushort")
    told.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Copyright", "me (me, ASCII, 3 components)")
    for image, flags in (
        (told, "exif"),
        (_image(1), "none"),
        (deep.copy(interpretation="rgb16"), "none"),
    ):
        held = image.copy_memory()
        assert encoded(held, lossy) == held.webpsave_buffer(keep=flags, **spec.options(lossy))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (700, 3)])
@pytest.mark.parametrize("target", _BY_PILLOW)
def test_odd_sizes_are_written(target: str, size: tuple[int, int]) -> None:
    """What is narrower than a wavelet or a row's padding is no exception."""
    image = pyvips.Image.black(*size, bands=3).copy(interpretation="srgb") + 77
    shown = reread(encoded(image.cast("uchar").copy(interpretation="srgb"), encoding_for(target)))
    assert (shown.size, shown.getpixel((0, 0))) == (size, (77, 77, 77))


@pytest.mark.parametrize("target", _BY_PILLOW)
def test_a_result_is_checked(target: str) -> None:
    """`--verify` decodes them, and tells one that is cut off or of another size."""
    data = encoded(_image(3), encoding_for(target))
    assert difference(data, target, Expected(width_px=61, height_px=47)) == ""
    assert "pixels" in difference(data, target, Expected(width_px=60, height_px=47))
    assert difference(data[: len(data) // 2], target, Expected(width_px=61, height_px=47))


def test_keep_writes_what_browsers_show() -> None:
    """A BMP becomes a PNG and a JPEG 2000 a WebP, unless they are asked for by name."""
    assert [target_of(name, Recipe()).name for name in _BY_PILLOW] == ["png", "webp"]
    for name in _BY_PILLOW:
        assert target_of("png", Recipe(operations=_CONVERT, target_format=name)).name == name


def test_a_run_writes_both(tmp_path: Path) -> None:
    """A run asked for them publishes them, checked; alpha lives on in JPEG 2000 alone."""
    source = tmp_path / "in"
    source.mkdir()
    Image.new("RGBA", (40, 30), (10, 200, 30, 90)).save(source / "clear.png")
    Image.radial_gradient("L").convert("RGB").save(source / "plain.bmp")
    for target, mode in (("bmp", "RGB"), ("jp2", "RGBA")):
        out = tmp_path / target
        recipe = Recipe(operations=_CONVERT, target_format=target)
        ended = ran(source, out, recipe=recipe, settings=Settings(parallel=1, verify=True))
        outcomes = by_path(ended.outcomes)
        assert outcomes["clear.png"].status is Status.OPTIMIZED, outcomes
        with Image.open(out / f"clear.{target}") as image:
            assert (image.mode, image.size) == (mode, (40, 30))
    with Image.open(io.BytesIO((tmp_path / "jp2" / "plain.jp2").read_bytes())) as image:
        assert image.tobytes() == Image.radial_gradient("L").convert("RGB").tobytes()


@pytest.mark.parametrize("name", writable_names())
def test_colours_are_converted_where_no_profile_can_stand(name: str) -> None:
    """`--colour keep` still converts for a format that cannot say which colours they are."""
    header = Header(codec="png", width_px=9, height_px=9, is_srgb=False, has_profile=True)
    context = Context(header, Recipe(colour=Colour.KEEP), codec(name))
    assert context.is_converted == (name in ("gif", "jxl", *_BY_PILLOW))
