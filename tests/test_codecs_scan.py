"""Each parser agrees with the decoding library on real files, and names the damage in cut ones."""

from __future__ import annotations

import io
import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import pyvips
from PIL import Image

from corpora import CORPORA, corpus_files, needs_corpora
from pixmill.codecs.jpg_quality import origin
from pixmill.codecs.jpg_tables import FAMILIES, WOVEN
from pixmill.codecs.spec import Library
from pixmill.header import Metadata
from pixmill.registry import codec, codecs, recognised

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.codecs.spec import CodecSpec, Scan

_SCANNED = ("jpg", "png", "webp", "gif", "tiff", "avif")
_PARSED = ("pam", "sun", "xpm")
_PAGES_THAT_LIBVIPS_MISSES = {
    # APNG and AVIF sequences it takes for stills; tiles of a grid it takes for pages.
    *("ball.png", "rgba16.png", "zune_3ee00833b940ba89.png", "zune_b4ddab9f83fa1ac3.png"),
    *("colors-animated-8bpc.avif", "star.avifs", "sofa_grid1x5_420.avif"),
}


def _scan(data: bytes, name: str = "") -> Scan:
    scan = codec(name or recognised(data[:4096])).scan
    assert scan is not None
    return scan(io.BytesIO(data), len(data))


def _photo() -> pyvips.Image:
    noise = pyvips.Image.gaussnoise(160, 120, mean=128, sigma=40, seed=1)
    red = noise.gaussblur(2).cast("uchar")
    return red.bandjoin([red.invert(), red]).copy(interpretation="srgb")


def _opened(path: Path, spec: CodecSpec) -> pyvips.Image | None:
    try:
        return getattr(pyvips.Image, spec.loader)(str(path))
    except pyvips.Error:
        return None


@needs_corpora
@pytest.mark.parametrize("name", _SCANNED)
def test_sizes_and_pages_are_those_of_libvips(name: str) -> None:
    """Size and pages are what libvips says, wherever both open the file."""
    spec = codec(name)
    compared = 0
    for path in corpus_files():
        data = path.read_bytes()
        if recognised(data[:4096]) != name or (image := _opened(path, spec)) is None:
            continue
        try:
            scan = _scan(data, name)
        except ValueError:
            assert path.parent.name == "corrupt", path.name
            continue
        pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
        assert scan.width_px in {None, image.width}, path.name
        assert scan.height_px in {None, image.height}, path.name
        if path.name not in _PAGES_THAT_LIBVIPS_MISSES:
            assert scan.pages in {None, pages}, path.name
        compared += 1
    assert compared >= 15


@needs_corpora
def test_sound_files_show_no_defect() -> None:
    """No file outside the folders of damaged ones is called damaged."""
    for path in corpus_files():
        if path.parent.name in {"corrupt", "iphone"}:
            continue
        data = path.read_bytes()
        name = recognised(data[:4096])
        if name and codec(name).scan:
            assert _scan(data, name).defect == "", path.name


@needs_corpora
@pytest.mark.parametrize(
    "path",
    [
        *("kodak/*", "formats/png/ball.png", "formats/webp/anim.webp", "formats/gif/sample_1.gif"),
        *("formats/webp/simple.webp", "formats/avif/hopper.avif", "formats/heic/example.heic"),
        *("photos/18f_drill.jpg", "metadata/sugarshack.mpo"),
    ],
)
def test_a_file_cut_off_is_named(path: str) -> None:
    """Half of a sound file shows a defect, or is refused, in words that say so."""
    source = corpus_files(pattern=path)[0]
    data = source.read_bytes()
    name = recognised(data[:4096])
    half = data[: source.stat().st_size // 3]
    try:
        message = _scan(half, name).defect
    except ValueError as error:
        message = str(error)
    assert "cut off" in message


@pytest.mark.parametrize("quality", [*range(1, 101, 7), 75, 80, 85, 90, 95, 99, 100])
def test_jpeg_quality_is_found_exactly(quality: int) -> None:
    """A JPEG made with the IJG tables gives back the quality it was made at."""
    for image in (_photo(), _photo()[0]):
        data = image.jpegsave_buffer(Q=quality, keep="none")
        assert _scan(data).quality == quality


@pytest.mark.parametrize(
    "family", [family.number for family in FAMILIES if family.number < WOVEN.number]
)
def test_mozjpegs_tables_are_told_with_their_quality(family: int) -> None:
    """A JPEG made with a family of mozjpeg's tables gives back the family and the quality."""
    for quality in (10, 33, *range(40, 100, 5), 99):
        for image in (_photo(), _photo()[0]):
            data = image.jpegsave_buffer(Q=quality, quant_table=family, keep="none")
            scan = _scan(data)
            assert (scan.quality, scan.tables) == (quality, family)


def test_quality_of_finer_tables_is_not_their_number() -> None:
    """Tables that say more at the same number are taken for what they say."""
    for family in (1, 7, 8):
        data = _photo().jpegsave_buffer(Q=50, quant_table=family, keep="none")
        scan = _scan(data)
        assert scan.tables is None
        assert scan.quality is not None
        assert 60 <= scan.quality <= 90


def test_quality_of_other_tables_is_an_estimate() -> None:
    """Flat and absurd tables land within 1 to 100, coarser ones lower."""
    found = [origin((step,) * 64).quality for step in (1, 5, 20, 80, 255, 60_000)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 100
    assert found[-1] == 1


@pytest.mark.parametrize("is_progressive", [False, True])
@pytest.mark.parametrize("mode", ["on", "off"])
def test_jpeg_coding_is_told(mode: str, *, is_progressive: bool) -> None:
    """Progressive coding and halved chroma are told apart from their opposites."""
    data = _photo().jpegsave_buffer(subsample_mode=mode, interlace=is_progressive, keep="none")
    scan = _scan(data)
    assert (scan.is_progressive, scan.is_subsampled) == (is_progressive, mode == "on")
    assert scan.samples_per_px == (1.5 if mode == "on" else 3)
    assert scan.metadata == frozenset()


@pytest.mark.parametrize(("sampling", "samples_per_px"), [("4:2:2", 2.0), ("4:2:0", 1.5)])
def test_samples_of_all_components_are_told(sampling: str, samples_per_px: float) -> None:
    """Chroma that is halved one way alone is told from chroma that is halved both ways."""
    file = io.BytesIO()
    Image.new("RGB", (40, 24)).save(file, "jpeg", subsampling=sampling, progressive=True)
    scan = _scan(file.getvalue())
    assert (scan.samples_per_px, scan.is_subsampled) == (samples_per_px, True)


def test_a_tiff_without_the_values_of_a_field_is_cut_off() -> None:
    """A field that points beyond the end of the file is a defect; one at its end is none."""
    data = _photo().tiffsave_buffer(keep="none")
    lies = max(data.rfind(number) for number in (b"\x1a\x01\x05\0", b"\x1b\x01\x05\0"))
    assert lies > 0
    assert _scan(data, "tiff").defect == ""
    moved = bytearray(data)
    moved[lies + 8 : lies + 12] = (len(data) - 8).to_bytes(4, "little")
    assert _scan(bytes(moved), "tiff").defect == ""
    moved[lies + 8 : lies + 12] = (len(data) - 7).to_bytes(4, "little")
    assert "cut off" in _scan(bytes(moved), "tiff").defect


def test_jpeg_may_carry_anything_after_its_end() -> None:
    """Padding or another file after the end of a JPEG is no defect; a lost end is."""
    data = _photo().jpegsave_buffer(keep="none")
    assert _scan(data + bytes(200_000)).defect == ""
    assert "cut off" in _scan(data[:-2]).defect
    assert "cut off" in _scan(data[:-2] + bytes(200_000)).defect


@needs_corpora
def test_metadata_and_gain_maps_are_found() -> None:
    """Kinds of metadata, and a gain map, are found where a known file has them."""
    folder = CORPORA / "metadata"
    everything = {Metadata.EXIF, Metadata.XMP, Metadata.ICC}
    assert (_scan((folder / "paris_exif_xmp_icc.jpg").read_bytes()).metadata or set()) >= everything
    assert (_scan((folder / "paris_icc_exif_xmp.png").read_bytes()).metadata or set()) >= everything
    assert Metadata.IPTC in (_scan((folder / "iptc.jpg").read_bytes()).metadata or set())
    assert _scan((folder / "seine_sdr_gainmap_srgb.jpg").read_bytes()).has_gain_map
    assert not _scan((folder / "sugarshack.mpo").read_bytes()).has_gain_map


def test_webp_losslessness_is_told() -> None:
    """Lossless and lossy WebP are told apart, alpha and frames are seen."""
    photo = _photo()
    clear = photo.bandjoin(photo[0])
    assert _scan(photo.webpsave_buffer(lossless=True, keep="none")).is_lossless is True
    assert _scan(photo.webpsave_buffer(keep="none")).is_lossless is False
    assert _scan(clear.webpsave_buffer(keep="none")).has_alpha is True
    assert _scan(photo.webpsave_buffer(keep="none")).has_alpha is False
    stack = pyvips.Image.arrayjoin([photo, photo.invert()], across=1).copy()
    stack.set_type(pyvips.GValue.gint_type, "page-height", photo.height)
    animation = _scan(stack.webpsave_buffer(lossless=True, keep="none"))
    assert (animation.pages, animation.is_animated, animation.is_lossless) == (2, True, True)
    assert (animation.width_px, animation.height_px) == (photo.width, photo.height)


def test_png_coding_is_told() -> None:
    """Interlacing and alpha are told, and a PNG is always lossless."""
    photo = _photo()
    plain, interlaced = photo.pngsave_buffer(keep="none"), photo.pngsave_buffer(interlace=True)
    assert _scan(plain).is_progressive is False
    assert _scan(interlaced).is_progressive is True
    assert _scan(plain).has_alpha is False
    assert _scan(photo.bandjoin(photo[0]).pngsave_buffer(keep="none")).has_alpha is True
    assert _scan(plain).is_lossless is True


def test_a_png_copied_as_text_is_named() -> None:
    """A PNG whose line ends a transfer has changed is recognised, and the damage named."""
    data = _photo().pngsave_buffer(keep="none").replace(b"\r\n", b"\n")
    assert recognised(data[:4096]) == "png"
    with pytest.raises(ValueError, match="copied as text"):
        _scan(data, "png")


def test_tiff_directories_may_not_run_in_a_circle() -> None:
    """A chain of directories that returns to its start is a defect, not a hang."""
    entry = struct.pack("<HHII", 256, 4, 1, 7)
    data = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8)
    scan = _scan(data)
    assert scan.width_px == 7
    assert scan.pages is None
    assert "once more" in scan.defect


@pytest.mark.parametrize("offset", [1 << 32, 1 << 62, (1 << 64) - 1])
def test_tiff_directories_beyond_any_file_are_named(tmp_path: Path, offset: int) -> None:
    """A BigTIFF may point where no file system can seek to."""
    path = tmp_path / "far.tiff"
    path.write_bytes(b"II+\0\x08\0\0\0" + offset.to_bytes(8, "little"))
    scan = codec("tiff").scan
    assert scan is not None
    with path.open("rb") as file, pytest.raises(ValueError, match="cut off"):
        scan(file, path.stat().st_size)


def test_a_scan_reads_a_bounded_part_of_a_bomb() -> None:
    """Blocks, chunks and segments without end are given up on, each within seconds."""
    bombs = {
        "gif": b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe" + b"\1a" * 2_000_000,
        "jpg": b"\xff\xd8" + b"\xff\xfe\0\2" * 100_000,
        "webp": b"RIFF\xff\xff\xff\0WEBP" + b"VP8 \0\0\0\0" * 100_000,
        "avif": b"\0\0\0\x14ftypavis\0\0\0\0avis" + b"\0\0\0\x08free" * 100_000,
    }
    for name, bomb in bombs.items():
        try:
            defect = _scan(bomb, name).defect
        except ValueError as error:
            defect = str(error)
        assert name == "avif" or defect


def test_many_chunks_of_a_webp_take_no_memory() -> None:
    """Chunks are looked at one after the other, however many there are."""
    body = b"WEBP" + b"VP8X\x0a\0\0\0" + bytes(10) + b"JUNK\0\0\0\0" * 50_000 + b"ANMF\x08\0\0\0"
    data = b"RIFF" + len(body).to_bytes(4, "little") + body + bytes(8)
    spec = codec("webp")
    assert spec.scan is not None
    assert spec.rewrapped is not None
    assert spec.mended is not None
    tracemalloc.start()
    spec.scan(io.BytesIO(data), len(data))
    spec.rewrapped(data, frozenset())
    spec.mended(data[:-1])
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4 * len(data)  # 18 times as much when they were listed


def test_formats_read_with_pillow_tell_losslessness() -> None:
    """Formats without a parser of their own still tell whether their coding loses anything."""
    for spec in codecs():
        if spec.reader is not Library.PILLOW or spec.name in _PARSED:
            continue
        assert spec.scan is not None
        wanted = {False} if spec.name == "jp2" else {True, None}  # most of these are lossy
        assert spec.scan(io.BytesIO(), 0).is_lossless in wanted


@pytest.mark.parametrize(
    ("form", "word"),
    [("char", "signed"), ("short", "signed"), ("int", "signed"), ("complex", "complex")],
)
def test_a_tiff_without_a_white_is_refused(form: str, word: str) -> None:
    """Signed and complex numbers are told by the directory, and unsigned ones pass."""
    photo = _photo().extract_band(0)
    assert word in _scan(photo.cast(form).tiffsave_buffer(keep="none"), "tiff").unsupported
    for usual in ("uchar", "ushort", "uint", "float"):
        assert not _scan(photo.cast(usual).tiffsave_buffer(keep="none"), "tiff").unsupported


def test_three_signed_bands_are_refused() -> None:
    """What each of several bands holds lies elsewhere in the file, and is found there."""
    data = _photo().cast("short").tiffsave_buffer(keep="none")
    assert "signed" in _scan(data, "tiff").unsupported
