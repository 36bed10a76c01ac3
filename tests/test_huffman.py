"""Codes that are found by a look at symbols alone are libjpeg's own to the bit."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import pyvips

import pixmill
from pixmill.codecs.jpg_huffman import recoded
from pixmill.codecs.spec import Coded, Encoding
from pixmill.imaging.encode import encoded
from pixmill.imaging.huffman import LIBRARY, recoder
from pixmill.imaging.metadata import without_profile
from pixmill.registry import codec
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Callable

TRAVEL: Final = Path(__file__).parent / "sample" / "travel"
FAST: Final = Encoding(codec="jpg", quality=80, effort=Effort.FAST)
SPEC: Final = codec("jpg")
PLENTY_PX: Final = 1_000_000
pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="nothing was compiled")


def _recode() -> Callable[[Coded], Coded | None]:
    found = recoder()
    assert found is not None
    return found


def _photo(width_px: int, height_px: int) -> pyvips.Image:
    lake = pyvips.Image.thumbnail(
        str(TRAVEL / "lake.jpg"), width_px, height=height_px, size="force"
    )
    return lake.copy_memory()


def _pictures() -> dict[str, pyvips.Image]:
    photo = _photo(317, 203)
    noise = pyvips.Image.gaussnoise(90, 70, sigma=120, mean=128, seed=3).cast("uchar")
    return {
        "photo": photo,
        "grey": photo.colourspace("b-w"),
        "cmyk": without_profile(photo.colourspace("cmyk")),
        "noise": noise.copy(interpretation="b-w"),
        "flat": pyvips.Image.black(64, 48, bands=3).copy(interpretation="srgb"),
        "line": _photo(1, 700),
        "dot": _photo(1, 1),
    }


def _by_libjpeg(image: pyvips.Image, encoding: Encoding) -> bytes:
    return bytes(image.jpegsave_buffer(**SPEC.options(encoding), keep="none"))


def _drafted(image: pyvips.Image, encoding: Encoding) -> bytes:
    assert SPEC.draft is not None
    draft = SPEC.draft(SPEC.options(encoding), PLENTY_PX)
    assert draft is not None
    return bytes(image.jpegsave_buffer(**draft.options, keep="none"))


@pytest.mark.parametrize("quality", [1, 50, 85, 100])
@pytest.mark.parametrize("is_whole", [False, True], ids=["halved", "whole"])
@pytest.mark.parametrize("name", _pictures())
def test_codes_are_libjpegs_own(name: str, quality: int, *, is_whole: bool) -> None:
    """A draft becomes what libjpeg optimises to, byte for byte."""
    image = _pictures()[name]
    encoding = replace(FAST, quality=quality, is_full_chroma=is_whole)
    wanted, draft = _by_libjpeg(image, encoding), _drafted(image, encoding)
    assert draft != wanted or image.width == 1
    assert recoded(draft, _recode()) == wanted


def test_an_encoding_is_finished_from_a_draft() -> None:
    """What is large enough for a draft is encoded to libjpeg's own bytes; others have none."""
    assert SPEC.draft is not None
    assert SPEC.draft(SPEC.options(FAST), 64 * 64) is None
    image = _photo(700, 500)
    assert encoded(image, FAST) == _by_libjpeg(image, FAST)


def test_only_codes_are_left_to_a_draft() -> None:
    """Where libjpeg decides on more than codes, or on none, there is no draft."""
    assert SPEC.draft is not None
    pixels = 4_000_000
    for encoding in (
        Encoding(codec="jpg", quality=80, effort=Effort.BALANCED, pixels=pixels),
        Encoding(codec="jpg", quality=80, effort=Effort.BALANCED, is_flat=True, pixels=64),
        Encoding(codec="jpg", quality=80, effort=Effort.BEST, pixels=pixels),
        Encoding(codec="jpg", quality=80, effort=Effort.FAST, is_lean=True),
    ):
        assert SPEC.draft(SPEC.options(encoding), PLENTY_PX) is None


def test_dense_scans_are_left_to_libjpeg() -> None:
    """What would hold more than libjpeg's coefficients is encoded without its draft."""
    noise = pyvips.Image.gaussnoise(1200, 1000, sigma=99, mean=128, seed=3).cast("uchar")
    image = noise.copy(interpretation="b-w").copy_memory()
    encoding = replace(FAST, quality=95)
    assert recoded(_drafted(image, encoding), _recode()) is None
    assert encoded(image, encoding) == _by_libjpeg(image, encoding)


def test_what_is_more_than_symbols_is_left_alone() -> None:
    """Scans, restarts and ends that are not as a draft's must be are refused."""
    photo = _photo(64, 48)
    draft = _drafted(photo, FAST)
    progressive = photo.jpegsave_buffer(interlace=True, keep="none")
    restarts = photo.jpegsave_buffer(restart_interval=1, keep="none")
    for other in (progressive, restarts, draft[:-2], draft[: len(draft) // 2], draft + b"\0", b""):
        assert recoded(bytes(other), _recode()) is None


def _taken(data: bytes) -> Coded:
    seen: list[Coded] = []

    def see(given: Coded) -> None:
        seen.append(given)

    assert recoded(data, see) is None
    return seen[0]


def test_a_scan_that_is_not_as_it_is_said_to_be_is_refused() -> None:
    """More units or fewer, a longer scan or a shorter one, and other tables give nothing."""
    given = _taken(_drafted(_photo(64, 48), FAST))
    assert _recode()(given) is not None
    for other in (
        replace(given, units=given.units + 1),
        replace(given, units=given.units - 1),
        replace(given, units=2**63),
        replace(given, scan=given.scan + b"\0"),
        replace(given, scan=given.scan[:-1]),
        replace(given, scan=given.scan[:-1] + bytes((given.scan[-1] ^ 1,))),
        replace(given, scan=b"\xff\xd0" + given.scan),
        replace(given, scan=b""),
        replace(given, layout=b""),
        replace(given, layout=given.layout[:-1]),
        replace(given, layout=given.layout * 3),
        replace(given, layout=bytes((4, 0)) * 3),
        replace(given, layout=bytes((0, 8)) * 3),
        replace(given, tables=given.tables[:-1]),
        replace(given, tables=b"\xff" * len(given.tables)),
        replace(given, tables=bytes(len(given.tables))),
    ):
        assert _recode()(other) is None


def test_damage_ends_in_nothing_or_in_as_many_symbols() -> None:
    """Bytes of a scan, tables and layout changed at random harm nothing."""
    given, rng = _taken(_drafted(_photo(64, 48), FAST)), random.Random(5)
    ends = set()
    for _ in range(3000):
        scan, tables, layout = map(bytearray, (given.scan, given.tables, given.layout))
        damaged = rng.choice((scan, tables, layout))
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        made = _recode()(Coded(bytes(scan), bytes(tables), bytes(layout), given.units))
        ends.add(made is None)
        assert made is None or len(made.scan) <= len(given.scan) + 16
    assert ends == {True, False}


def test_a_confined_worker_recodes(tmp_path: Path) -> None:
    """The sandbox leaves what was compiled within reach."""
    settings = pixmill.Settings(parallel=1)
    with pixmill.optimize(
        TRAVEL, tmp_path / "out", settings=settings, mill="faults.recoding:mill"
    ) as run:
        assert not [outcome.failure for outcome in run if outcome.failure]
