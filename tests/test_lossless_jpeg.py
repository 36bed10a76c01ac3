"""With `--lossless` a JPEG is packed, turned or cut by its coefficients, and no pixel changes."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
import pyvips
from PIL import Image

from corpora import corpus_files, needs_corpora
from pixmill.header import Metadata
from pixmill.imaging.probe import probe
from pixmill.imaging.turbo import has_turbo, transformed
from pixmill.milling import Product, mill
from pixmill.model import Failed, FailureKind, Status
from pixmill.plan import Crop, Orient, Plan, ToSrgb
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.settings import Settings
from pixmill.units import Geometry
from pixmill.vocabulary import Keep, Operation
from runs import archive, ran

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not has_turbo(), reason="needs libturbojpeg: make oracles")

PLENTY: Final = Limits(10**12, is_enforced=False)
EXACT: Final = Recipe(lossless=True)


def _photo(width_px: int = 320, height_px: int = 240, **options: object) -> bytes:
    """Return a baseline JPEG as a camera writes it, coarse noise in colours."""
    noise = [
        pyvips.Image.gaussnoise(width_px, height_px, seed=at, mean=128, sigma=60) for at in range(3)
    ]
    image = noise[0].bandjoin(noise[1:]).gaussblur(2).cast("uchar").copy(interpretation="srgb")
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Make", "Camera")
    return bytes(image.jpegsave_buffer(Q=90, keep="exif", subsample_mode="on", **options))


def _turned(data: bytes, orientation: int) -> bytes:
    """Return the photograph with an orientation in its EXIF, its pixels as they were."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.save(held, "JPEG", quality="keep", exif=exif)
    return held.getvalue()


def _made(data: bytes, recipe: Recipe) -> Product | Failed:
    return mill(data, "jpg", recipe, PLENTY, lease=lambda _: None)


def _bytes_of(made: Product | Failed) -> bytes:
    assert isinstance(made, Product), made
    assert made.status is Status.OPTIMIZED
    assert isinstance(made.content, bytes)
    return made.content


def _pixels(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(pyvips.Image.jpegload_buffer(data).numpy()).astype(np.int64)


@pytest.mark.parametrize("keep", [Keep.NONE, Keep.EXIF, Keep.ALL])
def test_packing_is_smaller_and_the_same(keep: Keep) -> None:
    """More than 2 % go, no pixel changes, and metadata is what is to be kept."""
    data = _photo()
    made = _bytes_of(_made(data, replace(EXACT, keep=frozenset({keep}))))
    assert len(made) < 0.98 * len(data)
    assert np.array_equal(_pixels(made), _pixels(data))
    assert (Metadata.EXIF in probe(made, "jpg").metadata) is (keep is not Keep.NONE)


def test_what_is_packed_already_is_kept() -> None:
    """A file that packing makes no smaller is published as it is."""
    once = _bytes_of(_made(_photo(), replace(EXACT, keep=frozenset({Keep.NONE}))))
    again = _made(once, EXACT)
    assert isinstance(again, Product)
    assert again.status is Status.KEPT


@pytest.mark.parametrize("orientation", range(2, 9))
def test_turning_loses_nothing(orientation: int) -> None:
    """All orientations are turned upright by coefficients: turned back, they are the very same."""
    data = _turned(_photo(), orientation)
    made = _bytes_of(_made(data, EXACT))
    header = probe(made, "jpg")
    assert (header.orientation, Metadata.EXIF in header.metadata) == (1, False)
    upright = pyvips.Image.jpegload_buffer(data, autorotate=True).numpy().astype(np.int64)
    assert np.abs(_pixels(made) - upright).max() <= 3  # a decoder rounds rows and columns apart
    back = {6: 8, 8: 6}.get(orientation, orientation)
    again = transformed(made, [Orient(back)])
    assert again is not None
    assert np.array_equal(_pixels(again), _pixels(data))


def test_edges_within_blocks_are_not_turned() -> None:
    """What would leave half a block at the wrong edge is refused, with what to use."""
    made = _made(_turned(_photo(313, 233), 3), EXACT)
    assert isinstance(made, Failed)
    assert made.kind is FailureKind.UNSUPPORTED
    assert "--target-format" in made.message


def test_kept_exif_is_never_untrue() -> None:
    """A picture is not turned beneath EXIF that says how to turn it."""
    recipe = replace(EXACT, keep=frozenset({Keep.EXIF}))
    assert isinstance(_made(_turned(_photo(), 6), recipe), Failed)


def test_cutting_at_blocks_loses_nothing() -> None:
    """A crop whose corner lies on a block has the pixels that it had; another one is refused."""
    data = _photo()
    cut = transformed(data, [Crop(32, 16, 160, 112)])
    assert cut is not None
    inner = _pixels(data)[16:128, 32:192]
    assert np.array_equal(_pixels(cut)[2:-2, 2:-2], inner[2:-2, 2:-2])  # chroma blends at edges
    assert transformed(data, [Crop(33, 16, 160, 112)]) is None
    operations = frozenset({Operation.CROP, Operation.COMPRESS})
    recipe = replace(EXACT, operations=operations, resize=Geometry(288, 208))
    header = probe(_bytes_of(_made(data, recipe)), "jpg")
    assert (header.width_px, header.height_px) == (288, 208)


@needs_corpora
def test_the_corpora_stay_what_they_are() -> None:
    """Whatever JPEG of the corpora is packed decodes to the very same pixels."""
    count = 0
    for folder in ("metadata", "formats", "exif_orientation", "color", "corrupt"):
        for path in corpus_files(folder):
            data = path.read_bytes()
            if not data.startswith(b"\xff\xd8\xff") or len(data) > 400_000:
                continue
            made = _made(data, replace(EXACT, auto_orient=False))
            if isinstance(made, Product) and isinstance(made.content, bytes):
                assert np.array_equal(_pixels(made.content), _pixels(data)), path.name
                count += 1
    assert count > 10


def test_damage_is_not_packed() -> None:
    """Of a file that the library warns of no part is packed, and nothing is published."""
    data = bytearray(_photo())
    middle = len(data) // 2
    data[middle : middle + 2000] = b"\xff\xd8" * 1000
    assert transformed(bytes(data), ()) is None
    assert isinstance(_made(bytes(data), EXACT), Failed)


@pytest.mark.parametrize("junk", [b"", b"\xff\xd8\xff\xd9", b"junk", b"\xff\xd8" + bytes(99)])
def test_junk_is_no_candidate(junk: bytes) -> None:
    """What the library does not take comes to nothing."""
    assert transformed(junk, ()) is None
    assert transformed(_photo(), [ToSrgb()]) is None


def test_memory_is_counted() -> None:
    """It is planned where it fits and left out where not; loss, too, leaves it out."""
    header = probe(_photo(2000, 1600), "jpg")
    whole = planned(header, EXACT, PLENTY)
    assert isinstance(whole, Plan)
    assert whole.is_transformed
    less = planned(header, EXACT, Limits(whole.cost_bytes - 1))
    assert isinstance(less, Plan)
    assert not less.is_transformed
    lossy = planned(header, Recipe(), PLENTY)
    assert isinstance(lossy, Plan)
    assert not lossy.is_transformed


def test_a_confined_worker_finds_the_library(tmp_path: Path) -> None:
    """In a sandbox too, and each result is checked."""
    source = archive(tmp_path / "in", "a.jpg", size_px=160)
    recipe = replace(EXACT, keep=frozenset({Keep.NONE}))
    settings = Settings(parallel=1, verify=True)
    (outcome,) = ran(source, tmp_path / "out", recipe=recipe, settings=settings).outcomes
    assert outcome.status is Status.OPTIMIZED
    made = (tmp_path / "out" / "a.jpg").read_bytes()
    assert np.array_equal(_pixels(made), _pixels((source / "a.jpg").read_bytes()))
