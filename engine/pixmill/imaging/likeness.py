"""Whether an image in fewer colours still looks like itself.

Must not choose the colours, nor what is done where it does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.imaging.compare import psnr
from pixmill.imaging.score import likeness
from pixmill.perception.kernels import has_kernel

if TYPE_CHECKING:
    import pyvips

__all__ = ["LEAST_SCORE", "looks_alike"]

LEAST_SCORE: Final = 75.0
"""The least that photographs score as JPEG at the default quality: 76 to 89 (17 at 1600 px). Mean
errors say little: of drawings in 256 colours those of 42.0 and 43.6 dB score 70 and 90."""
_LEAST_PSNR_DB: Final = 42.0
"""Where nothing here can score: what passes scores 70 or more, on 12 drawings."""


def looks_alike(
    image: pyvips.Image, reduced: pyvips.Image, *, least_score: float = LEAST_SCORE
) -> bool:
    """Return whether an image has lost no more to a palette than a photograph to its encoder.

    Args:
        image: In memory.
        reduced: The same in fewer colours.
        least_score: What it must score, where anything here can score.

    Raises:
        ImagingError: One cannot be read.
    """
    if has_kernel():
        return likeness(image, reduced) >= least_score
    return psnr(image, reduced) >= _LEAST_PSNR_DB
