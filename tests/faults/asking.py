"""Ask for 400 MB at files whose name holds `large`, as an image does that must be decoded whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faults.plugin import is_named
from pixmill import milling

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["mill"]

ASKED_BYTES = 400_000_000


def mill(source: str, *arguments: Any, lease: Callable[[int], None], **named: Any) -> Any:
    """Make one image, or ask for more memory first."""
    if is_named(source, "large"):
        lease(ASKED_BYTES)
    return milling.mill(source, *arguments, lease=lease, **named)
