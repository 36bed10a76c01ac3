"""Make an image in a worker, where what recodes symbols has to be at hand."""

from __future__ import annotations

from faults.plugin import faulty
from pixmill.imaging.huffman import recoder

__all__ = ["mill"]


def _recode(_source: str) -> None:
    if recoder() is None:
        raise ValueError("expected the compiled recoder in a worker")


mill = faulty(_recode)
