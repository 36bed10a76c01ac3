"""What `make fuzz` has found stays mended."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest
import pyvips

from pixmill.imaging import icc, probe
from pixmill.imaging.errors import ImagingError, translated
from pixmill.milling import mill
from pixmill.model import Failed, FailureKind, Stage
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.vocabulary import Operation

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.header import Header

_TO_PNG = Recipe(operations=frozenset({Operation.CONVERT}), target_format="png", lossless=True)


def test_a_curve_without_a_real_value_is_not_srgb() -> None:
    """A parametric curve that takes a root of a negative number is one that cannot be read."""
    curve = b"para" + bytes(4) + struct.pack(">HH7i", 4, 0, 1 << 15, -(1 << 16), *(0,) * 5)
    tag = struct.pack(">I4sII", 1, b"kTRC", 144, len(curve))
    profile = bytes(16) + b"GRAY" + bytes(108) + tag + curve
    assert not icc.is_srgb(profile)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + b"\xff\xff\xff\xffjp2h" + bytes(8)),
        ("dds", b"DDS \x7c\0\0\0" + bytes(4) + b"\x30\0\0\0" * 2 + b"\xff" * 108 + b"pixels"),
    ],
    ids=["jp2", "dds"],
)
def test_a_length_beyond_the_file_takes_no_memory(
    tmp_path: Path, name: str, content: bytes
) -> None:
    """A few bytes that announce gigabytes are damage, not a want of memory."""
    path = tmp_path / "lying"
    path.write_bytes(content)
    failure = mill(str(path), name, _TO_PNG, Limits(10**8), lease=lambda _cost: None)
    assert isinstance(failure, Failed)
    assert failure.kind is FailureKind.CORRUPT


@pytest.mark.parametrize("file_bytes", [0, 1 << 30], ids=["cut", "whole"])
def test_a_list_that_no_image_has_is_damage(tmp_path: Path, file_bytes: int) -> None:
    """A TIFF whose compression is a list of 268 million numbers is no want of memory."""
    fields = [(256, 3, 1, 8), (257, 3, 1, 8), (259, 3, 1 << 28, 8), (262, 3, 1, 1)]
    entries = b"".join(struct.pack("<HHII", *one) for one in fields)
    path = tmp_path / "lying.tiff"
    path.write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + entries + bytes(99))
    if file_bytes:
        os.truncate(path, file_bytes)  # a hole, so that the numbers lie within the file
    failure = mill(str(path), "tiff", _TO_PNG, Limits(10**8), lease=lambda _cost: None)
    assert isinstance(failure, Failed)
    assert failure.kind is FailureKind.CORRUPT


def test_a_header_that_takes_all_memory_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read within a header's allowance is refused, and not for want of memory."""

    def greedy(*_arguments: object, **_named: object) -> Header:
        failure = Failed(FailureKind.MEMORY, Stage.READ, "not enough memory")
        raise ImagingError(failure)

    monkeypatch.setattr(probe, "probe", greedy)
    path = tmp_path / "greedy.png"
    path.touch()
    failure = mill(str(path), "png", _TO_PNG, Limits(10**8), lease=lambda _cost: None)
    assert isinstance(failure, Failed)
    assert failure.kind is FailureKind.TOO_LARGE
    assert "header" in failure.message


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        (
            "source: bad seek to 9\nheif: Invalid input: Extent is outside of the file\n (2.1)\n",
            "invalid input: Extent is outside of the file",
        ),
        (
            "glib: XML parse error: Double hyphen within comment: <!-- a-\n<!\n\n\n",
            "XML parse error: Double hyphen within comment: <!-- a-",
        ),
    ],
    ids=["heif", "svg"],
)
def test_a_message_of_several_lines_is_told_by_its_first(detail: str, message: str) -> None:
    """What goes on with a line before says nothing alone."""
    told = translated(pyvips.Error("unable to call", detail), Stage.READ).message
    assert told == f"expected a sound header, found a damaged one: {message}"


def test_a_message_is_told_whole() -> None:
    """Only the name of who speaks is left out, no part of what is said."""
    failure = translated(OSError("Incomplete header: 7 bytes"), Stage.READ)
    assert failure.message.endswith("found a damaged one: incomplete header: 7 bytes")


def test_an_offset_that_cannot_be_is_told_in_words() -> None:
    """Where a file points before its own start, the system's answer is no message."""
    failure = translated(OSError(errno.EINVAL, os.strerror(errno.EINVAL)), Stage.READ)
    assert failure.kind is FailureKind.CORRUPT
    assert failure.message == "it points to a place that no file has"
