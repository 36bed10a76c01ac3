"""XBM: a picture of two colours as C source, told from other C source by its three names."""

from __future__ import annotations

import re
from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]

# Comments, then the two edges, then perhaps a hot spot, then the array; each part taken whole.
_OPENING: Final = re.compile(
    rb"(?:\s|/\*(?:[^*]|\*(?!/))*+\*/)*+"
    rb"#define[ \t]++\w*?width[ \t]++\d{1,10}\s++"
    rb"#define[ \t]++\w*?height[ \t]++\d{1,10}\s++"
    rb"(?:#define[ \t]++\w*?_[xy]_hot[ \t]++\d++\s++)*+"
    rb"(?:static\s++)?(?:unsigned\s++)?(?:char|short)\s++\w*?bits\s*+\[\]"
)


def _recognises(head: bytes) -> bool:
    return _OPENING.match(head) is not None


SPEC: Final = pillow_codec(
    name="xbm",
    title="XBM",
    suffixes=(".xbm",),
    pillow_format="XBM",
    recognises=_recognises,
    supports_alpha=False,
)
