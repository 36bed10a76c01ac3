"""JPEGs so plain that Pillow decodes them as libvips does, and how it encodes to the same bytes.

Pillow tells of no warning of libjpeg's, so a file's every symbol is read here first. Must not look
at coefficients.
"""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Final

from pixmill.codecs.jpg_huffman import coded
from pixmill.codecs.jpg_quality import scaled
from pixmill.codecs.jpg_segments import APP0, DHT, DQT, SOF0, SOS, Segment, segments
from pixmill.codecs.jpg_tables import FAMILIES
from pixmill.codecs.spec import Handing

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.codecs.spec import Coded

__all__ = ["PLUGIN", "handed", "is_plain", "without_jfif"]

PLUGIN: Final = "JpegImagePlugin"
_COMMON: Final = frozenset({APP0, DQT, SOF0, DHT, SOS})
_MARKER_BYTES, _FRAME_BYTES = 2, 4
_JFIF, _JFIF_BYTES = b"JFIF\0\1", 14
_WHOLE_SPECTRUM: Final = b"\0\x3f\0"
_FORMS: Final = frozenset(
    {
        ((1, 0x11),),
        ((1, 0x22),),  # of one component alone sampling says nothing
        ((1, 0x11), (2, 0x11), (3, 0x11)),
        ((1, 0x21), (2, 0x11), (3, 0x11)),
        ((1, 0x22), (2, 0x11), (3, 0x11)),
    }
)
"""Components and how they are sampled, of which every libjpeg makes the same pixels."""

_ROW: Final = 8
_PLACES: Final = sorted(
    range(_ROW * _ROW),
    key=lambda at: (sum(divmod(at, _ROW)), divmod(at, _ROW)[(sum(divmod(at, _ROW)) + 1) % 2]),
)
"""Where in rows the steps of a table lie: ITU-T T.81 A.3.6."""

_HALVED, _WHOLE = 2, 0
"""What Pillow calls chroma's resolution."""


def is_plain(content: bytes, recode: Callable[[Coded], Coded | None] | None) -> bool:
    """Return whether a file is baseline of a common form, sound to its last symbol and no more."""
    try:
        parts = [*segments(io.BytesIO(content))]
        if not _is_common(parts):
            return False
        given = coded(parts, content)
    except (ValueError, IndexError):
        return False
    return given is not None and recode is not None and recode(given) is not None


def handed(family: int, quality: int, *, is_halved: bool, bands: int) -> Handing | None:
    """Return how Pillow writes with a family of tables; `None` where they are not known.

    Args:
        family: Its number.
        quality: 1 to 100.
        is_halved: Whether chroma is.
        bands: One, or three.
    """
    tables = _tables(family, quality)
    if not tables:
        return None
    options = {
        "qtables": tables if bands > 1 else tables[:1],
        "subsampling": _HALVED if is_halved and bands > 1 else _WHOLE,
        "optimize": True,
    }
    return Handing(plugin=PLUGIN, options=options)


def without_jfif(content: bytes) -> bytes:
    """Return what Pillow wrote without its JFIF segment, which tells of a density alone."""
    if content[_MARKER_BYTES : 2 * _MARKER_BYTES] != bytes((0xFF, APP0)):
        return content
    return content[:_MARKER_BYTES] + content[_MARKER_BYTES + _FRAME_BYTES + _JFIF_BYTES :]


def _is_common(parts: list[Segment]) -> bool:
    """Whether these are what every JPEG has, next to each other, and said the common way."""
    markers = [part.marker for part in parts]
    if not (set(markers) <= _COMMON and markers.count(SOF0) == 1 and markers[-1] == SOS):
        return False
    has_more = _MARKER_BYTES + sum(_FRAME_BYTES + len(part.body) for part in parts) != parts[-1].end
    is_jfif = APP0 not in markers[1:] and (markers[0] != APP0 or _is_jfif(parts[0].body))
    frame, scan = parts[markers.index(SOF0)].body, parts[-1].body
    form = tuple((frame[at], frame[at + 1]) for at in range(6, len(frame), 3))
    is_known = frame[0] == 8 and form in _FORMS  # noqa: PLR2004 - bits a sample
    return is_jfif and is_known and not has_more and scan.endswith(_WHOLE_SPECTRUM)


def _is_jfif(body: bytes) -> bool:
    """Whether it is JFIF 1 without a thumbnail."""
    return len(body) == _JFIF_BYTES and body.startswith(_JFIF) and not any(body[-2:])


@cache
def _tables(family: int, quality: int) -> tuple[list[int], ...]:
    """Return both tables of a family row by row, which is how Pillow takes them."""
    found = (each for each in FAMILIES if each.number == family)
    zigzag = (scaled(table, quality) for each in found for table in (each.luma, each.chroma))
    return tuple([step for _, step in sorted(zip(_PLACES, steps, strict=True))] for steps in zigzag)
