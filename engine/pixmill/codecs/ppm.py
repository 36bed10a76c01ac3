"""PPM and its kin PGM, PBM and grey PFM: letters, then numbers as text."""

from __future__ import annotations

import re
from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]

# P1 to P6, or Pf for floats; then comments and blanks, each taken whole; then two edges.
_OPENING: Final = re.compile(rb"P(?:[1-6]|f)(?:\s|#[^\n]*+\n)++\d++(?:\s|#[^\n]*+\n)++\d++\s")


def _recognises(head: bytes) -> bool:
    return _OPENING.match(head) is not None


SPEC: Final = pillow_codec(
    name="ppm",
    title="PPM",
    suffixes=(
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".pfm",
    ),
    pillow_format="PPM",
    recognises=_recognises,
    supports_alpha=False,
)
