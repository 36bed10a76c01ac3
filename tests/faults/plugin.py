"""What every fault needs: the shape of a mill, names, and a memory that outlives the process."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixmill import milling

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.milling import Product
    from pixmill.model import Failed
    from pixmill.worker import Mill

__all__ = ["MARKERS", "attempts_before", "coordinator", "faulty", "is_named"]

MARKERS: Final = "PIXMILL_FAULT_MARKERS"
"""Environment variable with the folder where attempts are marked."""
LOG: Final = "attempts"
"""The file in it; a worker opens it with its mill, before it confines itself."""

_NAME_BYTES: Final = 64
_folder: Final = os.environ.get(MARKERS, "")
_log: Final = (
    os.open(f"{_folder}/{LOG}", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600) if _folder else -1
)


def coordinator() -> int:
    """Return the process id of this worker's coordinator, its nursery's parent."""
    nursery = Path(f"/proc/{os.getppid()}/status").read_text()
    found = re.search(r"^PPid:\s+(\d+)", nursery, re.MULTILINE)
    assert found is not None
    return int(found[1])


def faulty(
    fault: Callable[[str], Failed | None],
    after: Callable[[str, Product | Failed], Product | Failed] = lambda _source, made: made,
) -> Mill:
    """Return pixmill's mill with a fault around it.

    Args:
        fault: What happens before a source is made; may return the failure instead.
        after: What becomes of what was made. Default: nothing.
    """

    def mill(source, codec_name, recipe, limits, *, lease, spool_folder=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as `Mill` says
        made = fault(source) or milling.mill(
            source, codec_name, recipe, limits, lease=lease, spool_folder=spool_folder
        )
        return after(source, made)

    return mill


def is_named(source: str, word: str) -> bool:
    """Return whether a source's name holds a word; objects come as numbers, and end with theirs."""
    if word in Path(source).name:
        return True
    with Path(source).open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _NAME_BYTES))
        return f"named {word}".encode() in stream.read()


def attempts_before(source: str) -> int:
    """Return how often this source was asked for before, and mark that it was again."""
    name = Path(source).name
    before = os.pread(_log, 1 << 20, 0).decode().splitlines().count(name)
    os.write(_log, f"{name}\n".encode())
    return before
