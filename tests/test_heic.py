"""HEIC is written by an extra: exactly without loss, at every size, with its metadata."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
import pyvips
from PIL import Image

from imaging_cases import codec_of, encoding_for, plan_for
from pixmill.codecs.spec import Encoding
from pixmill.header import Metadata
from pixmill.imaging.compare import psnr
from pixmill.imaging.encode import encode_to_file, encoded
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.load import opened, reopened
from pixmill.imaging.metadata import with_metadata
from pixmill.imaging.probe import probe
from pixmill.imaging.verify import Expected, difference
from pixmill.model import FailureKind, Status
from pixmill.recipe import Recipe
from pixmill.settings import Settings
from pixmill.targeting import target_of
from pixmill.vocabulary import Effort, Keep, Operation
from runs import archive, ran

if TYPE_CHECKING:
    from pathlib import Path

_EXACT = Encoding(codec="heic", quality=None, effort=Effort.FAST)
_TO_HEIC = Recipe(operations=frozenset({Operation.CONVERT}), target_format="heic")


def _image(bands: int, width_px: int = 61, height_px: int = 47) -> pyvips.Image:
    planes = [
        pyvips.Image.gaussnoise(width_px, height_px, seed=at, mean=128).cast("uchar")
        for at in range(bands)
    ]
    shown = planes[0].bandjoin(planes[1:]) if bands > 1 else planes[0]
    return shown.copy(interpretation="srgb" if bands > 2 else "b-w").copy_memory()


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_every_pixel_comes_back(bands: int, tmp_path: Path) -> None:
    """Without loss grey and colours, with and without alpha, are what they were, in a file too."""
    image = _image(bands)
    data = encoded(image, _EXACT)
    shown = reopened(data, "heic")
    if bands == 2:
        shown = shown[0].bandjoin(shown[3])  # HEIC has no grey with alpha: it is in each colour
    assert (shown - image).abs().max() == 0
    with (tmp_path / "out").open("w+b") as file:
        encode_to_file(image, _EXACT, file.fileno())
    assert (tmp_path / "out").read_bytes() == data


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (700, 3), (15, 15)])
@pytest.mark.parametrize("quality", [None, 60, 95])
def test_odd_sizes_are_written(size: tuple[int, int], quality: int | None) -> None:
    """What is narrower than a block, or odd where chroma is halved, is no exception."""
    data = encoded(_image(3, *size), Encoding(codec="heic", quality=quality, effort=Effort.FAST))
    assert difference(data, "heic", Expected(width_px=size[0], height_px=size[1])) == ""


def test_a_better_quality_is_nearer() -> None:
    """Quality and full chroma are heeded."""
    image = _image(3).gaussblur(2).cast("uchar").copy_memory()
    found = [
        psnr(
            image,
            reopened(
                encoded(image, Encoding(codec="heic", quality=quality, effort=Effort.FAST)), "heic"
            ),
        )
        for quality in (20, 60, 95)
    ]
    assert found == sorted(found)
    assert found[-1] > 40


def test_a_thin_stripe_is_refused_for_what_it_is() -> None:
    """HEVC has no level for it: the failure is not put down to the source."""
    with pytest.raises(ImagingError, match="8192 x 16 px") as caught:
        encoded(_image(1, 8192, 16), encoding_for("heic"))
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED


def test_metadata_is_kept_where_it_is_asked_for() -> None:
    """EXIF, XMP and a profile are read back."""
    photo = Image.new("RGB", (40, 30), (10, 120, 200))
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    held = io.BytesIO()
    photo.save(held, "JPEG", exif=exif, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    source = opened(held.getvalue(), plan_for(probe(held.getvalue(), "jpg"), "heic")).copy_memory()
    data = encoded(with_metadata(source, frozenset({Keep.ALL})), encoding_for("heic"))
    assert {Metadata.EXIF, Metadata.XMP} <= probe(data, "heic").metadata
    assert str(reopened(data, "heic").get("exif-ifd0-Make")).startswith("a maker")
    profile = pyvips.Image.new_from_memory(bytes(3), 1, 1, 3, "uchar").copy(interpretation="srgb")
    p3 = profile.icc_export(output_profile="p3").get("icc-profile-data")
    tagged = source.copy()
    tagged.set_type(pyvips.GValue.blob_type, "icc-profile-data", p3)
    assert probe(encoded(tagged, encoding_for("heic")), "heic").is_p3


def test_a_run_writes_it_where_it_is_named(tmp_path: Path) -> None:
    """A sandboxed worker makes and checks it; `keep` makes a JPEG of one, as browsers show it."""
    settings = Settings(parallel=1, verify=True)
    source = archive(tmp_path / "in", "a.jpg")
    (outcome,) = ran(source, tmp_path / "out", recipe=_TO_HEIC, settings=settings).outcomes
    assert outcome.status is Status.OPTIMIZED
    assert codec_of(tmp_path / "out" / "a.heic") == "heic"
    assert target_of("heic", Recipe()).name == "jpg"


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing says what to install, and reading needs no extra."""
    data = encoded(_image(3), _EXACT)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImagingError, match=r"pip install 'pixmill\[heic\]'"):
        encoded(_image(3), _EXACT)
    assert probe(data, "heic").width_px == 61
