"""Converting to sRGB: never is a profile dropped without its colours being converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.plan import Step, ToSrgb

if TYPE_CHECKING:
    from pixmill.operations.context import Context

__all__ = ["steps"]


def steps(context: Context) -> tuple[Step, ...]:
    """Return one `ToSrgb` where the recipe wants it or the target cannot store the colours."""
    return (ToSrgb(),) if context.needs_srgb else ()
