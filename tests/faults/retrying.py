"""Fail for a reason that may pass: `busy` names twice, `lost` ones always; `denied` for good."""

from __future__ import annotations

import errno
import os

from faults.plugin import attempts_before, faulty, is_named
from pixmill.model import Failed, FailureKind, Stage

__all__ = ["mill"]

_PASSES_AFTER = 2


def _fail(source: str) -> Failed | None:
    if is_named(source, "denied"):
        attempts_before(source)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if is_named(source, "lost"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    if is_named(source, "busy") and attempts_before(source) < _PASSES_AFTER:
        return Failed(FailureKind.IO, Stage.READ, "busy for the moment", is_retryable=True)
    return None


mill = faulty(_fail)
