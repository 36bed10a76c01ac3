"""What is said of an image that nothing brings under its cap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.model import Failed, FailureKind, Stage
from pixmill.registry import codec, writable_names
from pixmill.units import format_size

if TYPE_CHECKING:
    from pixmill.geometry import Size

__all__ = ["out_of_reach", "unreachable"]


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
        shrink = "a smaller --resize"
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


def out_of_reach(
    target_codec: str,
    *,
    target: float,
    best_score: float,
    is_ceiling: bool,
    lossless_bytes: int,
) -> Failed:
    """Return the failure of an image that no quality brings to its score.

    Args:
        target_codec: Codec it was to be written with.
        target: The score to reach.
        best_score: The best that was had.
        is_ceiling: Whether the quality was not to be higher than the one asked for.
        lossless_bytes: What it takes without loss, or nearly, which is more than the source does;
            0 where there is no such form.
    """
    lossless = ""
    if lossless_bytes:
        size = format_size(lossless_bytes)
        lossless = f", and what does takes {size}, more than the source (--if-larger write)"
    names = (name for name in writable_names() if codec(name).supports_lossy)
    others = ", ".join(name for name in names if name != target_codec)
    remedy = "raise --quality" if is_ceiling else f"use another --target-format such as {others}"
    message = (
        f"{codec(target_codec).title} scores {best_score:.1f} at best, below {target:g}{lossless}: "
        f"lower --target-quality or {remedy}"
    )
    return Failed(FailureKind.UNREACHABLE, Stage.ENCODE, message)
