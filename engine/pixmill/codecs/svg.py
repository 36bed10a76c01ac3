"""SVG: drawn by libvips with librsvg at the size wanted, never written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs.costs import whole
from pixmill.codecs.spec import CodecSpec, Library, Scan

if TYPE_CHECKING:
    from pixmill.header import Header

__all__ = ["SPEC"]

# The prologue of an XML file, each part taken whole so that no input makes it backtrack; then the
# root element or a document type of that name. A page that merely embeds an svg opens otherwise.
_OPENING: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?+(?>\s++|<\?.*?\?>|<!--.*?-->)*+<(?:!DOCTYPE\s++)?(?:[\w-]+:)?svg[\s>/\[]",
    re.DOTALL,
)


_ENTITY: Final = re.compile(rb"""<!ENTITY\s+(%\s)?[^"'>]{0,200}("[^"]*"|'[^']*')?""")
_MULTIPLYING: Final = re.compile(rb"[<&%]")
_DECLARATIONS_BYTES = 10_000_000  # all that librsvg would read


def _recognises(head: bytes) -> bool:
    return _OPENING.match(head) is not None


def _scan(file: BinaryIO, _size_bytes: int) -> Scan:
    """Refuse entities that could multiply: each that is made of others, or of markup.

    The parser bounds how far text may grow, and not how many elements an entity makes: ten
    million took all the memory there was. Names of namespaces, as Illustrator writes, stay.
    """
    head = file.read(_DECLARATIONS_BYTES)
    if any(match[1] or _MULTIPLYING.search(match[2] or b"") for match in _ENTITY.finditer(head)):
        raise ValueError("entities made of markup or of other entities are not supported")
    return Scan()


def _decode_cost(header: Header, shrink: int) -> int:
    # librsvg draws tiles of RGBA; the whole canvas at the size drawn bounds them and its layers.
    return whole(header, bytes_per_px=8 / shrink**2)


SPEC: Final = CodecSpec(
    name="svg",
    title="SVG",
    suffixes=(".svg",),
    media_type="image/svg+xml",
    reader=Library.VIPS,
    recognises=_recognises,
    loader="svgload",
    is_vector=True,
    has_scale_on_load=True,
    scan=_scan,
    decode_cost=_decode_cost,
)
