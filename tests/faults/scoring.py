"""Score in a worker, with the kernel that the installation compiled."""

from __future__ import annotations

from faults.plugin import faulty
from pixmill.perception.kernels import kernel
from pixmill.perception.metric import Raster, score

__all__ = ["mill"]


def _score(_source: str) -> None:
    grey = Raster(bytes(3 * 300 * 240), 300, 240)
    if kernel().name != "native" or score(grey, grey) != 100:
        raise ValueError("expected the compiled kernel to score equal images with 100")


mill = faulty(_score)
