"""Small stills go through Pillow, and nobody can tell: same pixels, same facts, same judgement."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from PIL import Image

from corpora import corpus_files, needs_corpora
from pixmill.codecs.light import MOST_LIGHT_PX
from pixmill.codecs.spec import Encoding
from pixmill.imaging import light
from pixmill.imaging.encode import encoded
from pixmill.imaging.huffman import recoder
from pixmill.imaging.load import vips_opened
from pixmill.imaging.probe import probe
from pixmill.plan import Plan
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.registry import codec, codecs, recognised
from pixmill.units import parse_geometry
from pixmill.vocabulary import Effort, Operation

if TYPE_CHECKING:
    import pyvips

    from pixmill.header import Header

MODES: Final = ("L", "LA", "RGB", "RGBA")
FORMATS: Final = tuple(spec.name for spec in codecs() if spec.light is not None)
MADE: Final = [(name, mode) for name in FORMATS for mode in MODES]
PLENTY: Final = Limits(10**12)
MUTATIONS: Final = 250

pytestmark = pytest.mark.skipif(recoder() is None, reason="nothing was compiled")


def small_file(name: str, mode: str = "RGB", size: tuple[int, int] = (41, 29)) -> bytes:
    """Return a small file of a format, as Pillow writes it: smooth noise, partly transparent."""
    coarse = (max(1, size[0] // 6), max(1, size[1] // 6))
    bands = len(Image.new(mode, (1, 1)).getbands())
    noise = random.Random(1).randbytes(coarse[0] * coarse[1] * bands)
    shown = Image.frombytes(mode, coarse, noise).resize(size, Image.Resampling.BICUBIC)
    spec, held = codec(name), io.BytesIO()
    if not spec.supports_alpha:
        shown = shown.convert("L" if bands < len("RGB") else "RGB")
    shown.save(held, spec.pillow_format)
    return held.getvalue()


def is_seen(content: bytes, name: str) -> bool:
    """Return whether a file is taken for one that Pillow decodes as libvips does."""
    spec = codec(name)
    assert spec.scan is not None
    try:
        scan = spec.scan(io.BytesIO(content), len(content))
    except ValueError:
        return False
    return not scan.defect and light.form_seen(content, spec, scan) is not None


def by_libvips(content: bytes, name: str) -> pyvips.Image:
    """Return what libvips decodes without a warning."""
    return vips_opened(content, codec(name), {"fail_on": "warning"}).copy_memory()


def facts_by_libvips(content: bytes, name: str) -> Header:
    """Return the facts that its loader tells, which is asked whenever damage is known."""
    return replace(probe(content, name, damage="none"), damage="")


def check_alike(content: bytes, name: str) -> None:
    """Hold Pillow's pixels, and the facts told without libvips, to libvips' own."""
    still, own = light.decoded(content, codec(name)), by_libvips(content, name)
    assert still is not None
    given = still.in_libvips()
    assert given.interpretation == own.interpretation
    assert (given.width, given.height, given.bands) == (own.width, own.height, own.bands)
    assert given.write_to_memory() == own.write_to_memory()
    header = probe(content, name)
    assert header.is_plain
    assert header == replace(facts_by_libvips(content, name), is_plain=True)


@pytest.mark.parametrize(("name", "mode"), MADE)
def test_pixels_and_facts_are_libvips_own(name: str, mode: str) -> None:
    """A plain file is decoded to the same values, and its header says what libvips' would say."""
    content = small_file(name, mode)
    assert is_seen(content, name)
    check_alike(content, name)


@needs_corpora
@pytest.mark.parametrize("folder", ["formats", "pngsuite", "corrupt", "metadata", "color"])
def test_no_file_of_the_corpora_is_seen_otherwise(folder: str) -> None:
    """Whatever small file is taken for plain has libvips' pixels and facts, without a warning."""
    small = (path for path in corpus_files(folder) if path.stat().st_size < 1 << 20)
    for content in (path.read_bytes() for path in small):
        name = recognised(content[:4096])
        if name in FORMATS and is_seen(content, name):
            check_alike(content, name)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return a file with one thing wrong: cut off, a byte changed, dropped, doubled, or added."""
    at = rng.randrange(len(content))
    byte = bytes((rng.randrange(256),))
    match rng.randrange(5):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + 1 :]
        case 2:
            return content[:at] + content[at : at + 9] + content[at:]
        case 3:
            return content + byte
        case _:
            return content[:at] + byte + content[at + 1 :]


@pytest.mark.parametrize(("name", "mode"), [(name, "RGB") for name in FORMATS])
def test_what_libvips_complains_of_is_left_to_libvips(name: str, mode: str) -> None:
    """A file that is damaged anywhere is not taken, or is a sound one with the same pixels."""
    content, rng = small_file(name, mode), random.Random(name)
    damaged = [mutated(content, rng) for _ in range(MUTATIONS)]
    taken = [each for each in damaged if is_seen(each, name) and light.decoded(each, codec(name))]
    assert len(taken) < MUTATIONS // 2
    for each in taken:
        check_alike(each, name)


@pytest.mark.parametrize("effort", Effort)
@pytest.mark.parametrize("quality", [1, 40, 80, 89, 90, 100, None])
@pytest.mark.parametrize(("name", "mode"), MADE)
def test_an_encoding_is_libvips_own(
    name: str, mode: str, quality: int | None, effort: Effort
) -> None:
    """What Pillow writes is what libvips writes, byte for byte, or the same pixels in no more."""
    spec, content = codec(name), small_file(name, mode)
    if (quality is None and not spec.supports_lossless) or (quality and not spec.supports_lossy):
        return
    still, own = light.decoded(content, spec), by_libvips(content, name)
    assert still is not None
    pixels = own.width * own.height
    encoding = Encoding(codec=name, quality=quality, effort=effort, pixels=pixels)
    made, wanted = light.encoded(still, encoding), encoded(own, encoding)
    if made is None:
        assert effort is Effort.BEST
    elif spec.supports_lossy:
        assert made == wanted
    else:
        assert len(made) <= len(wanted)
        assert by_libvips(made, name).write_to_memory() == own.write_to_memory()


def is_final(shown: Image.Image, effort: Effort = Effort.FAST) -> bool:
    """Return whether a PNG of a picture is done as Pillow writes it."""
    file = io.BytesIO()
    shown.save(file, "PNG")
    still = light.decoded(file.getvalue(), codec("png"))
    assert still is not None
    pixels = shown.width * shown.height
    encoding = Encoding(codec="png", quality=None, effort=effort, pixels=pixels)
    made = light.encoded(still, encoding)
    assert made is not None
    return light.is_final(still, encoding, len(made))


def test_what_packing_makes_smaller_is_packed() -> None:
    """Few colours, grey among colours, alpha that hides nothing, size, and more effort call for it.

    What is left takes as much either way: see the record.
    """
    rng = random.Random(1)
    noise = Image.frombytes("RGB", (40, 40), rng.randbytes(4800))
    grey = Image.frombytes("L", (40, 40), rng.randbytes(1600))
    assert is_final(noise)
    assert is_final(Image.merge("RGBA", (*noise.split(), grey)))
    assert not is_final(noise, Effort.BALANCED)
    assert not is_final(noise.resize((80, 80)))
    assert not is_final(noise.quantize(200).convert("RGB"))
    assert not is_final(noise.convert("RGBA"))
    assert not is_final(Image.merge("RGBA", (grey, grey, grey, noise.getchannel("R"))))
    assert not is_final(Image.linear_gradient("L").convert("RGB").resize((40, 40)))


def test_what_is_more_than_pixels_is_left_to_libvips() -> None:
    """Metadata, palettes, more bits, scans and rows in several passes, and size rule a file out."""
    edge_px = round(MOST_LIGHT_PX**0.5)
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
    files = {
        "comment": saved("JPEG", comment=b"x"),
        "progressive": saved("JPEG", progressive=True),
        "exif": saved("WEBP", exif=exif),
        "density": saved("PNG", dpi=(300, 300)),
        "profile": saved("PNG", icc_profile=b"x" * 200),
        "palette": saved("PNG", mode="P"),
        "bits": saved("PNG", mode="I;16"),
        "bit": saved("PNG", mode="1"),
        "size": small_file("png", size=(edge_px + 1, edge_px)),
    }
    assert not [kind for kind, content in files.items() if is_seen(content, recognised(content))]
    assert is_seen(small_file("png", size=(edge_px, edge_px)), "png")


def saved(kind: str, mode: str = "RGB", **how: object) -> bytes:
    """Return a picture as Pillow saves it."""
    file = io.BytesIO()
    Image.new(mode, (20, 20)).save(file, kind, **how)
    return file.getvalue()


def test_a_plan_is_light_where_nothing_is_done_to_pixels() -> None:
    """It is for the header and the recipe to say: no step, no other format, nothing to stream."""
    content = small_file("png")
    header = probe(content, "png")
    halved = Recipe(
        operations=frozenset({Operation.RESIZE, Operation.COMPRESS}), resize=parse_geometry("50%")
    )
    converted = Recipe(operations=frozenset({Operation.CONVERT}), target_format="webp")
    light_plan = planned(header, Recipe(), PLENTY)
    assert isinstance(light_plan, Plan)
    assert light_plan.is_light
    for recipe, facts in (
        (halved, header),
        (converted, header),
        (Recipe(), replace(header, is_plain=False)),
    ):
        plan = planned(facts, recipe, PLENTY)
        assert isinstance(plan, Plan)
        assert not plan.is_light
