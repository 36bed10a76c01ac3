"""The registry finds a codec by name, by suffix and by content, and never misfires."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from corpora import corpus_files, needs_corpora
from pixmill.errors import OptionError
from pixmill.registry import (
    canonical_name,
    codec,
    codec_names,
    codecs,
    recognised,
    suffix_owner,
    suffix_owners,
    writable_names,
)
from pixmill.strategies.curve import CURVE_QUALITIES

_UNRECOGNISABLE = {
    # What marks the format is itself damaged.
    *("afl_id_003498_src_003431_op_flip2_pos_148.jp.jpg",),
    *("afl_id_004886_src_004715_op_arith8_pos_153_v.jpg", "0x00-to-0xFF-between-segments.jpg"),
    *("imagers_crash-981fee302fe0fc543ee48292cc3d6ace7e97e633.ico", "imagers_bad-color-map.tga"),
    *("imagers_flip-zero-height.tga", "imagers_flip-zero-height2.tga"),
    *("imagers_orientation-zero-width.tga", "imagers_overfull-image.tga"),
    *("imagers_sixteen-bit-gray-colormap.tga", "imagers_sixteen-bit-gray-colormap2.tga"),
    *("imagers_slice-copy-length.tga", "xs1n0g01.png", "xs2n0g01.png", "xs4n0g01.png"),
}
_MISNAMED = {"18f_analytics-homepage.jpg": "png", "pillow_timeout-6646305047838720": "tiff"}


def test_every_record_is_complete() -> None:
    """Every codec has a title, suffixes, a fallback that can be written, and a cost where read."""
    for spec in codecs():
        assert spec.title
        assert all(suffix.startswith(".") and suffix.islower() for suffix in spec.suffixes)
        assert codec(spec.fallback).can_write or not spec.can_read
        assert (spec.decode_cost is not None) == spec.can_read


def test_every_written_codec_has_what_writing_needs() -> None:
    """A codec that is written names a saver, options, a cost, and stores something exactly."""
    assert writable_names() == (
        *("jpg", "png", "webp", "gif", "tiff", "avif", "heic", "bmp", "jp2", "jxl"),
    )
    for name in writable_names():
        spec = codec(name)
        assert spec.saver or spec.pillow_format or spec.writer.extra
        assert spec.save_options
        assert spec.encode_cost
        assert spec.supports_lossy or spec.supports_lossless
        assert len(spec.size_curve) == (len(CURVE_QUALITIES) if spec.supports_lossy else 0)
        assert list(spec.size_curve) == sorted(spec.size_curve)


def test_suffixes_belong_to_one_codec() -> None:
    """No two codecs claim the same suffix, and the registry knows each from its table."""
    suffixes = [suffix for spec in codecs() for suffix in spec.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert suffix_owners() == {suffix: spec.name for spec in codecs() for suffix in spec.suffixes}


@pytest.mark.parametrize(
    ("alias", "name"),
    [("jpeg", "jpg"), ("tif", "tiff"), ("heif", "heic"), (".JPE", "jpg"), ("AVIF", "avif")],
)
def test_aliases_have_a_canonical_name(alias: str, name: str) -> None:
    """Suffixes and spellings stand for the codec's one name."""
    assert canonical_name(alias) == name


@pytest.mark.parametrize("find", [codec, canonical_name])
def test_unknown_names_get_the_nearest(find: object) -> None:
    """A name that no codec has is refused with the nearest one."""
    assert callable(find)
    with pytest.raises(OptionError, match="did you mean webp"):
        find("wepb")
    with pytest.raises(OptionError, match="choose one of jpg"):
        find("quarterly report")


def test_suffix_owner_ignores_case() -> None:
    """A suffix is claimed in any case, and an unknown one by none."""
    assert suffix_owner(".JPG") == "jpg"
    assert suffix_owner(".txt") == ""
    assert suffix_owner("") == ""


def test_the_owner_of_a_suffix_is_known_before_any_record_is_loaded() -> None:
    """A run names files without loading the records of formats that it never meets."""
    code = (
        "import sys; from pixmill.registry import suffix_owner; "
        "print(suffix_owner('.jpeg'), suffix_owner('.txt'), *sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.startswith("jpg ")
    assert "pixmill.codecs" not in ended.stdout


@needs_corpora
def test_every_corpus_file_is_recognised_as_what_it_is() -> None:
    """Content is recognised as what the name says, save where name or signature is damaged."""
    for path in corpus_files():
        with path.open("rb") as file:
            name = recognised(file.read(4096))
        claimed = _MISNAMED.get(path.name, suffix_owner(path.suffix))
        assert name == ("" if path.name in _UNRECOGNISABLE else claimed), path.name


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0",
        bytes(4096),
        b"\xff" * 4096,
        b"%PDF-1.7\n",
        b"<!DOCTYPE html><html><body><svg width='1'></svg>",
        b"<html><svg></svg></html>",
        b"<?xml version='1.0'?><note><svg/></note>",
        b"<svgfoo>",
        b"<!--" * 1024,
        b"<!---->" * 585,
        b"BM is short for Bob Marley, and this is a text file",
        b"P1 is the first of all priorities",
        b"Icons and images\n",
        b"\0\0\1\0\1\0" + bytes(60),
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0\1\0\0\0\x0f\0\x80\0\3\0\x70GPOS",
        b"II*\0"[:3],
        b"#define WIDTH 40\n#define HEIGHT 30\nint main(void) {}\n",
        b"/*" * 2048,
        b"SIMPLE tests are the best",
    ],
)
def test_other_files_are_not_images(head: bytes) -> None:
    """Texts, pages that embed an svg, films, fonts and empty files are no images."""
    assert recognised(head) == ""


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"<svg xmlns='x'>", "svg"),
        (b"\xef\xbb\xbf \n<?xml version='1.0'?>\n<!-- > <svg -->\n<svg>", "svg"),
        (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x' [<!ENTITY a 'b'>]>", "svg"),
        (b"\n<svg:svg xmlns:svg='x'>", "svg"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "avif"),
        (b"\0\0\0\x18ftypavis\0\0\0\0msf1iso8", "avif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x14ftypmsf1\0\0\0\0hevc", "heic"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw"),
        (b"II*\0\x10\0\0\0CR\2\0", "raw"),
        (b"II*\0\x08\0\0\0\1\0\x12\xc6\1\0\4\0\0\0\1\4\0\0\0\0\0\0", "raw"),
        (b"MM\0*\0\0\x10\0", "tiff"),
        (b"II+\0\x08\0\0\0", "tiff"),
        (b"\0\0\2\0\1\0\x20\x20\0\0\1\0\1\0\x30\1\0\0\x16\0\0\0", "cur"),
        (b"P7\nWIDTH 2\n", "pam"),
        (b"P6\n# by hand\n2 2\n255\n", "ppm"),
        (bytes((0, 0, 2, *bytes(9), 64, 0, 64, 0, 24, 0x20)), "tga"),
        (bytes((5, 1, 1, 0, 0, 0, 1, 24, *bytes(4), 64, 0, 64, 0, 8, 0)), "tga"),
        (b"\xff\x0a\xfa\x7f", "jxl"),
        (
            b"/* made by hand */\n#define a_width 4\n#define a_height 4\nstatic char a_bits[] =",
            "xbm",
        ),
        (b"SIMPLE  =                    T", "fits"),
    ],
)
def test_openings_are_recognised(head: bytes, name: str) -> None:
    """Openings that real files have, and that the corpora lack, are recognised."""
    assert recognised(head) == name


def test_random_heads_are_no_images() -> None:
    """Ten thousand random heads, and as many of mostly zeros, are not taken for images."""
    rng = random.Random(20)
    for _ in range(10_000):
        noise = rng.randbytes(160)
        assert recognised(noise) == ""
        sparse = bytes(byte if byte < 40 else 0 for byte in noise)
        assert recognised(sparse) in {"", "tga"}
        text = bytes(32 + byte % 95 for byte in noise)
        assert recognised(text) == ""


def test_recognising_is_fast() -> None:
    """A common format is recognised in a few microseconds, once its record is imported."""
    head = b"\xff\xd8\xff\xe0" + bytes(4092)
    recognised(head)
    start = time.perf_counter()
    for _ in range(10_000):
        recognised(head)
    assert time.perf_counter() - start < 0.2


def test_records_load_no_image_library() -> None:
    """Importing every codec brings in neither pyvips nor Pillow."""
    code = (
        "import sys; from pixmill.registry import codecs; codecs(); "
        "sys.exit(any(name in sys.modules for name in ('pyvips', 'PIL', 'pi_heif', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_are_stable() -> None:
    """Every name is its record's own, and the list holds no name twice."""
    assert [codec(name).name for name in codec_names()] == list(codec_names())
    assert len(set(codec_names())) == len(codec_names())
