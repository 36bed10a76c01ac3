"""`compare` scores files as they are shown, and says which of them it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import pyvips

import pixmill
from pixmill_cli.exit_codes import ExitCode

COMMAND = str(Path(sys.executable).with_name("pixmill"))
SAMPLE = Path(__file__).parent / "sample"
LAKE = SAMPLE / "travel" / "lake.jpg"
UNREADABLE = {SAMPLE / "assets" / "notes.txt", SAMPLE / "assets" / "corrupt-truncated.jpg"}
IMAGES = sorted({path for path in SAMPLE.rglob("*.*") if path.is_file()} - UNREADABLE)


def ran(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `pixmill compare`."""
    command = [COMMAND, "compare", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def saved(image: pyvips.Image, path: Path, **how: int | str) -> Path:
    """Write an image and return its path."""
    image.write_to_file(str(path), **how)
    return path


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_every_format_is_100_against_itself(path: Path) -> None:
    """Whatever pixmill reads can be compared, and equals itself."""
    assert pixmill.compare(path, path) == 100


def test_a_score_is_printed(tmp_path: Path) -> None:
    """The score goes to stdout, of two places; JSON has it in full."""
    small = pyvips.Image.thumbnail(str(LAKE), 400).copy_memory()
    first = saved(small, tmp_path / "a.png")
    second = saved(small, tmp_path / "b.jpg", Q=80)
    expected = pixmill.compare(first, second)
    assert 60 < expected < 90
    text, document = ran(first, second), ran("--json", first, second)
    assert (text.returncode, text.stdout, text.stderr) == (ExitCode.OK, f"{expected:.2f}\n", "")
    assert json.loads(document.stdout) == {
        "schema": 1,
        "reference": str(first),
        "candidate": str(second),
        "score": expected,
        "failure": None,
    }


def test_images_are_compared_as_they_are_shown(tmp_path: Path) -> None:
    """Orientation is applied and profiles are converted: the same picture scores as the same."""
    upright = pyvips.Image.thumbnail(str(LAKE), 400).copy_memory()
    plain = saved(upright, tmp_path / "plain.png")
    turned = upright.rot270().copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    assert pixmill.compare(plain, saved(turned, tmp_path / "turned.tif")) == 100
    wide = upright.icc_transform("p3", input_profile="srgb")
    tagged = pixmill.compare(plain, saved(wide, tmp_path / "wide.png"))
    bare = wide.copy()
    bare.remove("icc-profile-data")
    assert tagged > 96 > pixmill.compare(plain, saved(bare, tmp_path / "untagged.png"))


def test_transparency_counts(tmp_path: Path) -> None:
    """What is hidden makes no difference; what shows on black or on white alone does."""
    black = pyvips.Image.black(300, 240, bands=3).copy(interpretation="srgb")
    clear = saved(black.bandjoin(0), tmp_path / "clear.png")
    hidden = saved((black + 200).cast("uchar").bandjoin(0), tmp_path / "hidden.png")
    opaque_black = saved(black, tmp_path / "black.png")
    opaque_white = saved(black.invert(), tmp_path / "white.png")
    assert pixmill.compare(clear, hidden) == 100
    assert pixmill.compare(clear, opaque_black) < 0
    assert pixmill.compare(opaque_white, clear) < 0


def test_sizes_must_be_the_same(tmp_path: Path) -> None:
    """Images of two sizes are refused with both sizes, exit code 1 and nothing on stdout."""
    small = saved(pyvips.Image.thumbnail(str(LAKE), 40), tmp_path / "small.png")
    ended = ran(LAKE, small)
    assert (ended.returncode, ended.stdout) == (ExitCode.SOME_FAILED, "")
    assert ended.stderr.startswith("pixmill: refused: expected images of one size")
    assert str(small) in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (SAMPLE / "assets" / "notes.txt", "unsupported"),
        (SAMPLE / "assets" / "corrupt-truncated.jpg", "corrupt"),
        (SAMPLE / "gone.jpg", "io"),
        (SAMPLE, "unsupported"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_what_cannot_be_read_is_named(path: Path, kind: str) -> None:
    """A file that is no sound image fails by name, whichever side it is on."""
    for pair in ((path, LAKE), (LAKE, path)):
        ended = ran("--json", *pair)
        assert ended.returncode == ExitCode.SOME_FAILED
        failure = json.loads(ended.stdout)["failure"]
        assert failure["kind"] == kind
        assert str(path) in failure["message"]
        assert str(path) in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_help_explains_the_scale() -> None:
    """Who asks for help learns what the numbers mean."""
    told = ran("--help").stdout
    for words in ("90", "visually lossless", "80", "very high", "70", "50", "medium"):
        assert words in told


def test_a_large_image_passes_in_strips(tmp_path: Path) -> None:
    """Comparing images of 36 megapixels, 216 MB of pixels, holds less than 60 MB."""
    large = pyvips.Image.gaussnoise(600, 600, mean=128, sigma=9).cast("uchar").replicate(10, 10)
    path = saved(large.copy(interpretation="b-w"), tmp_path / "large.jpg", Q=70)
    code = (
        "import resource, sys, pixmill\n"
        "pixmill.compare(sys.argv[1], sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert pixmill.compare(sys.argv[2], sys.argv[2]) == 100\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", code, str(LAKE), str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(ended.stdout) * 1024 < 60_000_000
