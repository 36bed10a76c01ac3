"""What is known of one inspected file: as JSON, and in words for people.

Must not read files: `commands.inspect` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from pixmill.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.codecs.spec import CodecSpec
    from pixmill.events import Json
    from pixmill.header import Header

__all__ = ["Inspected", "described", "document"]

_ORIENTATIONS: Final = {
    1: "upright",
    2: "mirrored left to right",
    3: "to be turned by 180°",
    4: "mirrored top to bottom",
    5: "mirrored along the main diagonal",
    6: "to be turned by 90° clockwise",
    7: "mirrored along the other diagonal",
    8: "to be turned by 90° anticlockwise",
}
_MEGA: Final = 1e6


@dataclass(frozen=True, slots=True)
class Inspected:
    """One file that was understood.

    Attributes:
        path: As the user named it.
        header: What its header says.
        spec: The codec that recognised it.
        decode_bytes: Memory that decoding it takes beyond a worker's base.
    """

    path: str
    header: Header
    spec: CodecSpec
    decode_bytes: int

    @property
    def is_suffix_right(self) -> bool:
        """Whether the file's name says what its content is."""
        return PurePath(self.path).suffix.lower() in self.spec.suffixes


def document(one: Inspected) -> dict[str, Json]:
    """Return everything that is known, for `--json`."""
    header = one.header
    return {
        "path": one.path,
        "failure": None,
        "format": header.codec,
        "title": one.spec.title,
        "suffix_fits": one.is_suffix_right,
        "file_bytes": header.file_bytes,
        "width": header.width_px,
        "height": header.height_px,
        "pages": header.pages,
        "animated": header.is_animated,
        "bands": header.bands,
        "bits": header.bits,
        "alpha": header.has_alpha,
        "space": str(header.space),
        "profile": header.profile or None,
        "has_profile": header.has_profile,
        "srgb": header.is_srgb,
        "orientation": header.orientation,
        "metadata": sorted(str(kind) for kind in header.metadata),
        "quality": header.quality,
        "lossless": header.is_lossless,
        "progressive": header.is_progressive,
        "chroma_subsampled": header.is_subsampled,
        "palette_bits": header.palette_bits or None,
        "gain_map": header.has_gain_map,
        "decode_bytes": one.decode_bytes,
    }


def described(one: Inspected) -> Iterator[tuple[str, str]]:
    """Yield pairs of a label and what a person should know under it."""
    header = one.header
    yield "format", f"{one.spec.title}, {format_size(header.file_bytes)}{_coding(header)}"
    yield "size", _size(header)
    yield "pixels", _pixels(header)
    yield "profile", _profile(header)
    yield "orientation", f"{header.orientation}, {_ORIENTATIONS.get(header.orientation, 'unknown')}"
    if header.quality is not None:
        yield "quality", f"about {header.quality}, estimated from its tables"
    if header.metadata:
        yield "metadata", ", ".join(sorted(header.metadata))
    if header.has_gain_map:
        yield "gain map", "Ultra HDR: only JPEG keeps it"
    yield "decode cost", f"{format_size(one.decode_bytes)} of memory"
    if not one.is_suffix_right:
        suffix = PurePath(one.path).suffix or "no suffix"
        yield "warning", f"its name says {suffix}, its content is {one.spec.title}"


def _coding(header: Header) -> str:
    words = [
        word
        for word, is_so in (
            ("lossless", header.is_lossless),
            ("progressive", header.is_progressive),
            ("chroma subsampled", header.is_subsampled),
        )
        if is_so
    ]
    return "".join(f", {word}" for word in words)


def _size(header: Header) -> str:
    text = f"{header.width_px} x {header.height_px} px"
    if header.pages > 1:
        text += f", {header.pages} {'frames' if header.is_animated else 'pages'}"
    return f"{text}, {header.pixels / _MEGA:.1f} MP"


def _pixels(header: Header) -> str:
    text = f"{header.space}, {header.bands} bands of {header.bits} bits"
    if header.palette_bits:
        text += f", from a palette of {header.palette_bits} bits"
    return f"{text}, alpha" if header.has_alpha else text


def _profile(header: Header) -> str:
    if not header.has_profile:
        return "none"
    name = header.profile or "without a name"
    return f"{name}, which is sRGB" if header.is_srgb else name
