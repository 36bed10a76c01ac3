"""The only door to `huffman.c`: gives coded symbols the codes that make them shortest.

Must not know a format's markers, nor compile: `hatch_build.py` did, or could not.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixmill.codecs.spec import Coded

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LIBRARY", "recoder"]

LIBRARY: Final = Path(__file__).with_name("_huffman.so")
_INTERFACE: Final = 1
_SLACK_BYTES: Final = 16


def recoder() -> Callable[[Coded], Coded | None] | None:
    """Return what recodes; `None` where nothing was compiled to do it.

    It returns symbols under tables of their own, which are libjpeg's to the bit; or `None` for what
    is not exactly what it is said to be.
    """
    return _recoded if _library() is not None else None


def _recoded(given: Coded) -> Coded | None:
    library = _library()
    if library is None:
        return None
    made = ctypes.create_string_buffer(len(given.tables))
    out = bytearray(len(given.scan) + _SLACK_BYTES)
    size_bytes = library.pixmill_huffman_recode(
        given.scan,
        len(given.scan),
        given.layout,
        len(given.layout),
        given.units,
        given.tables,
        len(given.tables),
        made,
        (ctypes.c_char * len(out)).from_buffer(out),
    )
    if size_bytes < 0:
        return None
    return Coded(bytes(memoryview(out)[:size_bytes]), made.raw, given.layout, given.units)


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(str(LIBRARY))
        recode = library.pixmill_huffman_recode
        is_known = library.pixmill_huffman_interface() == _INTERFACE
    except (OSError, AttributeError):  # nothing was compiled, or something else
        return None
    number, held, filled = ctypes.c_uint64, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char)
    recode.argtypes = (held, number, held, number, number, held, number, filled, filled)
    recode.restype = ctypes.c_int64
    return library if is_known else None
