"""What a store's answers and obstore's exceptions mean: the failure of one file, in safe words.

Must not ask a store anything.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from obstore import exceptions

from pixmill.failures import os_failure
from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.secrets import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CHANGED", "EXISTS", "NO_BUCKET", "StoreError", "failure_of", "telling"]

# S3 answers 403 for what is not there to who may not list, which a look at a free name then is.
_UNTOLD: Final = "the store does not tell what stands at its destination: allow to list, too"
EXISTS: Final = "an object stands at its destination"
NO_BUCKET: Final = "the bucket does not exist: make it, then run again"
_MESSAGE_LENGTH: Final = 300
_SAID: Final = re.compile(r"<Message>(?P<words>[^<]{1,200})")
_STATUS: Final = re.compile(r"status code: (?P<status>[0-9]{3}[^:<\n]*)")
# As obstore tells of a request that nobody answered, the count of its retries left out.
_UNANSWERED: Final = re.compile(
    r"Error performing \w+ (?P<server>\w+://[^/\s]+)\S* in [^,\s]+(?:, after [^-]*)? *- "
    r"(?P<words>.+)"
)
_CODE: Final = re.compile(r"<Code>(?P<code>\w{1,64})</Code>")


class StoreError(Exception):
    """Say that a store did not do what it was asked to, as the failure of one file.

    Args:
        failure: What went wrong; `stage` says at what.
        is_busy: Whether the store has answered that it is asked for too much.
    """

    def __init__(self, failure: Failed, *, is_busy: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.is_busy = is_busy

    @property
    def is_configured(self) -> bool:
        """Whether it is for whoever has set things up to mend: access, or a bucket's name."""
        return self.failure.kind is FailureKind.PERMISSION or self.failure.message == NO_BUCKET


@contextmanager
def telling(stage: Stage, *, through: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn what obstore raises into a `StoreError`, but for what the caller wants to see."""
    try:
        yield
    except through:
        raise
    except (exceptions.BaseError, OSError, ValueError, NotImplementedError) as error:
        failure = failure_of(error, stage)  # its own words may hold secrets
        raise StoreError(failure, is_busy=_status(str(error)) in _BUSY) from None


def failure_of(error: Exception, stage: Stage) -> Failed:
    """Return the failure that an error of obstore stands for, in words that hold no secret."""
    kind, words, is_retryable = next(
        (told for type_, told in _KINDS.items() if isinstance(error, type_)),
        (FailureKind.IO, "", True),
    )
    status, code = _status(str(error)), _code(str(error))
    is_missing = isinstance(error, FileNotFoundError) or (
        status == HTTPStatus.NOT_FOUND and kind is FailureKind.IO
    )
    if (is_missing and stage in {Stage.PUBLISH, Stage.WALK}) or code in _NO_BUCKETS:
        return Failed(FailureKind.IO, stage, NO_BUCKET, is_fatal=stage is Stage.PUBLISH)
    if isinstance(error, OSError) and error.errno is not None:
        return os_failure(error, stage)
    if isinstance(error, exceptions.PreconditionError) and stage is Stage.PUBLISH:
        words = "another object stands at its destination than was seen there"
    if isinstance(error, exceptions.PermissionDeniedError) and stage is Stage.PLAN:
        words = _UNTOLD
    if kind is FailureKind.IO and status in _REFUSALS:  # as a listing is refused
        kind, words, is_retryable = FailureKind.PERMISSION, _REFUSED, False
    is_unknown = code in _UNKNOWN
    if is_unknown:  # of one object that is not, so all others would be refused as well
        kind, words, is_retryable = FailureKind.PERMISSION, _NOT_KNOWN, False
    if _MACHINES_OWN in str(error):
        words = _NO_ACCESS
    said = _said(str(error))
    message = words if not said or words in _SUFFICIENT else f"{words}: {said}".removeprefix(": ")
    is_own = (status in _REQUESTS_OWN and status not in _PASSING) or _ELSEWHERE in said
    is_retryable = is_retryable and not is_own
    return Failed(kind, stage, message, is_retryable, is_fatal=is_unknown)


_REFUSED: Final = "the store refuses access"
_NOT_KNOWN: Final = "the store does not know these credentials"
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# Where clouds keep the credentials of their machines: obstore asks there where it was given none.
_MACHINES_OWN: Final = "//169.254."
_NO_ACCESS: Final = (
    "no credentials are in the environment, and the machine has none of its own: set some, name a "
    "--profile, or use --anonymous"
)
_REQUESTS_OWN: Final = range(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_PASSING: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})
_ELSEWHERE: Final = "incorrectly configured region"  # obstore's words for a redirect to another
_NO_BUCKETS: Final = frozenset({"NoSuchBucket", "ContainerNotFound"})
# Amazon's codes; others use the same. 400 comes with some of them, 403 with the rest.
_UNKNOWN: Final = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
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
        _NOT_KNOWN,
        False,
    ),
    exceptions.InvalidPathError: (FailureKind.REFUSED, "a key that obstore cannot name", False),
    exceptions.NotSupportedError: (FailureKind.IO, "the store cannot do this", False),
    NotImplementedError: (FailureKind.IO, "the store cannot do this", False),
    ValueError: (FailureKind.REFUSED, "a key that obstore cannot name", False),
}
_SUFFICIENT: Final = frozenset({CHANGED, EXISTS, _NO_ACCESS})


def _status(text: str) -> int:
    """Return the status of a server's answer, 0 where there was none."""
    match = _STATUS.search(text)
    return int(match["status"][:3]) if match else 0


def _code(text: str) -> str:
    """Return what a server's answer calls its trouble; empty where it has no word for it."""
    match = _CODE.search(text)
    return match["code"] if match else ""


def _said(text: str) -> str:
    """Return the status and the message of a server's answer, or else an error's first line."""
    first = text.partition("\n\nDebug source")[0]
    parts = [found[group] for found, group in _found(first)]
    unanswered = None if parts else _UNANSWERED.search(first)
    if unanswered is not None:
        parts = [f"no answer from {unanswered['server']}", unanswered["words"]]
    words = ", ".join(parts) or first.partition("\n")[0]
    return redacted(" ".join(words.split())).lower()[:_MESSAGE_LENGTH].rstrip(". ")


def _found(text: str) -> Iterator[tuple[re.Match[str], str]]:
    for pattern, group in ((_STATUS, "status"), (_SAID, "words")):
        if match := pattern.search(text):
            yield match, group
