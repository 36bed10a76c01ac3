"""What a ferry has to tell of a listing: in portions, or of the one object that was named."""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING, Final

from pixmill.address import Address
from pixmill.freight import Batch, passed
from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.answers import StoreError
from pixmill.storage.objects import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.address import ObjectFacts
    from pixmill.cataloguing import Catalogue
    from pixmill.freight import Passed

__all__ = ["above", "alone", "batches"]

_BATCH_OBJECTS: Final = 256


def alone(source: ObjectStore) -> tuple[ObjectStore, ObjectFacts]:
    """Return the one object that a prefix names, in the store that it lies in.

    Raises:
        StoreError: There is none.
    """
    store = ObjectStore(above(source.address), source.client)
    facts = store.facts(source.address.prefix.rpartition("/")[2], stage=Stage.WALK)
    if facts is None:
        message = "nothing lies there: look at how it is spelled"
        raise StoreError(Failed(FailureKind.VANISHED, Stage.WALK, message))
    return store, facts


def above(address: Address) -> Address:
    """Return the prefix in which an object lies that an address names."""
    return Address(address.scheme, address.bucket, address.prefix.rpartition("/")[0])


def batches(
    catalogue: Catalogue, after: Passed | None, source: ObjectStore | None
) -> Iterator[Batch]:
    """Yield what is met in portions, the last one marked, which may be empty.

    What another ferry has told of before, which comes no later than `after`, is left out.
    """
    groups = dropwhile(
        lambda group: after is not None and passed(group) <= after, catalogue.groups()
    )
    address = None if source is None else source.address
    while True:
        taken = []
        objects = 0
        for folder, group in groups:
            taken.append((folder, group))
            objects += len(group)
            if objects >= _BATCH_OBJECTS:
                break
        has_ended = objects < _BATCH_OBJECTS
        yield Batch(tuple(taken), has_ended, address)
        if has_ended:
            return
