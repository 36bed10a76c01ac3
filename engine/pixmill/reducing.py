"""What an image must score in fewer colours, and which photographs have no hope to.

A drawing has to reach a floor. A photograph, whose colours are many, has to look no worse than what
people know of the quality that they named: as the yardstick of `auto` stores it. Must not put
colours into a palette but those of a sample, nor compare names of formats.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pixmill.candidacy import YARDSTICK, yardstick_quality
from pixmill.codecs.spec import Encoding
from pixmill.imaging.colour import opaque
from pixmill.imaging.encode import encoded
from pixmill.imaging.judge import sampled_for_score
from pixmill.imaging.likeness import LEAST_SCORE
from pixmill.imaging.load import reopened
from pixmill.imaging.score import is_cheap, likeness
from pixmill.perception.kernels import has_kernel
from pixmill.registry import codec
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    import pyvips

    from pixmill.recipe import Recipe

__all__ = ["least_score"]

_FLATTERY: Final = 1.5
"""Points by which a sample of a photograph, which has fewer colours, scores above the whole at the
least: 1.7 to 13 (20 photographs of 0.4 MP). Of 10 that a palette fails at quality 80 this spares 3
the time of one, of 20 at 90 all but 3."""


def least_score(image: pyvips.Image, encoding: Encoding, recipe: Recipe) -> float | None:
    """Return what an image must score in fewer colours; `None` where it has no hope to.

    Args:
        image: The finished pixels, in memory.
        encoding: With a palette.
        recipe: What is wanted.

    Raises:
        ImagingError: It cannot be read.
    """
    if not is_cheap(image):
        return None
    if encoding.is_flat or encoding.quality is None:
        return LEAST_SCORE
    if not has_kernel() or max(image.width, image.height) > codec(YARDSTICK).max_edge_px:
        return None
    # the least effort, which looks the same
    known = Encoding(codec=YARDSTICK, quality=yardstick_quality(recipe, None), effort=Effort.FAST)
    wanted = max(LEAST_SCORE, _score(opaque(image), known))
    sample = sampled_for_score(image)
    if sample is None:
        return wanted
    is_hopeless = _score(sample, replace(encoding, effort=Effort.FAST)) < wanted + _FLATTERY
    return None if is_hopeless else wanted


def _score(image: pyvips.Image, encoding: Encoding) -> float:
    return likeness(image, reopened(encoded(image, encoding), encoding.codec))
