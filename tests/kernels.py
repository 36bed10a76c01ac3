"""Resampling by the book, in float64: what libvips' kernels are held to.

Every output pixel is the weighted mean of the input pixels under a kernel that is stretched by the
shrink, if it is one, and centred on the output pixel. Must not import pixmill's imaging or pyvips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from pixmill.vocabulary import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

__all__ = ["KERNELS", "reference"]


def _lanczos(lobes: int) -> Callable[[Array], Array]:
    return lambda x: np.where(abs(x) < lobes, np.sinc(x) * np.sinc(x / lobes), 0.0)


def _cubic(b: float, c: float) -> Callable[[Array], Array]:
    """Return the kernel of Mitchell and Netravali (1988)."""

    def weight(x: Array) -> Array:
        x = abs(x)
        near = (12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + 6 - 2 * b
        far = (-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x
        far += 8 * b + 24 * c
        found: Array = np.where(x < 1, near, np.where(x < 2, far, 0.0)) / 6
        return found

    return weight


def _triangle(x: Array) -> Array:
    return np.maximum(0.0, 1.0 - abs(x))


KERNELS: Final = {
    Kernel.LINEAR: (_triangle, 1),
    Kernel.CUBIC: (_cubic(0, 0.5), 2),
    Kernel.MITCHELL: (_cubic(1 / 3, 1 / 3), 2),
    Kernel.LANCZOS2: (_lanczos(2), 2),
    Kernel.LANCZOS3: (_lanczos(3), 3),
}
"""Weight and reach of the kernels that have a published formula."""


def _boxed(pixels: Array, factor: int) -> Array:
    """Return the mean of every so many rows; the last row goes on beyond the edge."""
    missing = -len(pixels) % factor
    whole = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
    means: Array = whole.reshape(-1, factor, *pixels.shape[1:]).mean(axis=1)
    return means


def _shrunk(pixels: Array, after_px: int, kernel: Kernel) -> Array:
    """Resample the first axis: beyond four times a box first, leaving two to four, as libvips."""
    weight, reach = KERNELS[kernel]
    shrink = len(pixels) / after_px
    factor = max(1, int(shrink / 2))
    boxed, shrink = _boxed(pixels, factor), shrink / factor
    stretch = max(1.0, shrink)
    centres = (np.arange(after_px) + 0.5) * shrink - 0.5
    margin = int(np.ceil(reach * stretch)) + 1
    places = np.arange(-margin, len(boxed) + margin)
    found = weight((places[None, :] - centres[:, None]) / stretch)
    found /= found.sum(axis=1, keepdims=True)
    made: Array = np.einsum("yj,jx...->yx...", found, boxed[places.clip(0, len(boxed) - 1)])
    return made


def reference(pixels: Array, size: tuple[int, int], kernel: Kernel) -> Array:
    """Return pixels resampled to a width and a height, not rounded, rows before columns."""
    lower = _shrunk(pixels, size[1], kernel)
    made: Array = np.swapaxes(_shrunk(np.swapaxes(lower, 0, 1), size[0], kernel), 0, 1)
    return made
