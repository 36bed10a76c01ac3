"""Small real files to start from: of the shared corpora, of the bundled sample, and made here."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from pixmill.registry import recognised

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["files", "files_of"]

_ROOT: Final = Path(__file__).parents[2]
_FOLDERS: Final = (_ROOT.parent / "shared" / "corpora", _ROOT / "tests" / "sample")
_MAX_BYTES: Final = 20_000
_MADE: Final = (
    *("GIF", "JPEG", "PNG", "TIFF", "WEBP", "BMP", "ICO", "ICNS", "TGA", "PCX", "PPM", "SGI"),
    *("JPEG2000", "DDS", "AVIF"),
)


@cache
def files() -> Mapping[str, Sequence[bytes]]:
    """Return files of at most 20 kB by the name of their codec, each group in a fixed order."""
    found: dict[str, list[bytes]] = {}
    for content in (*_collected(), *_made()):
        if name := recognised(content[:4096]):
            found.setdefault(name, []).append(content)
    return found


def files_of(name: str) -> Sequence[bytes]:
    """Return files of one codec; none where nothing has any."""
    return files().get(name, ())


def _collected() -> Iterator[bytes]:
    for folder in _FOLDERS:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.stat().st_size <= _MAX_BYTES:
                yield path.read_bytes()


def _made() -> Iterator[bytes]:
    """Yield one small picture in each format that Pillow writes."""
    picture = Image.radial_gradient("L").resize((48, 48)).convert("RGB")
    for name in _MADE:
        file = io.BytesIO()
        picture.save(file, name)
        yield file.getvalue()
    frames = [picture.rotate(turn) for turn in (90, 180)]
    for name in ("GIF", "WEBP", "PNG", "TIFF"):
        file = io.BytesIO()
        picture.save(file, name, save_all=True, append_images=frames)
        yield file.getvalue()
