"""What EXIF says of the pixels is true of the result, by exiftool."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING, Final

import pytest
from PIL import Image

from oracles import needs_exiftool, tags_by_exiftool
from pixmill.api import optimize_bytes
from pixmill.recipe import Recipe
from pixmill.units import Geometry
from pixmill.vocabulary import Colour, Keep, Operation

if TYPE_CHECKING:
    from pathlib import Path

_EXIF_IFD: Final = 0x8769
_WITH_AN_EXIF_IFD: Final = ("jpg", "png", "webp", "avif")
"""Targets whose EXIF block is whole; of TIFF libvips writes the first directory alone."""


def _photo(folder: Path) -> Path:
    """Return a JPEG that lies on its side, whose EXIF has its size twice and a thumbnail."""
    exif, thumbnail = Image.Exif(), folder / "thumbnail.jpg"
    exif[0x0112], exif[0x0100], exif[0x0101], exif[0x010F] = 6, 64, 48, "Canon"
    exif.get_ifd(_EXIF_IFD).update({0xA001: 65535, 0xA002: 64, 0xA003: 48})
    Image.new("RGB", (64, 48), (200, 10, 10)).save(folder / "photo.jpg", exif=exif)
    Image.new("RGB", (16, 12), (0, 255, 0)).save(thumbnail)
    command = ["exiftool", "-q", "-overwrite_original", f"-ThumbnailImage<={thumbnail}"]
    subprocess.run([*command, str(folder / "photo.jpg")], check=True, timeout=60)
    thumbnail.unlink()
    return folder / "photo.jpg"


@needs_exiftool
@pytest.mark.parametrize("colour", [Colour.SRGB, Colour.P3])
@pytest.mark.parametrize("keep", [Keep.EXIF, Keep.ALL, Keep.NO_GPS])
def test_exif_says_what_the_result_is(tmp_path: Path, keep: Keep, colour: Colour) -> None:
    """Size, orientation and colour space are the result's, and no thumbnail shows the source."""
    photo = _photo(tmp_path)
    assert "IFD1:ThumbnailImage" in tags_by_exiftool(tmp_path)["photo.jpg"]
    out = tmp_path / "out"
    out.mkdir()
    for target in _WITH_AN_EXIF_IFD:
        recipe = Recipe(
            operations=frozenset({Operation.RESIZE, Operation.CONVERT, Operation.COMPRESS}),
            resize=Geometry(20, 20),
            target_format=target,
            keep=frozenset({keep}),
            colour=colour,
        )
        made = optimize_bytes(photo.read_bytes(), recipe)
        shown = Image.open(io.BytesIO(made))
        told = shown.getexif().get_ifd(_EXIF_IFD)
        assert shown.size == (told[0xA002], told[0xA003]) == (15, 20)
        (out / f"made.{target}").write_bytes(made)
    found = tags_by_exiftool(out)
    assert len(found) == len(_WITH_AN_EXIF_IFD)
    del found["made.webp"]  # asked for what is unknown, exiftool leaves its block as it is
    for tags in found.values():
        assert (tags["ExifIFD:ExifImageWidth"], tags["ExifIFD:ExifImageHeight"]) == (15, 20)
        assert tags["IFD0:Make"] == "Canon"
        assert tags.get("IFD0:Orientation", "Horizontal (normal)") == "Horizontal (normal)"
        is_srgb = colour is Colour.SRGB
        assert tags["ExifIFD:ColorSpace"] == ("sRGB" if is_srgb else "Uncalibrated")
        assert not [name for name in tags if "Thumbnail" in name]
        assert not {"IFD0:ImageWidth", "IFD0:ImageHeight"} & tags.keys()
