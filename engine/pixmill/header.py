"""What a header says about an image: facts that planning decides from, before any pixel is read.

Must hold numbers and short strings alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["MAX_METADATA_BYTES", "Header", "Metadata", "Space"]

MAX_METADATA_BYTES = 1_000_000
"""Most of one kind that is kept, profiles apart: the corpora's largest XMP has 43 kB."""


class Space(StrEnum):
    """The family of the source's colours, as far as planning cares."""

    RGB = "rgb"
    GREY = "grey"
    CMYK = "cmyk"
    LAB = "lab"
    OTHER = "other"

    @property
    def is_exotic(self) -> bool:
        """Whether web formats cannot store it: anything but RGB and grey."""
        return self not in {Space.RGB, Space.GREY}


class Metadata(StrEnum):
    """A kind of metadata that a file was found to carry."""

    EXIF = "exif"
    XMP = "xmp"
    IPTC = "iptc"
    ICC = "icc"
    COMMENT = "comment"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The facts of one image, read without decoding it.

    Attributes:
        codec: Name of the codec that recognised the content.
        width_px: Stored width, before orientation.
        height_px: Stored height of one page, before orientation.
        bands: Bands as decoded, alpha included.
        bits: Bits a band as decoded: 8, 16 or 32.
        has_alpha: Whether one band is alpha.
        space: The family of its colours.
        pages: Pages or frames.
        is_animated: Whether the pages are frames of an animation.
        orientation: EXIF orientation, 1 to 8, that is still to be applied to decoded pixels.
        file_bytes: Size of the encoded file.
        metadata: Kinds of metadata found.
        oversized: Those of them that are larger than `MAX_METADATA_BYTES`, where a parser told.
        is_srgb: Whether its colours are sRGB: no profile, or an sRGB one.
        has_profile: Whether an ICC profile is embedded.
        profile: Description of that profile, or empty.
        quality: Estimated quality it was encoded at (lossy JPEG only), or `None`.
        tables: Number of the family of quantisation tables it was made with, or `None`.
        is_lossless: Whether its coding lost nothing (PNG, GIF, BMP, lossless WebP ...).
        is_progressive: Progressive JPEG or interlaced PNG: decoded whole.
        is_subsampled: Whether chroma is stored at less than full resolution.
        palette_bits: Bits an index of a palette image, or 0.
        has_gain_map: Whether an Ultra HDR gain map is attached.
        is_beyond_loader: Whether it is decoded by Pillow, since libvips refuses it.
        damage: Why the file is known to be damaged, where it is to be salvaged; else empty.
    """

    codec: str
    width_px: int
    height_px: int
    bands: int = 3
    bits: int = 8
    has_alpha: bool = False
    space: Space = Space.RGB
    pages: int = 1
    is_animated: bool = False
    orientation: int = 1
    file_bytes: int = 0
    metadata: frozenset[Metadata] = frozenset()
    oversized: frozenset[Metadata] = frozenset()
    is_srgb: bool = True
    has_profile: bool = False
    profile: str = ""
    quality: int | None = None
    tables: int | None = None
    is_lossless: bool = False
    is_progressive: bool = False
    is_subsampled: bool = False
    palette_bits: int = 0
    has_gain_map: bool = False
    is_beyond_loader: bool = False
    damage: str = ""

    @property
    def pixels(self) -> int:
        """Pixels of all pages together."""
        return self.width_px * self.height_px * self.pages
