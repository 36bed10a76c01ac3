"""The one fixed order in which operations are done, whatever order the user named them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.operations import colour, crop, flatten, orient, pad, resize

if TYPE_CHECKING:
    from pixmill.operations.context import Context
    from pixmill.plan import Step

__all__ = ["ordered_steps"]

_ORDER = (resize, orient, colour, crop, flatten, pad)
_LINEAR_ORDER = (colour, resize, orient, crop, flatten, pad)
"""Light is linear where the curve is known: once colours are converted, it is."""


def ordered_steps(context: Context) -> tuple[Step, ...]:
    """Return every step that this image needs, fewest pixels first, colours before cuts."""
    order = _LINEAR_ORDER if context.is_linear else _ORDER
    return tuple(step for operation in order for step in operation.steps(context))
