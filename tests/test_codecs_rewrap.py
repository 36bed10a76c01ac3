"""Taking metadata out of a file leaves its pixels as they were."""

from __future__ import annotations

import io
import zlib
from itertools import pairwise

import PIL.Image
import pytest
import pyvips

from corpora import CORPORA, corpus_files, needs_corpora
from pixmill.header import Metadata
from pixmill.registry import codec, recognised

_NAMES = ("jpg", "png", "webp", "gif")
_MAX_BYTES = 600_000
_FOLDERS = ("metadata", "formats", "exif_orientation", "pngsuite", "graphics", "color")


def _rewrapped(data: bytes, kinds: frozenset[Metadata] = frozenset()) -> bytes | None:
    rewrapped = codec(recognised(data[:4096])).rewrapped
    assert rewrapped is not None
    return rewrapped(data, kinds)


def _metadata(data: bytes) -> frozenset[Metadata]:
    scan = codec(recognised(data[:4096])).scan
    assert scan is not None
    return scan(io.BytesIO(data), len(data)).metadata or frozenset()


def _pixels(data: bytes) -> int:
    """Return a checksum of all frames' pixels, 0 for a file that libvips refuses."""
    spec = codec(recognised(data[:4096]))
    pages = {"n": -1} if spec.supports_animation else {}
    try:
        image = getattr(pyvips.Image, f"{spec.loader}_buffer")(data, **pages)
        return zlib.crc32(image.write_to_memory(), image.width)
    except pyvips.Error:
        return 0


@needs_corpora
@pytest.mark.parametrize("name", _NAMES)
def test_pixels_stay_and_metadata_goes(name: str) -> None:
    """Over the corpora the pixels are identical, no metadata is left, and no file has grown."""
    rewrapped = 0
    for folder in _FOLDERS:
        for path in corpus_files(folder):
            data = path.read_bytes()
            if len(data) > _MAX_BYTES or recognised(data[:4096]) != name:
                continue
            bare = _rewrapped(data)
            if bare is None:
                assert path.parent.name in {"corrupt", "iphone"}, path.name
                continue
            assert _metadata(bare) == frozenset(), path.name
            assert len(bare) <= len(data), path.name
            assert _pixels(bare) == _pixels(data), path.name
            assert _rewrapped(bare) == bare, path.name
            rewrapped += 1
    assert rewrapped > 15


@needs_corpora
@pytest.mark.parametrize(
    "path", ["metadata/paris_exif_xmp_icc.jpg", "metadata/paris_icc_exif_xmp.png"]
)
@pytest.mark.parametrize("kind", [Metadata.EXIF, Metadata.XMP, Metadata.ICC])
def test_kinds_asked_for_stay(path: str, kind: Metadata) -> None:
    """The one kind that is kept is still there, byte for byte, and nothing else is."""
    data = (CORPORA / path).read_bytes()
    kept = _rewrapped(data, frozenset({kind}))
    assert kept is not None
    assert _metadata(kept) == {kind}
    before, after = (PIL.Image.open(io.BytesIO(each)).info for each in (data, kept))
    assert after.items() <= before.items()
    assert any(kind in str(field).lower() for field in after)


def test_webp_flags_follow_the_chunks() -> None:
    """A WebP's header no longer announces the metadata that is gone, and still does what is not."""
    image = pyvips.Image.black(8, 8, bands=4).copy(interpretation="srgb")
    image.set_type(pyvips.GValue.blob_type, "xmp-data", b"<x:xmpmeta/>")
    image.set_type(pyvips.GValue.blob_type, "exif-data", b"Exif\0\0II*\0\x08\0\0\0\0\0")
    data = image.webpsave_buffer(lossless=True)
    assert data[12:16] == b"VP8X"
    bare, kept = _rewrapped(data), _rewrapped(data, frozenset({Metadata.XMP}))
    assert bare is not None
    assert kept is not None
    assert bare[20] & 0x2C == 0
    assert kept[20] & 0x2C == 0x04
    assert _metadata(kept) == {Metadata.XMP}
    assert int.from_bytes(bare[4:8], "little") == len(bare) - 8


@needs_corpora
def test_further_pictures_and_gain_maps_go() -> None:
    """Pictures after the first go with the index that points at them, kept kinds or not."""
    everything = frozenset(Metadata)
    album = (CORPORA / "metadata" / "sugarshack.mpo").read_bytes()
    kept = _rewrapped(album, everything)
    assert kept is not None
    assert kept.endswith(b"\xff\xd9")
    assert b"MPF\0" not in kept
    assert len(kept) < len(album) * 0.7
    ultra_hdr = (CORPORA / "metadata" / "seine_sdr_gainmap_srgb.jpg").read_bytes()
    assert _rewrapped(ultra_hdr, everything) is None
    assert _rewrapped(ultra_hdr) is not None


@needs_corpora
def test_animations_keep_their_frames() -> None:
    """An APNG and an animated WebP still have all their frames."""
    for path in ("formats/png/ball.png", "formats/webp/anim.webp"):
        data = (CORPORA / path).read_bytes()
        bare = _rewrapped(data)
        assert bare is not None
        scan = codec(recognised(bare)).scan
        assert scan is not None
        before, after = (scan(io.BytesIO(each), len(each)) for each in (data, bare))
        assert (after.pages or 0) > 1
        assert after.pages == before.pages


@pytest.mark.parametrize("name", _NAMES)
def test_a_file_cut_off_is_left_alone(name: str) -> None:
    """A file that lacks its end is not rewrapped."""
    image = pyvips.Image.gaussnoise(64, 64).cast("uchar")
    data = getattr(image, codec(name).saver)()
    assert _rewrapped(data) is not None
    for shorter in (data[: len(data) // 2], data[:-3]):
        assert _rewrapped(shorter) is None


def test_a_jpeg_of_endless_segments_is_left_alone() -> None:
    """So many segments between the scans as no encoder writes are not walked to their end."""
    data = pyvips.Image.black(8, 8).jpegsave_buffer()
    many = data[:-2] + b"\xff\xfe\x00\x02" * 30_000 + data[-2:]
    few = data[:-2] + b"\xff\xfe\x00\x02" * 300 + data[-2:]
    assert _rewrapped(few) == _rewrapped(data)
    assert _rewrapped(many) is None


def test_png_chunks_stay_in_order() -> None:
    """What stays of a PNG is in the order it had."""
    data = pyvips.Image.black(8, 8).pngsave_buffer()
    bare = _rewrapped(data)
    assert bare is not None
    places = [bare.index(kind) for kind in (b"IHDR", b"IDAT", b"IEND")]
    assert all(first < second for first, second in pairwise(places))
