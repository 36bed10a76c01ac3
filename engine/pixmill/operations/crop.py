"""Cutting to the box, at a gravity or where libvips finds what matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.geometry import offset
from pixmill.plan import Crop, SmartCrop, Step
from pixmill.vocabulary import Gravity

if TYPE_CHECKING:
    from pixmill.operations.context import Context

__all__ = ["steps"]


def steps(context: Context) -> tuple[Step, ...]:
    """Return one cut where the scaled image reaches beyond the result.

    `attention` and `entropy` look at one picture; frames of an animation are cut at the centre,
    all alike.
    """
    placement, gravity = context.placement, context.recipe.gravity
    if not placement.is_cropped:
        return ()
    result = placement.result
    is_alone = context.header.pages == 1 or context.page is not None
    is_still = is_alone or not context.target.supports_animation
    if gravity in {Gravity.ATTENTION, Gravity.ENTROPY} and is_still:
        return (SmartCrop(result.width_px, result.height_px, gravity),)
    box = offset(placement.scaled, result, gravity)
    return (Crop(box.left_px, box.top_px, result.width_px, result.height_px),)
