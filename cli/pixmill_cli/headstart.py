"""Whether what was typed seems to begin a run that will need workers, told before it is understood.

A guess: who is wrong pays some CPU for a nursery that nobody needs, or waits for one as before. So
it must not load anything, nor be asked what a command means.
"""

from __future__ import annotations

import os.path

__all__ = ["seems_to_begin"]

_ELSEWHERE = ("-h", "--help", "-c", "--config", "--executor", "--ray", "--journal")
"""Options that ask for no run, or may ask for one whose workers or whose journal are elsewhere."""

_STATE = ".pixmill"


def seems_to_begin(words: list[str]) -> bool:
    """Return whether a command line seems to begin a run with work to do, by local workers.

    One over an output that has a journal may find all of it done.
    """
    if words[:1] != ["optimize"] or len(words) == 1:
        return False
    return not any(word.startswith(_ELSEWHERE) or _has_journal(word) for word in words)


def _has_journal(word: str) -> bool:
    place = os.path.abspath(word.rpartition("=")[2])  # noqa: PTH100 - pathlib is not loaded yet
    return os.path.exists(place + _STATE) or os.path.exists(f"{place}/{_STATE}")  # noqa: PTH110 - likewise
