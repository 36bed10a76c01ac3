"""SVG: drawn by libvips with librsvg at the size wanted, never written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pixmill.codecs.costs import whole
from pixmill.codecs.spec import CodecSpec, Library

if TYPE_CHECKING:
    from pixmill.header import Header

__all__ = ["SPEC"]

# The prologue of an XML file, each part taken whole so that no input makes it backtrack; then the
# root element or a document type of that name. A page that merely embeds an svg opens otherwise.
_OPENING: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?+(?>\s++|<\?.*?\?>|<!--.*?-->)*+<(?:!DOCTYPE\s++)?(?:[\w-]+:)?svg[\s>/\[]",
    re.DOTALL,
)


def _recognises(head: bytes) -> bool:
    return _OPENING.match(head) is not None


def _decode_cost(header: Header, shrink: int) -> int:
    # librsvg draws tiles of RGBA; the whole canvas at the size drawn bounds them and its layers.
    return whole(header, bytes_per_px=8 / shrink**2)


SPEC: Final = CodecSpec(
    name="svg",
    title="SVG",
    suffixes=(".svg",),
    reader=Library.VIPS,
    recognises=_recognises,
    loader="svgload",
    is_vector=True,
    has_scale_on_load=True,
    decode_cost=_decode_cost,
)
