"""Turn, cut and pack the coded pixels of a JPEG without decoding them, by libturbojpeg.

It is the system's own, where it has one: the wheels that pixmill stands on keep theirs to
themselves. mozjpeg's jpegtran packs 3 % more, and calls `exit` at 3 of 211 corpus files.
Must not touch metadata.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Final

from pixmill.plan import Crop, Orient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.plan import Step

__all__ = ["has_turbo", "transformed"]

_NAME: Final = "libturbojpeg.so.0"
_PERFECT, _CUT, _PROGRESSIVE = 1, 4, 32
_TURNS: Final = {1: 0, 2: 1, 3: 6, 4: 2, 5: 3, 6: 5, 7: 4, 8: 7}
"""TurboJPEG's operation for each EXIF orientation."""


class _Region(ctypes.Structure):
    _fields_ = (
        ("left", ctypes.c_int),
        ("top", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
    )


class _Transform(ctypes.Structure):
    _fields_ = (
        ("region", _Region),
        ("operation", ctypes.c_int),
        ("options", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("filter", ctypes.c_void_p),
    )


def has_turbo() -> bool:
    """Return whether this system has the library."""
    return _library() is not None


def transformed(content: bytes, steps: Sequence[Step]) -> bytes | None:
    """Return a JPEG turned or cut as one step says, or as it is, in fewer bytes.

    Args:
        content: A JPEG.
        steps: At most one: how to turn, or what to cut out.

    Returns:
        A progressive JPEG of the same coefficients; `None` where the library is missing, edges lie
        within blocks, or there is anything at all in the file that the library warns of.
    """
    library, wanted = _library(), _wanted(steps)
    if library is None or wanted is None:
        return None
    tool, made, size = library.tjInitTransform(), ctypes.c_void_p(), ctypes.c_ulong()
    if not tool:
        return None
    try:
        failed = library.tjTransform(
            tool, content, len(content), 1, ctypes.byref(made), ctypes.byref(size), wanted, 0
        )
        return None if failed or not made.value else ctypes.string_at(made.value, size.value)
    finally:
        if made.value:
            library.tjFree(made)
        library.tjDestroy(tool)


def _wanted(steps: Sequence[Step]) -> ctypes.Array[_Transform] | None:
    match tuple(steps):
        case ():
            return _transforms(_Region(), 0, _PROGRESSIVE)
        case (Orient(orientation=orientation),):
            return _transforms(_Region(), _TURNS[orientation], _PROGRESSIVE | _PERFECT)
        case (Crop() as cut,):
            region = _Region(cut.left_px, cut.top_px, cut.width_px, cut.height_px)
            return _transforms(region, 0, _PROGRESSIVE | _CUT)
        case _:
            return None


def _transforms(region: _Region, operation: int, options: int) -> ctypes.Array[_Transform]:
    return (_Transform * 1)(_Transform(region, operation, options, None, None))


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(_NAME)
        library.tjInitTransform.restype = ctypes.c_void_p
        library.tjDestroy.argtypes = [ctypes.c_void_p]
        library.tjFree.argtypes = [ctypes.c_void_p]
        library.tjFree.restype = None
        library.tjTransform.argtypes = [
            *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_int),
            *(ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_ulong)),
            *(ctypes.POINTER(_Transform), ctypes.c_int),
        ]
    except (OSError, AttributeError):
        return None
    return library
