"""JPEG XL is read as djxl shows it, written so that it can, and refused where it would be wrong."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pyvips
from PIL import Image

from corpora import CORPORA, needs_corpora
from imaging_cases import codec_of, encoding_for, plan_for
from pixmill.codecs.cicp import Colours, Transfer
from pixmill.codecs.jxl import boxed
from pixmill.codecs.jxl_head import JxlHead, jxl_head
from pixmill.codecs.spec import Encoding
from pixmill.errors import OptionError
from pixmill.header import Header, Metadata
from pixmill.imaging import icc
from pixmill.imaging.compare import psnr
from pixmill.imaging.encode import encode_to_file, encoded
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.load import opened, reopened
from pixmill.imaging.metadata import profile_of, with_metadata
from pixmill.imaging.probe import probe
from pixmill.imaging.verify import Expected, difference
from pixmill.model import FailureKind, Status
from pixmill.recipe import Recipe
from pixmill.settings import Settings
from pixmill.targeting import target_of
from pixmill.vocabulary import Effort, Keep, Operation
from runs import archive, by_path, ran

if TYPE_CHECKING:
    from collections.abc import Callable

FOREIGN = Path(__file__).parent / "foreign"
JXL = CORPORA / "formats" / "jxl"
needs_djxl = pytest.mark.skipif(shutil.which("djxl") is None, reason="needs djxl: make oracles")
_EIGHT_BITS = ("bike.jxl", "cafe.jxl", "grayscale_jpeg.jxl")
_TO_JXL = Recipe(operations=frozenset({Operation.CONVERT}), target_format="jxl")


def _image(bands: int, width_px: int = 61, height_px: int = 47) -> pyvips.Image:
    planes = [
        pyvips.Image.gaussnoise(width_px, height_px, seed=at, mean=128).cast("uchar")
        for at in range(bands)
    ]
    shown = planes[0].bandjoin(planes[1:]) if bands > 1 else planes[0]
    return shown.copy(interpretation="srgb" if bands > 2 else "b-w").copy_memory()


def _decoded(path: Path) -> pyvips.Image:
    header = probe(path, codec_of(path))
    return opened(path, plan_for(header, "png")).copy_memory()


def _shown_by_djxl(path: Path, folder: Path) -> pyvips.Image:
    shown = folder / "shown.png"
    subprocess.run(["djxl", str(path), str(shown)], check=True, capture_output=True, timeout=60)
    return pyvips.Image.new_from_file(str(shown)).copy_memory()


@needs_corpora
@needs_djxl
@pytest.mark.parametrize("name", _EIGHT_BITS)
def test_pixels_are_those_of_djxl(name: str, tmp_path: Path) -> None:
    """No sample is off by more than one."""
    mine, shown = _decoded(JXL / name), _shown_by_djxl(JXL / name, tmp_path)
    assert (mine.width, mine.height, mine.bands) == (shown.width, shown.height, shown.bands)
    assert (mine - shown).abs().max() <= 1


@needs_corpora
@needs_djxl
def test_deep_pixels_and_alpha_are_those_of_djxl(tmp_path: Path) -> None:
    """Twelve bits become eight; the picture reaches white, whatever scale djxl writes it in."""
    path, shown = JXL / "alpha_nonpremultiplied.jxl", tmp_path / "shown.pam"
    subprocess.run(["djxl", str(path), str(shown)], check=True, capture_output=True, timeout=60)
    _, _, samples = shown.read_bytes().partition(b"ENDHDR\n")
    deep = pyvips.Image.new_from_memory(samples, 1024, 1024, 4, "ushort").byteswap()
    assert (deep * (255 / deep.max()) - _decoded(path)).abs().max() <= 1


@needs_corpora
@pytest.mark.parametrize(
    ("name", "head"),
    [
        (
            "alpha_nonpremultiplied.jxl",
            JxlHead(width_px=1024, height_px=1024, bits=12, has_alpha=True, is_lossy=False),
        ),
        ("bike.jxl", JxlHead(width_px=2048, height_px=2560, colours=Colours(1, Transfer.BT709))),
        (
            "lossless_pfm.jxl",
            JxlHead(width_px=500, height_px=500, bits=32, is_float=True, is_lossy=False),
        ),
    ],
)
def test_a_head_says_what_jxlinfo_says(name: str, head: JxlHead) -> None:
    """Size, depth, alpha and colours are read from packed bits as libjxl reads them."""
    data = (JXL / name).read_bytes()
    assert jxl_head(data[data.index(b"\xff\x0a") :][:4096]) == head


@needs_corpora
@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("animation_newtons_cradle.jxl", "animated"),
        ("lossless_pfm.jxl", "16 bits"),
        ("progressive.jxl", "profile of its own"),
    ],
)
def test_what_would_come_out_wrong_is_refused(name: str, word: str) -> None:
    """What the library reads and gets wrong is told as unsupported, with what it is."""
    with pytest.raises(ImagingError, match=word) as caught:
        probe(JXL / name, "jxl")
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED


@needs_corpora
def test_a_profile_is_the_files_own(tmp_path: Path) -> None:
    """It is known before decoding that there is one, and which one after."""
    path = JXL / "cafe.jxl"
    header = probe(path, "jxl")
    assert header.has_profile
    assert not header.is_srgb
    assert "as the file says" not in profile_of(_decoded(path))
    assert len(_decoded(path).get("icc-profile-data")) == 896
    source = tmp_path / "in"
    source.mkdir()
    shutil.copy(path, source)
    (outcome,) = ran(source, tmp_path / "out", recipe=Recipe()).outcomes
    assert (outcome.status, outcome.target) == (Status.OPTIMIZED, "webp")


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_every_pixel_comes_back(bands: int, tmp_path: Path) -> None:
    """Without loss grey and colours, with and without alpha, are what they were, in a file too."""
    image = _image(bands)
    encoding = Encoding(codec="jxl", quality=None, effort=Effort.FAST)
    data = encoded(image, encoding)
    shown = reopened(data, "jxl")
    assert shown.bands == bands
    assert (shown - image).abs().max() == 0
    assert probe(data, "jxl").is_lossless
    with (tmp_path / "out").open("w+b") as file:
        encode_to_file(image, encoding, file.fileno())
    assert (tmp_path / "out").read_bytes() == data


@needs_djxl
@pytest.mark.parametrize("quality", [None, 90, 20])
def test_djxl_sees_what_was_written(quality: int | None, tmp_path: Path) -> None:
    """A result is one to another version of libjxl, and the better its quality, the nearer."""
    image = _image(4).gaussblur(4).cast("uchar").copy_memory()
    path = tmp_path / "made.jxl"
    path.write_bytes(encoded(image, Encoding(codec="jxl", quality=quality, effort=Effort.BEST)))
    shown = _shown_by_djxl(path, tmp_path)
    assert psnr(image, shown) > {None: 90, 90: 38, 20: 28}[quality]


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (700, 3)])
def test_odd_sizes_are_written(size: tuple[int, int]) -> None:
    """What is narrower than a block is no exception, and its head is read."""
    data = encoded(_image(3, *size), encoding_for("jxl"))
    assert difference(data, "jxl", Expected(width_px=size[0], height_px=size[1])) == ""


def test_a_result_is_checked() -> None:
    """`--verify` decodes it, and tells one that is cut off or of another size."""
    data = encoded(_image(3), encoding_for("jxl"))
    assert "pixels" in difference(data, "jxl", Expected(width_px=60, height_px=47))
    assert difference(data[: len(data) // 2], "jxl", Expected(width_px=61, height_px=47))


def test_metadata_goes_into_boxes() -> None:
    """EXIF and XMP are kept where they are asked for, and read back."""
    photo = Image.new("RGB", (40, 30), (10, 120, 200))
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    held = io.BytesIO()
    photo.save(held, "JPEG", exif=exif, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    opened_ = opened(held.getvalue(), plan_for(probe(held.getvalue(), "jpg"), "jxl"))
    image = opened_.copy_memory()
    data = encoded(with_metadata(image, frozenset({Keep.ALL})), encoding_for("jxl"))
    assert probe(data, "jxl").metadata == {Metadata.EXIF, Metadata.XMP}
    again = reopened(data, "jxl")
    assert str(again.get("exif-ifd0-Make")).startswith("a maker")
    assert b"xmpmeta" in again.get("xmp-data")
    bare = encoded(with_metadata(image, frozenset({Keep.NONE})), encoding_for("jxl"))
    assert not probe(bare, "jxl").metadata


def test_a_run_writes_and_reads_it(tmp_path: Path) -> None:
    """Sandboxed workers make it of a photograph, and a WebP of that: `keep` never writes it."""
    source = archive(tmp_path / "in", "a.jpg")
    settings = Settings(parallel=1, verify=True)
    made = ran(source, tmp_path / "jxl", recipe=_TO_JXL, settings=settings)
    assert by_path(made.outcomes)["a.jpg"].status is Status.OPTIMIZED
    assert codec_of(tmp_path / "jxl" / "a.jxl") == "jxl"
    again = ran(tmp_path / "jxl", tmp_path / "out", recipe=Recipe(), settings=settings)
    assert [outcome.failure for outcome in again.outcomes] == [None]
    assert target_of("jxl", Recipe()).name == "webp"


def test_what_exif_says_of_turning_is_void() -> None:
    """The codestream says how to turn it, and the library has done so: it is not turned again."""
    exif = Image.Exif()
    exif[0x0112] = 6
    codestream = encoded(_image(3), encoding_for("jxl"))
    data = boxed(codestream, exif=exif.tobytes().removeprefix(b"Exif\0\0"), xmp=b"")
    header = probe(data, "jxl")
    assert (header.width_px, header.height_px, header.orientation) == (61, 47, 1)
    shown = opened(data, plan_for(header, "png"))
    assert shown.get_typeof("exif-data")
    assert not shown.get_typeof("orientation")


def test_packed_metadata_is_held_to_the_memory_of_its_image(tmp_path: Path) -> None:
    """400 MB of XMP, packed in 687 bytes by Brotli, cost their file, and no worker."""
    source = tmp_path / "in"
    source.mkdir()
    for name in ("bomb-of-xmp.jxl", "rose.jxl"):
        shutil.copy(FOREIGN / name, source)
    settings = Settings(parallel=1, memory_bytes=300_000_000)
    outcomes = by_path(ran(source, tmp_path / "out", recipe=Recipe(), settings=settings).outcomes)
    bomb = outcomes["bomb-of-xmp.jxl"]
    assert bomb.failure is not None
    assert (bomb.failure.kind, bomb.attempts) == (FailureKind.MEMORY, 1)
    assert outcomes["rose.jxl"].failure is None


@pytest.mark.parametrize(
    ("module", "deed"),
    [
        ("pylibjxl", lambda: probe(FOREIGN / "rose.jxl", "jxl")),
        ("imagecodecs", lambda: encoded(_image(3), encoding_for("jxl"))),
    ],
)
def test_a_missing_library_names_the_extra(
    module: str, deed: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading and writing say what to install."""
    monkeypatch.setitem(sys.modules, module, None)  # which is how Python says that there is none
    with pytest.raises(ImagingError, match=r"pip install 'pixmill\[jxl\]'") as caught:
        deed()
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED


def test_a_target_that_cannot_be_written_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run does not begin, rather than fail for every file."""
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(OptionError, match=r"pixmill\[jxl\]"):
        ran(archive(tmp_path / "in", "a.jpg"), tmp_path / "out", recipe=_TO_JXL)


def test_importing_and_pixels_are_counted() -> None:
    """A small one costs what its libraries hold, a photograph of 11 MP more than was measured."""
    spec = target_of("png", _TO_JXL)
    assert spec.decode_cost is not None
    assert spec.decode_cost(Header(codec="jxl", width_px=1, height_px=1), 1) > 20_000_000
    photo = Header(codec="jxl", width_px=4064, height_px=2704)
    assert spec.decode_cost(photo, 1) > 13.8 * photo.pixels + 20_000_000


@pytest.mark.parametrize(
    ("colours", "is_srgb"),
    [
        (Colours(1, Transfer.SRGB), True),
        (Colours(1, 2, 2.2), True),
        (Colours(12, Transfer.SRGB), False),
        (Colours(9, Transfer.BT709), False),
        (Colours(1, Transfer.LINEAR), False),
    ],
)
def test_numbers_become_a_profile(colours: Colours, is_srgb: bool) -> None:  # noqa: FBT001 - told
    """SRGB needs none; every other one is read by littleCMS, and white stays white."""
    profile = colours.profile()
    assert bool(profile) is not is_srgb
    if profile:
        ramp = pyvips.Image.identity(bands=3).copy(interpretation="srgb")
        ramp.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
        shown = ramp.icc_transform("srgb", embedded=True, intent="relative")
        assert min(shown(255, 0)) >= 254
        assert max(shown(0, 0)) <= 1


def test_display_p3_is_known_for_what_it_is() -> None:
    """The profile made of its numbers is the one that `--colour p3` means."""
    assert icc.is_p3(Colours(12, Transfer.SRGB).profile())
    assert not icc.is_p3(Colours(9, Transfer.SRGB).profile())
