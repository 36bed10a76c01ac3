"""Encode as told: one candidate, at the quality asked for, whatever the image shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.strategies import lossless

if TYPE_CHECKING:
    from pixmill.codecs.spec import Encoding
    from pixmill.strategies.brief import Brief

__all__ = ["NEEDS_CONTENT", "candidates"]

NEEDS_CONTENT = False


def candidates(brief: Brief) -> tuple[Encoding, ...]:
    """Return the one encoding that the recipe names."""
    if brief.target.supports_lossy and not brief.recipe.is_lossless:
        return (brief.lossy(brief.quality),)
    return lossless.candidates(brief)
