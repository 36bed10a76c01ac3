"""The metric's maps in numpy, for where no compiler was: the same answer, 8 to 17 times as slow.

Float32 like `kernel.c`, in blocks of rows that overlap by what the blur reaches. Only
`kernels.kernel` may import this module, since it loads numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import numpy as np

from pixmill.perception.kernels import Side
from pixmill.perception.scales import PLANES, SCALES, SUMS, TO_LINEAR, Shape, shapes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

__all__ = ["ArrayKernel"]

_Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"

_FLOAT_BYTES: Final = 4
_REACH: Final = 4
_TAPS: Final = np.array(
    [0.264621105488, 0.212928592010, 0.109335372777, 0.036011114658, 0.009414367810], np.float32
)
"""The impulse response of libjxl's recursive Gaussian for sigma 1.5 (Charalampidis 2016, N = 5)."""

_C2: Final = np.float32(0.0009)
_BIAS: Final = np.float32(0.0037930732552754493)
_ABSORBANCE: Final = np.array(
    [
        [0.30, 0.622, 0.078],
        [0.23, 0.692, 0.078],
        [0.24342268924547819, 0.20476744424496821, 0.5518098665095536],
    ],
    np.float32,
)
_LIGHT: Final = np.array(TO_LINEAR, np.float32)
_KNOWN: Final = 3
"""What is cached of a plane: its pixels, their mean and their mean square."""

_BLOCK_PX: Final = 1 << 16
_FLOATS_A_PIXEL: Final = 70
_FLOATS_A_COLUMN: Final = 240
"""What a pixel of a block, and a column of the windows, hold at the peak: by tracemalloc 18 MB at
1,000 px of width, 20 MB at 4,000 and 44 MB at 30,000."""


class ArrayKernel:
    """The metric in numpy."""

    name = "numpy"

    def new_cache(self, width_px: int, height_px: int) -> object:
        """Return memory for what is known of a reference."""
        return [
            {
                plane: np.zeros((_KNOWN, shape.height_px, shape.width_px), np.float32)
                for plane in shape.planes
            }
            for shape in shapes_of(width_px, height_px)
        ]

    def cache_bytes(self, width_px: int, height_px: int) -> int:
        """Return how many bytes it is."""
        shapes = shapes_of(width_px, height_px)
        pixels = sum(len(shape.planes) * shape.width_px * shape.height_px for shape in shapes)
        return _KNOWN * pixels * _FLOAT_BYTES

    def state_bytes(self, width_px: int, height_px: int) -> int:
        """Return how many bytes a measurement holds besides."""
        block_px = min(max(_BLOCK_PX, 2 * width_px), width_px * height_px)
        return (block_px * _FLOATS_A_PIXEL + width_px * _FLOATS_A_COLUMN) * _FLOAT_BYTES

    def measurement(
        self, width_px: int, height_px: int, sides: Side, known: object = None
    ) -> ArrayMeasurement:
        """Begin to measure."""
        return ArrayMeasurement(
            width_px, height_px, sides, cast("list[dict[int, _Floats]] | None", known)
        )


class ArrayMeasurement:
    """One pass over the rows of one or two images.

    Args:
        width_px: The images' width.
        height_px: Their height.
        sides: Whose rows it takes.
        known: The cache, or `None`.
    """

    def __init__(
        self,
        width_px: int,
        height_px: int,
        sides: Side,
        known: list[dict[int, _Floats]] | None,
    ) -> None:
        shapes = shapes_of(width_px, height_px)
        self._width_px, self._left_rows = width_px, height_px
        self._sides, self._is_finished = sides, False
        self._scales = [
            _Scale(
                shape,
                [
                    _Plane(shape.width_px, sides, None if known is None else known[scale][plane])
                    for plane in shape.planes
                ],
            )
            for scale, shape in enumerate(shapes)
        ]

    def feed(self, rows: int, reference: Buffer | None, candidate: Buffer | None) -> None:
        """Take the next rows of each side."""
        given = {Side.REFERENCE: reference, Side.CANDIDATE: candidate}
        views = {side: _viewed(given[side]) for side in self._sides}
        is_whole = all(view.size == rows * 3 * self._width_px for view in views.values())
        if self._is_finished or not 0 <= rows <= self._left_rows or not is_whole:
            raise ValueError(f"expected {rows} of the rows that are left, on each side")
        block_rows = max(2, _BLOCK_PX // self._width_px)
        for top in range(0, rows, block_rows):
            taken = min(block_rows, rows - top)
            self._left_rows -= taken
            blocks = {
                side: _LIGHT[view.reshape(rows, self._width_px, 3)[top : top + taken]]
                for side, view in views.items()
            }
            self._take(blocks, is_last=self._left_rows == 0)

    def finish(self) -> list[float]:
        """Return the sums over the error maps."""
        if self._is_finished or self._left_rows:
            raise ValueError("expected every row of the images, got fewer")
        self._is_finished = True
        sums = np.zeros((SCALES, PLANES, SUMS))
        for scale, of_scale in enumerate(self._scales):
            for plane, of_plane in zip(of_scale.shape.planes, of_scale.planes, strict=True):
                of_plane.end()
                sums[scale, plane] = of_plane.sums
        return sums.ravel().tolist()

    def _take(self, blocks: dict[Side, _Floats], *, is_last: bool) -> None:
        for scale in self._scales:
            scale.take(blocks)
            blocks = dict(scale.halved(blocks, is_last=is_last))
            if not next(iter(blocks.values())).size:
                return


@dataclass(slots=True)
class _Scale:
    """One scale: its planes, and the odd row that waits for another to be averaged with."""

    shape: Shape
    planes: list[_Plane]
    odd: dict[Side, _Floats] = field(default_factory=dict)

    def take(self, blocks: dict[Side, _Floats]) -> None:
        """Add rows of linear light."""
        xyb = {side: _to_xyb(block) for side, block in blocks.items()}
        for plane, of_plane in zip(self.shape.planes, self.planes, strict=True):
            of_plane.take({side: bands[plane] for side, bands in xyb.items()})

    def halved(
        self, blocks: dict[Side, _Floats], *, is_last: bool
    ) -> Iterator[tuple[Side, _Floats]]:
        """Yield the rows of the next scale that are whole by now."""
        for side, block in blocks.items():
            rows = np.concatenate([self.odd[side], block]) if side in self.odd else block
            if len(rows) % 2 and is_last:
                rows = np.concatenate([rows, rows[-1:]])
            whole = len(rows) // 2 * 2
            self.odd[side] = rows[whole:]
            yield side, _halved(rows[:whole])


class _Plane:
    """One plane of one scale: a window of blurred rows, and the sums so far.

    Args:
        width_px: Its width.
        sides: Whose rows it takes.
        known: What is cached of the reference, or `None`.
    """

    def __init__(self, width_px: int, sides: Side, known: _Floats | None) -> None:
        self.sums = np.zeros(SUMS)
        self._sides, self._known = sides, known
        kinds = 2 * (Side.REFERENCE in sides) + 3 * (Side.CANDIDATE in sides)
        self._window = np.zeros((kinds, _REACH, width_px), np.float32)
        self._raw = np.zeros((2, 0, width_px), np.float32)
        self._taken = self._finished = 0

    def take(self, rows: dict[Side, _Floats]) -> None:
        """Add rows of the images."""
        count = len(next(iter(rows.values())))
        if Side.REFERENCE in rows:
            first = rows[Side.REFERENCE]
        elif self._known is not None:
            first = self._known[0, self._taken : self._taken + count]
        self._taken += count
        kinds = [first, first * first] if Side.REFERENCE in rows else []
        error = np.zeros_like(first)
        if Side.CANDIDATE in rows:
            second = rows[Side.CANDIDATE]
            error = second - first
            kinds += [error, error * error, second * second]
        self._raw = np.concatenate([self._raw, np.stack([first, error])], axis=1)
        self._push(_blurred_along(np.stack(kinds)))

    def end(self) -> None:
        """Let rows of zeros follow the last one, and finish those that wait for them."""
        self._push(np.zeros((len(self._window), _REACH, self._window.shape[2]), np.float32))

    def _push(self, rows: _Floats) -> None:
        window = np.concatenate([self._window, rows], axis=1)
        ready = window.shape[1] - 2 * _REACH
        if ready <= 0:
            self._window = window
            return
        self._finish(_blurred_across(window), self._raw[:, :ready])
        self._window, self._raw = window[:, ready:], self._raw[:, ready:]
        self._finished += ready

    def _finish(self, blurred: _Floats, raw: _Floats) -> None:
        first, error = raw
        if Side.REFERENCE in self._sides:
            known = np.stack([first, blurred[0], blurred[1]])
        if self._known is not None:
            place = self._known[:, self._finished : self._finished + len(first)]
            if Side.REFERENCE in self._sides:
                place[...] = known
            known = place
        if Side.CANDIDATE in self._sides:
            self.sums += _summed(known, error, blurred[-3:])


def _summed(known: _Floats, error: _Floats, blurred: _Floats) -> Any:
    """Return the sums over rows of the maps; see `added` in `kernel.c`."""
    first, mean, square = known
    shift, error_square, second_square = blurred
    other = mean + shift
    spread = error_square - shift * shift
    room = (square - mean * mean) + (second_square - other * other) + _C2
    structure = np.maximum(shift * shift + (1 - shift * shift) * (spread / room), 0)
    edge = first - mean
    other_edge = np.abs(edge + (error - shift))
    change = (other_edge - np.abs(edge)) / (1 + np.abs(edge))
    maps = np.stack([structure, np.maximum(change, 0), np.maximum(-change, 0)])
    fourth = (maps * maps) ** 2
    return np.concatenate([each.sum(axis=(1, 2), dtype=np.float64) for each in (maps, fourth)])


def _viewed(rows: Buffer | None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(memoryview(b"" if rows is None else rows), np.uint8)


def _to_xyb(linear: _Floats) -> _Floats:
    """Return the three planes of rows of linear light, shifted to be positive."""
    long, middle, short = np.moveaxis(np.cbrt(linear @ _ABSORBANCE.T + _BIAS), 2, 0)
    root = np.cbrt(_BIAS)
    luma = np.float32(0.5) * (long + middle) - root
    opponent = np.float32(7.0) * (long - middle) + np.float32(0.42)
    blue = short - root - luma + np.float32(0.55)
    return np.stack([opponent, luma + np.float32(0.01), blue])


def _halved(rows: _Floats) -> _Floats:
    """Return rows of half the size; of an odd width the last pixel stands for two."""
    if rows.shape[1] % 2:
        rows = np.concatenate([rows, rows[:, -1:]], axis=1)
    return (rows[::2, ::2] + rows[::2, 1::2] + rows[1::2, ::2] + rows[1::2, 1::2]) * np.float32(
        0.25
    )


def _blurred_along(rows: _Floats) -> _Floats:
    """Blur each row, with zeros on either side."""
    width_px = rows.shape[2]
    padded = np.pad(rows, ((0, 0), (0, 0), (_REACH, _REACH)))
    return _weighted([padded[:, :, at : at + width_px] for at in range(2 * _REACH + 1)])


def _blurred_across(rows: _Floats) -> _Floats:
    """Blur each column, as far as there are rows on either side."""
    ready = rows.shape[1] - 2 * _REACH
    return _weighted([rows[:, at : at + ready] for at in range(2 * _REACH + 1)])


def _weighted(shifted: list[_Floats]) -> _Floats:
    blurred = _TAPS[0] * shifted[_REACH]
    for away in range(1, _REACH + 1):
        blurred += _TAPS[away] * (shifted[_REACH - away] + shifted[_REACH + away])
    return cast("_Floats", blurred)
