"""Turning the pixels as EXIF orientation says, once, after they have become fewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.plan import Orient, Step

if TYPE_CHECKING:
    from pixmill.operations.context import Context

__all__ = ["steps"]


def steps(context: Context) -> tuple[Step, ...]:
    """Return one `Orient` where the image does not stand upright yet."""
    return () if context.orientation == 1 else (Orient(context.orientation),)
