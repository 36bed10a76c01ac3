"""What became of one image: a value from the mill to whoever publishes it.

Must not hold pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.imaging.verify import Expected
    from pixmill.model import Status

__all__ = ["Product"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What became of one image.

    Attributes:
        status: `optimized`, `kept` (publish the source's bytes) or `skipped` (publish nothing).
        target: Codec of what is to be published.
        width_px: Width of what is to be published.
        height_px: Height of one page of it.
        content: Encoded bytes, or an unnamed file that holds them; `None` unless optimized.
        source: The source's own bytes where it is kept and they were read whole, not to be read
            again; else `None`.
        content_bytes: Their number; the source's own where it is kept.
        quality: Quality, `None` where none applies.
        score: What it scored, where a score was asked for; `None` for the source's own pixels.
        encodes: Encodes it took.
        is_salvaged: Whether it was made of a damaged source.
        expected: What the encoded result must turn out to be; `None` where the source's own bytes
            are published.
        notes: What the user should know.
        members: The outputs of a source that has several, format by format, the narrowest first;
            then content is theirs alone, and size the widest's. Default: none.
    """

    status: Status
    target: str
    width_px: int
    height_px: int
    content: bytes | IO[bytes] | None = None
    source: bytes | None = None
    content_bytes: int = 0
    quality: int | None = None
    score: float | None = None
    encodes: int = 0
    is_salvaged: bool = False
    expected: Expected | None = None
    notes: tuple[str, ...] = ()
    members: tuple[Product, ...] = ()
