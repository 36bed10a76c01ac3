"""What a record says of stills too small for a pipeline: which Pillow reads and writes, and how.

libvips sets up threads, buffers and operations for each image: decoding and encoding 64 px of JPEG,
PNG and WebP takes it 590, 710 and 1000 us of CPU, Pillow 150, 330 and 300. Must not import Pillow:
`imaging.light` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.codecs.spec import Coded, Encoding, Handing
    from pixmill.vocabulary import Effort

__all__ = ["MOST_LIGHT_PX", "Light"]

MOST_LIGHT_PX: Final = 65_536
"""Beyond it pixels decide, and memory, of which Pillow takes four bytes a pixel, twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """How small stills of a format pass through Pillow alone.

    Attributes:
        plugin: Module of Pillow's that knows the format.
        is_plain: Whether Pillow decodes a file to the values that libvips decodes it to, and
            libvips would complain of nothing: it is of a common form, sound to its last bit, and
            says nothing of its pixels but the pixels. Of a file's bytes, and what gives a JPEG's
            symbols other codes, `None` where there is no such thing.
        handed: How Pillow encodes so many bands to the bytes that libvips writes, or to fewer, but
            for what `finished` does; `None` where it cannot.
        finished: Returns what Pillow wrote without what the format does not need.
        is_final: Whether packing what Pillow wrote gains nothing, for an effort, pixels, and the
            bytes that they take, where no fewer bits hold them.
    """

    plugin: str
    is_plain: Callable[[bytes, Callable[[Coded], Coded | None] | None], bool]
    handed: Callable[[Encoding, int], Handing | None]
    finished: Callable[[bytes], bytes]
    is_final: Callable[[Effort, int, int], bool] = lambda _effort, _pixels, _size_bytes: False
