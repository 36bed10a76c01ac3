"""Filling the box around an image: with the background, or with the image's own transparency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.geometry import offset
from pixmill.plan import Pad, Step
from pixmill.recipe import WHITE

if TYPE_CHECKING:
    from pixmill.operations.context import Context

__all__ = ["steps"]


def steps(context: Context) -> tuple[Step, ...]:
    """Return one `Pad` where the result reaches beyond the scaled image."""
    placement = context.placement
    if not placement.is_padded:
        return ()
    box = offset(placement.result, placement.scaled, context.recipe.gravity)
    return (
        Pad(
            box.left_px,
            box.top_px,
            placement.result.width_px,
            placement.result.height_px,
            context.recipe.background or WHITE,
            context.recipe.background is None and context.has_alpha,
        ),
    )
