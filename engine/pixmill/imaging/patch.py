"""Let a library see other bytes at some places of a source than are there.

Must not know which: the codec's parser does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.imaging.sources import reading, size_of

if TYPE_CHECKING:
    from pixmill.header import Patch
    from pixmill.imaging.sources import Source

__all__ = ["patched"]

_MAX_BYTES: Final = 32_000_000


def patched(source: Source, patches: tuple[Patch, ...]) -> Source:
    """Return a source with its patches, which are in the order of their offsets.

    Itself where it has none, or is so large that it should not be held.
    """
    if not patches:
        return source
    with reading(source) as file:
        if size_of(file) > _MAX_BYTES:
            return source
        content = file.read()
    pieces, done = [], 0
    for patch in patches:
        pieces += [content[done : patch.offset], patch.content]
        done = patch.offset + patch.replaced_bytes
    return b"".join((*pieces, content[done:]))
