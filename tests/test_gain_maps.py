"""A gain map goes along with its picture and stays on it, as libultrahdr and exiftool see it."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pyvips
from PIL import Image

from corpora import CORPORA, needs_corpora
from oracles import needs_exiftool, tags_by_exiftool
from pixmill.codecs.jpg_gain_map import bundled
from pixmill.imaging.probe import probe
from pixmill.imaging.verify import Expected, difference
from pixmill.milling import Product, mill
from pixmill.model import Status
from pixmill.plan import Plan
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.units import Geometry
from pixmill.vocabulary import Fit, Gravity, Keep, Operation

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.header import GainMap

WIDTH_PX, HEIGHT_PX, FACTOR = 480, 360, 3
PLENTY = Limits(10**12, is_enforced=False)
PLACE = b' exif:GPSLatitude="48,51N"'
ROOM_FOR_PLACE = b' hdrgm:GPSLatitude="48.51"'


def _shape() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a picture that no turn and no shift maps onto itself: a bright and a faint blot."""
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    bright = 200 * np.exp(-((x - 320) ** 2 + (y - 90) ** 2) / 4000)
    faint = 90 * np.exp(-((x - 120) ** 2 + (y - 250) ** 2) / 2500)
    return np.asarray(20 + bright + faint, dtype=np.uint8)


def _jpeg(pixels: object, **how: object) -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "JPEG", quality=95, **how)  # type: ignore[arg-type]
    return held.getvalue()


def _described(jpeg: bytes, *, extra: bytes = b"") -> bytes:
    """Return a JPEG with the words that a camera puts into its gain map."""
    packet = (
        b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        b' xmlns:exif="http://ns.adobe.com/exif/1.0/"'
        b' xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
        b' hdrgm:GainMapMin="0" hdrgm:GainMapMax="2.5" hdrgm:Gamma="1" hdrgm:OffsetSDR="0.015625"'
        b' hdrgm:OffsetHDR="0.015625" hdrgm:HDRCapacityMin="0" hdrgm:HDRCapacityMax="2.5"'
        b' hdrgm:BaseRenditionIsHDR="False"' + extra + b"/></rdf:RDF></x:xmpmeta>"
    )
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet + jpeg[2:]


def _photo(orientation: int = 1, *, extra: bytes = b"") -> bytes:
    """Return an Ultra HDR photo whose map shows what it shows, at a third of its size."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    grey = _shape()
    base = _jpeg(np.dstack([grey] * 3), exif=exif.tobytes())
    blocks = grey.reshape(HEIGHT_PX // FACTOR, FACTOR, WIDTH_PX // FACTOR, FACTOR)
    own = _described(_jpeg(blocks.mean(axis=(1, 3)).astype(np.uint8)), extra=extra)
    return bundled(base, own, own)


def _made(data: bytes, recipe: Recipe) -> Product:
    made = mill(data, "jpg", recipe, PLENTY, lease=lambda _: None)
    assert isinstance(made, Product), made
    return made


def _bytes_of(made: Product) -> bytes:
    assert made.content is not None
    if isinstance(made.content, bytes):
        return made.content
    made.content.seek(0)
    return made.content.read()


def _map_of(data: bytes) -> tuple[GainMap, bytes]:
    found = probe(data, "jpg").gain_map
    assert found is not None
    return found, data[found.offset : found.offset + found.size_bytes]


def _boxed(edge_px: tuple[int, int], **how: object) -> Recipe:
    operations = frozenset({Operation.RESIZE, Operation.CROP, Operation.COMPRESS})
    recipe = Recipe(operations=operations, resize=Geometry(*edge_px))
    return replace(recipe, **how)  # type: ignore[arg-type]  # checked by the dataclass


_RECIPES = {
    "as it is": Recipe(quality=80),
    "smaller": _boxed((211, 211)),
    "cut": _boxed((170, 101), fit=Fit.COVER, gravity=Gravity.NORTHEAST),
    "cut on high": _boxed((95, 160), fit=Fit.COVER, gravity=Gravity.SOUTH),
    "attentive": _boxed((150, 150), fit=Fit.COVER, gravity=Gravity.ATTENTION),
    "larger": _boxed((700, 700), enlarge=True),
}


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("name", _RECIPES)
def test_it_stays_on_its_picture(name: str, orientation: int) -> None:
    """Scaled, turned and cut alike: the map, laid over the picture, shows the same blots."""
    data = _bytes_of(_made(_photo(orientation), _RECIPES[name]))
    _, attached = _map_of(data)
    with Image.open(io.BytesIO(data)) as shown, Image.open(io.BytesIO(attached)) as laid:
        picture = np.asarray(shown.convert("L"), dtype=float)
        over = np.asarray(laid.convert("L").resize(shown.size), dtype=float)
        widest = 120 if name == "larger" else shown.width / FACTOR  # a map is never enlarged
        assert laid.width == pytest.approx(widest, abs=1)
    assert np.corrcoef(picture.ravel(), over.ravel())[0, 1] > 0.995
    assert np.abs(picture - over).mean() < 3


@pytest.mark.parametrize("name", _RECIPES)
def test_libultrahdr_reads_it(name: str) -> None:
    """An independent reader finds the map, and the same numbers to apply it with."""
    source = _photo()
    before = pyvips.Image.uhdrload_buffer(source)
    after = pyvips.Image.uhdrload_buffer(_bytes_of(_made(source, _RECIPES[name])))
    numbers = [field for field in before.get_fields() if field.startswith("gainmap-")]
    told = {"gainmap-data", "gainmap-scale-factor", "gainmap-use-base-cg"}
    assert len(set(numbers) - told) >= 6
    for field in set(numbers) - told:
        assert after.get(field) == before.get(field), field


def test_iso_alone_will_do() -> None:
    """A file that tells of its map by ISO 21496-1 alone, as libvips writes it, keeps it."""
    bright = pyvips.Image.black(200, 160, bands=3).linear(1, 1.5).copy(interpretation="scrgb")
    source = bright.uhdrsave_buffer(Q=90)
    before = pyvips.Image.uhdrload_buffer(source)
    made = _bytes_of(_made(source, _boxed((100, 100))))
    after = pyvips.Image.uhdrload_buffer(made)
    assert b"hdrgm" not in made
    assert after.get("gainmap-max-content-boost") == before.get("gainmap-max-content-boost")


@needs_corpora
@pytest.mark.parametrize(
    "name",
    ["seine_sdr_gainmap_srgb", "paris_exif_xmp_icc_gainmap_bigendian", "apple_gainmap_new"],
)
def test_the_corpora_keep_theirs(name: str) -> None:
    """What three makers wrote is there after recoding, pixel for pixel where nothing moved."""
    source = (CORPORA / "metadata" / f"{name}.jpg").read_bytes()
    _, before = _map_of(source)
    made = _made(source, Recipe(quality=60))
    assert not any("gain map" in note for note in made.notes)
    _, after = _map_of(_bytes_of(made))
    first, second = (pyvips.Image.jpegload_buffer(each) for each in (before, after))
    assert (first - second).abs().max() == 0
    assert _map_of(_bytes_of(_made(source, _boxed((99, 99)))))[0].width_px <= 99 * 2


@needs_exiftool
def test_nothing_private_goes_along(tmp_path: Path) -> None:
    """A place in the map's own metadata is gone, by exiftool; the index leads to the map."""
    source = _photo(extra=ROOM_FOR_PLACE).replace(ROOM_FOR_PLACE, PLACE)
    assert PLACE in source
    assert _map_of(source)
    for keep in (Keep.NONE, Keep.NO_GPS, Keep.ICC):
        made = _made(source, Recipe(quality=70, keep=frozenset({keep})))
        (tmp_path / f"{keep}.jpg").write_bytes(_bytes_of(made))
        assert b"GPS" not in _bytes_of(made)
    told = tags_by_exiftool(tmp_path)
    assert len(told) == 3
    for tags in told.values():
        assert not any("GPS" in tag for tag in tags)
        assert tags["MPF0:NumberOfImages"] == 2
        starts = [value for tag, value in tags.items() if "MPImageStart" in tag]
        lengths = [value for tag, value in tags.items() if "MPImageLength" in tag]
        assert starts, tags.keys()
        assert lengths


def test_a_size_holds_for_both() -> None:
    """`--max-size` caps picture and map together."""
    made = _made(_photo(), Recipe(max_size_bytes=9_000))
    data = _bytes_of(made)
    assert len(data) <= 9_000
    assert _map_of(data)


def test_metadata_goes_without_recoding_and_the_map_stays() -> None:
    """Where recoding would only add bytes, metadata is cut out around a map left as it was."""
    source = _bytes_of(_made(_photo(), Recipe(quality=50, keep=frozenset({Keep.ALL}))))
    assert b"Exif" in source
    made = _made(source, Recipe(keep=frozenset({Keep.NONE})))
    data = _bytes_of(made)
    assert any("recoding would not" in note for note in made.notes)
    assert b"Exif" not in data
    assert _map_of(data)[0].size_bytes <= _map_of(source)[0].size_bytes


def test_too_little_memory_to_pin_keeps_it() -> None:
    """An image that streams into a spool file has its map attached there."""
    grey = np.kron(_shape(), np.ones((6, 6), dtype=np.uint8))
    own = _described(_jpeg(_shape()))
    source, recipe = bundled(_jpeg(grey), own, own), Recipe(quality=70)
    pinned = planned(probe(source, "jpg"), recipe, PLENTY)
    assert isinstance(pinned, Plan)
    assert pinned.is_pinned
    less = Limits(pinned.cost_bytes - 1, is_enforced=False)
    made = mill(source, "jpg", recipe, less, lease=lambda _: None)
    assert isinstance(made, Product), made
    assert not any(note.startswith("content:") for note in made.notes)  # nobody held its pixels
    assert _map_of(_bytes_of(made))


def test_a_damaged_map_costs_itself() -> None:
    """A map that does not decode is dropped with a note, and its picture is made."""
    source = _photo()
    found, _ = _map_of(source)
    broken = source[: found.offset + found.size_bytes // 2] + b"\xff\xd9"
    broken += bytes(len(source) - len(broken))
    made = _made(broken, _boxed((100, 100)))
    assert made.status is Status.OPTIMIZED
    assert any("gain map was dropped" in note for note in made.notes)
    assert probe(_bytes_of(made), "jpg").gain_map is None


def test_other_targets_say_so() -> None:
    """A format without gain maps loses it, and a note tells."""
    convert = frozenset({Operation.CONVERT, Operation.COMPRESS})
    made = _made(_photo(), Recipe(operations=convert, target_format="webp"))
    assert any("gain map was dropped: WebP" in note for note in made.notes)


@needs_corpora
def test_a_map_in_avif_is_told_of() -> None:
    """An AVIF's gain map is not read, and never lost in silence."""
    source = (CORPORA / "formats/avif/colors_hdr_p3.avif").read_bytes()
    assert probe(source, "avif").has_gain_map
    convert = frozenset({Operation.CONVERT, Operation.COMPRESS})
    recipe = Recipe(operations=convert, target_format="jpg")
    made = mill(source, "avif", recipe, PLENTY, lease=lambda _: None)
    assert isinstance(made, Product)
    assert any("gain map was dropped" in note for note in made.notes)


def test_what_is_kept_has_lost_nothing() -> None:
    """A file that is published as it is says nothing of a map that a new encoding would lose."""
    source = _photo()
    bare = source[: _map_of(source)[0].offset]  # the index leads nowhere
    kept = _made(bare, Recipe(max_size_bytes=len(bare), keep=frozenset({Keep.ALL})))
    assert kept.status is Status.KEPT
    assert not any("gain map" in note for note in kept.notes)
    assert any("gain map was dropped" in note for note in _made(bare, _boxed((99, 99))).notes)


def test_a_lost_map_is_noticed() -> None:
    """A result that should carry a map and does not is not what was meant."""
    header = probe(_photo(), "jpg")
    expected = Expected(width_px=header.width_px, height_px=header.height_px, has_gain_map=True)
    assert difference(_photo(), "jpg", expected) == ""
    assert "gain map" in difference(_jpeg(np.dstack([_shape()] * 3)), "jpg", expected)
