"""What a worker says, read as if the worker were an intruder's.

A pickle can name any function; here it can name what workers speak of, and nothing else, so that a
decoder that was taken over cannot leave its sandbox through the pipe.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Final

from pixmill.model import Failed, FailureKind, Outcome, SkipReason, Stage, Status
from pixmill.protocol import CostKnown, JobEnded, WorkerReady

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from typing import Any

__all__ = ["UntrustedError", "heard"]

_MESSAGE_BYTES: Final = 1 << 20
"""Far above the longest path with its notes."""
_REPORTS: Final = (WorkerReady, CostKnown, JobEnded)
_WORDS: Final = {
    (word.__module__, word.__qualname__): word
    for word in (*_REPORTS, Outcome, Failed, Status, FailureKind, SkipReason, Stage)
}


class UntrustedError(Exception):
    """Say that a worker sent what no worker of ours would."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        try:
            return _WORDS[module, name]
        except KeyError:
            raise UntrustedError(f"it named {module}.{name}") from None


def heard(connection: Connection[Any, Any], slot: int) -> WorkerReady | CostKnown | JobEnded:
    """Receive one message of a slot's worker.

    Raises:
        UntrustedError: It is none that this worker may send.
        EOFError: The worker has gone.
        OSError: The pipe is broken.
    """
    try:
        content = connection.recv_bytes(_MESSAGE_BYTES)
    except OSError:
        if not connection.readable:  # which is how a message beyond the limit is told from an end
            raise UntrustedError("it is too long") from None
        raise
    try:
        report: object = _Reader(io.BytesIO(content)).load()
    except UntrustedError:
        raise
    except Exception as error:  # a pickle can raise anything
        raise UntrustedError(f"it cannot be read: {type(error).__name__}") from error
    if not isinstance(report, _REPORTS) or report.slot != slot:
        raise UntrustedError("it is no report of this slot")
    if isinstance(report, JobEnded) and not isinstance(report.outcome, Outcome):
        raise UntrustedError("it holds no outcome")
    return report
