"""Putting transparency on a background, only where the target stores none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.plan import Flatten, Step
from pixmill.recipe import WHITE

if TYPE_CHECKING:
    from pixmill.operations.context import Context

__all__ = ["steps"]


def steps(context: Context) -> tuple[Step, ...]:
    """Return one `Flatten` where alpha would be lost."""
    is_lost = context.header.has_alpha and not context.target.supports_alpha
    return (Flatten(context.recipe.background or WHITE),) if is_lost else ()
