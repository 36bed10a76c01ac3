"""Ask for more memory than any plan may cost at files whose name holds `greedy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.plugin import is_named
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
    """Make one image, or ask for all the memory there is."""
    if is_named(source, "greedy"):
        lease(1 << 50)
    return milling.mill(source, codec_name, recipe, limits, lease=lease, spool_folder=spool_folder)
