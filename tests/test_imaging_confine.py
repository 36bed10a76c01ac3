"""Promises of `imaging.confine`, each in a process of its own; of `support` and `errors`."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import pyvips
from PIL import Image

from corpora import CORPORA, needs_corpora
from imaging_cases import encoding_for, plan_for
from pixmill.imaging.encode import encode_to_file, encoded
from pixmill.imaging.errors import parsing_failure, translated
from pixmill.imaging.load import opened
from pixmill.imaging.probe import probe
from pixmill.imaging.sources import vips_source
from pixmill.imaging.support import library_versions, support
from pixmill.model import FailureKind, Stage
from pixmill.registry import codecs

if TYPE_CHECKING:
    from pathlib import Path

_PREPARED = "from pixmill.imaging.confine import *; import pyvips; prepare_process()\n"


def _ran(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", _PREPARED + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_only_wanted_loaders_are_open() -> None:
    """CSV, raw and libvips' own format are closed; PNG is open."""
    code = """
png = pyvips.Image.black(4, 4).pngsave_buffer()
print(pyvips.Image.pngload_buffer(png).width)
try:
    pyvips.Image.matrixload_source(pyvips.Source.new_from_memory(b"1 1\\n5"))
except pyvips.Error:
    print("closed")
print(pyvips.concurrency_get(), pyvips.cache_get_max())
"""
    assert _ran(code).stdout.split() == ["4", "closed", "1", "0"]


@needs_corpora
def test_warnings_stay_off_the_terminal() -> None:
    """A file that makes libvips warn leaves stderr empty."""
    code = """
import sys
from pixmill.imaging.probe import probe
for path in sys.argv[1:]:
    probe(path, "tiff" if path.endswith("tif") else "jpg")
    pyvips.Image.new_from_file(path, fail_on="none").icc_transform("srgb", embedded=True).avg()
"""
    paths = [str(CORPORA / "formats/jpeg_odd" / name) for name in ("corrupted-icc-srgb.jpg",)]
    result = _ran(code.replace('.icc_transform("srgb", embedded=True)', ""), *paths)
    assert (result.returncode, result.stderr) == (0, "")


def test_memory_beyond_the_limit_is_refused_and_survived() -> None:
    """An image larger than its lease fails as `memory`, and the next one works."""
    code = """
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.load import pinned
with limited_memory(50_000_000):
    try:
        pinned(pyvips.Image.black(20_000, 20_000))
    except ImagingError as error:
        print(error.failure.kind)
    print(pinned(pyvips.Image.black(2_000, 2_000)).width)
print(pinned(pyvips.Image.black(20_000, 10_000)).width)
"""
    result = _ran(code)
    assert result.stdout.split() == ["memory", "2000", "20000"], result.stderr


_HOARD = """
import resource, sys
from pixmill.footprint import anonymous_bytes
from pixmill.imaging.load import pinned
def faults(images, edge_px):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [pinned(pyvips.Image.black(edge_px, edge_px)) for _ in range(images)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(1, 100)
hoard, bare_bytes = Hoard(int(sys.argv[1])), anonymous_bytes()
def held():
    hoard.settle()
    return (anonymous_bytes() - bare_bytes) // 1_000_000
for images, edge_px in ((2, 4000), (2, 4000), (8, 4000), (1, 8000)):
    print(faults(images, edge_px), held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is held")
def test_what_images_free_is_kept_for_the_next() -> None:
    """Up to a bound pages serve one image after the other; without one all of them go back."""
    first, kept, again, still, *_ = map(int, _ran(_HOARD, "60000000").stdout.split())
    assert first > 1.9 * 16_000_000 / 4096  # the allocator has a page or two left over
    assert 30 <= kept <= 60
    assert 30 <= still <= 60
    assert again < first * 0.6  # a small block may lie where the second one was
    first, kept, again, *_ = map(int, _ran(_HOARD, "0").stdout.split())
    assert kept < 4
    assert again > first * 0.9


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is held")
def test_what_is_beyond_the_bound_goes_back() -> None:
    """Neither many images at once nor one that is large leave more than may be kept."""
    *_, after_many, _, after_large = map(int, _ran(_HOARD, "60000000").stdout.split())
    assert after_many <= 60
    assert after_large <= 60


def test_libwebp_by_pillow_tells_of_memory() -> None:
    """What Pillow tells by a number is a want of memory, and the next image works."""
    code = """
from pixmill.codecs.spec import Encoding
from pixmill.imaging.encode import encoded
from pixmill.imaging.errors import ImagingError
from pixmill.vocabulary import Effort
exact = Encoding(codec="webp", quality=None, effort=Effort.FAST)
noise = pyvips.Image.gaussnoise(1990, 1990, mean=128).cast("uchar")
image = noise.bandjoin([noise, noise]).copy(interpretation="srgb").copy_memory()
with limited_memory(0):
    try:
        encoded(image, exact)
    except ImagingError as error:
        print(error.failure.kind)
print(len(encoded(image.crop(0, 0, 9, 9).copy_memory(), exact)) > 0)
"""
    told = _ran(code)
    assert told.stdout.split() == ["memory", "True"], told.stderr


def test_many_threads_are_no_want_of_memory() -> None:
    """Where a process has more threads than a worker, their stacks are not an image's cost."""
    code = """
from pixmill.milling import mill
from pixmill.planning import Limits
from pixmill.recipe import Recipe
pyvips.concurrency_set(32)
source = pyvips.Image.gaussnoise(640, 480, mean=128).cast("uchar").pngsave_buffer()
recipe = Recipe(operations=frozenset({"convert", "compress"}), target_format="avif")
print(mill(source, "png", recipe, Limits(1 << 30), lease=lambda _: None).status)
"""
    told = _ran(code)
    assert told.stdout.split() == ["optimized"], told.stderr


def test_a_callers_own_process_keeps_its_limits() -> None:
    """Only a worker is held to a plan's cost, and its limit is as before afterwards."""
    code = """
import resource
from pixmill import milling
from pixmill.planning import Limits
def limit(): return resource.getrlimit(resource.RLIMIT_DATA)
before = limit()
with milling._contained(Limits(1, is_enforced=False), 1):
    print(limit() == before)
with milling._contained(Limits(1), 1):
    print(limit() == before)
print(limit() == before)
"""
    assert _ran(code).stdout.split() == ["True", "False", "True"]


@pytest.mark.parametrize(
    ("number", "kind", "is_retryable"),
    [
        (errno.ENOENT, FailureKind.VANISHED, False),
        (errno.EACCES, FailureKind.PERMISSION, False),
        (errno.EIO, FailureKind.IO, True),
        (errno.ESTALE, FailureKind.IO, True),
        (errno.EMFILE, FailureKind.IO, True),
        (errno.ENOSPC, FailureKind.NO_SPACE, False),
    ],
)
def test_system_errors_are_told_apart(number: int, kind: FailureKind, is_retryable: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """What may pass is marked retryable; what will not is not."""
    failure = translated(OSError(number, os.strerror(number)), Stage.READ)
    assert (failure.kind, failure.is_retryable) == (kind, is_retryable)


@pytest.mark.parametrize(
    ("error", "kind", "stage"),
    [
        (MemoryError(), FailureKind.MEMORY, Stage.ENCODE),
        (OSError("image file is truncated"), FailureKind.CORRUPT, Stage.DECODE),
        (SyntaxError("broken PNG file"), FailureKind.CORRUPT, Stage.DECODE),
        (
            pyvips.Error("x", "VipsJpeg: premature end of JPEG image"),
            FailureKind.CORRUPT,
            Stage.DECODE,
        ),
        (pyvips.Error("x", "heifload: Unsupported feature"), FailureKind.UNSUPPORTED, Stage.DECODE),
    ],
)
def test_library_errors_are_told_apart(error: Exception, kind: FailureKind, stage: Stage) -> None:
    """A decoder's complaint during encoding is put down to decoding."""
    failure = translated(error, Stage.ENCODE)
    assert (failure.kind, failure.stage) == (kind, stage)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            pyvips.Error("x", "tiff2vips: Seek error at scanline 4294967295, strip 0"),
            "expected more of the image, got the end of the file: it is cut off",
        ),
        (
            pyvips.Error("x", "unable to copy to memory"),
            "expected sound pixels, found damaged ones",
        ),
        (
            OSError("broken data stream when reading image file"),
            "expected sound pixels, found damaged ones: broken data stream when reading image file",
        ),
        (
            pyvips.Error("x", "tiff2vips: samples_per_pixel not a whole number of bytes"),
            "its decoder does not take it: samples_per_pixel not a whole number of bytes",
        ),
    ],
)
def test_damage_is_told_in_plain_words(error: Exception, message: str) -> None:
    """What a library says of its innards comes after what it means for the file."""
    assert translated(error, Stage.DECODE).message == message


def test_a_parsers_own_words_stay_whole() -> None:
    """What comes before a colon is a library's name in its messages, and not in ours."""
    words = "expected 4 bytes at offset 1 of 3: it is cut off"
    failure = parsing_failure(ValueError(words))
    assert (failure.kind, failure.message) == (FailureKind.CORRUPT, words)


def test_every_codec_has_its_library_here() -> None:
    """The development environment reads and writes everything that the records claim."""
    for spec in codecs():
        found = support(spec)
        assert found.can_read == spec.can_read, spec.name
        assert found.can_write == spec.can_write, spec.name
        assert bool(found.hint) != found.can_read, spec.name
    assert {"libvips", "Pillow"} <= library_versions().keys()


def test_large_files_are_streamed_and_closed(tmp_path: Path) -> None:
    """A JPEG beyond 4 MB is read through Python, to the same pixels, and leaves no file open."""
    path = tmp_path / "large.jpg"
    image = pyvips.Image.gaussnoise(2400, 2400, seed=1).cast("uchar").copy(interpretation="b-w")
    image.jpegsave(str(path), Q=97, keep=0)
    assert path.stat().st_size > 4_000_000
    assert isinstance(vips_source(path, "jpegload"), pyvips.SourceCustom)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers, not paths
    plan = plan_for(probe(path, "jpg"), "jpg")
    data = encoded(opened(path, plan).copy_memory(), encoding_for("jpg"))
    assert Image.open(io.BytesIO(data)).size == (2400, 2400)
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # noqa: PTH208 - likewise


def test_encoding_into_a_file_gives_the_same_bytes(tmp_path: Path) -> None:
    """A descriptor receives what memory would."""
    image = pyvips.Image.black(64, 64, bands=3).copy(interpretation="srgb")
    path = tmp_path / "out.webp"
    with path.open("w+b") as file:
        encode_to_file(image, encoding_for("webp"), file.fileno())
    assert path.read_bytes() == encoded(image, encoding_for("webp"))


@needs_corpora
def test_surrogate_escaped_names_are_opened(tmp_path: Path) -> None:
    """A name that is no UTF-8 is a name like any other."""
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff[n=-1].png")
    with open(odd, "wb") as file:  # noqa: PTH123 - the name is the point
        file.write((CORPORA / "formats/png/ball.png").read_bytes())
    plan = plan_for(probe(odd, "png"), "webp")
    assert encoded(opened(odd, plan), encoding_for("webp"))
