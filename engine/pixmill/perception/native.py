"""The only door to `kernel.c`: loads what the installation compiled of it, and calls it.

Must not compile: `hatch_build.py` did, or could not.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from pixmill.perception.scales import PLANES, SCALES, SUMS, TO_LINEAR, shapes_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from pixmill.perception.kernels import Side

__all__ = ["LIBRARY", "NativeKernel", "loaded"]

LIBRARY: Final = Path(__file__).with_name("_kernel.so")
_INTERFACE: Final = 1
_FLOAT_BYTES: Final = 4
_TABLE: Final = (ctypes.c_float * len(TO_LINEAR))(*TO_LINEAR)
_SIZE: Final = (ctypes.c_int64, ctypes.c_int64, ctypes.c_char_p)
_ROWS: Final = (ctypes.c_void_p, ctypes.c_uint64)


@dataclass(frozen=True, slots=True)
class NativeKernel:
    """The compiled kernel.

    Attributes:
        library: Whose functions are declared.
        name: What it is called.
    """

    library: ctypes.CDLL
    name: str = "native"

    def new_cache(self, width_px: int, height_px: int) -> object:
        """Return memory for what is known of a reference."""
        return (ctypes.c_float * (self.cache_bytes(width_px, height_px) // _FLOAT_BYTES))()

    def cache_bytes(self, width_px: int, height_px: int) -> int:
        """Return how many bytes it is."""
        floats = self.library.pixmill_cache_floats(width_px, height_px, _masks(width_px, height_px))
        return int(floats) * _FLOAT_BYTES

    def state_bytes(self, width_px: int, height_px: int) -> int:
        """Return how many bytes a measurement holds besides."""
        masks = _masks(width_px, height_px)
        return int(self.library.pixmill_state_bytes(width_px, height_px, masks))

    def measurement(
        self, width_px: int, height_px: int, sides: Side, known: object = None
    ) -> NativeMeasurement:
        """Begin to measure."""
        return NativeMeasurement(
            self.library, width_px, height_px, sides, cast("ctypes.Array[ctypes.c_float]", known)
        )


class NativeMeasurement:
    """One pass over the rows of one or two images.

    Args:
        library: The kernel.
        width_px: The images' width.
        height_px: Their height.
        sides: Whose rows it takes.
        known: The cache, or `None`.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        width_px: int,
        height_px: int,
        sides: Side,
        known: ctypes.Array[ctypes.c_float] | None,
    ) -> None:
        self._library = library
        self._known = known  # the state points into it
        self._state: int | None = library.pixmill_open(
            width_px,
            height_px,
            _masks(width_px, height_px),
            _TABLE,
            int(sides),
            known,
            0 if known is None else len(known),
        )
        if not self._state:
            raise MemoryError(f"no memory to compare {width_px}x{height_px} px")

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.pixmill_close(self._state)

    def feed(self, rows: int, reference: Buffer | None, candidate: Buffer | None) -> None:
        """Take the next rows of each side."""
        sides = (*_addressed(reference), *_addressed(candidate))
        if self._library.pixmill_feed(self._state, rows, *sides):
            raise ValueError(f"expected {rows} of the rows that are left, on each side")

    def finish(self) -> list[float]:
        """Return the sums over the error maps."""
        sums = (ctypes.c_double * (SCALES * PLANES * SUMS))()
        if self._library.pixmill_finish(self._state, sums):
            raise ValueError("expected every row of the images, got fewer")
        return list(sums)


@cache
def loaded() -> NativeKernel | None:
    """Return the compiled kernel; `None` where there is none, or one of another version."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        return NativeKernel(library) if _declared(library) else None
    except (OSError, AttributeError):
        return None


def _declared(library: ctypes.CDLL) -> bool:
    """Say what the functions take, and return whether they are those that are known here."""
    library.pixmill_cache_floats.argtypes = _SIZE
    library.pixmill_cache_floats.restype = ctypes.c_uint64
    library.pixmill_state_bytes.argtypes = _SIZE
    library.pixmill_state_bytes.restype = ctypes.c_uint64
    library.pixmill_open.argtypes = (
        *_SIZE,
        ctypes.POINTER(ctypes.c_float),
        ctypes.c_int,
        *_ROWS,
    )
    library.pixmill_open.restype = ctypes.c_void_p
    library.pixmill_feed.argtypes = (ctypes.c_void_p, ctypes.c_uint64, *_ROWS, *_ROWS)
    library.pixmill_finish.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_double))
    library.pixmill_close.argtypes = (ctypes.c_void_p,)
    library.pixmill_close.restype = None
    return bool(library.pixmill_interface() == _INTERFACE)


def _masks(width_px: int, height_px: int) -> bytes:
    """Return the planes of each scale as bits."""
    masks = bytes(shape.mask for shape in shapes_of(width_px, height_px))
    return masks.ljust(SCALES, b"\0")


def _addressed(rows: Buffer | None) -> tuple[object, int]:
    """Return what ctypes passes as the address of these bytes, and their number."""
    if rows is None:
        return None, 0
    if isinstance(rows, bytes):
        return rows, len(rows)
    view = memoryview(rows)
    if view.readonly or not view.contiguous:
        return bytes(view), view.nbytes
    return (ctypes.c_char * view.nbytes).from_buffer(view), view.nbytes
