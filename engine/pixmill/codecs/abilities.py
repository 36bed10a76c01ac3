"""What a record says of its format, in the words of a table: `pixmill formats` and FORMATS.md.

Must not know what is installed, nor any format by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.header import Metadata

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec

__all__ = ["Abilities", "abilities"]

_TITLES: Final = {
    Metadata.ICC: "ICC",
    Metadata.EXIF: "EXIF",
    Metadata.XMP: "XMP",
    Metadata.IPTC: "IPTC",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What pixmill's results in a format can hold; every word is empty where it is not written.

    Attributes:
        holds: Alpha, animation, pages, CMYK.
        metadata: Kinds of metadata.
        coding: Lossless, the range of qualities and the default one.
        bits: Most bits a band.
        edge: Longest edge in pixels.
        keep: What `keep` writes of a source in this format.
    """

    holds: str
    metadata: str
    coding: str
    bits: str
    edge: str
    keep: str


def abilities(spec: CodecSpec) -> Abilities:
    """Return what a record says in words."""
    keep = spec.name if spec.can_write and not spec.is_on_request else spec.fallback
    if not spec.can_write:
        kept = keep if spec.can_read else ""
        return Abilities(holds="", metadata="", coding="", bits="", edge="", keep=kept)
    return Abilities(
        holds=_holds(spec),
        metadata=", ".join(
            title for kind, title in _TITLES.items() if kind in spec.supports_metadata
        ),
        coding=_coding(spec),
        bits=str(spec.max_bits),
        edge=str(spec.max_edge_px),
        keep=keep,
    )


def _holds(spec: CodecSpec) -> str:
    words = {
        "alpha": spec.supports_alpha,
        "animation": spec.supports_animation,
        "pages": spec.supports_pages,
        "CMYK": spec.supports_cmyk,
    }
    return ", ".join(word for word, is_so in words.items() if is_so)


def _coding(spec: CodecSpec) -> str:
    quality = f"quality 1 to 100 ({spec.default_quality})" if spec.supports_lossy else ""
    return ", ".join(filter(None, ("lossless" if spec.supports_lossless else "", quality)))
