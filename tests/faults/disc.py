"""A failing disc: calls of the system that end with an error, from a certain one on.

Which is told by the environment, in words like `write:ENOSPC:5` (the sixth write and all later
ones) or `fsync:EIO:3:1` (the fourth only), each counted in its own process. In a worker the faults
strike from when its mill is loaded; in this process, inside `failing`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pixmill import milling
from pixmill.storage import local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FAULTS", "failing", "mill", "replaced"]

FAULTS: Final = "PIXMILL_FAULT_DISC"
"""Environment variable with the faults, in words parted by spaces."""
_FOR_EVER: Final = 1 << 62
_NAMES: Final = {"fsync-folder": "fsync"}


@dataclass(slots=True)
class _Fault:
    """One call that fails.

    Attributes:
        call: Which: `open` (to make a file), `mkdir`, `write`, `fsync`, `fsync-folder`, `link`,
            `replace`, `unlink`, `utime`, or `read` (of a source that is copied).
        number: The error.
        calls_left: Calls that still go well.
        strikes_left: Calls that fail after those.
    """

    call: str
    number: int
    calls_left: int
    strikes_left: int

    @classmethod
    def spoken(cls, word: str) -> _Fault:
        call, name, after, *times = word.split(":")
        return cls(call, getattr(errno, name), int(after), int(times[0]) if times else _FOR_EVER)

    def strikes(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
        if not _is_meant(self.call, arguments, named) or self.strikes_left == 0:
            return False
        self.calls_left -= 1
        if self.calls_left >= 0:
            return False
        self.strikes_left -= 1
        return True


def _is_meant(call: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    if call == "open":
        return bool(arguments[1] & os.O_CREAT) and named.get("dir_fd") is not None
    if call == "mkdir":
        return named.get("dir_fd") is not None
    if call in {"write", "fsync"}:
        return stat.S_ISREG(os.fstat(arguments[0]).st_mode)
    if call == "fsync-folder":
        return stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
    return True


def _faulty(real: Callable[..., Any], faults: list[_Fault]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        for fault in faults:
            if fault.strikes(arguments, named):
                if fault.call == "write":  # a disc that fills up takes the first half
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise OSError(fault.number, os.strerror(fault.number))
        return real(*arguments, **named)

    return call


@contextlib.contextmanager
def failing(words: str) -> Iterator[None]:
    """Have calls of this process fail."""
    faults = [_Fault.spoken(word) for word in words.split()]
    with contextlib.ExitStack() as stack:
        for call in {fault.call for fault in faults}:
            place: Any = local if call == "read" else os
            name = "open" if call == "read" else _NAMES.get(call, call)
            real = open if call == "read" else getattr(os, name)
            struck = [fault for fault in faults if fault.call == call]
            stack.enter_context(replaced(place, name, _faulty(real, struck)))
        yield


@contextlib.contextmanager
def replaced(place: Any, name: str, call: Callable[..., Any]) -> Iterator[None]:
    """Put a function in a module's place of another, with what `os` says that it can do."""
    real = vars(place).get(name)
    abilities = [each for each in (os.supports_fd, os.supports_dir_fd) if real in each]
    for ability in abilities:
        ability.add(call)
    setattr(place, name, call)
    try:
        yield
    finally:
        for ability in abilities:
            ability.discard(call)
        if real is None:
            delattr(place, name)
        else:
            setattr(place, name, real)


_for_ever = failing(os.environ.get(FAULTS, ""))  # held, or it would be over at once
_for_ever.__enter__()
mill = milling.mill
