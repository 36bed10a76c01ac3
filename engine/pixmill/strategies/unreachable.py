"""What is said of an image that nothing brings under its cap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.model import Failed, FailureKind, Stage
from pixmill.registry import codec
from pixmill.units import format_size

if TYPE_CHECKING:
    from pixmill.geometry import Size

__all__ = ["unreachable"]


def unreachable(
    target: str,
    lowest_bytes: int,
    cap_bytes: int,
    *,
    low: int | None,
    smallest: Size | None = None,
) -> Failed:
    """Return the failure of an image that no quality brings under its cap.

    Args:
        target: Codec it was to be written with.
        lowest_bytes: The smallest that was made.
        cap_bytes: The cap.
        smallest: Dimensions at which it was tried last; `None` where they may not change.
        low: The lowest quality that was allowed; `None` where there is no quality to search.
    """
    where, shrink = "", "--allow-downscale"
    if smallest is not None:
        where = f" at {smallest.width_px}x{smallest.height_px} px"
        shrink = "--resize"
    best, cap = format_size(lowest_bytes), format_size(cap_bytes)
    message = (
        f"even quality {low}{where} takes {best}, more than {cap}: "
        f"raise --max-size, lower --min-quality or add {shrink}"
    )
    if low is None:
        message = (
            f"{codec(target).title} has no quality to search and{where} takes {best}, "
            f"more than {cap}: "
            f"use --target-format webp, avif or jpg, or add {shrink}"
        )
    return Failed(FailureKind.UNREACHABLE, Stage.ENCODE, message)
