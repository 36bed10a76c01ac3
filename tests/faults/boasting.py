"""Tell of having made more than all of a file, at files whose name holds `boast`."""

from __future__ import annotations

from typing import Any

from faults.plugin import is_named
from pixmill import milling
from pixmill.imaging import progress

__all__ = ["mill"]


def mill(source: str, *arguments: Any, **named: Any) -> Any:
    """Make one image, or boast of it first."""
    ear = progress._ear.get()
    if ear is not None and is_named(source, "boast"):
        ear.tell(101)
    return milling.mill(source, *arguments, **named)
