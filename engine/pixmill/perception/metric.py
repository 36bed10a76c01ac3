"""The score of one image against another, on the scale of SSIMULACRA2.

100 says equal, 90 visually lossless, 80 very high, 70 high and 50 medium quality; below 0 there is
no floor. Same pixels, same score, to the last bit: on any processor, in one block of rows or many.
Must not decode: pixels are eight-bit sRGB, opaque, row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.perception.kernels import Side, kernel
from pixmill.perception.scales import LEAST_EDGE_PX, score_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from pixmill.perception.kernels import Kernel

__all__ = ["Comparison", "Raster", "Reference", "cost_bytes", "score"]

_BANDS = 3


@dataclass(frozen=True, slots=True)
class Raster:
    """Pixels in memory.

    Attributes:
        pixels: Eight bits of red, green and blue for each pixel, rows from top to bottom.
        width_px: Pixels in a row.
        height_px: Rows.

    Raises:
        ValueError: The pixels are not so many.
    """

    pixels: Buffer
    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        expected = self.width_px * self.height_px * _BANDS
        given = memoryview(self.pixels).nbytes
        if min(self.width_px, self.height_px) < 1 or given != expected:
            size = f"{self.width_px}x{self.height_px} px"
            raise ValueError(f"expected {expected} bytes of pixels for {size}, got {given}")


class Comparison:
    """Two images of one size that pass by row by row, so that neither need be held.

    Args:
        width_px: Their width.
        height_px: Their height.
        using: What computes. Default: the compiled kernel, or numpy.
    """

    def __init__(self, width_px: int, height_px: int, *, using: Kernel | None = None) -> None:
        self._feeding = _Feeding(width_px, height_px, Side.REFERENCE | Side.CANDIDATE, using)

    def feed(self, reference: Buffer, candidate: Buffer) -> None:
        """Take the next rows of both images.

        Raises:
            ValueError: These are no whole rows, or more than the images have.
        """
        self._feeding.feed(reference, candidate)

    def score(self) -> float:
        """Return the score, once every row has been fed; it can be asked for once.

        Raises:
            ValueError: Rows are missing.
        """
        return self._feeding.score()


class Reference:
    """An image that several others are scored against, which makes each of them cheaper.

    Args:
        raster: Its pixels; they are not held.
        using: What computes. Default: the compiled kernel, or numpy.
    """

    def __init__(self, raster: Raster, *, using: Kernel | None = None) -> None:
        self._size = (raster.width_px, raster.height_px)
        self._using = using or kernel()
        self._known = self._using.new_cache(*_measured_size(*self._size))
        filling = _Feeding(*self._size, Side.REFERENCE, self._using, self._known)
        filling.feed(raster.pixels, None)
        filling.end()

    def score(self, candidate: Raster) -> float:
        """Return the score of another image of the same size.

        Raises:
            ValueError: It has another size.
        """
        if (candidate.width_px, candidate.height_px) != self._size:
            raise ValueError(
                f"expected {self._size[0]}x{self._size[1]} px, "
                f"got {candidate.width_px}x{candidate.height_px}"
            )
        feeding = _Feeding(*self._size, Side.CANDIDATE, self._using, self._known)
        feeding.feed(None, candidate.pixels)
        return feeding.score()


def score(reference: Raster, candidate: Raster, *, using: Kernel | None = None) -> float:
    """Return the score of an image against another of the same size, once.

    Raises:
        ValueError: Their sizes differ.
    """
    comparison = Comparison(reference.width_px, reference.height_px, using=using)
    comparison.feed(reference.pixels, candidate.pixels)
    return comparison.score()


def cost_bytes(
    width_px: int, height_px: int, *, is_cached: bool, using: Kernel | None = None
) -> int:
    """Return the bytes that a score holds, beside the pixels of both images.

    Args:
        width_px: Their width.
        height_px: Their height.
        is_cached: Whether a `Reference` is held, which takes 20 bytes a pixel.
        using: What computes. Default: the compiled kernel, or numpy.
    """
    using = using or kernel()
    size = _measured_size(width_px, height_px)
    return using.state_bytes(*size) + (using.cache_bytes(*size) if is_cached else 0)


class _Feeding:
    """A measurement of images of any size: what is too small goes on with its mirror image."""

    def __init__(
        self,
        width_px: int,
        height_px: int,
        sides: Side,
        using: Kernel | None,
        known: object = None,
    ) -> None:
        self._row_bytes, self._left_rows = width_px * _BANDS, height_px
        self._size = _measured_size(width_px, height_px)
        self._is_narrow, self._is_low = self._size[0] > width_px, self._size[1] > height_px
        self._held = (bytearray(), bytearray())
        self._measurement = (using or kernel()).measurement(*self._size, sides, known)

    def feed(self, reference: Buffer | None, candidate: Buffer | None) -> None:
        given = reference if candidate is None else candidate
        rows, rest = divmod(memoryview(given or b"").nbytes, self._row_bytes)
        if rest or rows > self._left_rows:
            raise ValueError("expected whole rows, and no more than the images have")
        self._left_rows -= rows
        sides = (self._widened(reference), self._widened(candidate))
        if not self._is_low:
            self._measurement.feed(rows, *sides)
            return
        for held, side in zip(self._held, sides, strict=True):
            held.extend(bytes(side or b""))
        if not self._left_rows:
            self._measurement.feed(self._size[1], *map(self._heightened, self._held))

    def end(self) -> list[float]:
        return self._measurement.finish()

    def score(self) -> float:
        return score_of(self.end(), *self._size)

    def _widened(self, rows: Buffer | None) -> Buffer | None:
        if rows is None or not self._is_narrow:
            return rows
        content, width_bytes = bytes(rows), self._size[0] * _BANDS
        tops = range(0, len(content), self._row_bytes)
        return b"".join(
            _mirrored(content[top : top + self._row_bytes], _BANDS, width_bytes) for top in tops
        )

    def _heightened(self, rows: bytearray) -> bytes | None:
        row_bytes = self._size[0] * _BANDS
        return _mirrored(bytes(rows), row_bytes, row_bytes * self._size[1]) if rows else None


def _mirrored(content: bytes, part_bytes: int, wanted_bytes: int) -> bytes:
    """Return what begins with the content and goes to and fro between its ends, part by part."""
    starts = range(len(content) - part_bytes, -1, -part_bytes)
    period = content + b"".join(content[start : start + part_bytes] for start in starts)
    return (period * (wanted_bytes // len(period) + 1))[:wanted_bytes]


def _measured_size(width_px: int, height_px: int) -> tuple[int, int]:
    return max(width_px, LEAST_EDGE_PX), max(height_px, LEAST_EDGE_PX)
