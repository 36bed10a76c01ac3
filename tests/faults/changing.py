"""Change the source behind the mill's back, after it was made: by its name, in several ways."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill import milling

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.milling import Product
    from pixmill.model import Failed
    from pixmill.planning import Limits
    from pixmill.recipe import Recipe

__all__ = ["mill"]


def mill(
    source: str,
    codec_name: str,
    recipe: Recipe,
    limits: Limits,
    *,
    lease: Callable[[int], None],
    spool_folder: str | None = None,
) -> Product | Failed:
    """Make one image, then grow, touch, replace, cut or remove its source."""
    path = Path(source)
    if "cut" in path.name:  # before it is read, so that decoding finds it damaged
        os.truncate(path, path.stat().st_size // 2)
    made = milling.mill(source, codec_name, recipe, limits, lease=lease, spool_folder=spool_folder)
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
