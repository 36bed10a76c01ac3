"""Files of other programs come out as these programs see them, or are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaging_cases import codec_of, made, reread
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.probe import probe
from pixmill.model import FailureKind

FOREIGN = Path(__file__).parent / "foreign"
_TOP, _MIDDLE, _BOTTOM = (192, 16, 32), (112, 40, 128), (32, 64, 224)
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
