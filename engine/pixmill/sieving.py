"""Which files of other shards a shard must name, so that its own are named as in one whole run.

Pure. A name is worked out from a file's first bytes, and of ten thousand shards each would read
those of every file: a file that shares its stem with no other, and can meet no name that was
changed, is left to its own shard unread.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pixmill.naming import folded, stem_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.series import NameTemplate
    from pixmill.sharding import Shard

__all__ = ["Sieve"]

_COUNTED: Final = re.compile(r"-[0-9]+\Z")
_MANY: Final = 1024


@dataclass(slots=True)
class Sieve:
    """The groups of one folder that a shard has to name, in the order of `stem_key`.

    A renamed source keeps its whole name as the stem of its new one (`a.jpg.webp`, or
    `a.jpg-2.webp`), so what it may meet is known without its content.

    Args:
        shard: The share.
        folders: Folded names of the folders beside these files.
        template: How several outputs of one source are named, `None` where each has one.
    """

    shard: Shard
    folders: frozenset[str] = frozenset()
    template: NameTemplate | None = None
    _stems: set[str] = field(init=False)
    _renamed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Know the stems of which a folder may have the name."""
        self._stems = {stem_key(name) for name in self.folders}
        if self.template is not None:
            self._stems |= {self.template.stem_of(name) for name in self.folders}

    def passes(self, key: str, paths: Sequence[str]) -> bool:
        """Return whether the sources that share a `stem_key` have to be named here.

        Args:
            key: What they share.
            paths: Their paths, relative to the root.
        """
        if self.shard.is_whole:
            return True
        names = [posixpath.basename(path) for path in paths]
        if len(paths) > 1 or self._meets(key, names[0]):
            self._renamed.update(map(folded, names))
            self._forget_before(key)
            return True
        return self.shard.holds(paths[0])

    def _meets(self, key: str, name: str) -> bool:
        """Whether a name that was changed, or a folder's, may be one that a source wants."""
        if key in self._stems:
            return True
        if not self._renamed:
            return False
        stems = {key, _COUNTED.sub("", key)}
        if self.template is not None:
            stem = self.template.stem_of(folded(name))
            stems |= {stem, _COUNTED.sub("", stem)}
        return not self._renamed.isdisjoint(stems)

    def _forget_before(self, key: str) -> None:
        """Forget names whose turn has passed, with all that only add a count to them."""
        if len(self._renamed) > _MANY and self.template is None:
            self._renamed = {name for name in self._renamed if f"{name}." >= key}
