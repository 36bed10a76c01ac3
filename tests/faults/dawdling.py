"""A mill that takes long enough to be told of: no silence at its start, and a wait at its end."""

from __future__ import annotations

import time
from typing import Any, Final

from pixmill import milling
from pixmill.imaging import progress

__all__ = ["mill"]

_WAIT_S: Final = 1.0

progress._SILENCE_S = progress._PERIOD_S = 0.0  # type: ignore[misc]


def mill(*arguments: Any, **named: Any) -> Any:
    """Make the image, and hold on to it until it was seen."""
    made = milling.mill(*arguments, **named)
    time.sleep(_WAIT_S)
    return made
