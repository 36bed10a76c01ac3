"""Whether a process beside the run stands still, which no closed pipe tells.

Pure. Such a process says once a second that it lives. What counts is only what passes while
somebody listens: between two looks that lie far apart the run itself stood still, its machine
slept, or its caller held on to an outcome, and what was said meanwhile lies in the pipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["BEAT_S", "PATIENCE_S", "Alive", "Vigil"]

BEAT_S: Final = 1.0
PATIENCE_S: Final = 60.0
"""Of listening, without a beat; beside 40 busy loops on two cores the longest pause was 1.6 s."""
_MOST_S: Final = 1.0
"""What may count between two looks, which are 0.2 s apart or less while all is well."""


@dataclass(frozen=True, slots=True)
class Alive:
    """The beat."""


@dataclass(slots=True)
class Vigil:
    """One process that is listened to.

    Args:
        patience_s: How long it may say nothing.
    """

    patience_s: float
    _silent_s: float = 0.0
    _looked_s: float | None = None

    def heard(self) -> None:
        """Take in that it said something, whatever it was."""
        self._silent_s = 0.0

    def is_over(self, now_s: float) -> bool:
        """Whether it has been silent for too long; to be asked once all was heard that it said."""
        passed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        self._looked_s = now_s
        self._silent_s += min(passed_s, _MOST_S)
        return self._silent_s > self.patience_s
