"""Encode without any loss, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.codecs.spec import Encoding
    from pixmill.strategies.brief import Brief

__all__ = ["NEEDS_CONTENT", "candidates"]

NEEDS_CONTENT = False


def candidates(brief: Brief) -> tuple[Encoding, ...]:
    """Return the lossless encoding, or nothing where the target has none."""
    return (brief.lossless(),) if brief.target.supports_lossless else ()
