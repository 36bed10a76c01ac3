"""JPEGs whose luma and chroma were encoded apart are whole JPEGs to everybody who reads them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import pyvips
from PIL import Image

import pixmill
from oracles import needs_ffmpeg, needs_imagemagick, shown_by_ffmpeg, shown_by_imagemagick
from pixmill.codecs import jpg_segments as parts
from pixmill.codecs.jpg_planes import woven
from pixmill.codecs.jpg_tables import WOVEN, WOVEN_WHOLE
from pixmill.codecs.spec import Encoding, Scan
from pixmill.imaging.encode import encoded
from pixmill.imaging.score import likeness
from pixmill.imaging.turbo import has_turbo, transformed
from pixmill.perception.kernels import has_kernel
from pixmill.plan import Orient
from pixmill.recipe import CodecOption, Recipe
from pixmill.registry import codec
from pixmill.vocabulary import Effort, Keep

LAKE: Final = Path(__file__).parent / "sample" / "travel" / "lake.jpg"
BEST: Final = Encoding(codec="jpg", quality=80, effort=Effort.BEST)
WHOLE: Final = replace(BEST, is_full_chroma=True)


def _photo(width_px: int = 300, height_px: int = 200) -> pyvips.Image:
    photo = pyvips.Image.thumbnail(str(LAKE), width_px, height=height_px, size="force")
    pixels = photo.write_to_memory()
    bare = pyvips.Image.new_from_memory(pixels, width_px, height_px, 3, "uchar")
    return bare.copy(interpretation="srgb").copy_memory()


def _as_whole(image: pyvips.Image, encoding: Encoding) -> bytes:
    """Return what the saver makes of the image in one go."""
    return bytes(image.jpegsave_buffer(**codec("jpg").options(encoding), keep="none"))


def _scan(content: bytes) -> Scan:
    scan = codec("jpg").scan
    assert scan is not None
    return scan(io.BytesIO(content), len(content))


def _rgb(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the pixels as Pillow's libjpeg-turbo sees them."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"), np.float32)


@pytest.mark.parametrize("encoding", [BEST, WHOLE], ids=["halved", "whole"])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 37), (8, 9), (17, 16), (33, 31), (200, 3)])
def test_any_size_is_a_jpeg_of_the_same_colours(size: tuple[int, int], encoding: Encoding) -> None:
    """Edges odd, tiny or long are read without a warning, and keep their colours."""
    image = _photo(*size)
    content = encoded(image, encoding)
    assert pyvips.Image.new_from_buffer(content, "", fail_on="warning").avg() >= 0
    mine, theirs = _rgb(content), _rgb(_as_whole(image, encoding))
    assert mine.shape == (size[1], size[0], 3)
    assert np.abs(mine.mean((0, 1)) - theirs.mean((0, 1))).max() < 6  # half a step of the tables


@pytest.mark.parametrize(("encoding", "least_saved"), [(BEST, 0.03), (WHOLE, 0.1)])
def test_planes_take_fewer_bytes_for_the_same_look(encoding: Encoding, least_saved: float) -> None:
    """At the same quality, planes apart are smaller and score no less than 1.5 below."""
    if not has_kernel():
        pytest.skip("needs the compiled kernel")
    image = _photo(600, 400)
    apart, whole = encoded(image, encoding), _as_whole(image, encoding)
    assert len(apart) < (1 - least_saved) * len(whole)
    scores = [likeness(image, pyvips.Image.new_from_buffer(each, "")) for each in (apart, whole)]
    assert scores[0] > scores[1] - 1.5


@pytest.mark.parametrize(("encoding", "most_lost"), [(BEST, 6.0), (WHOLE, 9.0)])
def test_low_qualities_keep_their_colours(encoding: Encoding, most_lost: float) -> None:
    """Where steps are coarsest, chroma apart costs some points and not the picture."""
    if not has_kernel():
        pytest.skip("needs the compiled kernel")
    image = _photo(300, 200)
    for quality in (6, 10, 14):
        coarse = replace(encoding, quality=quality, is_subsampled=not encoding.is_full_chroma)
        scores = [
            likeness(image, pyvips.Image.new_from_buffer(each, ""))
            for each in (encoded(image, coarse), _as_whole(image, coarse))
        ]
        assert scores[0] > scores[1] - most_lost


@pytest.mark.parametrize("quality", [10, 40, 89, 93, 97, 99])
@pytest.mark.parametrize("encoding", [BEST, WHOLE], ids=["halved", "whole"])
def test_a_woven_file_tells_quality_and_tables(quality: int, encoding: Encoding) -> None:
    """Its tables give back the quality and their family, so that a second run takes them again."""
    halved = replace(encoding, is_subsampled=not encoding.is_full_chroma, quality=quality)
    found = _scan(encoded(_photo(64, 48), halved))
    expected = WOVEN_WHOLE if encoding.is_full_chroma else WOVEN
    assert (found.quality, found.tables) == (quality, expected.number)
    assert found.is_subsampled is halved.is_subsampled


def test_woven_files_of_any_effort_are_stored_again_as_they_were() -> None:
    """What was made of planes is made of planes again, at every effort, in the same tables."""
    made = encoded(_photo(), BEST)
    again = pyvips.Image.new_from_buffer(made, "").copy_memory()
    for effort in Effort:
        other = encoded(again, replace(BEST, effort=effort, tables=_scan(made).tables))
        assert np.abs(_rgb(other) - _rgb(made)).mean() < 1
        assert _scan(other).tables == WOVEN.number


def test_colours_come_before_details() -> None:
    """The first three scans are one of each component, so that no viewer shows grey for long."""
    content = encoded(_photo(), BEST)
    heads = list(parts.segments(io.BytesIO(content)))
    shown = [heads[-1]]
    shown += [part for _, part in parts.coded_parts(content, heads[-1].end)]
    scans = [part.body[1] for part in shown if part.marker == parts.SOS]
    assert scans[:3] == [1, 2, 3]
    assert len(scans) > 3


@pytest.mark.parametrize("encoding", [BEST, WHOLE], ids=["halved", "whole"])
def test_a_third_of_a_file_shows_its_colours(encoding: Encoding) -> None:
    """Cut off at 30 %, it is the whole picture, coarse and not grey."""
    content = encoded(_photo(), encoding)
    part = pyvips.Image.new_from_buffer(content[: len(content) * 3 // 10], "", fail_on="none")
    shown = np.asarray(part.cast("float").numpy())
    assert np.abs(shown - _rgb(content)).mean() < 12
    assert np.abs(np.ptp(shown, axis=2).mean() - np.ptp(_rgb(content), axis=2).mean()) < 6


@needs_ffmpeg
@needs_imagemagick
@pytest.mark.parametrize("encoding", [BEST, WHOLE], ids=["halved", "whole"])
def test_other_programs_see_the_same(encoding: Encoding, tmp_path: Path) -> None:
    """ImageMagick and ffmpeg show what Pillow does, edges odd and scans progressive or not."""
    effort = {"progressive": Effort.BEST, "sequential": Effort.FAST}
    family = WOVEN_WHOLE if encoding.is_full_chroma else WOVEN
    paths = [tmp_path / f"{name}.jpg" for name in effort]
    for path in paths:
        again = replace(encoding, effort=effort[path.stem], tables=family.number)
        path.write_bytes(encoded(_photo(157, 91), again))
    for shown in (shown_by_imagemagick, shown_by_ffmpeg):
        made = shown(paths, tmp_path)
        assert set(made) == set(paths)
        for path, other in made.items():
            gap = _rgb(other.read_bytes()) - _rgb(path.read_bytes())
            assert np.abs(gap).mean() < 3  # ffmpeg widens chroma its own way


@pytest.mark.skipif(not has_turbo(), reason="needs the system's libturbojpeg")
@pytest.mark.parametrize("encoding", [BEST, WHOLE], ids=["halved", "whole"])
def test_a_woven_file_is_turned_without_loss(encoding: Encoding) -> None:
    """Coefficients of planes coded apart are turned as those of any other file."""
    content = encoded(_photo(160, 96), encoding)
    turned = transformed(content, (Orient(3),))
    assert turned is not None
    halfway = Image.fromarray(_rgb(content).astype(np.uint8)).rotate(180)
    assert np.abs(_rgb(turned) - np.asarray(halfway, np.float32)).mean() < 0.5


def test_no_more_than_one_table_of_a_kind_is_alive() -> None:
    """Every scan brings its Huffman tables under one number, for which any decoder has room."""
    content = encoded(_photo(), WHOLE)
    heads = list(parts.segments(io.BytesIO(content)))
    between = [part for _, part in parts.coded_parts(content, heads[-1].end)]
    numbers = {part.body[0] & 15 for part in (*heads, *between) if part.marker == parts.DHT}
    assert numbers == {0}


def test_libultrahdr_reads_a_gain_map_beside_planes() -> None:
    """A gain map goes along at best, and an independent reader finds it."""
    bright = pyvips.Image.sines(320, 240, hfreq=5).bandjoin([0.4, 1.7]).linear(1, 0.5)
    source = bytes(bright.copy(interpretation="scrgb").uhdrsave_buffer(Q=95))
    made = pixmill.optimize_bytes(source, Recipe(effort=Effort.BEST, quality=70))
    assert _scan(made).tables in {WOVEN.number, WOVEN_WHOLE.number}
    before, after = (pyvips.Image.uhdrload_buffer(each) for each in (source, made))
    assert after.get("gainmap-max-content-boost") == before.get("gainmap-max-content-boost")


def test_metadata_and_a_profile_in_pieces_go_along() -> None:
    """EXIF, XMP and a profile longer than a segment are those of the image, byte for byte."""
    source = pyvips.Image.new_from_file(str(LAKE)).copy_memory()
    profile = bytes(pyvips.Image.profile_load("p3"))
    long = profile + bytes(70_000)
    long = len(long).to_bytes(4, "big") + long[4:]
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    tagged = source.copy()
    tagged.set_type(pyvips.GValue.blob_type, "icc-profile-data", long)
    tagged.set_type(pyvips.GValue.blob_type, "xmp-data", packet)
    tagged.set_type(
        pyvips.GValue.gstr_type, "exif-ifd0-Copyright", "Ada (Ada, ASCII, 4 components)"
    )
    with Image.open(io.BytesIO(encoded(tagged, BEST))) as read:
        assert read.info["icc_profile"] == long
        assert read.info["xmp"] == packet
        assert read.getexif()[0x8298] == "Ada"


@pytest.mark.parametrize("bands", [1, 4])
def test_other_images_are_encoded_as_a_whole(bands: int) -> None:
    """Grey and CMYK, lean encodings, other tables and other efforts are the saver's alone."""
    photo = _photo(64, 48)
    image = photo[0] if bands == 1 else photo.bandjoin(40).copy(interpretation="cmyk")
    assert encoded(image.copy_memory(), BEST) == _as_whole(image, BEST)
    for other in (
        replace(BEST, is_lean=True),
        replace(BEST, tuned=(CodecOption("jpg", "tables", 3),)),
        replace(BEST, tables=3),
        replace(BEST, effort=Effort.BALANCED),
    ):
        assert encoded(photo, other) == _as_whole(photo, other)


@pytest.mark.parametrize("spoilt", ["two", "mixed", "no pixels"])
def test_what_is_no_three_planes_is_refused(spoilt: str) -> None:
    """Planes too few, of two kinds or without pixels are told apart from those that fit."""
    grey = _photo(32, 24)[1].copy(interpretation="b-w")
    one, other = (
        bytes(grey.jpegsave_buffer(interlace=each, keep="none")) for each in (True, False)
    )
    planes = {
        "two": [one, one],
        "mixed": [one, one, other],
        "no pixels": [one, one, b"\xff\xd8\xff\xd9"],
    }
    with pytest.raises(ValueError, match="expected"):
        woven(planes[spoilt], b"")


def test_a_run_at_best_keeps_what_its_recipe_keeps() -> None:
    """A whole optimisation at best is smaller than its source and carries what was asked for."""
    source = LAKE.read_bytes()
    made = pixmill.optimize_bytes(source, Recipe(effort=Effort.BEST, keep=frozenset({Keep.ALL})))
    assert len(made) < len(source)
    assert _scan(made).tables in {WOVEN.number, WOVEN_WHOLE.number}
    assert _scan(made).metadata == _scan(source).metadata
