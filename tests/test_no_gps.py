"""`--keep no-gps` leaves no place in any file, as exiftool sees it, however the file is made."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from PIL import Image

from corpora import CORPORA, needs_corpora
from oracles import needs_exiftool, tags_by_exiftool

pytestmark = [pytest.mark.corpora, needs_corpora, needs_exiftool]

_XMP: Final = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,51.5N"/></rdf:RDF>'
    b"</x:xmpmeta>"
)
_IPTC: Final = b"\x1c\x02\x5a\x00\x05Paris"
_BLOCKS: Final = {
    0x02BC: _XMP,
    0x83BB: _IPTC,
    0x8649: b"8BIM\x04\x04\0\0\0\0\0\x0a" + _IPTC,
    0x010E: "taken at latitude 48.85",
}
"""EXIF fields that hold other metadata whole, as TIFF and what was a TIFF have them, and a text."""

COMMAND: Final = str(Path(sys.executable).with_name("pixmill"))
_PLACE: Final = re.compile(
    r"gps|latitude|longitude|city$|country|province|\bstate$|sub-?location|:location|geotag",
    re.IGNORECASE,
)
_NO_PLACE: Final = frozenset({"Canon:TimeZoneCity"})
"""What a camera's clock is set to: of a list of cities, and in a maker note, which goes too."""


def _placed(folder: Path) -> dict[str, set[str]]:
    """Return the tags that tell a place, by path, of files that have any."""
    told = {
        path: {tag for tag in tags if _PLACE.search(tag) and tag not in _NO_PLACE}
        for path, tags in tags_by_exiftool(folder).items()
    }
    return {path: tags for path, tags in told.items() if tags}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of the corpora that tell a place, and no others."""
    folder = tmp_path_factory.mktemp("placed")
    for path in _placed(CORPORA.resolve()):
        copy = folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((CORPORA / path).read_bytes())
    return folder


@pytest.mark.parametrize(
    "words",
    [
        pytest.param((), id="as it is"),
        pytest.param(("--target-format", "jpg", "--resize", "64"), id="jpg"),
        pytest.param(("--target-format", "webp", "--resize", "64"), id="webp"),
        pytest.param(("--target-format", "png", "--resize", "64"), id="png"),
        pytest.param(("--target-format", "tiff", "--resize", "64"), id="tiff"),
        pytest.param(("--target-format", "avif", "--resize", "64"), id="avif"),
    ],
)
def test_no_place_is_left(words: tuple[str, ...], source: Path, tmp_path: Path) -> None:
    """No GPS directory, XMP, IPTC, maker note or preview of any result tells where it was."""
    assert len(_placed(source)) > 20
    command = [COMMAND, "optimize", str(source), str(tmp_path / "out"), "--keep", "no-gps"]
    how = ("--effort", "fast", "--durability", "none", "-q", "--parallel", "2", *words)
    subprocess.run([*command, *how], check=True, capture_output=True, timeout=120)
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) > 20
    assert not _placed(tmp_path / "out")


@pytest.mark.parametrize("target", ["jpg", "webp", "png", "tiff", "avif"])
def test_no_place_hides_inside_exif(target: str, tmp_path: Path) -> None:
    """XMP, IPTC and Photoshop's blocks inside EXIF go with their place; what tells none stays."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    for tag, block in _BLOCKS.items():
        exif[tag] = block
    source, made = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    noise = Image.effect_noise((48, 32), 60).convert("RGB")
    noise.save(source / "a.jpg", exif=exif.tobytes(), quality=95)
    assert len(_placed(source)["a.jpg"]) >= 2
    how = ("--keep", "no-gps", "--quality", "40", "--target-format", target, "--durability", "none")
    command = [COMMAND, "optimize", str(source), str(made), *how, "-q"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert not _placed(made)
    written = (made / f"a.{target}").read_bytes()  # exiftool leaves a WebP's block unread
    assert not any(word in written for word in (b"GPSLatitude", b"Paris", b"latitude"))
    # of a TIFF's EXIF libvips writes the orientation alone
    assert (b"Camera" in written) is (target != "tiff")
