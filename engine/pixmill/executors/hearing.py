"""What workers say and how it is heard: as if every worker were an intruder's.

A worker speaks JSON, one list a report. A pickle, even one that may name nothing, can take what
the coordinator has: 14 bytes of it set 2 GB aside, and a dictionary with a nested key never ended.
What arrives is made of the types that a report has, or refused.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

from pixmill.model import Failed, Outcome, Output
from pixmill.protocol import Advanced, CostKnown, JobEnded, WorkerReady

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

__all__ = ["UntrustedError", "Voice", "heard", "spoken"]

_MESSAGE_BYTES: Final = 1 << 20
"""Far above the longest path with its notes."""
_LARGEST: Final = (1 << 63) - 1
"""What the journal's numbers can be."""
_REPORTS: Final = {kind.__name__: kind for kind in (WorkerReady, CostKnown, Advanced, JobEnded)}
_KINDS: Final = (*_REPORTS.values(), Outcome, Output, Failed)

Report = WorkerReady | CostKnown | Advanced | JobEnded


class UntrustedError(Exception):
    """Say that a worker sent what no worker of ours would."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A worker's end of its pipe.

    Args:
        connection: The pipe; the coordinator's words, which are trusted, come down it as pickles.
    """

    connection: Connection[Any, Any]

    def send(self, message: object) -> None:
        """Send a report whole."""
        self.connection.send_bytes(spoken(message))

    def recv(self) -> object:
        """Wait for a message; `EOFError` once the coordinator has gone."""
        return self.connection.recv()


def spoken(report: object) -> bytes:
    """Return a report as a worker sends it; names that are not UTF-8 stay as they are."""
    return json.dumps([type(report).__name__, *_flat(report)]).encode()


def heard(connection: Connection[Any, Any], slot: int) -> Report:
    """Receive one message of a slot's worker.

    Raises:
        UntrustedError: It is none that this worker may send.
        EOFError: The worker has gone.
        OSError: The pipe is broken.
    """
    try:
        content = connection.recv_bytes(_MESSAGE_BYTES)
    except BlockingIOError:
        raise UntrustedError("it does not end") from None
    except OSError:
        if not connection.readable:  # which is how a message beyond the limit is told from an end
            raise UntrustedError("it is too long") from None
        raise
    try:
        name, *values = json.loads(content.decode("ascii"))
        report: Report = _built(_REPORTS[name], values)
    except Exception as error:  # whatever it is, it was no worker of ours that sent it
        raise UntrustedError(f"it cannot be read: {type(error).__name__}") from error
    if report.slot != slot:
        raise UntrustedError("it is no report of this slot")
    if isinstance(report, JobEnded) and _has_tag(report.outcome):
        raise UntrustedError("it tells of an object, and who makes images reaches none")
    return report


def _has_tag(outcome: Outcome) -> bool:
    return bool(outcome.tag) or any(output.tag for output in outcome.outputs)


def _flat(value: object) -> list[object]:
    return [_flattened(each) for each in _FIELDS[type(value)](value)]


def _flattened(value: object) -> object:
    if isinstance(value, tuple):
        return [_flattened(each) for each in value]
    return _flat(value) if type(value) in _READERS else value


def _built(kind: type[Any], values: object) -> Any:
    """Make a value of its fields, each of which must have the type that it is declared with."""
    if not isinstance(values, list):
        raise TypeError("expected a list of fields")
    pairs = zip(_READERS[kind].items(), values, strict=True)
    return kind(**{name: read(value) for (name, read), value in pairs})


def _number(value: object) -> int:
    if type(value) is not int or abs(value) > _LARGEST:
        raise TypeError("expected a number")
    return value


def _fraction(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("expected a finite number")
    return float(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    if not value.isascii():
        value.encode("utf-8", "surrogateescape")  # raises for what could not be written anywhere
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("expected a list of texts")
    return tuple(map(_text, value))


def _several(kind: type[Any], values: object) -> tuple[Any, ...]:
    if not isinstance(values, list):
        raise TypeError("expected a list")
    return tuple(_built(kind, each) for each in values)


_PLAIN: Final[dict[object, Callable[[object], object]]] = {
    int: _number,
    float: _fraction,
    bool: _truth,
    str: _text,
    tuple[str, ...]: _texts,
}


def _reader(kind: Any) -> Callable[[object], object]:
    """Return what makes a value of a field's type, or raises."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if get_origin(kind) is tuple:
        member = get_args(kind)[0]
        return lambda values: _several(member, values)
    if NoneType in get_args(kind):
        read = _reader(next(each for each in get_args(kind) if each is not NoneType))
        return lambda value: None if value is None else read(value)
    if issubclass(kind, StrEnum):
        word: Callable[[object], object] = kind
        return word
    return lambda values: _built(kind, values)


_READERS: Final[dict[type[Any], dict[str, Callable[[object], object]]]] = {
    kind: {
        name: _reader(hint)
        for name, hint in get_type_hints(kind, localns={"Outcome": Outcome}).items()
    }
    for kind in _KINDS
}
"""By report and field, in the order in which they are sent."""
_FIELDS: Final = {kind: attrgetter(*readers) for kind, readers in _READERS.items()}
