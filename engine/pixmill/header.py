"""What a header says about an image: facts that planning decides from, before any pixel is read.

Must hold numbers and short strings alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["MAX_METADATA_BYTES", "GainMap", "Header", "Metadata", "Patch", "Space"]

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


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes that a decoding library must see instead of a file's own, to see what is meant.

    Attributes:
        offset: Where, in the file as it is.
        replaced_bytes: How many are left out there.
        content: What stands in their place.
    """

    offset: int
    replaced_bytes: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GainMap:
    """Where a file holds the picture by which an HDR display brightens the one it shows.

    Attributes:
        offset: Where it begins, in bytes from the start of the file.
        size_bytes: Its length.
        width_px: Its width.
        height_px: Its height.
        bands: 1, or 3 for one gain a colour.
        quality: Estimated quality it was encoded at, or `None`.
        is_progressive: Whether it is decoded whole.
    """

    offset: int
    size_bytes: int
    width_px: int
    height_px: int
    bands: int = 1
    quality: int | None = None
    is_progressive: bool = False


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
        plays: How often an animation is played, where its decoding library does not tell; 0 for
            ever.
        orientation: EXIF orientation, 1 to 8, that is still to be applied to decoded pixels.
        file_bytes: Size of the encoded file.
        metadata: Kinds of metadata found.
        oversized: Those of them that are larger than `MAX_METADATA_BYTES`, where a parser told.
        is_srgb: Whether its colours are sRGB: no profile, or an sRGB one.
        is_p3: Whether its profile says Display P3.
        has_profile: Whether an ICC profile is embedded.
        profile: Description of that profile, or empty.
        quality: Estimated quality it was encoded at (lossy JPEG only), or `None`.
        tables: Number of the family of quantisation tables it was made with, or `None`.
        is_lossless: Whether its coding lost nothing (PNG, GIF, BMP, lossless WebP ...).
        is_progressive: Progressive JPEG or interlaced PNG: decoded whole.
        is_subsampled: Whether chroma is stored at less than full resolution.
        samples_per_px: Samples that are stored of all bands together; 0 where that is not told.
        palette_bits: Bits an index of a palette image, or 0.
        has_gain_map: Whether an Ultra HDR gain map is attached, or said to be.
        gain_map: That map; `None` where none is found that can be read.
        lines_at_once: Lines that its decoder makes at a time, beyond a few: a strip or two rows of
            tiles.
        is_beyond_loader: Whether it is decoded by Pillow, since libvips refuses it.
        is_plain: Whether it is small, sound to its last bit, and says nothing but pixels, which
            Pillow decodes to the same values for less than libvips.
        patches: What its decoding library must see instead of some bytes of the file.
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
    plays: int = 0
    orientation: int = 1
    file_bytes: int = 0
    metadata: frozenset[Metadata] = frozenset()
    oversized: frozenset[Metadata] = frozenset()
    is_srgb: bool = True
    is_p3: bool = False
    has_profile: bool = False
    profile: str = ""
    quality: int | None = None
    tables: int | None = None
    is_lossless: bool = False
    is_progressive: bool = False
    is_subsampled: bool = False
    samples_per_px: float = 0.0
    palette_bits: int = 0
    has_gain_map: bool = False
    lines_at_once: int = 1
    gain_map: GainMap | None = None
    is_beyond_loader: bool = False
    is_plain: bool = False
    patches: tuple[Patch, ...] = ()
    damage: str = ""

    @property
    def pixels(self) -> int:
        """Pixels of all pages together."""
        return self.width_px * self.height_px * self.pages
