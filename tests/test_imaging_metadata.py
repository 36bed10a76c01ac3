"""Promises of `imaging.metadata`: Pillow reads back what the policy allows and no more."""

from __future__ import annotations

import io
from typing import Final

import pytest
from PIL import Image, ImageCms

from corpora import CORPORA, corpus_files, needs_corpora
from imaging_cases import codec_of, encoding_for, made, plan_for, reread
from pixmill.imaging import icc
from pixmill.imaging.encode import encoded
from pixmill.imaging.load import opened
from pixmill.imaging.metadata import with_metadata
from pixmill.imaging.probe import probe
from pixmill.imaging.steps import run_steps
from pixmill.recipe import DEFAULT_KEEP
from pixmill.vocabulary import Keep

_TARGETS: Final = ("jpg", "png", "webp", "avif")
_GPS_IFD: Final = 0x8825
_EXIF_IFD: Final = 0x8769


def _tagged(*, orientation: int = 1, xmp: bytes = b"") -> bytes:
    """Return a JPEG with copyright, camera, GPS, maker note and a thumbnail's worth of EXIF."""
    exif = Image.Exif()
    exif[0x8298], exif[0x013B], exif[0x010F] = "Ann", "Bob", "Canon"
    exif[0x0112] = orientation
    exif.get_ifd(_EXIF_IFD)[0x927C] = b"maker note with a position"
    exif.get_ifd(_EXIF_IFD)[0x9003] = "2020:01:01 00:00:00"
    exif.get_ifd(_GPS_IFD)[1] = "N"
    exif.get_ifd(_GPS_IFD)[2] = (47.0, 1.0, 2.0)
    held = io.BytesIO()
    Image.new("RGB", (32, 16), (200, 100, 50)).save(held, "JPEG", exif=exif, xmp=xmp)
    return held.getvalue()


def _kept(source: bytes, target: str, *keep: Keep) -> Image.Image:
    plan = plan_for(probe(source, "jpg"), target)
    image = run_steps(opened(source, plan), plan)
    return reread(encoded(with_metadata(image, frozenset(keep)), encoding_for(target)))


@pytest.mark.parametrize("target", _TARGETS)
def test_nothing_is_kept_of_nothing(target: str) -> None:
    """`none` leaves no EXIF block, not even the empty one that libvips likes to add."""
    shown = _kept(_tagged(), target, Keep.NONE)
    assert not shown.getexif()
    assert not {"exif", "xmp", "icc_profile", "comment"} & shown.info.keys()


@pytest.mark.parametrize("target", _TARGETS)
def test_copyright_alone_is_kept(target: str) -> None:
    """`copyright` keeps who made it and not where, nor with what."""
    exif = _kept(_tagged(), target, Keep.COPYRIGHT).getexif()
    assert (exif.get(0x8298), exif.get(0x013B)) == ("Ann", "Bob")
    assert 0x010F not in exif
    assert not exif.get_ifd(_GPS_IFD)
    assert not {0x927C, 0x9003} & exif.get_ifd(_EXIF_IFD).keys()


@pytest.mark.parametrize("target", _TARGETS)
def test_no_gps_keeps_everything_but_the_place(target: str) -> None:
    """`no-gps` keeps camera and date; GPS and the opaque maker note go."""
    exif = _kept(_tagged(), target, Keep.NO_GPS).getexif()
    assert exif.get(0x010F) == "Canon"
    assert exif.get_ifd(_EXIF_IFD).get(0x9003) == "2020:01:01 00:00:00"
    assert not exif.get_ifd(_GPS_IFD)
    assert 0x927C not in exif.get_ifd(_EXIF_IFD)


@pytest.mark.parametrize("target", _TARGETS)
def test_all_keeps_the_place_too(target: str) -> None:
    """`all` keeps GPS and camera."""
    exif = _kept(_tagged(), target, Keep.ALL).getexif()
    assert exif.get_ifd(_GPS_IFD)[1] == "N"
    assert exif.get(0x010F) == "Canon"


def test_an_orientation_that_was_not_applied_stays() -> None:
    """Without turning, even `none` keeps the tag: the picture must not fall over."""
    assert _kept(_tagged(orientation=6), "jpg", Keep.NONE).getexif().get(0x0112) == 6


@pytest.mark.parametrize(
    ("packet", "is_kept"),
    [(b"<x:xmpmeta dc:title='a'/>", True), (b"<x:xmpmeta exif:GPSLatitude='47'/>", False)],
)
def test_packets_that_tell_a_place_go_under_no_gps(packet: bytes, is_kept: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """XMP stays under `no-gps` unless it speaks of a location."""
    shown = _kept(_tagged(xmp=packet), "webp", Keep.NO_GPS)
    assert (shown.info.get("xmp") == packet) is is_kept


def test_packets_are_turned_with_their_picture() -> None:
    """An upright picture's XMP does not ask to be turned once more."""
    packet = b'<x:xmpmeta tiff:Orientation="6"/>'
    shown = _kept(_tagged(xmp=packet), "jpg", Keep.XMP)
    assert b'tiff:Orientation="1"' in shown.info["xmp"]


@needs_corpora
def test_profiles_follow_colours() -> None:
    """Wide gamut left as it is keeps its profile under any policy; converted, it goes."""
    path = CORPORA / "color/p3.png"
    plan = plan_for(probe(path, "png"), "png")
    left = with_metadata(run_steps(opened(path, plan), plan), frozenset({Keep.NONE}))
    assert reread(encoded(left, encoding_for("png"))).info.get("icc_profile")
    assert "icc_profile" not in reread(made(path, "png")).info
    tagged = reread(made(path, "png", frozenset({Keep.ALL}))).info["icc_profile"]
    assert icc.is_srgb(tagged)


@needs_corpora
def test_gain_maps_leave_no_trace() -> None:
    """The packet that announces a gain map goes with the gain map."""
    for path in corpus_files("metadata", "*gainmap*.jpg"):
        shown = reread(made(path, "jpg", frozenset({Keep.ALL})))
        assert b"hdrgm" not in shown.info.get("xmp", b""), path.name


@needs_corpora
def test_png_and_heic_metadata_are_found() -> None:
    """EXIF that libvips does not read is kept all the same."""
    keep = frozenset({Keep.EXIF})
    for name in ("metadata/exif.png", "formats/heic/IMG_2927.HEIC"):
        path = CORPORA / name
        header = probe(path, codec_of(path))
        assert reread(made(path, "jpg", keep)).getexif(), (name, header.metadata)


def test_profiles_are_judged_by_numbers() -> None:
    """LittleCMS' sRGB is sRGB; its other profiles, junk and nothing are not."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert icc.is_srgb(srgb)
    assert "sRGB" in icc.description(srgb)
    assert not icc.is_srgb(lab)
    for junk in (b"", b"\0" * 200, srgb[:200], b"\xff" * 400):
        assert not icc.is_srgb(junk)
        assert icc.description(junk) in ("", icc.description(srgb))


def test_default_policy_adds_nothing_to_a_plain_file() -> None:
    """A file without metadata comes out without any."""
    held = io.BytesIO()
    Image.new("RGB", (8, 8)).save(held, "JPEG")
    shown = _kept(held.getvalue(), "jpg", *DEFAULT_KEEP)
    assert "exif" not in shown.info
