"""The options in the records are accepted by the installed libvips, and do what they say."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pyvips

import pixmill
from pixmill.codecs.spec import Encoding
from pixmill.errors import ImageError
from pixmill.imaging.compare import is_identical
from pixmill.imaging.encode import encoded
from pixmill.imaging.load import opened_whole
from pixmill.imaging.probe import probe
from pixmill.recipe import Recipe
from pixmill.registry import codec, recognised, writable_names
from pixmill.vocabulary import Effort, Operation

LAKE = Path(__file__).parent / "sample" / "travel" / "lake.jpg"


@cache
def _image(bands: int = 3) -> pyvips.Image:
    planes = [pyvips.Image.gaussnoise(96, 64, seed=n).gaussblur(3).cast("uchar") for n in range(4)]
    return planes[0].bandjoin(planes[1:bands]).copy(interpretation="srgb").copy_memory()


def saved(encoding: Encoding, image: pyvips.Image | None = None) -> bytes:
    """Return an image encoded; a small one of blurred noise where none is given."""
    return encoded(_image() if image is None else image, encoding)


def _encodings() -> list[Encoding]:
    flags: list[dict[str, Any]] = [
        {},
        {"is_lean": True},
        {"is_full_chroma": True},
        {"is_subsampled": True},
        {"is_palette": True},
    ]
    return [
        Encoding(codec=name, quality=quality, effort=effort, **flag)
        for name, effort, flag in product(writable_names(), Effort, flags)
        for quality in (
            (None, 70) if codec(name).supports_lossy or "is_palette" in flag else (None,)
        )
        if quality is None or codec(name).supports_lossy or codec(name).supports_palette
    ]


@pytest.mark.parametrize("encoding", _encodings(), ids=str)
def test_options_are_accepted(encoding: Encoding) -> None:
    """Every encoding a record can be asked for is written as that format, without metadata."""
    data = saved(encoding)
    assert recognised(data[:4096]) == encoding.codec
    scan = codec(encoding.codec).scan
    assert scan is not None
    found = scan(io.BytesIO(data), len(data))
    assert found.defect == ""
    assert not found.metadata


@pytest.mark.parametrize("name", ["png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("effort", list(Effort))
@pytest.mark.parametrize("bands", [3, 4])
def test_lossless_is_exact(name: str, effort: Effort, bands: int) -> None:
    """A lossless encoding gives back every pixel."""
    image = _image(bands)
    data = saved(Encoding(codec=name, quality=None, effort=effort), image)
    again = pyvips.Image.new_from_buffer(data, "")
    assert (again.width, again.height, again.bands) == (image.width, image.height, image.bands)
    visible = (image[3] > 0).bandjoin([image[3] > 0, image[3] > 0]) if bands == 4 else 255
    difference = (again[0:3] - image[0:3]).abs() & visible
    assert difference.cast("uchar").max() == 0


@pytest.mark.parametrize("tables", [None, 0, 3])
@pytest.mark.parametrize("effort", list(Effort))
@pytest.mark.parametrize("quality", [40, 75, 92])
def test_a_jpeg_tells_the_quality_it_was_given(
    quality: int, effort: Effort, tables: int | None
) -> None:
    """The estimate of a JPEG of pixmill's own is the quality it was written at, in any tables."""
    encoding = Encoding(codec="jpg", quality=quality, effort=effort, tables=tables)
    data = saved(encoding)
    scan = codec("jpg").scan
    assert scan is not None
    assert scan(io.BytesIO(data), len(data)).quality == quality


@pytest.mark.parametrize("effort", list(Effort))
def test_a_jpeg_made_again_stands(effort: Effort) -> None:
    """What pixmill made of a photograph is not made smaller and coarser by a second run."""
    photo = pyvips.Image.new_from_file(str(LAKE)).thumbnail_image(400)
    recipe = Recipe(effort=effort)
    made = pixmill.optimize_bytes(photo.jpegsave_buffer(Q=95), recipe)
    again = pixmill.optimize_bytes(made, recipe)
    assert len(made) * 0.97 <= len(again) <= len(made)


def _drawn(kind: str) -> pyvips.Image:
    column = pyvips.Image.xyz(64, 48)[0]
    match kind:
        case "grey":
            return (column * 4).cast("uchar").copy(interpretation="b-w")
        case "alpha":
            return _image(3).bandjoin(
                (column > 30).ifthenelse(255, 90).cast("uchar").embed(0, 0, 96, 64)
            )
        case "few":
            planes = [
                (plane > 120).ifthenelse(200, 7).cast("uchar") for plane in _image().bandsplit()
            ]
            return planes[0].bandjoin(planes[1:]).copy(interpretation="srgb")
        case _:
            return _image()


@pytest.mark.parametrize("effort", list(Effort))
@pytest.mark.parametrize("kind", ["colour", "grey", "alpha", "few"])
@pytest.mark.parametrize(
    "name", [name for name in writable_names() if codec(name).supports_lossless]
)
def test_no_loss_is_no_loss_or_is_refused(name: str, kind: str, effort: Effort) -> None:
    """Under --lossless every visible pixel comes back, in every format that takes the picture.

    GIF refuses more than 256 colours, and half transparency, which it has not.
    """
    shown = _drawn(kind)
    recipe = Recipe(
        operations=frozenset({Operation.COMPRESS, Operation.CONVERT}),
        target_format=name,
        lossless=True,
        effort=effort,
    )
    has_room = not codec(name).max_colours or kind in {"grey", "few"}
    if not has_room:
        with pytest.raises(ImageError, match="no lossless form"):
            pixmill.optimize_bytes(shown.pngsave_buffer(), recipe)
        return
    made = pixmill.optimize_bytes(shown.pngsave_buffer(), recipe)
    again = opened_whole(made, probe(made, name)).copy_memory()
    flat = (
        shown
        if codec(name).supports_alpha
        else shown.flatten(background=[255])
        if shown.hasalpha()
        else shown
    )
    assert is_identical(flat, again)


def test_deep_pixels_stay_deep() -> None:
    """A lossless PNG and a TIFF of 16 bits come back with 16 bits."""
    image = (_image().cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    for name in ("png", "tiff"):
        data = saved(Encoding(codec=name, quality=None, effort=Effort.BALANCED), image)
        again = pyvips.Image.new_from_buffer(data, "")
        assert again.format == "ushort"
        assert (again - image).abs().max() == 0


@pytest.mark.parametrize("effort", list(Effort))
@pytest.mark.parametrize("count", [2, 16, 200, 256])
def test_a_palette_of_few_colours_is_exact(count: int, effort: Effort) -> None:
    """A palette without a quality gives back an opaque image of up to 256 colours unchanged."""
    rng = random.Random(3)
    colours = [rng.randbytes(3) for _ in range(count)]
    pixels = b"".join(rng.choice(colours) for _ in range(96 * 64))
    image = pyvips.Image.new_from_memory(pixels, 96, 64, 3, "uchar").copy(interpretation="srgb")
    data = saved(Encoding(codec="png", quality=None, effort=effort, is_palette=True), image)
    again = pyvips.Image.new_from_buffer(data, "")
    assert again.get("palette") == 1
    assert (again - image).abs().max() == 0


def test_chroma_is_kept_or_halved_as_asked() -> None:
    """Full and halved chroma are written as asked, whatever the quality."""
    for quality, is_full in product((50, 95), (False, True)):
        encoding = Encoding(
            codec="jpg",
            quality=quality,
            effort=Effort.BALANCED,
            is_full_chroma=is_full,
            is_subsampled=not is_full,
        )
        data = saved(encoding)
        scan = codec("jpg").scan
        assert scan is not None
        assert scan(io.BytesIO(data), len(data)).is_subsampled is not is_full


def test_a_lean_jpeg_streams() -> None:
    """A lean JPEG is baseline and asks for nothing that holds the image whole."""
    spec = codec("jpg")
    assert spec.save_options is not None
    assert spec.encode_cost is not None
    for effort in Effort:
        lean = Encoding(codec="jpg", quality=80, effort=effort, is_lean=True)
        options = spec.save_options(lean)
        assert not any(
            options.get(name) for name in ("optimize_coding", "interlace", "trellis_quant")
        )
        assert spec.encode_cost(lean, 10**9, 3) == spec.encode_cost(lean, 1, 3)


def test_avif_never_takes_the_dear_effort() -> None:
    """AVIF stays below effort 4, which costs six times what 3 does."""
    spec = codec("avif")
    assert spec.save_options is not None
    for effort in Effort:
        options = spec.save_options(Encoding(codec="avif", quality=50, effort=effort))
        assert int(options["effort"]) < 4


@pytest.mark.parametrize(
    "name",
    [name for name in writable_names() if codec(name).is_exact and codec(name).supports_alpha],
)
def test_no_loss_keeps_what_transparency_hides(name: str) -> None:
    """Under --lossless colours come back that nobody sees, since an editor may uncover them."""
    shown = _image().bandjoin((_image()[0] > 128).ifthenelse(255, 0).cast("uchar"))
    recipe = Recipe(
        operations=frozenset({Operation.COMPRESS, Operation.CONVERT}),
        target_format=name,
        lossless=True,
        effort=Effort.FAST,
    )
    made = pixmill.optimize_bytes(bytes(shown.pngsave_buffer()), recipe)
    again = opened_whole(made, probe(made, name)).copy_memory()
    assert (again - shown).abs().max() == 0


@pytest.mark.parametrize("name", [name for name in writable_names() if codec(name).is_exact])
def test_no_loss_is_no_loss_of_depth(name: str) -> None:
    """Under --lossless 16 bits stay 16, or the format is refused that has fewer."""
    deep = (_image().cast("ushort") * 257 + 3).cast("ushort").copy(interpretation="rgb16")
    recipe = Recipe(
        operations=frozenset({Operation.COMPRESS, Operation.CONVERT}),
        target_format=name,
        lossless=True,
        effort=Effort.FAST,
    )
    content = bytes(deep.pngsave_buffer())
    if codec(name).max_bits == 8:
        with pytest.raises(ImageError, match="has 16 bits a band"):
            pixmill.optimize_bytes(content, recipe)
        return
    made = pixmill.optimize_bytes(content, recipe)
    again = opened_whole(made, probe(made, name)).copy_memory()
    assert (again - deep).abs().max() == 0


def test_what_nobody_sees_costs_nothing_unless_it_must_stay() -> None:
    """A lossless candidate of `adaptive` need not store hidden colours, and is smaller without."""
    noise = _image().bandjoin(0).copy_memory()
    exact = Encoding(codec="webp", quality=None, effort=Effort.FAST)
    assert len(saved(exact, noise)) < len(saved(replace(exact, has_hidden=True), noise))
