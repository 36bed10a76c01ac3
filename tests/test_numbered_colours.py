"""Colours told in numbers, without a profile, come out as the profile that says the same."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
import pillow_heif
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from corpora import CORPORA, needs_corpora
from imaging_cases import reread
from pixmill.api import optimize_bytes
from pixmill.codecs.cicp import Colours, Transfer
from pixmill.codecs.isobmff import told_colours
from pixmill.imaging import icc
from pixmill.imaging.probe import probe
from pixmill.recipe import Recipe
from pixmill.vocabulary import IfLarger, Operation
from runs import ran

if TYPE_CHECKING:
    from pathlib import Path

_TO_PNG: Final = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
    target_format="png",
    lossless=True,
    if_larger=IfLarger.WRITE,
)
_P3: Final = bytes(pyvips.Image.profile_load("p3"))
_P3_NUMBERS, _SRGB_NUMBERS = (12, 13), (1, 13)


def _chart() -> Image.Image:
    """Return mixtures of three inks, none of which Display P3 makes too bright for sRGB."""
    steps = np.linspace(64, 192, 16).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(*[steps] * 3), -1).reshape(-1, 64, 3))


def _png(
    numbers: tuple[int, int] | None, profile: bytes = b"", *, srgb_first: bool = False
) -> bytes:
    held, told = io.BytesIO(), PngImagePlugin.PngInfo()
    if srgb_first:
        told.add(b"sRGB", b"\0")
    if numbers:
        told.add(b"cICP", bytes((*numbers, 0, 1)))
    _chart().save(held, "PNG", pnginfo=told, icc_profile=profile or None)
    return held.getvalue()


def _avif(numbers: tuple[int, int] | None, profile: bytes = b"") -> bytes:
    held = io.BytesIO()
    _chart().save(held, "AVIF", quality=100, subsampling="4:4:4", icc_profile=profile)
    if numbers is None:
        return held.getvalue()
    before, name, after = held.getvalue().partition(b"colrnclx")
    assert name
    coded = b"".join(number.to_bytes(2, "big") for number in numbers)
    return before + name + coded + after[len(coded) :]


def _heic(numbers: tuple[int, int] | None, profile: bytes = b"") -> bytes:
    held, chart = io.BytesIO(), _chart()
    named = zip(
        ("color_primaries", "transfer_characteristics"), numbers or _SRGB_NUMBERS, strict=True
    )
    how = {"icc_profile": profile} if profile else dict(named)
    pillow_heif.encode("RGB", chart.size, chart.tobytes(), held, quality=100, chroma="444", **how)
    return held.getvalue()


def _shown(source: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(reread(optimize_bytes(source, _TO_PNG)).convert("RGB")).astype(np.int64)


@pytest.mark.parametrize("kind", ["png", "avif", "heic"])
def test_numbers_are_worth_a_profile(kind: str) -> None:
    """Display P3 in numbers is shown as its profile shows it, and not as sRGB."""
    make = {"png": _png, "avif": _avif, "heic": _heic}[kind]
    by_numbers, by_profile = _shown(make(_P3_NUMBERS)), _shown(make(None, _P3))
    assert np.abs(by_numbers - by_profile).max() <= 2
    assert np.abs(by_numbers - _shown(make(_SRGB_NUMBERS))).max() > 10
    assert probe(make(_P3_NUMBERS), kind).is_p3


@pytest.mark.parametrize("kind", ["png", "avif", "heic"])
@pytest.mark.parametrize("numbers", [(1, 13), (1, 1), (2, 2), (1, 4)])
def test_what_means_srgb_is_left_alone(kind: str, numbers: tuple[int, int]) -> None:
    """Cameras' transfers, and what is not said, are sRGB to browsers: nothing is converted."""
    header = probe({"png": _png, "avif": _avif, "heic": _heic}[kind](numbers), kind)
    assert header.is_srgb
    assert not header.has_profile


def test_numbers_go_before_the_word_srgb() -> None:
    """A PNG that says both is what the numbers say: PNG (third edition) 4.3."""
    assert probe(_png(_P3_NUMBERS, srgb_first=True), "png").is_p3


@pytest.mark.parametrize(
    ("transfer", "value", "shown"),
    [
        (Transfer.PQ, 0.5081, 186),  # 100 cd/m2, 0.493 of white
        (Transfer.PQ, 0.5807, 248),  # 203 cd/m2, which is white: littleCMS rounds the corner
        (Transfer.PQ, 0.75, 255),
        (Transfer.HLG, 0.75, 255),
        (Transfer.HLG, 0.5, 136),  # a twelfth of the scene's light, 50.7 cd/m2, 0.25 of white
    ],
)
def test_hdr_is_shown_up_to_its_white(
    transfer: Transfer, value: float, shown: int, tmp_path: Path
) -> None:
    """What is as bright as white is white, what is darker keeps its tone, and a note tells."""
    held, told = io.BytesIO(), PngImagePlugin.PngInfo()
    told.add(b"cICP", bytes((9, transfer, 0, 1)))
    deep = pyvips.Image.black(8, 8, bands=3) + round(value * 65535)
    image = deep.cast("ushort").copy(interpretation="rgb16").pngsave_buffer(keep="none")
    at = image.index(b"IDAT") - 4
    Image.new("RGB", (1, 1)).save(held, "PNG", pnginfo=told)
    chunk = held.getvalue()[held.getvalue().index(b"cICP") - 4 :][:16]
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.png").write_bytes(image[:at] + chunk + image[at:])
    (outcome,) = ran(source, tmp_path / "out", recipe=_TO_PNG).outcomes
    assert any("HDR" in note for note in outcome.notes)
    with Image.open(tmp_path / "out" / "a.png") as made:
        found = np.asarray(made.convert("RGB"))[0, 0]
    assert np.abs(found.astype(int) - shown).max() <= 2


@needs_corpora
def test_an_hdr_photograph_is_no_longer_taken_for_srgb() -> None:
    """An AVIF in PQ under P3 comes out brighter than its bare numbers, which are dull."""
    path = CORPORA / "formats" / "avif" / "colors_hdr_p3.avif"
    assert icc.description(Colours(12, Transfer.PQ).shown_profile()) == probe(path, "avif").profile
    with Image.open(path) as bare:
        dull = np.asarray(bare.convert("RGB")).mean()
    assert _shown(path.read_bytes()).mean() > dull + 20


@given(st.binary(max_size=200))
def test_no_boxes_make_it_fail_otherwise(tail: bytes) -> None:
    """Whatever follows, colours are told, are none, or raise `ValueError`."""
    data = b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x40meta" + tail
    try:
        told = told_colours(io.BytesIO(data))
    except ValueError:
        return
    assert told is None or isinstance(told.shown_profile(), bytes)
