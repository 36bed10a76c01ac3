"""The size of real photos at every quality: what curves are fitted to and the search is held to.

A table takes a hundred encodes, so it is kept in a folder for temporary files. Photos are split by
the CRC of their names: one half is for tuning, the other for proof alone.
"""

from __future__ import annotations

import io
import json
import tempfile
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyvips
from PIL import Image

from pixmill.api import inspect
from pixmill.codecs.spec import Encoding
from pixmill.imaging.encode import encoded
from pixmill.registry import codec
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pixmill.codecs.spec import SaveValue

__all__ = ["LOWEST", "QUALITIES", "Table", "photos", "source_of", "tables"]

CORPORA: Final = Path(__file__).parents[2] / "shared" / "corpora"
LOWEST: Final = 10
QUALITIES: Final = range(LOWEST, 101)
_EDGE_PX: Final = {"jpg": 800, "webp": 800, "avif": 512, "jxl": 512, "heic": 512}
_SOURCE_QUALITIES: Final = (78, 85, 90, 92, 95, 97)
_CACHE: Final = Path(tempfile.gettempdir()) / "pixmill-size-tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What one photo takes at each quality, beside the facts of the JPEG that it comes from.

    Attributes:
        name: File it was made of.
        sizes: Bytes at the qualities `QUALITIES`.
        pixels: Pixels that were encoded.
        source_bytes: The JPEG of the same pixels that was decoded.
        source_quality: Its quality by its own tables.
        original_bytes: The file in the corpora, larger.
        original_pixels: Its pixels.
        original_quality: Its quality by its own tables, or `None` for a PNG.
    """

    name: str
    sizes: tuple[int, ...]
    pixels: int
    source_bytes: int
    source_quality: int
    original_bytes: int
    original_pixels: int
    original_quality: int | None

    def size_at(self, quality: int) -> int:
        """Return the bytes at a quality."""
        return self.sizes[quality - LOWEST]


def photos(*, is_proof: bool) -> list[Path]:
    """Return one half of the corpora's photos."""
    found = [*CORPORA.glob("kodak/*.*"), *CORPORA.glob("photos/*.*")]
    half = [path for path in found if zlib.crc32(path.name.encode()) % 2 == is_proof]
    return sorted(half, key=lambda path: zlib.crc32(path.name.encode()))


def tables(codec_name: str, paths: Iterable[Path], *, workers: int = 1) -> Iterator[Table]:
    """Yield the table of each photo, measured now where no earlier call has."""
    make = partial(_table, codec_name)
    if workers == 1:
        yield from map(make, paths)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make, paths)


def _table(codec_name: str, path: Path) -> Table:
    version = "-".join(str(pyvips.version(part)) for part in range(3))
    name = f"{codec_name}-{_EDGE_PX[codec_name]}-{version}-{_manner(codec_name)}-{path.name}.json"
    cached = _CACHE / name
    if not cached.exists():
        made = _measured(codec_name, path)
        cached.parent.mkdir(exist_ok=True)
        draft = cached.with_suffix(".draft")
        draft.write_text(json.dumps(made), encoding="utf-8")
        draft.rename(cached)
    held = json.loads(cached.read_text(encoding="utf-8"))
    return Table(name=path.name, **{**held, "sizes": tuple(held["sizes"])})


def _manner(codec_name: str) -> str:
    """Return what changes when the codec's record encodes in another way."""
    return f"{zlib.crc32(repr(_options(codec_name, LOWEST)).encode()):08x}"


def _measured(codec_name: str, path: Path) -> dict[str, object]:
    original = inspect(path)
    source = source_of(codec_name, path)
    image = pyvips.Image.new_from_buffer(source, "").copy_memory()
    return {
        "sizes": [_size_bytes(codec_name, image, quality) for quality in QUALITIES],
        "pixels": image.width * image.height,
        "source_bytes": len(source),
        "source_quality": _quality(source),
        "original_bytes": path.stat().st_size,
        "original_pixels": original.width_px * original.height_px,
        "original_quality": original.quality,
    }


def _quality(jpeg: bytes) -> int | None:
    scan = codec("jpg").scan
    return scan(io.BytesIO(jpeg), len(jpeg)).quality if scan else None


def source_of(codec_name: str, path: Path) -> bytes:
    """Return the photo at the edge that a codec is measured at, as a JPEG of another encoder.

    Its quality goes by its name.
    """
    index = zlib.crc32(path.name.encode()) // 2 % len(_SOURCE_QUALITIES)
    quality = _SOURCE_QUALITIES[index]
    edge_px = _EDGE_PX[codec_name]
    held = io.BytesIO()
    with Image.open(path) as image:
        image.draft("RGB", (2 * edge_px, 2 * edge_px))
        small = image.convert("RGB")
        small.thumbnail((edge_px, edge_px))
        small.save(held, "JPEG", quality=quality, subsampling=2 if quality < 90 else 0)
    return held.getvalue()


def _size_bytes(codec_name: str, image: pyvips.Image, quality: int) -> int:
    spec = codec(codec_name)
    if not spec.saver:
        # which writes what little a fresh JPEG carries
        encoding = Encoding(codec=codec_name, quality=quality, effort=Effort.BALANCED)
        return len(encoded(image, encoding))
    options = _options(codec_name, quality)
    return len(pyvips.Operation.call(spec.saver, image, keep=0, **options))


def _options(codec_name: str, quality: int) -> Mapping[str, SaveValue]:
    spec = codec(codec_name)
    encoding = Encoding(codec=codec_name, quality=quality, effort=Effort.BALANCED)
    if spec.save_options is None:
        raise ValueError(f"expected a codec with options to save, got {codec_name}")
    return spec.save_options(encoding)
