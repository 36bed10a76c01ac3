"""The scan ahead: a thread that counts what the run will meet, so that an ETA can be told.

It holds counts and nothing else. Must not open files: sizes come from the folder listing.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.sharding import WHOLE, Shard
from pixmill.stats import Ahead
from pixmill.walking import Sort

if TYPE_CHECKING:
    from pixmill.walking import Met, Walker

__all__ = ["Survey"]


@dataclass(slots=True)
class Survey:
    """Counts in the background.

    Args:
        walker: What the run walks, too.
        shard: The share of it that counts. Default: all.
    """

    walker: Walker
    shard: Shard = WHOLE
    ahead: Ahead = field(default_factory=Ahead)
    _is_stopped: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin counting."""
        self._thread = threading.Thread(target=self._count, name="pixmill-survey", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End counting and wait for the thread."""
        self._is_stopped = True
        if self._thread is not None:
            self._thread.join()

    def _count(self) -> None:
        for folder in self.walker.folders():
            for group in folder.groups:
                for met in group:
                    if self._is_stopped:
                        return
                    if self.shard.holds(met.path):
                        is_file = met.sort is Sort.FILE
                        self.ahead.count(met.path, self._size(met) if is_file else 0)
        self.ahead.has_ended = True

    def _size(self, met: Met) -> int:
        try:
            return os.stat(self.walker.path(met)).st_size
        except OSError:  # the run itself will meet it and say so
            return 0
