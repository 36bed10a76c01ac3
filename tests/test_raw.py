"""Camera raws come out as the largest preview that they embed, upright, and say so."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixmill.codecs.raw_preview import largest_preview
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.probe import probe
from pixmill.model import FailureKind, Status
from pixmill.recipe import Recipe
from pixmill.registry import recognised
from raws import raw_with
from runs import by_path, ran

if TYPE_CHECKING:
    from pathlib import Path


def _jpeg(exif: Image.Exif | None = None) -> bytes:
    held = io.BytesIO()
    shown = Image.new("RGB", (90, 60), "blue")
    shown.paste("yellow", (0, 0, 90, 20))
    shown.save(held, "JPEG", quality=95, **({"exif": exif} if exif else {}))
    return held.getvalue()


def _raf(preview: bytes) -> bytes:
    head = b"FUJIFILMCCD-RAW 0201" + bytes(64)
    return head + struct.pack(">II", 92, len(preview)) + preview + bytes(5000)


def _rw2(preview: bytes) -> bytes:
    fields = struct.pack("<HHHII", 1, 0x2E, 7, len(preview), 26) + bytes(4)
    return b"IIU\0" + struct.pack("<I", 8) + fields + preview


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_largest_preview_is_read(orientation: int, order: str) -> None:
    """Not the thumbnail, nor the sensor's larger lossless JPEG; turned as the raw says."""
    content = raw_with(_jpeg(), orientation=orientation, order=order)
    assert recognised(content[:4096]) == "raw"
    header = probe(content, "raw")
    assert (header.width_px, header.height_px) == (90, 60)
    assert (header.orientation, header.file_bytes) == (orientation, len(content))


@pytest.mark.parametrize("wrapped", [_raf, _rw2])
def test_other_makers_have_their_own_places(wrapped: object) -> None:
    """Fujifilm tells it in a header, Panasonic in a field of its own."""
    assert callable(wrapped)
    content = wrapped(_jpeg())
    assert recognised(content[:4096]) == "raw"
    assert probe(content, "raw").width_px == 90


def test_a_preview_that_says_how_to_turn_it_is_believed() -> None:
    """Its own EXIF stands, so that nothing is turned twice."""
    exif = Image.Exif()
    exif[0x112] = 8
    assert probe(raw_with(_jpeg(exif), orientation=6), "raw").orientation == 8


@pytest.mark.parametrize("preview", [b"", b"\xff\xd8\xff\xc3" + bytes(90), b"no jpeg at all"])
def test_a_raw_without_preview_is_unsupported(preview: bytes) -> None:
    """Where there is no picture to read the failure says so; the sensor is never taken for one."""
    content = _raf(preview)
    with pytest.raises(ImagingError, match="embedded preview") as caught:
        probe(content, "raw")
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED


def test_a_run_makes_a_jpeg_and_says_of_what(tmp_path: Path) -> None:
    """`keep` gives an upright JPEG with a note that it is the preview; the raw stays as it was."""
    source = tmp_path / "in"
    source.mkdir()
    content = raw_with(_jpeg(), orientation=6)
    (source / "a.dng").write_bytes(content)
    outcome = by_path(ran(source, tmp_path / "out", recipe=Recipe()).outcomes)["a.dng"]
    assert outcome.status is Status.OPTIMIZED
    assert any("preview" in note for note in outcome.notes)
    with Image.open(tmp_path / "out" / "a.jpg") as image:
        assert image.size == (60, 90)
        red, _, blue = image.convert("RGB").getpixel((58, 45))  # type: ignore[misc]  # RGB
        assert blue < 60 < red  # the top is yellow, and lies on the right
    assert (source / "a.dng").read_bytes() == content


@given(data=st.data())
def test_no_bytes_break_the_search(data: st.DataObject) -> None:
    """Damaged directories give a place inside the file, none, or a `ValueError`."""
    mutant = bytearray(raw_with(_jpeg())[:600] + bytes(400))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, 250))
        patch = data.draw(st.binary(min_size=1, max_size=8))
        mutant[at : at + len(patch)] = patch
    try:
        found = largest_preview(io.BytesIO(mutant), len(mutant))
    except ValueError:
        return
    assert found is None or found.offset + found.size_bytes <= len(mutant)
