"""The one fixed order in which operations are done, whatever order the user named them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.operations import colour, crop, flatten, orient, pad, resize

if TYPE_CHECKING:
    from pixmill.operations.context import Context
    from pixmill.plan import Step

__all__ = ["ordered_steps"]

_ORDER = (resize, orient, colour, crop, flatten, pad)


def ordered_steps(context: Context) -> tuple[Step, ...]:
    """Return every step that this image needs, fewest pixels first, colours before cuts."""
    return tuple(step for operation in _ORDER for step in operation.steps(context))
