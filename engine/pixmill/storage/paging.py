"""A listing that may break off, and goes on from where it did.

Must not repeat a request by itself: who asks knows for how long a store is waited for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixmill.storage.answers import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.address import ObjectFacts
    from pixmill.storage.objects import ObjectStore

__all__ = ["Pages"]


@dataclass(slots=True)
class Pages:
    """All objects below a prefix, page by page.

    Args:
        store: The prefix.
    """

    store: ObjectStore
    _pages: Iterator[list[ObjectFacts]] | None = None
    _last: str = ""
    _is_by_key: bool = True

    def taken(self) -> list[ObjectFacts] | None:
        """Return the next page, `None` after the last; to be called again where it has raised.

        Raises:
            StoreError: The listing broke off; for good where the store does not list by key, for
                then nobody can tell what is still to come.
        """
        if self._pages is None:
            self._pages = self.store.listed(after=self._last)
        try:
            page = next(self._pages, None)
        except StoreError as error:
            self._pages = None
            if self._is_by_key:
                raise
            raise StoreError(replace(error.failure, is_retryable=False)) from None
        keys = [facts.key for facts in page or []]
        self._is_by_key = self._is_by_key and [self._last, *keys] == sorted([self._last, *keys])
        self._last = keys[-1] if keys else self._last
        return page
