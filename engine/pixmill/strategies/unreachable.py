"""What is said of an image that nothing brings under its cap."""

from __future__ import annotations

from pixmill.model import Failed, FailureKind, Stage
from pixmill.registry import codec
from pixmill.units import format_size

__all__ = ["unreachable"]


def unreachable(target: str, lowest_bytes: int, cap_bytes: int, low: int | None) -> Failed:
    """Return the failure of an image that no quality brings under its cap.

    Args:
        target: Codec it was to be written with.
        lowest_bytes: The smallest that was made.
        cap_bytes: The cap.
        low: The lowest quality that was allowed; `None` where there is no quality to search.
    """
    best, cap = format_size(lowest_bytes), format_size(cap_bytes)
    message = (
        f"even quality {low} takes {best}, more than {cap}: "
        f"raise --max-size, lower --min-quality or add --resize"
    )
    if low is None:
        message = (
            f"{codec(target).title} has no quality to search and takes {best}, more than {cap}: "
            f"use --target-format webp, avif or jpg, or add --resize"
        )
    return Failed(FailureKind.UNREACHABLE, Stage.ENCODE, message)
