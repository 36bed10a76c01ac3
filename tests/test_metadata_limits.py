"""Metadata that is too large is dropped, told of, and costs nobody memory; the picture stays."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pyvips
from PIL import Image

from pixmill.imaging.probe import probe
from pixmill.milling import Product, mill
from pixmill.model import Status
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.vocabulary import Effort, IfLarger, Keep, Operation
from runs import ran

if TYPE_CHECKING:
    from pathlib import Path

_KEEPING = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
    effort=Effort.FAST,
    keep=frozenset({Keep.ALL}),
    if_larger=IfLarger.WRITE,
)
_MB = 1 << 20
_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!--%s--></x:xmpmeta>'


def _made(source: bytes, codec: str, target: str, *keep: Keep) -> Product:
    recipe = replace(_KEEPING, target_format=target, keep=frozenset(keep or {Keep.ALL}))
    product = mill(source, codec, recipe, Limits(10**9, is_enforced=False), lease=lambda _: None)
    assert isinstance(product, Product), product
    return product


def _reread(product: Product) -> pyvips.Image:
    assert isinstance(product.content, bytes)
    return pyvips.Image.new_from_buffer(product.content, "")


def _noise() -> Image.Image:
    return Image.effect_noise((48, 32), 60).convert("RGB")


def _with_exif(form: str, held_bytes: int) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "x" * held_bytes
    held = io.BytesIO()
    _noise().save(held, form, exif=exif.tobytes())
    return held.getvalue()


def _turned(form: str, held_bytes: int) -> bytes:
    """Return a picture whose EXIF asks for a quarter turn, in a directory behind its texts."""
    directory = struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    texts = b"x" * held_bytes
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8 + held_bytes) + texts + directory
    held = io.BytesIO()
    _noise().save(held, form, exif=exif)
    return held.getvalue()


def _with_xmp(form: str, held_bytes: int) -> bytes:
    image = pyvips.Image.new_from_array(_noise())
    image.set_type(pyvips.GValue.blob_type, "xmp-data", _XMP % (b"x" * (held_bytes - len(_XMP))))
    saved: bytes = getattr(image, f"{form}save_buffer")(keep="xmp")
    return saved


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _packed(held_bytes: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(_MB)) for _ in range(held_bytes // _MB)]
    return b"".join(parts) + packer.flush()


_OPENINGS = {
    "zTXt": (b"zTXt", b"Comment\0\0"),
    "iTXt": (b"iTXt", b"Comment\0\1\0\0\0"),
    "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
    "raw profile": (b"zTXt", b"Raw profile type exif\0\0"),
    "iCCP": (b"iCCP", b"icc\0\0"),
}


def _bomb(name: str, *, frames: int = 1) -> bytes:
    """Return a PNG of half a megabyte whose 30 texts are 20 MB each once inflated."""
    held = io.BytesIO()
    further = [_noise() for _ in range(frames - 1)]
    _noise().save(held, "PNG", save_all=bool(further), append_images=further)
    png = held.getvalue()
    kind, opening = _OPENINGS[name]
    header_end = 33
    return png[:header_end] + 30 * _chunk(kind, opening + _packed(20 * _MB)) + png[header_end:]


def test_inflating_texts_cost_no_worker(tmp_path: Path) -> None:
    """Bombs of every kind, stills and animations, are optimised at the first attempt."""
    source = tmp_path / "in"
    source.mkdir()
    for name in _OPENINGS:
        (source / f"{name}.png").write_bytes(_bomb(name))
    (source / "animation.png").write_bytes(_bomb("zTXt", frames=3))
    ended = ran(source, tmp_path / "out", recipe=replace(_KEEPING, target_format="webp"))
    assert {each.path: (each.status, each.attempts) for each in ended.outcomes} == {
        f"{name}.png": (Status.OPTIMIZED, 1) for name in (*_OPENINGS, "animation")
    }


@pytest.mark.parametrize(
    ("name", "kind"), [("zTXt", "comment"), ("XMP", "xmp"), ("raw profile", "exif")]
)
def test_what_was_not_read_is_told(name: str, kind: str) -> None:
    """A note names the kind, where the policy would have kept it; a rewrap drops it too."""
    source = _bomb(name)
    kept = _made(source, "png", "png")
    assert f"{kind} metadata was dropped: more than 1.0 MB of a kind" in kept.notes
    assert kept.status is Status.OPTIMIZED
    assert kept.content_bytes < len(source) // 10
    assert not any("dropped" in note for note in _made(source, "png", "png", Keep.NONE).notes)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("target", ["jpg", "png", "webp"])
def test_exif_beyond_a_segment_is_dropped(form: str, target: str) -> None:
    """No library writes it anywhere: it goes with a note, and what fits stays without one."""
    large = _made(_with_exif(form, 200_000), form.lower(), target)
    assert [note for note in large.notes if "EXIF of 200.0 kB was dropped" in note]
    small = _made(_with_exif(form, 60_000), form.lower(), target)
    assert "exif-ifd0-ImageDescription" in _reread(small).get_fields()
    assert not [note for note in small.notes if "dropped" in note]
    bare = _made(_with_exif(form, 200_000), form.lower(), target, Keep.ICC)
    assert not [note for note in bare.notes if "dropped" in note]


@pytest.mark.parametrize("form", ["png", "webp", "tiff"])
@pytest.mark.parametrize(
    ("target", "most_bytes"), [("jpg", 59_900), ("png", 999_000), ("webp", 999_000)]
)
def test_xmp_is_kept_as_far_as_it_goes(form: str, target: str, most_bytes: int) -> None:
    """What the target stores is kept whole; a little more goes whole, with a note."""
    kept = _made(_with_xmp(form, most_bytes), form, target)
    assert len(_reread(kept).get("xmp-data")) >= most_bytes - 10
    assert not [note for note in kept.notes if "dropped" in note]
    dropped = _made(_with_xmp(form, most_bytes + 2000), form, target)
    assert "xmp-data" not in _reread(dropped).get_fields()
    assert [note for note in dropped.notes if "dropped" in note]


@pytest.mark.parametrize("form", ["WEBP", "PNG"])
@pytest.mark.parametrize("target", ["webp", "avif", "png", "jpg", "tiff"])
def test_a_long_block_still_turns_its_picture(form: str, target: str) -> None:
    """EXIF too long to be kept is dropped, and the turn that it asks for is made, or left asked."""
    source = _turned(form, 70_000)
    upright = _reread(_made(source, form.lower(), target))
    assert (upright.width, upright.height) == (32, 48)
    recipe = replace(_KEEPING, target_format=target, auto_orient=False)
    limits = Limits(10**9, is_enforced=False)
    left = mill(source, form.lower(), recipe, limits, lease=lambda _: None)
    assert isinstance(left, Product)
    assert isinstance(left.content, bytes)
    header = probe(left.content, target)
    asked = header.orientation if header.width_px == 48 else 6  # HEIF turns its own pixels
    assert asked == 6
