"""XPM: a palette and rows of letters as C source.

Pillow fails on colours that have a name and misreads those of more or fewer than six digits, so
the palette is read here first. Must not decode rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs.fields import MAX_STEPS
from pixmill.codecs.pillow_read import pillow_codec
from pixmill.codecs.spec import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SPEC"]

_OPENING: Final = b"/* XPM */"
_VALUES: Final = re.compile(rb'"([0-9]{1,10}) ([0-9]{1,10}) ([0-9]{1,10}) ([0-9]{1,3})')
_COLOUR: Final = re.compile(rb"\sc\s+(\S+?)[\"\s]")
_READABLE: Final = re.compile(rb"None|#[0-9A-Fa-f]{6}")
_LINE_BYTES: Final = 4096
_SHOWN_BYTES: Final = 24


def _recognises(head: bytes) -> bool:
    return head.startswith(_OPENING)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for _ in range(MAX_STEPS):
        line = file.readline(_LINE_BYTES)
        if not line:
            return
        yield line


def _scan(file: BinaryIO, _size_bytes: int) -> Scan:
    lines = _lines(file)
    values = next((found for line in lines if (found := _VALUES.match(line))), None)
    if values is None:
        raise ValueError("expected an xpm to tell its edges, found none")
    width_px, height_px, colours, letters = map(int, values.groups())
    odd = ""
    for number, line in enumerate(lines):
        if number >= colours or odd:
            break
        # the letters that stand for a colour may spell anything
        found = _COLOUR.search(line[1 + letters :])
        colour = found[1] if found else b"none for colour screens"
        odd = (
            "" if _READABLE.fullmatch(colour) else colour[:_SHOWN_BYTES].decode("ascii", "replace")
        )
    return Scan(
        width_px=width_px or None,
        height_px=height_px or None,
        is_lossless=True,
        unsupported=f"colours other than # and six digits are not supported, got {odd}"
        if odd
        else "",
    )


SPEC: Final = pillow_codec(
    name="xpm",
    title="XPM",
    suffixes=(".xpm",),
    pillow_format="XPM",
    recognises=_recognises,
    scan=_scan,
)
