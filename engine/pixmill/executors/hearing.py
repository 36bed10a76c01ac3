"""What a worker says, read as if the worker were an intruder's.

A pickle can name any function; here it can name what workers speak of, and nothing else, so that a
decoder that was taken over cannot leave its sandbox through the pipe.
"""

from __future__ import annotations

import io
import math
import pickle
from dataclasses import is_dataclass
from operator import attrgetter
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Final, get_args, get_origin, get_type_hints

from pixmill.model import Failed, FailureKind, Outcome, SkipReason, Stage, Status
from pixmill.protocol import CostKnown, JobEnded, WorkerReady

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from typing import Any

__all__ = ["UntrustedError", "heard"]

_MESSAGE_BYTES: Final = 1 << 20
"""Far above the longest path with its notes."""
_REPORTS: Final = (WorkerReady, CostKnown, JobEnded)
_LIMIT: Final = 1 << 63
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
    if not _is_sound(report):
        raise UntrustedError("it holds what its fields are not for")
    return report


def _is_sound(report: WorkerReady | CostKnown | JobEnded) -> bool:
    try:
        return _IS_SOUND[type(report)](report)
    except AttributeError:  # a field was left out
        return False


def _sound(shape: object) -> Callable[[object], bool]:
    """Return what tells whether a value is of a shape, as the fields of a message declare it.

    Numbers stay finite and within 64 bits, which is what statistics and the journal take.
    """
    if get_origin(shape) is tuple:
        member = _sound(get_args(shape)[0])
        return lambda value: type(value) is tuple and all(map(member, value))
    if get_origin(shape) is UnionType:
        inner = _sound(next(each for each in get_args(shape) if each is not NoneType))
        return lambda value: value is None or inner(value)
    if shape is int:
        return lambda value: type(value) is int and abs(value) < _LIMIT
    if shape is float:
        return lambda value: type(value) in {float, int} and math.isfinite(value)  # type: ignore[arg-type]
    if isinstance(shape, type) and is_dataclass(shape):
        hints = get_type_hints(shape, localns={"Outcome": Outcome, "Failed": Failed})
        parts = [(attrgetter(name), _sound(hint)) for name, hint in hints.items()]
        return lambda value: type(value) is shape and all(part(get(value)) for get, part in parts)
    return lambda value: type(value) is shape


_IS_SOUND: Final = {shape: _sound(shape) for shape in _REPORTS}
