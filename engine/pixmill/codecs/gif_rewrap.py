"""GIF without comments and application blocks; the frames' own blocks are copied as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.header import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["rewrapped", "table_bytes"]

_COMMENT, _APPLICATION = b"!\xfe", b"!\xff"
_KINDS: Final = {b"XMP DataXMP": Metadata.XMP, b"ICCRGBG1012": Metadata.ICC}
_LOOPS: Final = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_HEADER_BYTES, _DESCRIPTOR_BYTES = 13, 10


def rewrapped(content: bytes, kept: frozenset[Metadata]) -> bytes | None:
    """Return the file with no metadata but the kept kinds, `None` where its blocks do not add up.

    Loop counts are no metadata and stay; what follows the trailer goes.
    """
    try:
        return b"".join(block for block in _blocks(content) if _stays(block, kept))
    except (IndexError, ValueError):
        return None


def _stays(block: bytes, kept: frozenset[Metadata]) -> bool:
    if block.startswith(_COMMENT):
        return Metadata.COMMENT in kept
    if block.startswith(_APPLICATION):
        name = block[3:14]
        return name in _LOOPS or _KINDS.get(name, Metadata.OTHER) in kept
    return True


def _blocks(content: bytes) -> Iterator[bytes]:
    """Yield the header, then every block whole, the trailer last: GIF89a 17 to 27."""
    at = _HEADER_BYTES + table_bytes(content[10])
    yield content[:at]
    while True:
        start = at
        match content[at : at + 1]:
            case b",":
                at += _DESCRIPTOR_BYTES + table_bytes(content[at + 9]) + 1
            case b"!":
                at += 2
            case b";":
                yield b";"
                return
            case b"\0":
                at += 1
                continue
            case _:
                raise ValueError("expected a block")
        while count := content[at]:
            at += count + 1
        at += 1
        yield content[start:at]


def table_bytes(flags: int) -> int:
    """Return the size of the colour table that these flags announce: GIF89a 18 and 20."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
