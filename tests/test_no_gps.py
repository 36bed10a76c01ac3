"""`--keep no-gps` leaves no place in any file, as exiftool sees it, however the file is made."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from corpora import CORPORA, needs_corpora
from oracles import needs_exiftool, tags_by_exiftool

pytestmark = [pytest.mark.corpora, needs_corpora, needs_exiftool]

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
