"""The comparison of encoders says what their points say, and pixmill's JPEG is ahead by it."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import pyvips

from pixmill.codecs.spec import Encoding
from pixmill.imaging.encode import encoded
from pixmill.vocabulary import Effort
from quality import FAMILIES, Family, Rated, section
from rating.encoders import encoders
from rating.pictures import Kind, Picture, picture
from rating.plot import Curve, drawn
from rating.rates import Point, Standing, more_bytes, share_at

TRAVEL = Path(__file__).parent / "sample" / "travel"
QUALITIES = (40, 55, 70, 80, 88)
BASE = [Point(size_bytes=1000 * 2**n, score=50.0 + 10 * n, cpu_s=1.0) for n in range(5)]


def _changed(factor: float, score: float = 0.0) -> list[Point]:
    return [
        Point(size_bytes=round(point.size_bytes * factor), score=point.score + score, cpu_s=1.0)
        for point in BASE
    ]


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.3])
def test_fewer_bytes_at_every_score_are_told_as_they_are(factor: float) -> None:
    """A curve that is lower by a factor is that much smaller, in whatever order it came."""
    found = more_bytes(_changed(factor)[::-1], BASE)
    assert found == pytest.approx(factor - 1, abs=0.001)


def test_a_higher_score_at_equal_bytes_is_worth_bytes() -> None:
    """Five points more, where ten points cost a doubling, save as much as a root of two."""
    found = more_bytes(_changed(1.0, score=5.0), BASE)
    assert found == pytest.approx(2**-0.5 - 1, abs=0.001)


def test_curves_that_do_not_meet_are_not_compared() -> None:
    """Where two encoders share no scores there is no figure."""
    assert more_bytes(_changed(1.0, score=60.0), BASE) is None


@pytest.mark.parametrize(
    ("cpu", "share"), [(9.0, None), (10.0, 0.2), (20.0, 0.1), (40.0, 0.0), (400.0, 0.0)]
)
def test_efforts_are_held_to_the_cpu_that_a_peer_takes(cpu: float, share: float | None) -> None:
    """Half way between two efforts lies half their gain; beyond them the dearest's, or none."""
    efforts = [Standing(40.0, 0.0), Standing(10.0, 0.2)]
    assert share_at(efforts, cpu) == (share if share is None else pytest.approx(share))


@pytest.mark.skipif(shutil.which("avifenc") is None, reason="needs avifenc")
def test_avifenc_is_given_pixmills_chroma_and_depth() -> None:
    """A photograph is halved and a drawing is not, at eight bits, as pixmill does both."""
    noise = pyvips.Image.gaussnoise(96, 64, seed=3, mean=120, sigma=20).gaussblur(2).cast("uchar")
    shown = Picture("noise", noise.bandjoin([noise, noise]).copy(interpretation="srgb"))
    encoder = next(each for each in encoders("avif") if each.name.startswith("avifenc"))
    assert encoder.encode is not None
    for is_drawn in (False, True):
        shown.__dict__["is_drawn"] = is_drawn
        encoding = Encoding(
            codec="avif", quality=55, effort=Effort.FAST, is_full_chroma=shown.is_drawn
        )
        theirs, mine = encoder.encode(shown, 55).content, encoded(shown.image, encoding)
        assert _av1_format(theirs) == _av1_format(mine)


def _av1_format(content: bytes) -> int:
    """Return what an AV1 configuration says of depth and chroma: AV1-ISOBMFF 2.3.3."""
    return content[content.index(b"av1C") + 6] & 0b0111_1100


def test_a_plot_is_a_picture_without_a_network() -> None:
    """The SVG parses, names each curve and refers to nothing elsewhere."""
    points = ((0.2, 50.0), (1.0, 80.0))
    text = drawn("A < B", [Curve("pixmill best", points), Curve("a & b", points)])
    tree = ET.fromstring(text)  # noqa: S314 - our own text
    said = [element.text for element in tree.iter() if element.text]
    assert {"A < B", "pixmill best", "a & b"} <= set(said)
    assert text.count("http") == 1


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_encoder_that_is_installed_makes_the_picture(family: Family) -> None:
    """What an encoder gives back decodes at the picture's size, pixmill's efforts among them."""
    noise = pyvips.Image.gaussnoise(96, 64, seed=3, mean=120, sigma=20).gaussblur(2).cast("uchar")
    small = Picture("noise", noise.bandjoin([noise, noise]).copy(interpretation="srgb"))
    made = {each.name: each.encode(small, 80) for each in encoders(family.name) if each.encode}
    assert sum(each.startswith("pixmill") for each in made) == len(Effort)
    for each in made.values():
        decoded = pyvips.Image.new_from_buffer(each.content, "")
        assert (decoded.width, decoded.height) == (96, 64)
        assert each.cpu_s >= 0


def test_missing_peers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is listed as such, and nothing else is."""
    monkeypatch.setenv("PATH", "")
    family = FAMILIES[0]
    here = [each.name for each in encoders(family.name) if each.encode]
    assert here == ["Pillow", "pixmill fast", "pixmill balanced", "pixmill best"]
    found = [
        Rated(kind=kind, megapixels=1.0, points=dict.fromkeys(here, BASE)) for kind in family.kinds
    ]
    said = "\n".join(section(family, found))
    assert "Not installed, so not measured: cjpeg, cjpeg -progressive, jpegoptim -m, sharp" in said


def _points(shown: Picture, effort: Effort | None) -> list[Point]:
    points = []
    for quality in QUALITIES:
        if effort is None:
            content = _by_pillow(shown, quality)
        else:
            content = encoded(shown.image, Encoding(codec="jpg", quality=quality, effort=effort))
        points.append(Point(size_bytes=len(content), score=shown.score(content), cpu_s=0.0))
    return points


def _by_pillow(shown: Picture, quality: int) -> bytes:
    pillow = next(each for each in encoders("jpg") if each.name == "Pillow")
    assert pillow.encode is not None
    return pillow.encode(shown, quality).content


@pytest.mark.parametrize(
    ("effort", "saved"), [(Effort.FAST, 0.08), (Effort.BALANCED, 0.1), (Effort.BEST, 0.18)]
)
def test_jpeg_is_smaller_than_pillows_at_equal_score(effort: Effort, saved: float) -> None:
    """Photographs take so much less than in Pillow's default encoder, and look no worse."""
    shares = []
    for path in sorted(TRAVEL.glob("*.jpg")):
        shown = picture(path, Kind.PHOTOGRAPHS, 480)
        assert not any(name.startswith("exif") for name in shown.image.get_fields())
        share = more_bytes(_points(shown, effort), _points(shown, None))
        assert share is not None
        shares.append(share)
    assert sum(shares) / len(shares) <= -saved
