"""A damaged file fails by default; on request what decodes is published and marked."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from PIL import Image

from pixmill.codecs.webp_chunks import mended
from pixmill.events import file_event
from pixmill.milling import Product, mill
from pixmill.model import Failed, FailureKind, Status
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.registry import recognised
from pixmill.vocabulary import Corrupt
from runs import HALVED, by_path, ran

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SALVAGING: Final = replace(HALVED, corrupt=Corrupt.SALVAGE)
_EDGE_PX: Final = 120


def _picture(turn: int = 0) -> Image.Image:
    gradient = Image.radial_gradient("L").resize((_EDGE_PX, _EDGE_PX)).rotate(turn)
    noise = Image.effect_noise((_EDGE_PX, _EDGE_PX), 40)
    return Image.merge("RGB", (gradient, noise, gradient.rotate(90)))


def _saved(format_: str, *, frames: int = 1, **options: bool | str) -> Callable[[], bytes]:
    def save() -> bytes:
        file = io.BytesIO()
        others = [_picture(20 * turn) for turn in range(1, frames)]
        animation = {"save_all": True, "append_images": others} if others else {}
        _picture().save(file, format_, **animation, **options)
        return file.getvalue()

    return save


CASES: Final = {
    "baseline.jpg": _saved("JPEG"),
    "progressive.jpg": _saved("JPEG", progressive=True),
    "plain.png": _saved("PNG"),
    "still.gif": _saved("GIF"),
    "animated.gif": _saved("GIF", frames=5),
    "lossy.webp": _saved("WEBP"),
    "lossless.webp": _saved("WEBP", lossless=True),
    "animated.webp": _saved("WEBP", frames=5),
    "strips.tiff": _saved("TIFF"),
    "plain.tga": _saved("TGA"),
}


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files that end after seven tenths."""
    folder = tmp_path_factory.mktemp("cut")
    for name, save in CASES.items():
        content = save()
        (folder / name).write_bytes(content[: len(content) * 7 // 10])
    return folder


def test_a_file_that_is_cut_off_fails_by_default(cut: Path, tmp_path: Path) -> None:
    """Every format tells of a missing end, and nothing is published."""
    outcomes = ran(cut, tmp_path / "out").outcomes
    assert {outcome.failure.kind for outcome in outcomes if outcome.failure} == {
        FailureKind.CORRUPT
    }
    assert all(outcome.status is Status.FAILED for outcome in outcomes)
    assert not any(path.is_file() and path.suffix != ".db" for path in (tmp_path / "out").glob("*"))


def test_what_decodes_is_salvaged_and_marked(cut: Path, tmp_path: Path) -> None:
    """A part of each picture is published at the size asked for, with the reason in a note."""
    outcomes = by_path(ran(cut, tmp_path / "out", recipe=_SALVAGING).outcomes)
    assert outcomes.keys() == CASES.keys()
    for name, outcome in outcomes.items():
        assert outcome.status is Status.OPTIMIZED, outcome
        assert file_event(outcome)["salvaged"] is True
        assert any(note.startswith("salvaged: ") for note in outcome.notes)
        assert outcome.destination is not None
        with Image.open(tmp_path / "out" / outcome.destination) as image:
            assert image.size == (_EDGE_PX // 2, _EDGE_PX // 2), name
            shades = image.convert("L").getextrema()
        assert shades[0] != shades[1], name


@pytest.mark.parametrize("name", ["animated.gif", "animated.webp"])
def test_an_animation_keeps_its_whole_frames(cut: Path, name: str) -> None:
    """Some frames are left, fewer than there were."""
    product = _milled((cut / name).read_bytes(), _SALVAGING)
    assert isinstance(product, Product)
    assert isinstance(product.content, bytes)
    with Image.open(io.BytesIO(product.content)) as image:
        assert 1 < getattr(image, "n_frames", 1) < 5


def test_a_salvaged_file_is_never_copied(cut: Path) -> None:
    """Although nothing else is asked for, the damaged bytes are not published."""
    recipe = Recipe(corrupt=Corrupt.SALVAGE)
    for name in CASES:
        product = _milled((cut / name).read_bytes(), recipe)
        assert isinstance(product, Product), name
        assert (product.status, product.is_salvaged) == (Status.OPTIMIZED, True)
        assert product.encodes > 0


def test_a_sound_file_is_not_marked() -> None:
    """Asking to salvage changes nothing about a file that decodes."""
    content = CASES["baseline.jpg"]()
    plain, salvaging = _milled(content, HALVED), _milled(content, _SALVAGING)
    assert plain == salvaging
    assert isinstance(plain, Product)
    assert not plain.is_salvaged


def test_what_cannot_be_salvaged_fails_for_its_first_reason() -> None:
    """A header and nothing else is corrupt, salvage or not, in the same words."""
    for name in ("baseline.jpg", "lossy.webp", "plain.png"):
        content = CASES[name]()[:40]
        plain, salvaging = _milled(content, HALVED), _milled(content, _SALVAGING)
        assert isinstance(plain, Failed)
        assert plain == salvaging


def test_memory_is_asked_for_once() -> None:
    """Damage that decoding finds is salvaged within the lease that decoding had."""
    content = bytearray(CASES["plain.png"]())
    content[len(content) // 2] ^= 0xFF
    asked: list[int] = []
    product = mill(
        bytes(content), "png", _SALVAGING, Limits(10**9), lease=asked.append, spool_folder=None
    )
    assert isinstance(product, Product)
    assert (product.is_salvaged, len(asked)) == (True, 1)


def test_mending_takes_no_more_than_it_should() -> None:
    """A whole WebP and one that lies about gigabytes are left alone."""
    whole = CASES["lossy.webp"]()
    assert mended(whole) is None
    assert mended(whole[:4] + b"\xf0\xff\xff\xff" + whole[8:]) is None
    assert mended(b"RIFF") is None
    filled = mended(whole[:-50])
    assert filled is not None
    assert len(filled) == len(whole)


def _milled(content: bytes, recipe: Recipe) -> Product | Failed:
    return mill(content, recognised(content), recipe, Limits(10**9), lease=lambda _cost: None)
