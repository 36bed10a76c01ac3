"""Every image of the corpora comes out as the picture that independent decoders see.

Nothing is resized and the target loses nothing, so that what differs is decoding, orientation or
colour. Pillow judges what libvips decodes; ImageMagick judges what Pillow decodes for pixmill, and
what Pillow sees otherwise; ffmpeg judges what is left.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import pytest

from corpora import CORPORA, needs_corpora
from oracles import needs_ffmpeg, needs_imagemagick, shown_by_ffmpeg, shown_by_imagemagick
from pictures import Likeness, Pair, delta_e, likenesses
from pixmill.codecs.spec import Library
from pixmill.registry import codec

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.corpora, needs_corpora, needs_imagemagick, needs_ffmpeg]

Shower: TypeAlias = "Callable[[list[Path], Path], dict[Path, Path]]"

COMMAND: Final = str(Path(sys.executable).with_name("pixmill"))
MIN_PSNR_DB: Final = 45.0
MAX_DELTA_E: Final = 1.0

_SRGB_SIBLINGS: Final = {
    "color/cvo9xd_keong_macan_2020_g1.png": "color/cvo9xd_keong_macan_srgb8.png",
    "color/Nikon-D3-14bit_2020_g1.png": "color/Nikon-D3-14bit_srgb8.png",
}
"""Linear light of 16 bits, which Pillow cuts to 8 too early: the corpus holds the answers."""

_NO_PROFILE: Final = "CMYK without a usable profile: libvips' press against bare inverted inks"
_CHROMA: Final = "libheif repeats halved chroma, libavif blends it: 42 to 44 dB, dE2000 0.1"
_P3: Final = "ImageMagick 6 drops the profile; by pi-heif and littleCMS it is right, 77 dB"
_LAB: Final = "ImageMagick sees CIE Lab under D65; littleCMS agrees: tests/test_colour.py"
_PQ: Final = (
    "its PQ is heeded, by nclx's numbers (tests/test_numbered_colours.py); oracles show it raw"
)
_JXL: Final = "ffmpeg leaves its numbers as they are; by djxl and littleCMS these are they in sRGB"
_BARE: Final = "oracles paint where no frame has drawn, browsers do not"
_BROKEN: Final = "damaged, and no two decoders make the same of it"
EXCEPTIONS: Final = {
    "formats/jxl/bike.jxl": _JXL,
    "formats/jxl/grayscale_jpeg.jxl": _JXL,
    "formats/avif/colors_hdr_p3.avif": _PQ,
    "formats/avif/seine_hdr_rec2020.avif": _PQ,
    "color/cielab-dagams.tiff": _LAB,
    "color/Channel_digital_image_CMYK_color_no_profile.jpg": _NO_PROFILE,
    "color/flower_small.cmyk.jpg": _NO_PROFILE,
    "formats/jpeg_odd/cmyk-sample.jpg": _NO_PROFILE,
    "formats/jpeg_odd/cmyk-sample-no-icc.jpg": _NO_PROFILE,
    "formats/jpeg_odd/duplicate-component-ids.jpg": _NO_PROFILE,
    "formats/jpeg_odd/jfif-cmyk-invalid-icc-profile-srgb.jpg": _NO_PROFILE,
    "formats/tiff/cmyk-3c-8b.tiff": _NO_PROFILE,
    "metadata/pil_sample_cmyk.jpg": _NO_PROFILE,
    **{f"formats/avif/rot{turns}mir{flip}.avif": _CHROMA for turns in range(4) for flip in (0, 1)},
    "formats/heic/IMG_2927.HEIC": _P3,
    "formats/heic/exif-at-eof.heic": _P3,
    "corrupt/imagers_TODO hpredict_cmyk.tiff": _NO_PROFILE,
    "corrupt/gofuzz_bmp_18a8a223e37c069ffe86e103.bmp": _BROKEN,
    "corrupt/gofuzz_bmp_4c663700395fd437f0d13473.bmp": _BROKEN,
    "corrupt/gofuzz_gif_4f68150cf9450d404a993090.gif": _BROKEN,
    "corrupt/gofuzz_gif_b22bb36b62775b04b2450b62.gif": _BROKEN,
    "corrupt/imagers_Bad_smile-incorrect-image-length.ico": _BROKEN,
    "formats/gif/border_touching_layers.gif": _BARE,
    "formats/gif/issue_1455_undersized.gif": _BARE,
    "formats/ico/bmp-24bpp-mask.ico": "the oracles overlook the mask",
    "formats/ico/bmp_v5_with_icc.ico": "a profile lies where its mask should: no two readers agree",
    "formats/pfm/hopper.pfm": "its white is 255, and the oracles clip at 1.0",
    "formats/tiff/gradient-1c-32b-float.tiff": "Pillow clips floats, the others cannot read it",
    "formats/tiff/gradient-3c-32b.tiff": "no oracle reads 32-bit integers in three bands",
}
"""Files whose picture no oracle confirms, each with the reason; `test_conformance_exceptions.py`
holds those that anything else can prove."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One result of a run, and what the oracles say of it.

    Attributes:
        source: Path in the corpora.
        pair: Source and result.
        codec: Name of the source's codec.
        seen: What each oracle says that pixmill does not decode this format with.
    """

    source: str
    pair: Pair
    codec: str
    seen: tuple[Likeness, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether an oracle sees the same picture."""
        return any(map(_is_alike, self.seen))


def _is_independent(name: str) -> bool:
    return codec(name).reader is Library.VIPS


def _is_alike(seen: Likeness) -> bool:
    if seen.error or len(set(seen.sizes)) > 1 or len(set(seen.alphas)) > 1:
        return False
    return seen.delta_e < MAX_DELTA_E if seen.is_profiled else seen.psnr_db >= MIN_PSNR_DB


def _converted(source: Path, folder: Path, target: str) -> list[dict[str, str]]:
    """Turn a folder's images into a lossless format, and return the events of what was made."""
    words = (
        *("--operations", "convert,compress", "--target-format", target, "--lossless"),
        *("--strategy", "lossless", "--codec-option", "png.compression=1", "--parallel", "2"),
        *("--if-larger", "write"),
        *("--memory", "1GB", "--durability", "none", "-q", "--events", str(folder / "events")),
    )
    command = [COMMAND, "optimize", str(source), str(folder / "out"), *words]
    subprocess.run(command, check=False, capture_output=True, timeout=300)
    events = map(json.loads, (folder / "events").read_text(encoding="utf-8").splitlines())
    return [told for told in events if told["type"] == "file" and told["destination"]]


def _asked(verdicts: list[Verdict], show: Shower, folder: Path) -> list[Verdict]:
    """Return the verdicts with the opinion of one more oracle on what is not known to be right."""
    doubtful = [each.pair.reference for each in verdicts if not each.is_right]
    shown = show(doubtful, folder)
    pairs = {path: Pair(made, _result_of(verdicts, path)) for path, made in shown.items()}
    found = dict(zip(pairs, likenesses(list(pairs.values())), strict=True))
    return [
        replace(each, seen=(*each.seen, found[each.pair.reference]))
        if each.pair.reference in found
        else each
        for each in verdicts
    ]


def _result_of(verdicts: list[Verdict], reference: Path) -> Path:
    return next(each.pair.result for each in verdicts if each.pair.reference == reference)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    """Return what the oracles say of every image of the corpora, turned into PNG."""
    folder = tmp_path_factory.mktemp("conformance")
    found = [
        Verdict(
            source=told["path"],
            pair=Pair(
                CORPORA.resolve() / _SRGB_SIBLINGS.get(told["path"], told["path"]),
                folder / "out" / told["destination"],
            ),
            codec=told["format"],
        )
        for told in _converted(CORPORA, folder, "png")
        if not codec(told["format"]).is_vector  # no oracle draws as librsvg does
    ]
    by_pillow = [each for each in found if _is_independent(each.codec)]
    seen = dict(zip(by_pillow, likenesses([each.pair for each in by_pillow]), strict=True))
    found = [replace(each, seen=(seen[each],) if each in seen else ()) for each in found]
    for show in (shown_by_imagemagick, shown_by_ffmpeg):
        found = _asked(found, show, folder)
    return found


def test_every_image_is_the_picture_that_oracles_see(verdicts: list[Verdict]) -> None:
    """Size, alpha and colours are an oracle's, for every file that is not on the list."""
    assert len(verdicts) > 600
    wrong = {each.source: each for each in verdicts if not each.is_right}
    unexplained = [wrong[source] for source in sorted(wrong.keys() - EXCEPTIONS.keys())]
    assert not unexplained, "\n".join(map(str, unexplained))
    come_right = sorted(EXCEPTIONS.keys() - wrong.keys())
    assert not come_right, "these have come right: take them off the list"


def test_delta_e_is_the_published_one() -> None:
    """Pairs 1, 7, 17 and 34 of Sharma, Wu and Dalal's test data come out as printed there."""
    first = [[50, 2.6772, -79.7751], [50, 0, 0], [50, 2.5, 0], [2.0776, 0.0795, -1.135]]
    second = [[50, 0, -82.7485], [50, -1, 2], [73, 25, -18], [0.9033, -0.0636, -0.5514]]
    found = delta_e(np.array(first), np.array(second))
    assert found == pytest.approx([2.0425, 2.3669, 27.1492, 0.9082], abs=1e-4)
