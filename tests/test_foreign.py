"""Files of other programs come out as these programs see them, or are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from imaging_cases import codec_of, made, reread
from oracles import needs_ffmpeg, needs_imagemagick, shown_by_ffmpeg, shown_by_imagemagick
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.probe import probe
from pixmill.model import FailureKind
from pixmill.registry import codec, codecs, writable_names

FOREIGN = Path(__file__).parent / "foreign"
_TOP, _MIDDLE, _BOTTOM = (192, 16, 32), (112, 40, 128), (32, 64, 224)
_SOUND = frozenset({"rose", "rle"})
_MOST_APART = 12
"""What lossy codings may be off, of 255: halved chroma, and DDS's five bits."""

_FEW_COLOURS = {"xbm": 255, "xpm": 45, "sun": 25}
"""Formats whose files here have few colours, and how far off that leaves them.

XBM, black and white, has a test of its own.
"""

_MADE_BY_HAND = {"raw": "no program writes small raws: tests/test_raw.py makes them by hand"}
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def _shown(name: str, codec_name: str) -> list[tuple[int, ...]]:
    """Return the first pixels of the first, the middle and the last row."""
    path = FOREIGN / name
    assert codec_of(path) == codec_name
    shown = reread(made(path, "png"))
    assert shown.height == 15
    rows = shown.convert("RGBA" if shown.mode in ("LA", "RGBA") else "RGB")
    pixels = [rows.getpixel((0, row)) for row in (0, 7, 14)]
    return [pixel for pixel in pixels if isinstance(pixel, tuple)]


@pytest.mark.parametrize(
    ("name", "codec_name"), [("rose.ras", "sun"), ("rose.pam", "pam"), ("rose.qoi", "qoi")]
)
def test_colours_are_exact(name: str, codec_name: str) -> None:
    """What stores every colour shows the very ones."""
    assert _shown(name, codec_name) == [_TOP, _MIDDLE, _BOTTOM]


@pytest.mark.parametrize(("name", "codec_name"), [("rose.xpm", "xpm"), ("rle.sun", "sun")])
def test_palettes_are_near(name: str, codec_name: str) -> None:
    """What has few colours shows those nearest."""
    for found, wanted in zip(_shown(name, codec_name), (_TOP, _MIDDLE, _BOTTOM), strict=True):
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 25


@pytest.mark.parametrize("name", [spec.name for spec in codecs() if spec.can_read])
def test_every_format_is_read_from_a_file_of_another_program(name: str) -> None:
    """Each format that is read has such a file, and it shows the gradient."""
    if name in _MADE_BY_HAND:
        pytest.skip(_MADE_BY_HAND[name])
    found = [
        path for path in sorted(FOREIGN.iterdir()) if path.stem in _SOUND and codec_of(path) == name
    ]
    assert found, f"expected a file in {FOREIGN} that is {name}"
    for path in found:
        _assert_gradient(reread(made(path, "png")), most=_FEW_COLOURS.get(name, _MOST_APART))


@needs_imagemagick
@needs_ffmpeg
@pytest.mark.parametrize("name", writable_names())
def test_every_format_written_is_read_by_another_program(name: str, tmp_path: Path) -> None:
    """ImageMagick, or ffmpeg where that cannot, sees in it what was drawn."""
    path = tmp_path / f"made{codec(name).suffixes[0]}"
    path.write_bytes(made(FOREIGN / "rose.png", name))
    shown = shown_by_imagemagick([path], tmp_path) or shown_by_ffmpeg([path], tmp_path)
    with Image.open(shown[path]) as image:
        _assert_gradient(image, most=_MOST_APART)


def _assert_gradient(shown: Image.Image, *, most: int) -> None:
    """Hold every row to the colour that lies between the first and the last."""
    colours = shown.convert("RGB")
    for row in range(colours.height):
        share = row / (colours.height - 1)
        wanted = [a + (b - a) * share for a, b in zip(_TOP, _BOTTOM, strict=True)]
        for column in (0, colours.width // 2, colours.width - 1):
            found = colours.getpixel((column, row))
            assert isinstance(found, tuple)
            assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= most, row


def test_alpha_of_pam_is_read() -> None:
    """The fourth sample is how opaque a pixel is."""
    assert [pixel[3] for pixel in _shown("alpha.pam", "pam")] == [128] * 3


def test_xbm_has_its_white_and_black() -> None:
    """The lighter end of the gradient is white, the darker one black."""
    assert _shown("rose.xbm", "xbm")[::2] == [_WHITE, _BLACK]


@pytest.mark.parametrize(
    ("name", "codec_name", "word"),
    [
        ("refused-32-bits.ras", "sun", "32 bits"),
        ("refused-16-bits.pam", "pam", "65535"),
        ("refused-names.xpm", "xpm", "red"),
        ("refused-colour.pfm", "pam", "in colour"),
        ("refused.fits", "fits", "FITS"),
    ],
)
def test_what_would_come_out_wrong_is_refused(name: str, codec_name: str, word: str) -> None:
    """A kind that Pillow misreads in silence is told as unsupported, with what it is."""
    path = FOREIGN / name
    assert codec_of(path) == codec_name
    with pytest.raises(ImagingError, match=word) as caught:
        probe(path, codec_name)
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED
