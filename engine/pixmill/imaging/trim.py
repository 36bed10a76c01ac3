"""Take metadata that is too large out of a source before any library reads it.

Must not decide which: the codec's parser has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.header import Metadata
from pixmill.imaging.sources import reading, size_of

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec
    from pixmill.imaging.sources import Source

__all__ = ["trimmed"]

_MAX_BYTES: Final = 16_000_000


def trimmed(source: Source, spec: CodecSpec, oversized: frozenset[Metadata]) -> Source:
    """Return a source without its oversized metadata, itself where it has none.

    A PNG of 600 kB that held 30 comments of 20 MB inflated made GLib abort the worker. The file
    is held whole, twice for a moment, so that a large one is left alone: what it can inflate to
    beside its own size is then for the memory limit to hold.
    """
    if not oversized or spec.rewrapped is None:
        return source
    with reading(source) as file:
        if size_of(file) > _MAX_BYTES:
            return source
        content = file.read()
    return spec.rewrapped(content, frozenset(Metadata) - oversized) or source
