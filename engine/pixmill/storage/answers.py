"""What a store's answers and obstore's exceptions mean: the failure of one file, in safe words.

Must not ask a store anything.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from obstore import exceptions

from pixmill.failures import os_failure
from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.secrets import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CHANGED", "EXISTS", "StoreError", "failure_of", "telling"]

# S3 answers 403 for what is not there to who may not list, which a look at a free name then is.
_UNTOLD: Final = "the store does not tell what stands at its destination: allow to list, too"
EXISTS: Final = "an object stands at its destination"
_MESSAGE_LENGTH: Final = 300
_SAID: Final = re.compile(r"<Message>(?P<words>[^<]{1,200})")
_STATUS: Final = re.compile(r"status code: (?P<status>[0-9]{3}[^:<\n]*)")


class StoreError(Exception):
    """Say that a store did not do what it was asked to, as the failure of one file.

    Args:
        failure: What went wrong; `stage` says at what.
    """

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


@contextmanager
def telling(stage: Stage, *, through: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn what obstore raises into a `StoreError`, but for what the caller wants to see."""
    try:
        yield
    except through:
        raise
    except (exceptions.BaseError, OSError, ValueError, NotImplementedError) as error:
        raise StoreError(failure_of(error, stage)) from None  # its words may hold secrets


def failure_of(error: Exception, stage: Stage) -> Failed:
    """Return the failure that an error of obstore stands for, in words that hold no secret."""
    kind, words, is_retryable = next(
        (told for type_, told in _KINDS.items() if isinstance(error, type_)),
        (FailureKind.IO, "", True),
    )
    if isinstance(error, FileNotFoundError) and stage in {Stage.PUBLISH, Stage.WALK}:
        kind, words = FailureKind.IO, "the bucket does not exist: make it, then run again"
        return Failed(kind, stage, words, is_fatal=stage is Stage.PUBLISH)
    if isinstance(error, OSError) and error.errno is not None:
        return os_failure(error, stage)
    if isinstance(error, exceptions.PreconditionError) and stage is Stage.PUBLISH:
        words = "another object stands at its destination than was seen there"
    if isinstance(error, exceptions.PermissionDeniedError) and stage is Stage.PLAN:
        words = _UNTOLD
    said = _said(str(error))
    if kind is FailureKind.IO and said.startswith(_REFUSALS):  # as a listing is refused
        kind, words, is_retryable = FailureKind.PERMISSION, _REFUSED, False
    message = words if not said or words in _SUFFICIENT else f"{words}: {said}".removeprefix(": ")
    return Failed(kind, stage, message, is_retryable)


_REFUSED: Final = "the store refuses access"
_REFUSALS: Final = ("401", "403")
CHANGED: Final = "the object changed after it was met; run again"
_KINDS: Final[dict[type[Exception], tuple[FailureKind, str, bool]]] = {
    FileNotFoundError: (FailureKind.VANISHED, "the object is gone", False),
    exceptions.AlreadyExistsError: (FailureKind.EXISTS, EXISTS, False),
    exceptions.PreconditionError: (FailureKind.CHANGED, CHANGED, False),
    exceptions.PermissionDeniedError: (
        FailureKind.PERMISSION,
        _REFUSED,
        False,
    ),
    exceptions.UnauthenticatedError: (
        FailureKind.PERMISSION,
        "the store does not know these credentials",
        False,
    ),
    exceptions.InvalidPathError: (FailureKind.REFUSED, "a key that obstore cannot name", False),
    exceptions.NotSupportedError: (FailureKind.IO, "the store cannot do this", False),
    NotImplementedError: (FailureKind.IO, "the store cannot do this", False),
    ValueError: (FailureKind.REFUSED, "a key that obstore cannot name", False),
}
_SUFFICIENT: Final = frozenset({CHANGED, EXISTS})


def _said(text: str) -> str:
    """Return the status and the message of a server's answer, or else an error's first line."""
    first = text.partition("\n\nDebug source")[0]
    parts = [found[group] for found, group in _found(first)]
    words = ", ".join(parts) or first.partition("\n")[0]
    return redacted(" ".join(words.split())).lower()[:_MESSAGE_LENGTH].rstrip(". ")


def _found(text: str) -> Iterator[tuple[re.Match[str], str]]:
    for pattern, group in ((_STATUS, "status"), (_SAID, "words")):
        if match := pattern.search(text):
            yield match, group
