"""Warnings of libvips and Pillow come with the file they are about, and nowhere else."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

from PIL import Image

import pixmill
from corpora import CORPORA, needs_corpora
from imaging_cases import plan_for
from pixmill.executors.words import Words
from pixmill.imaging.complaints import Complaints
from pixmill.imaging.load import opened
from pixmill.imaging.notes import notes_of
from pixmill.imaging.probe import probe
from runs import archive, by_path, ran

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_LISTENING = """
import os
from pixmill.executors.words import mapped_words, words_made
from pixmill.imaging.complaints import Ear
descriptor = words_made()
ear = Ear(descriptor)
def said(words):
    with ear.image() as complaints:
        os.write(2, words)
    return complaints.notes
"""
_WARNING = b"\n(process:7): VIPS-WARNING **: 12:00:00.123: VipsJpeg: all is lost\n"


def _listened(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", _LISTENING + code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )


@needs_corpora
def test_a_warning_is_a_note_of_its_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What libvips warns of appears with the file, failed or not, and not on the terminal."""
    archive(tmp_path / "in", "sound.jpg")
    for name in ("metadata/hopper_bad_exif.jpg", "pngsuite/corrupt/xcsn0g01.png"):
        shutil.copy(CORPORA / name, tmp_path / "in")
    outcomes = by_path(ran(tmp_path / "in", tmp_path / "out").outcomes)
    heard = {path: [n for n in each.notes if "libvips" in n] for path, each in outcomes.items()}
    assert heard == {
        "sound.jpg": [],
        "hopper_bad_exif.jpg": [
            "libvips: Corrupt JPEG data: 1214 extraneous bytes before marker 0xd0"
        ],
        "xcsn0g01.png": ["libvips: IDAT: CRC error"],
    }
    assert "VIPS" not in capfd.readouterr().err


def test_notes_are_few_and_distinct() -> None:
    """Three at most, none twice with other numbers, none that nobody can act upon, no escapes."""
    heard = Complaints("libvips", ["row 1\x1b[31m is\n odd", "row 2\x1b[31m is\n odd", "hIST: no"])
    assert heard.notes == ("libvips: row 1 [31m is odd",)
    many = Complaints("libvips", [letter * 500 for letter in "abcdef"])
    assert [len(note) for note in many.notes] == [len("libvips: ") + 120] * 3


def test_what_is_no_complaint_goes_on() -> None:
    """Other words reach standard error, the complaint alone becomes a note, and none stays."""
    code = f"""
print(said({_WARNING + b"a word from C" + _WARNING!r}))
print(said(b""), mapped_words(descriptor).last == "")
"""
    result = _listened(code)
    assert result.stdout.splitlines() == ["('libvips: all is lost',)", "() True"]
    assert result.stderr.strip() == "a word from C"


def test_an_endless_complainer_is_cut_short() -> None:
    """Words beyond what is set aside are refused, and the next image is heard as ever."""
    code = f"""
with ear.image() as complaints:
    for _ in range(10_000):
        try:
            os.write(2, {_WARNING!r})
        except PermissionError:
            pass
print(complaints.notes, os.fstat(descriptor).st_size < 1 << 17)
print(said({_WARNING!r}))
"""
    heard = "('libvips: all is lost',)"
    assert _listened(code).stdout.splitlines() == [f"{heard} True", heard]


def test_last_words_are_told(tmp_path: Path) -> None:
    """What a library said before its worker died is in the failure's message, made harmless."""
    source = archive(tmp_path / "in", "abort-last.jpg", "sound.jpg")
    ended = ran(source, tmp_path / "out", mill="faults.crashing:mill")
    failure = by_path(ended.outcomes)["abort-last.jpg"].failure
    assert failure is not None
    assert failure.message.endswith("(SIGABRT); it last said: free(): invalid pointer [31m")


def test_the_last_line_is_the_last_word() -> None:
    """Blank lines after it and what follows a zero byte are none."""
    assert Words(b"one\ntwo\n\n\0three\n").last == "two"
    assert Words().last == ""


def _icon_that_lies() -> bytes:
    """Return an icon whose directory names another size than its picture has."""
    held = io.BytesIO()
    Image.new("RGBA", (16, 16), "red").save(held, "ICO", sizes=[(16, 16)])
    icon = bytearray(held.getvalue())
    icon[6] = icon[7] = 32
    return bytes(icon)


def test_pillow_warns_in_notes() -> None:
    """A warning of Pillow's is a note on the image, and none to the process."""
    source = _icon_that_lies()
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        image = opened(source, plan_for(probe(source, "ico"), "png"))
    assert notes_of(image) == ("Pillow: Image was not the expected size",)
    assert not shown


@needs_corpora
def test_a_callers_standard_error_is_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    """`optimize_bytes` points no descriptor elsewhere."""
    before = os.fstat(2)
    pixmill.optimize_bytes((CORPORA / "metadata/hopper_bad_exif.jpg").read_bytes())
    assert os.path.samestat(before, os.fstat(2))
    capfd.readouterr()
