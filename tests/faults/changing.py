"""Change the source behind the mill's back, after it was made: by its name, in several ways."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from faults.plugin import faulty

if TYPE_CHECKING:
    from pixmill.milling import Product
    from pixmill.model import Failed

__all__ = ["mill"]


def _cut(source: str) -> None:
    """Cut a source off before it is read, so that decoding finds it damaged."""
    path = Path(source)
    if "cut" in path.name:
        os.truncate(path, path.stat().st_size // 2)


def _changed(source: str, made: Product | Failed) -> Product | Failed:
    """Grow, touch, replace or remove a source once it was made."""
    path = Path(source)
    if "grown" in path.name:
        with path.open("ab") as file:
            file.write(b"more")
    if "touched" in path.name:
        os.utime(path, ns=(10**18, 10**18))
    if "replaced" in path.name:
        other = path.with_suffix(".new")
        other.write_bytes(path.read_bytes())
        other.replace(path)
    if "gone" in path.name:
        path.unlink()
    return made


mill = faulty(_cut, after=_changed)
