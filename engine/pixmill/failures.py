"""What an `OSError` means for one file: its kind, and whether another attempt may succeed."""

from __future__ import annotations

import errno
import os
from typing import Final

from pixmill.model import Failed, FailureKind, Stage

__all__ = ["RETRYABLE_ERRNOS", "errno_failure", "os_failure"]

RETRYABLE_ERRNOS: Final = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.EBUSY,
        errno.EMFILE,
        errno.ENFILE,
        errno.EAGAIN,
        errno.EINTR,
        errno.ETIMEDOUT,
        errno.ETXTBSY,
    }
)
_KINDS: Final = {
    errno.ENOENT: FailureKind.VANISHED,
    errno.ENOTDIR: FailureKind.VANISHED,
    errno.EACCES: FailureKind.PERMISSION,
    errno.EPERM: FailureKind.PERMISSION,
    errno.EROFS: FailureKind.PERMISSION,
    errno.ENOSPC: FailureKind.NO_SPACE,
    errno.EDQUOT: FailureKind.NO_SPACE,
    errno.ENOMEM: FailureKind.MEMORY,
    errno.EEXIST: FailureKind.EXISTS,
}
_GONE: Final = "the disc that holds the output has gone: bring it back"
# What the whole destination suffers from, and what to do about it. `EACCES` is not among these:
# one folder may refuse what the others take.
_ADVICE: Final = {
    errno.ENOSPC: "make room where the output is",
    errno.EDQUOT: "make room where the output is, or ask for a larger quota",
    errno.EROFS: "make the output writable",
    errno.EIO: "the disc that holds the output may be failing: look at it",
    errno.ENODEV: _GONE,
    errno.ENXIO: _GONE,
    errno.ENOTCONN: _GONE,
}


def os_failure(error: OSError, stage: Stage) -> Failed:
    """Return the failure that a system error stands for; its own words where it has no number."""
    if error.errno is None:
        return Failed(FailureKind.IO, stage, str(error).lower())
    return errno_failure(error.errno, stage)


def errno_failure(number: int, stage: Stage) -> Failed:
    """Return the failure that an error number stands for.

    While publishing, a missing or misplaced folder is the destination's trouble, not a vanished
    source; and a disc that is full, read-only or broken is that of every file to come.
    """
    kind = _KINDS.get(number, FailureKind.IO)
    if kind is FailureKind.VANISHED and stage is Stage.PUBLISH:
        kind = FailureKind.IO
    is_retryable = number in RETRYABLE_ERRNOS
    message = os.strerror(number).lower()
    if stage is not Stage.PUBLISH or number not in _ADVICE:
        return Failed(kind, stage, message, is_retryable)
    message = f"{message}: {_ADVICE[number]}, then run again"
    return Failed(kind, stage, message, is_retryable, is_fatal=True)
