"""One job by a pool of processes with Pillow, as one would write it who knows Pillow well.

`draft` lets libjpeg scale while it decodes, `reducing_gap` averages whole pixels before the kernel.
Run as `python pillow_pool.py ORDER.json`; must not import anything of pixmill's.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageOps

_GAP: Final = 2.0
_OPAQUE: Final = frozenset({".jpg", ".jpeg"})


def opened(file: str, task: dict[str, Any]) -> Image.Image:
    """Return the picture upright, no longer than it may be."""
    image: Image.Image = Image.open(file)
    edge_px = task["edge_px"]
    if edge_px:
        image.draft(None, (edge_px, edge_px))
        image.thumbnail((edge_px, edge_px), Image.Resampling.LANCZOS, reducing_gap=_GAP)
    return ImageOps.exif_transpose(image)


def encoded(image: Image.Image, suffix: str, quality: int | None) -> bytes:
    """Return the picture in a format, at a quality or without loss."""
    options: dict[str, Any] = {"optimize": True} if quality is None else {"quality": quality}
    buffer = io.BytesIO()
    fits = image.convert("RGB") if suffix in _OPAQUE and image.mode not in {"RGB", "L"} else image
    fits.save(buffer, Image.registered_extensions()[suffix], **options)
    return buffer.getvalue()


def fitting(image: Image.Image, suffix: str, max_bytes: int) -> bytes:
    """Return the best quality that fits, by bisection."""
    low, high, best = 1, 100, b""
    while low <= high:
        quality = (low + high) // 2
        content = encoded(image, suffix, quality)
        if len(content) <= max_bytes:
            low, best = quality + 1, content
        else:
            high = quality - 1
    if not best:
        raise ValueError(f"no quality fits {max_bytes} bytes")
    return best


def make(file: str, order: dict[str, Any]) -> None:
    """Make one result."""
    task, path = order["task"], Path(file)
    suffix = task["suffix"] or path.suffix
    image = opened(file, task)
    if task["max_bytes"]:
        content = fitting(image, suffix, task["max_bytes"])
    else:
        content = encoded(image, suffix, task["quality"])
    Path(order["destination"], path.stem + suffix).write_bytes(content)


def main() -> None:
    """Do the job."""
    order = json.loads(Path(sys.argv[1]).read_text())
    Image.MAX_IMAGE_PIXELS = None  # the giant is no bomb
    # forked, which is the cheapest start there is, and inherits the line above
    with multiprocessing.get_context("fork").Pool(order["processes"]) as pool:
        for _ in pool.imap_unordered(partial(make, order=order), order["files"], chunksize=1):
            pass
        pool.close()
        pool.join()


if __name__ == "__main__":
    main()
