"""Converting to sRGB or Display P3: no profile is dropped without its colours being converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.plan import Step, ToP3, ToSrgb

if TYPE_CHECKING:
    from pixmill.operations.context import Context

__all__ = ["steps"]


def steps(context: Context) -> tuple[Step, ...]:
    """Return one conversion where the recipe wants it or the target cannot store the colours."""
    if not context.is_converted:
        return ()
    return (ToP3(),) if context.is_wide else (ToSrgb(),)
