"""Results that several may put, such as nodes of a cluster that take each other for lost.

They put the same bytes, and who comes second must change nothing, not even the ETag, which Google
and Azure give anew to the same bytes: the journal knows results by it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pixmill.model import FailureKind, Stage
from pixmill.storage.answers import StoreError
from pixmill.storage.objects import SINGLE_BYTES, IfAbsent, IfMatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixmill.storage.objects import ObjectFacts, ObjectStore

__all__ = ["settle"]

_TRIES: Final = 5
_OVERTAKEN: Final = frozenset({FailureKind.EXISTS, FailureKind.CHANGED, FailureKind.VANISHED})


def settle(
    store: ObjectStore,
    key: str,
    path: str,
    *,
    attributes: Mapping[str, str],
    tagging: Mapping[str, str] | None = None,
) -> ObjectFacts:
    """Make an object of a file over whatever stands there, unless that is this very object.

    Tags that it is to have cannot be compared, so with them it is put again, over what was seen; as
    is what is put in parts, since those know no condition.

    Raises:
        StoreError: It could not be put.
        OSError: The file cannot be read.
    """
    is_single = os.stat(path).st_size <= SINGLE_BYTES
    for left in reversed(range(_TRIES)):
        try:
            seen = store.facts(key, stage=Stage.PUBLISH)
            if seen is not None and not tagging and store.holds(seen, path, attributes):
                return seen
            condition = IfAbsent() if seen is None else IfMatch(seen)
            return store.put(
                key,
                path,
                attributes=attributes,
                tagging=tagging,
                condition=condition if is_single else None,
            )
        except StoreError as error:
            if error.failure.kind not in _OVERTAKEN or not left:
                raise
    raise AssertionError("the last try has returned or raised")
