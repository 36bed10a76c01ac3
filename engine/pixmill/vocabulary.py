"""The words that a recipe is told in: operations, fits, kernels, efforts and the like.

Must not say what follows from them.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "Colour",
    "Corrupt",
    "Effort",
    "Fit",
    "Gravity",
    "IfLarger",
    "Keep",
    "Kernel",
    "Operation",
    "Oversize",
    "StrategyName",
]


class Operation(StrEnum):
    """A kind of work; pixmill runs those asked for in its one fixed order."""

    RESIZE = "resize"
    CROP = "crop"
    CONVERT = "convert"
    COMPRESS = "compress"


class Fit(StrEnum):
    """How an image meets a box, as in CSS object-fit and sharp."""

    INSIDE = "inside"
    COVER = "cover"
    CONTAIN = "contain"
    FILL = "fill"
    OUTSIDE = "outside"


class Gravity(StrEnum):
    """Which part stays when an image is cropped, or where it sits when it is padded."""

    CENTRE = "centre"
    NORTH = "north"
    NORTHEAST = "northeast"
    EAST = "east"
    SOUTHEAST = "southeast"
    SOUTH = "south"
    SOUTHWEST = "southwest"
    WEST = "west"
    NORTHWEST = "northwest"
    ATTENTION = "attention"
    ENTROPY = "entropy"


class Kernel(StrEnum):
    """The resampling kernel, as libvips names it."""

    NEAREST = "nearest"
    LINEAR = "linear"
    CUBIC = "cubic"
    MITCHELL = "mitchell"
    LANCZOS2 = "lanczos2"
    LANCZOS3 = "lanczos3"
    MKS2013 = "mks2013"
    MKS2021 = "mks2021"


class Effort(StrEnum):
    """How much CPU a smaller file may cost; each codec maps it to its own scale."""

    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"

    @property
    def slower(self) -> Effort:
        """The next that costs more; the dearest itself."""
        every = list(Effort)
        return every[min(every.index(self) + 1, len(every) - 1)]


class StrategyName(StrEnum):
    """How encodings are chosen: by content, as told, or without any loss."""

    ADAPTIVE = "adaptive"
    FIXED = "fixed"
    LOSSLESS = "lossless"


class Keep(StrEnum):
    """Metadata that is retained."""

    NONE = "none"
    EXIF = "exif"
    XMP = "xmp"
    IPTC = "iptc"
    ICC = "icc"
    COPYRIGHT = "copyright"
    NO_GPS = "no-gps"
    ALL = "all"


class Colour(StrEnum):
    """What happens to colours: converted to sRGB or Display P3, or left with their profile."""

    SRGB = "srgb"
    P3 = "p3"
    KEEP = "keep"


class IfLarger(StrEnum):
    """What is published when the best result is not smaller than the source."""

    KEEP = "keep"
    SKIP = "skip"
    WRITE = "write"


class Corrupt(StrEnum):
    """What happens to a damaged image: it fails, or what can be decoded of it is published."""

    FAIL = "fail"
    SALVAGE = "salvage"


class Oversize(StrEnum):
    """What happens to an image whose result is longer than the target format can store."""

    REFUSE = "refuse"
    RESIZE = "resize"
