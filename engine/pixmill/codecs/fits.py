"""FITS: recognised, so that a failure can name it; not read, since Pillow gets it wrong.

Pillow ignores BZERO and BSCALE, takes signed samples for unsigned ones, and of three colour planes
the first: most of what telescopes and ImageMagick write comes out wrong, and no error tells.
"""

from __future__ import annotations

from typing import Final

from pixmill.codecs.spec import CodecSpec, Library

__all__ = ["SPEC"]

_OPENING: Final = b"SIMPLE  ="


def _recognises(head: bytes) -> bool:
    return head.startswith(_OPENING)


SPEC: Final = CodecSpec(
    name="fits",
    title="FITS",
    suffixes=(".fits", ".fit", ".fts"),
    reader=Library.NONE,
    recognises=_recognises,
)
