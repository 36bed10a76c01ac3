"""What every kernel of the metric can do, and the one that is used here.

Must not compute: `native` calls the compiled kernel, `arrays` does the same in numpy, which a
process that has the first never loads.
"""

from __future__ import annotations

from enum import IntFlag
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from pixmill.errors import RunError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Kernel", "Measurement", "Side", "check_kernel", "has_kernel", "kernel"]


class Side(IntFlag):
    """Which images a measurement takes rows of: without one of them it needs a cache."""

    REFERENCE = 1
    CANDIDATE = 2


class Measurement(Protocol):
    """One pass over the rows of one or two images, from top to bottom."""

    def feed(self, rows: int, reference: Buffer | None, candidate: Buffer | None) -> None:
        """Take the next rows of eight-bit RGB of each side.

        Raises:
            ValueError: These are not so many rows, or more than the image has.
        """

    def finish(self) -> list[float]:
        """Return the sums over the error maps, as `scales.score_of` takes them.

        Raises:
            ValueError: Rows are missing.
        """


class Kernel(Protocol):
    """What computes sums over error maps; both sides have at least `scales.LEAST_EDGE_PX`."""

    @property
    def name(self) -> str:
        """What it is called."""

    def new_cache(self, width_px: int, height_px: int) -> object:
        """Return memory for what is known of a reference, to be filled by a measurement."""

    def cache_bytes(self, width_px: int, height_px: int) -> int:
        """Return how many bytes it is."""

    def state_bytes(self, width_px: int, height_px: int) -> int:
        """Return how many bytes a measurement holds besides."""

    def measurement(
        self, width_px: int, height_px: int, sides: Side, known: object = None
    ) -> Measurement:
        """Begin to measure.

        Args:
            width_px: The images' width.
            height_px: Their height.
            sides: The reference alone fills the cache, the candidate alone is compared with it,
                both are compared without one.
            known: The cache. Default: none.

        Raises:
            MemoryError: There is not enough memory.
        """


def has_kernel() -> bool:
    """Return whether anything here can score."""
    try:
        kernel()
    except RunError:
        return False
    return True


@cache
def kernel() -> Kernel:
    """Return the compiled kernel where the installation has one, else numpy's.

    Raises:
        RunError: There is neither.
    """
    from pixmill.perception import native  # noqa: PLC0415 - asks the disc, once it is needed

    if (compiled := native.loaded()) is not None:
        return compiled
    check_kernel()
    from pixmill.perception.arrays import ArrayKernel  # noqa: PLC0415 - loads numpy

    return ArrayKernel()


def check_kernel() -> None:
    """See that there is a kernel, without loading numpy.

    Raises:
        RunError: There is none.
    """
    from pixmill.perception import native  # noqa: PLC0415 - as in `kernel`

    if native.loaded() is None and find_spec("numpy") is None:
        raise RunError(
            "scores need pixmill's compiled kernel or numpy, found neither: install numpy"
        )
