"""What SSIMULACRA2 weighs: errors of three planes at up to six scales, and the score they give.

The metric is Cloudinary's (BSD-3, see NOTICE.md), its constants those of version 2.1. At each
scale, of which the first is the image and the next is halved in linear light, both images become
XYB; the structural error and the change of edges against a Gaussian of sigma 1.5 are averaged by
two norms; a weighted sum of all these is mapped to 100 for equal images, and falls without end.

Must not compute a map: `kernel.c` and `arrays.py` do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LEAST_EDGE_PX",
    "PLANES",
    "SCALES",
    "SUMS",
    "TO_LINEAR",
    "Shape",
    "score_of",
    "shapes_of",
]

SCALES: Final = 6
PLANES: Final = 3
SUMS: Final = 6
"""A plane's sums of structural error, edges gained and edges lost; of the same to the fourth."""

LEAST_EDGE_PX: Final = 225
"""The least that has all six scales of 8 px or more. The original weighs a smaller image with what
belongs to other scales: crops of photographs at JPEG quality 85, 83 as a whole, got 52 at 64 px and
89 at 32 px. Continued by their mirror images to this size they get 84 to 86."""

_KNEE: Final = 0.04045
"""Where the curve of sRGB (IEC 61966-2-1) is no longer a line."""

TO_LINEAR: Final = tuple(
    level / 255 / 12.92 if level / 255 <= _KNEE else ((level / 255 + 0.055) / 1.055) ** 2.4
    for level in range(256)
)

_NORMS: Final = 2
_KINDS: Final = 3
_NEGLIGIBLE: Final = 0.01
"""Weights below it, 83 of 108, change no score by more than 0.006 (36 comparisons)."""

_WEIGHTS: Final = (
    *(0.0, 0.0007376606707406586, 0.0),
    *(0.0, 0.0007793481682867309, 0.0),
    *(0.0, 0.0004371155730107379, 0.0),
    *(1.1041726426657346, 0.00066284834129271, 0.00015231632783718752),
    *(0.0, 0.0016406437456599754, 0.0),
    *(1.8422455520539298, 11.441172603757666, 0.0),
    *(0.0007989109436015163, 0.000176816438078653, 0.0),
    *(1.8787594979546387, 10.94906990605142, 0.0),
    *(0.0007289346991508072, 0.9677937080626833, 0.0),
    *(0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053),
    *(0.0004550992113792063, 0.0, 0.0),
    *(0.0013648766163243398, 0.0, 0.0),
    *(0.0, 0.0, 0.0),
    *(7.466890328078848, 0.0, 17.445833984131262),
    *(0.0006235601634041466, 0.0, 0.0),
    *(6.683678146179332, 0.00037724407979611296, 1.027889937768264),
    *(225.20515300849274, 0.0, 0.0),
    *(19.213238186143016, 0.0011401524586618361, 0.001237755635509985),
    *(176.39317598450694, 0.0, 0.0),
    *(24.43300999870476, 0.28520802612117757, 0.0004485436923833408),
    *(0.0, 0.0, 0.0),
    *(34.77906344483772, 44.835625328877896, 0.0),
    *(0.0, 0.0, 0.0),
    *(0.0, 0.0, 0.0),
    *(0.0, 0.0008680556573291698, 0.0),
    *(0.0, 0.0, 0.0),
    *(0.0, 0.0005313191874358747, 0.0),
    *(0.00016533814161379112, 0.0, 0.0),
    *(0.0, 0.0, 0.0),
    *(0.0004179171803251336, 0.0017290828234722833, 0.0),
    *(0.0020827005846636437, 0.0, 0.0),
    *(8.826982764996862, 23.19243343998926, 0.0),
    *(95.1080498811086, 0.9863978034400682, 0.9834382792465353),
    *(0.0012286405048278493, 171.2667255897307, 0.9807858872435379),
    *(0.0, 0.0, 0.0),
    *(0.0005130064588990679, 0.0, 0.00010854057858411537),
)
"""Of each norm of each scale of each plane: structural error, edges gained, edges lost."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of one scale.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        planes: Its planes that are weighed: 0 for X, 1 for Y, 2 for B.
    """

    width_px: int
    height_px: int
    planes: tuple[int, ...]

    @property
    def mask(self) -> int:
        """One bit for each plane."""
        return sum(1 << plane for plane in self.planes)


def shapes_of(width_px: int, height_px: int) -> tuple[Shape, ...]:
    """Return the scales of an image that are measured: the sixth is weighed with nothing."""
    shapes = []
    for scale in range(SCALES):
        planes = tuple(plane for plane in range(PLANES) if any(_weights(plane, scale)))
        shapes.append(Shape(width_px, height_px, planes))
        width_px, height_px = (width_px + 1) // 2, (height_px + 1) // 2
    return tuple(shape for shape in shapes if shape.planes)


def score_of(sums: Sequence[float], width_px: int, height_px: int) -> float:
    """Return the score for the sums of an image's error maps, rounded to six places.

    Args:
        sums: `SUMS` for each of `PLANES` for each of `SCALES`.
        width_px: The image's width.
        height_px: The image's height.
    """
    error = 0.0
    for scale, shape in enumerate(shapes_of(width_px, height_px)):
        pixels = shape.width_px * shape.height_px
        for plane in shape.planes:
            start = (scale * PLANES + plane) * SUMS
            means = [max(0.0, each) / pixels for each in sums[start : start + SUMS]]
            norms = means[:_KINDS] + [mean**0.25 for mean in means[_KINDS:]]
            weights = _weights(plane, scale)
            error += sum(weight * norm for weight, norm in zip(weights, norms, strict=True))
    return round(_score(error), 6)


def _weights(plane: int, scale: int) -> tuple[float, ...]:
    """Return the weights of a plane's sums, 0 for what is negligible."""
    start = (plane * SCALES + scale) * _NORMS * _KINDS
    weights = _WEIGHTS[start : start + _NORMS * _KINDS]
    return tuple(weight if weight > _NEGLIGIBLE else 0.0 for weight in weights)


def _score(error: float) -> float:
    shaped = error * 0.9562382616834844
    mapped = (
        2.326765642916932 * shaped
        - 0.020884521182843837 * shaped**2
        + 6.248496625763138e-05 * shaped**3
    )
    return 100.0 - 10.0 * mapped**0.6276336467831387 if mapped > 0 else 100.0
