"""What is found out about a store before anything depends on it, and while it does not answer.

Must not leave anything in it that was not there, as far as it is let.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from pixmill.address import ObjectFacts
from pixmill.model import FailureKind
from pixmill.storage.answers import StoreError
from pixmill.storage.objects import IfMatch

if TYPE_CHECKING:
    from pixmill.storage.objects import ObjectStore

__all__ = ["check_puts", "does_answer"]

_NAME: Final = ".pixmill-probe"
_NEVER_SEEN: Final = ObjectFacts(_NAME, 0, 0, tag='"pixmill"', version="1")


def check_puts(store: ObjectStore) -> None:
    """Find out whether objects can be put into a store.

    Who may put is told that a condition is not met, and nothing is done. Where conditions are not
    known, or take leave to read which is not given, an empty object is put and removed.

    Raises:
        StoreError: None can be put.
    """
    try:
        store.put(_NAME, b"", condition=IfMatch(_NEVER_SEEN))
    except StoreError as error:
        if error.failure.kind is FailureKind.CHANGED:
            return
        if error.failure.is_retryable:
            raise
        store.put(_NAME, b"")
    with contextlib.suppress(StoreError):  # who may not remove leaves it
        store.remove(_NAME)


def does_answer(store: ObjectStore) -> bool:
    """Return whether a store answers at all, be it with a refusal."""
    try:
        store.facts(_NAME)
    except StoreError as error:
        return not error.failure.is_retryable
    return True
