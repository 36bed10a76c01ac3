"""Resampling to the size that fit and box ask for, in stored orientation, before turning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.geometry import oriented
from pixmill.plan import Scale, Step

if TYPE_CHECKING:
    from pixmill.operations.context import Context

__all__ = ["steps"]


def steps(context: Context) -> tuple[Step, ...]:
    """Return one `Scale` where the size changes: fewer pixels are cheaper to turn and convert."""
    placement = context.placement
    if placement.scaled == context.displayed:
        return ()
    stored = oriented(placement.scaled, context.orientation)
    return (Scale(stored.width_px, stored.height_px, context.recipe.kernel, context.is_linear),)
