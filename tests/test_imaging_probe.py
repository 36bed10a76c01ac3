"""Promises of `imaging.probe`, checked against Pillow over the corpora."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from corpora import CORPORA, corpus_files, needs_corpora
from imaging_cases import animated_png, codec_of
from pixmill.header import Metadata, Space
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.probe import probe
from pixmill.model import FailureKind, Stage
from pixmill.registry import codec

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_corpora

_SOUND = ("color", "exif_orientation", "formats", "metadata", "photos", "pngsuite/primary")


def _by_pillow(path: Path) -> tuple[int, int] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                return image.size
        except Exception:  # noqa: BLE001 - what Pillow cannot open it has no opinion on
            return None


@pytest.mark.parametrize("folder", _SOUND)
def test_sizes_agree_with_pillow(folder: str) -> None:
    """Every header that both read has one width and height."""
    compared = 0
    for path in corpus_files(folder):
        name = codec_of(path)
        expected = _by_pillow(path)
        if not name or expected is None or codec(name).is_vector:
            continue
        try:
            header = probe(path, name)
        except ImagingError as error:
            if error.failure.kind is FailureKind.UNSUPPORTED:
                continue
            raise
        found = (header.width_px, header.height_px)
        # Pillow turns the size of a TIFF; libheif that of an AVIF, which Pillow leaves to EXIF
        may_be_turned = name in ("tiff", "avif")
        assert found == expected or (may_be_turned and found == expected[::-1]), path.name
        compared += 1
    assert compared > 5


@pytest.mark.parametrize("name", ["a path", "bytes"])
def test_bytes_and_path_give_one_header(name: str) -> None:
    """A source in memory is the same source."""
    path = CORPORA / "exif_orientation" / "Landscape_6.jpg"
    source = path if name == "a path" else path.read_bytes()
    header = probe(source, "jpg")
    assert (header.width_px, header.height_px, header.orientation) == (1200, 1800, 6)
    assert header.file_bytes == path.stat().st_size
    assert Metadata.EXIF in header.metadata


@pytest.mark.parametrize("number", range(1, 9))
def test_orientation_is_read(number: int) -> None:
    """JPEG, WebP and TIFF orientation tags reach the header."""
    for pattern in (f"*scape_{number}.jpg", f"*_{number}.webp", f"*_{number}.tif"):
        for path in corpus_files("exif_orientation", pattern):
            assert probe(path, codec_of(path)).orientation == number, path.name


def test_orientation_of_png_is_read_and_of_avif_is_done() -> None:
    """PNG keeps EXIF where libvips does not look; AVIF is upright once decoded."""
    png = CORPORA / "exif_orientation" / "exif_imagemagick_orientation.png"
    assert probe(png, "png").orientation != 1
    for path in corpus_files("formats/avif", "rot*.avif"):
        assert probe(path, "avif").orientation == 1


def test_colours_are_told_apart() -> None:
    """P3 and ProPhoto are not sRGB, CMYK and Lab are named, plain files are sRGB."""
    colour = CORPORA / "color"
    assert not probe(colour / "p3.png", "png").is_srgb
    assert not probe(colour / "prophoto.png", "png").is_srgb
    assert probe(colour / "flower_small.cmyk.jpg", "jpg").space is Space.CMYK
    assert probe(colour / "cielab-dagams.tiff", "tiff").space is Space.LAB
    assert probe(colour / "Nikon-D3-14bit_srgb8.png", "png").is_srgb


def test_depth_palette_and_pages_are_told() -> None:
    """What planning decides from is in the header."""
    deep = probe(CORPORA / "pngsuite/16bit/basi2c16.png", "png")
    assert (deep.bits, deep.bands) == (16, 3)
    palette = probe(CORPORA / "pngsuite/primary/basn3p04.png", "png")
    assert (palette.palette_bits, palette.bits) == (4, 8)
    animation = probe(CORPORA / "formats/gif/rotating-squares.gif", "gif")
    assert animation.is_animated
    assert animation.pages == 30
    tiff = probe(CORPORA / "formats/tiff/multipage.tiff", "tiff")
    assert (tiff.pages > 1, tiff.is_animated) == (True, False)


def test_animations_that_libvips_hides_are_seen() -> None:
    """An animated PNG and an AVIF sequence are animations."""
    png = probe(animated_png(), "png")
    avif = probe(CORPORA / "formats/avif/star.avifs", "avif")
    assert (png.is_animated, avif.is_animated) == (True, True)
    assert (png.pages, avif.pages) == (3, 5)


def test_one_image_is_not_told_the_troubles_of_another() -> None:
    """Warnings of a file that was survived stay out of the next file's message."""
    tiff = CORPORA / "formats/tiff"
    probe(tiff / "hopper.tif", "tiff")
    for path in corpus_files("formats/jpeg_odd", "*adobe*"):
        probe(path, "jpg")
    with pytest.raises(ImagingError) as odd:
        probe(tiff / "minisblack-1c-7b.tiff", "tiff")
    assert odd.value.failure.kind is FailureKind.UNSUPPORTED
    assert "bytes" in odd.value.failure.message


def test_failures_are_translated() -> None:
    """A file that went away is vanished, a folder is no image, junk is corrupt."""
    with pytest.raises(ImagingError) as gone:
        probe(CORPORA / "no-such-file.jpg", "jpg")
    assert gone.value.failure.kind is FailureKind.VANISHED
    with pytest.raises(ImagingError) as folder:
        probe(CORPORA, "jpg")
    assert folder.value.failure.stage is Stage.READ
    with pytest.raises(ImagingError) as junk:
        probe(b"\x89PNG\r\n\x1a\n" + bytes(64), "png")
    assert junk.value.failure.kind is FailureKind.CORRUPT


def test_messages_are_fit_for_people() -> None:
    """No address, no Python object, no temporary name and one line."""
    for path in corpus_files("corrupt"):
        name = codec_of(path)
        if not name:
            continue
        try:
            probe(path, name)
        except ImagingError as error:
            message = error.failure.message
            assert message, path.name
            for noise in ("\n", "object at", "0x7f", "unable to call", "<"):
                assert noise not in message, (path.name, message)
