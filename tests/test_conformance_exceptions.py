"""What no oracle confirms in `test_conformance.py` is right by another measure.

Each reason on its list that a formula, another library or the file's own bytes can prove is proved
here: chroma that is repeated, profiles that ImageMagick drops, numbers that no oracle reads.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from corpora import CORPORA, needs_corpora
from imaging_cases import made, reread
from pictures import Pair, likenesses
from pixmill.codecs.tiff_tags import directories

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.corpora, needs_corpora]

_STRIP, _STRIP_BYTES = 273, 279
_LUMA = np.array([0.299, 0.587, 0.114])


def _shown(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(reread(made(CORPORA / name, "png"))).astype(np.float64)


@pytest.mark.parametrize(
    "name",
    ["hopper.avif", *(f"rot{turns}mir{flip}.avif" for turns in range(4) for flip in (0, 1))],
)
def test_only_chroma_is_off_where_it_is_halved(name: str) -> None:
    """Libheif repeats halved chroma where libavif blends it: brightness is the same in both."""
    path = CORPORA / "formats" / "avif" / name
    mine = _shown(f"formats/avif/{name}")
    with Image.open(path) as opened:
        theirs = np.asarray(ImageOps.exif_transpose(opened).convert("RGB")).astype(np.float64)
    apart = (mine - theirs) @ _LUMA
    assert np.sqrt((apart**2).mean()) < 1.5
    assert np.abs(apart.mean()) < 0.1
    smooth = (mine - theirs).reshape(-1, 3).mean(axis=0)
    assert np.abs(smooth).max() < 0.5


@pytest.mark.parametrize("name", ["IMG_2927.HEIC", "exif-at-eof.heic"])
def test_display_p3_is_what_littlecms_makes_of_it(name: str, tmp_path: Path) -> None:
    """ImageMagick drops the profile of these photographs; pi-heif and littleCMS agree with us."""
    result = tmp_path / "made.png"
    result.write_bytes(made(CORPORA / "formats" / "heic" / name, "png"))
    (seen,) = likenesses([Pair((CORPORA / "formats" / "heic" / name).resolve(), result)])
    assert seen.is_profiled
    assert seen.psnr_db > 60


@pytest.mark.skipif(shutil.which("djxl") is None, reason="needs djxl: make oracles")
@pytest.mark.parametrize("name", ["bike.jxl", "grayscale_jpeg.jxl"])
def test_jpeg_xl_is_what_littlecms_makes_of_djxl(name: str, tmp_path: Path) -> None:
    """Its numbers are the oracles'; under the profile that djxl gives them they are these in sRGB.

    Unconverted they are 6.4 and 1.6 of 255 off, under the curve of Rec. 709 and a dot gain of 30 %.
    """
    shown = tmp_path / "shown.png"
    source = CORPORA / "formats" / "jxl" / name
    subprocess.run(["djxl", str(source), str(shown)], check=True, capture_output=True, timeout=60)
    with Image.open(shown) as held:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(held.info["icc_profile"]))
        srgb = ImageCms.createProfile("sRGB")
        theirs = ImageCms.profileToProfile(
            held,
            profile,
            srgb,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    mine = np.asarray(reread(made(source, "png")).convert("RGB")).astype(np.float64)
    apart = np.abs(mine - np.asarray(theirs).astype(np.float64))
    assert apart.mean() < 0.5
    assert apart.max() <= 3


def test_a_pfm_whose_white_is_255_is_its_numbers() -> None:
    """Rows go from bottom to top, and no oracle takes 255 for white."""
    data = (CORPORA / "formats" / "pfm" / "hopper.pfm").read_bytes()
    head, size, scale, samples = data.split(b"\n", 3)
    assert (head, float(scale) < 0) == (b"Pf", True)
    width_px, height_px = map(int, size.split())
    stored = np.frombuffer(samples, "<f4").reshape(height_px, width_px)[::-1]
    assert np.abs(_shown("formats/pfm/hopper.pfm") - stored).max() <= 0.5


def test_floats_of_a_tiff_are_light() -> None:
    """A fraction of white without a profile is shown by sRGB's curve."""
    with Image.open(CORPORA / "formats" / "tiff" / "gradient-1c-32b-float.tiff") as opened:
        light = np.asarray(opened).astype(np.float64)
    wanted = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(_shown("formats/tiff/gradient-1c-32b-float.tiff") - wanted).max() <= 1


def test_integers_of_32_bits_are_a_share_of_the_largest() -> None:
    """Three bands that no oracle reads are what the strip itself holds."""
    name = "formats/tiff/gradient-3c-32b.tiff"
    data = (CORPORA / name).read_bytes()
    fields = next(iter(directories(io.BytesIO(data))))
    start = fields[_STRIP].number
    stored = np.frombuffer(data[start : start + fields[_STRIP_BYTES].number], "<u4")
    wanted = stored.reshape(1, -1, 3) / 2**24
    assert np.abs(_shown(name) - wanted).max() <= 1


@pytest.mark.parametrize("name", ["border_touching_layers.gif", "issue_1455_undersized.gif"])
def test_what_is_drawn_is_right_where_the_rest_is_bare(name: str) -> None:
    """Clear is what no frame draws, which oracles paint; all else has their colours."""
    mine = _shown(f"formats/gif/{name}")
    with Image.open(CORPORA / "formats" / "gif" / name) as opened:
        theirs = np.asarray(opened.convert("RGBA")).astype(np.float64)
    drawn = mine[..., 3] == 255
    assert 0 < drawn.mean() < 1
    assert np.array_equal(mine[drawn], theirs[drawn])


def test_an_icon_is_clear_where_its_mask_says_so() -> None:
    """The oracles overlook the mask: four bytes a row, the lowest row first, behind the colours."""
    name = "formats/ico/bmp-24bpp-mask.ico"
    rows = np.frombuffer((CORPORA / name).read_bytes()[22 + 40 + 32 * 96 :][: 32 * 4], np.uint8)
    mask = np.unpackbits(rows.reshape(32, 4), axis=1)[::-1]
    assert 0.4 < mask.mean() < 0.5
    assert np.array_equal(_shown(name)[..., 3] == 0, mask == 1)
