"""One job by a pool of processes with OpenCV, its reduced decoding and its best averaging.

Run as `python opencv_pool.py ORDER.json` by a Python that has OpenCV; must not import anything of
pixmill's. Prints its version when there is no order.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2

_REDUCED: Final = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_FLAGS: Final = {
    ".jpg": cv2.IMWRITE_JPEG_QUALITY,
    ".webp": cv2.IMWRITE_WEBP_QUALITY,
}


def opened(file: str, edge_px: int, longest_px: int) -> Any:
    """Return the pixels upright, at the smallest scale of the decoder that is still too large."""
    fits = [shrink for shrink in _REDUCED if longest_px // shrink >= edge_px]
    return cv2.imread(file, _REDUCED[max(fits)] if fits else cv2.IMREAD_COLOR)


def make(file: str, order: dict[str, Any]) -> None:
    """Make one result."""
    task, path = order["task"], Path(file)
    pixels = opened(file, task["edge_px"], order["longest_px"][path.name])
    height_px, width_px = pixels.shape[:2]
    scale = min(1.0, task["edge_px"] / max(width_px, height_px))
    size = (round(width_px * scale), round(height_px * scale))
    if scale < 1.0:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    result = Path(order["destination"], path.stem + task["suffix"])
    if not cv2.imwrite(str(result), pixels, [_FLAGS[task["suffix"]], task["quality"]]):
        raise OSError(f"cannot write {result}")


def start() -> None:
    """Leave the cores to the processes."""
    cv2.setNumThreads(1)


def main() -> None:
    """Do the job."""
    if len(sys.argv) == 1:
        print(cv2.__version__)
        return
    order = json.loads(Path(sys.argv[1]).read_text())
    with multiprocessing.get_context("fork").Pool(order["processes"], start) as pool:
        for _ in pool.imap_unordered(partial(make, order=order), order["files"], chunksize=1):
            pass
        pool.close()
        pool.join()


if __name__ == "__main__":
    main()
