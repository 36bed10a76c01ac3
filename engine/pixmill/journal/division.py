"""Into how many shards runs divide one output, and that at any time all of them do it alike.

A run shares the lock of one small file, which says the number, for as long as it works; who joins
the journals of shards, or begins another division, has that lock for himself.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.errors import RunError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: nobody can be refused there
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.journal.place import Place
    from pixmill.sharding import Shard

__all__ = ["Division"]

_PATIENCE_S: Final = 600.0
"""How long to wait for who joins journals; a million rows take it 10 s of CPU."""

_POLL_S: Final = 0.1
_TOLD_BYTES: Final = 64


@dataclass(slots=True)
class Division:
    """A hold on the division of one output.

    Args:
        place: The state of the whole output.
        patience_s: How long to wait for who has it for himself.
    """

    place: Place
    patience_s: float = _PATIENCE_S
    _descriptor: int = -1
    _has_locks: bool = fcntl is not None

    def enter(self, shard: Shard, change: Callable[[], object]) -> None:
        """Take part in a division of this output into that many shards.

        Args:
            shard: The share that is worked on.
            change: Called, with the output to oneself, where runs divided it otherwise before.

        Raises:
            RunError: Runs of another division are under way.
            OSError: The file cannot be made or written.
        """
        self._open()
        try:
            self._enter(shard.count, change)
        except BaseException:
            self.release()
            raise

    def take(self) -> None:
        """Have the output to oneself.

        Raises:
            RunError: A run works on it.
            OSError: The file cannot be made.
        """
        self._open()
        if not self._is_locked(is_alone=True):
            told = self._told()
            self.release()
            raise RunError(f"{_named(told)} on this output: wait for it or stop it")

    def release(self) -> None:
        """Let go; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _enter(self, count: int, change: Callable[[], object]) -> None:
        until_s = time.monotonic() + self.patience_s
        while True:
            if self._is_locked(is_alone=True) and self._told() != count:
                self._change(count, change)
            if self._is_locked(is_alone=False):
                break
            if time.monotonic() > until_s:
                raise RunError(
                    "another process has this output to itself, to join the journals of shards: "
                    "wait for it or stop it"
                )
            time.sleep(_POLL_S)
        if (told := self._told()) != count:
            raise RunError(
                f"{_named(told)} on this output, and this one would be 1 of {count}: "
                f"wait for them or stop them"
            )

    def _change(self, count: int, change: Callable[[], object]) -> None:
        shards = [] if self._has_locks else self.place.shards()
        if any(each.shard.count != count for each in shards):
            raise RunError(
                "this file system has no locks, so nobody knows whether the shards of another "
                "division still work on this output: once they have ended, use pixmill merge"
            )
        if not shards:
            change()
        # in one write, for without locks others may read it meanwhile
        told = json.dumps({"shards": count}).ljust(_TOLD_BYTES)
        os.pwrite(self._descriptor, told.encode("ascii"), 0)

    def _open(self) -> None:
        self._descriptor = os.open(self.place.division, os.O_RDWR | os.O_CREAT, 0o666)

    def _is_locked(self, *, is_alone: bool) -> bool:
        """Take the lock, or exchange the one that is held; whether that was possible at once."""
        if not self._has_locks:
            return True
        kind = fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            self._has_locks = False
        return True

    def _told(self) -> int:
        """Return the number of shards that was written down, 0 for none."""
        try:
            return int(json.loads(os.pread(self._descriptor, _TOLD_BYTES, 0))["shards"])
        except (ValueError, KeyError, TypeError):
            return 0


def _named(count: int) -> str:
    """Say who works, as far as the number tells."""
    return f"runs over shards of {count} work" if count > 1 else "another run works"
