"""A bucket as the feeder sees it: sources and results that the ferry has told of, and nothing else.

Must not ask the ferry for anything: `incoming` does, before the feeder looks.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.address import tag_digest
from pixmill.model import SourceRef
from pixmill.places import UnreachedError
from pixmill.storage.local import Head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pixmill.address import ObjectFacts
    from pixmill.model import Failed, Published
    from pixmill.walking import Folder, Met

__all__ = ["RemoteResults", "RemoteSources"]


@dataclass(slots=True)
class RemoteSources:
    """Objects that the walk has met and not let go.

    Attributes:
        root: Nothing: an object has no path on this machine.
    """

    root: str = ""
    _facts: dict[str, ObjectFacts] = field(default_factory=dict)
    _openings: dict[str, bytes | Failed] = field(default_factory=dict)

    def meet(self, facts: ObjectFacts) -> None:
        """Take in an object as the listing tells of it."""
        self._facts[facts.key] = facts

    def facts(self, path: str) -> ObjectFacts:
        """Return what the listing told."""
        return self._facts[path]

    def open(self, path: str, opening: bytes | Failed) -> None:
        """Take in the first bytes of an object, or why they are not to be had."""
        self._openings[path] = opening

    def forget(self, path: str) -> None:
        """Let go of an object."""
        self._facts.pop(path, None)
        self._openings.pop(path, None)

    def folders(self) -> Iterator[Folder]:
        """Yield nothing: objects come in the ferry's batches."""
        return iter(())

    def ref(self, met: Met, codec: str) -> SourceRef:
        """Return an object as a source, by what the listing told."""
        facts = self._facts[met.path]
        return SourceRef(met.path, facts.size_bytes, facts.identity_ns, codec, tag=facts.tag)

    def head(self, met: Met) -> Head:
        """Return the beginning of an object.

        Raises:
            UnreachedError: It could not be fetched.
        """
        source = self.ref(met, "")
        opening = self._openings[met.path]
        if not isinstance(opening, bytes):
            raise UnreachedError(source, opening)
        return Head(opening, source.size_bytes, source.mtime_ns, is_regular=True, tag=source.tag)

    def digest(self, _met: Met) -> str:
        """Return nothing: objects are known again by their tags."""
        return ""


@dataclass(slots=True)
class RemoteResults:
    """What stands in a bucket where the results of one source may go.

    Attributes:
        unknown_since_ns: Since when results of runs that died may stand there which no journal
            knows; 0 where there are none.
    """

    unknown_since_ns: int = 0
    _found: dict[str, ObjectFacts] = field(default_factory=dict)

    def show(self, found: Iterable[ObjectFacts]) -> None:
        """Take in what was found, in place of what was found before."""
        self._found = {facts.key: facts for facts in found}

    def exists(self, relative: str) -> bool:
        """Return whether an object stands at this key that is not likely to be pixmill's own."""
        facts = self._found.get(relative)
        return facts is not None and not self._may_be_own(facts)

    @property
    def has_unknown(self) -> bool:
        """Whether something stands there that a run which died may have put."""
        return any(map(self._may_be_own, self._found.values()))

    def _may_be_own(self, facts: ObjectFacts) -> bool:
        return 0 < self.unknown_since_ns <= facts.mtime_ns

    def names(self, folder: str) -> list[str]:
        """Return the bare names of the objects right below a folder of keys."""
        return [posixpath.basename(key) for key in self._found if posixpath.dirname(key) == folder]

    def has(self, published: Published) -> bool:
        """Return whether a result stands as it was published, by its size and tag."""
        facts = self._found.get(published.path)
        is_as_large = facts is not None and facts.size_bytes == published.size_bytes
        return facts is not None and is_as_large and tag_digest(facts.tag) == published.digest

    def holds_content(self, _relative: str, _digest: str) -> bool:
        """Return false: objects are known again by their tags."""
        return False

    def sweep(self, _relative_folder: str) -> int:
        """Return that nothing was swept: what is half put is never seen."""
        return 0

    def sweep_again(self) -> None:
        """Do nothing, likewise."""
