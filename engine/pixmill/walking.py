"""The lazy stream of sources under a root, folder by folder, in a stable order.

Holds one chunk of one folder's names at a time: a folder larger than that is sorted on disc.
Must not recognise formats, choose names or open a file unasked: `feeding` does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum, auto
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from pixmill.model import SourceRef
from pixmill.naming import STATE_SUFFIX, folded, stem_key
from pixmill.settings import Symlinks
from pixmill.sorting import Sorter
from pixmill.storage.folders import reachable
from pixmill.storage.local import read_head
from pixmill.storage.originals import digest_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    import pathspec

    from pixmill.settings import Settings
    from pixmill.storage.local import Head

    _Globs: TypeAlias = pathspec.PathSpec[pathspec.Pattern]

__all__ = ["Folder", "Met", "Sieve", "Sort", "Trouble", "Walker"]

_KEY = attrgetter("key")


class Sort(StrEnum):
    """What an entry of a folder turned out to be."""

    FILE = auto()
    HIDDEN = auto()
    EXCLUDED = auto()
    SYMLINK = auto()
    SPECIAL = auto()


class Met(NamedTuple):
    """One entry that is no folder.

    A tuple and no dataclass, since every file of an archive is made one and sorted: 0.8 us
    instead of 2.6 in a folder of 20,000.

    Attributes:
        key: Folded stem, by which a folder is ordered.
        path: Relative to the root.
        sort: What it is; only a `FILE` is worth opening.
        is_link: Whether it is a symbolic link that may be followed.
    """

    key: str
    path: str
    sort: Sort
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """A folder that could not be listed."""

    path: str
    error: OSError


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, its entries still unread.

    Attributes:
        paths: Relative paths; several only where names differ in nothing but case.
        names: Folded names of the folders inside, known once the entries were begun.
        groups: Entries that share a `key`, in order.
        troubles: What could not be listed, filled as the entries are read.
    """

    paths: tuple[str, ...]
    names: frozenset[str]
    groups: Iterator[list[Met]]
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder to walk, with the real folders above it, so that link loops end."""

    path: str
    above: tuple[str, ...] = ()


@dataclass(slots=True)
class Sieve:
    """Tells by names alone what is taken.

    Args:
        settings: What to take.
    """

    settings: Settings
    _include: _Globs | None = field(init=False)
    _exclude: _Globs | None = field(init=False)

    def __post_init__(self) -> None:
        """Compile the globs once."""
        self._include = _compiled(self.settings.include)
        self._exclude = _compiled(self.settings.exclude)

    def enters(self, name: str, path: str) -> bool:
        """Return whether a folder is entered, so far as its name and relative path tell.

        The state of an output that is inside the input is none of its images, nor to be copied.
        """
        if name.endswith(STATE_SUFFIX):
            return False
        if name.startswith(".") and not self.settings.hidden:
            return False
        return self._exclude is None or not self._exclude.match_file(path + "/")

    def sort(self, name: str, path: str) -> Sort:
        """Return what a regular file is, by its name and relative path."""
        if name.startswith(".") and not self.settings.hidden:
            return Sort.HIDDEN
        if self._exclude is not None and self._exclude.match_file(path):
            return Sort.EXCLUDED
        if self._include is not None and not self._include.match_file(path):
            return Sort.EXCLUDED
        return Sort.FILE


@dataclass(slots=True)
class Walker:
    """Walks a root.

    Args:
        root: Absolute path of the folder that is walked.
        settings: What to take.
        excluded: Absolute real paths that are never entered: the destination inside the source,
            and where originals are kept.
    """

    root: str
    settings: Settings
    excluded: frozenset[str] = frozenset()
    _sieve: Sieve = field(init=False)
    _real_root: str = field(init=False)
    _above: str = field(init=False)

    def __post_init__(self) -> None:
        """Compile the globs once."""
        self._sieve = Sieve(self.settings)
        self._real_root = os.path.realpath(self.root)
        self._above = os.path.join(self.root, "")

    def path(self, met: Met) -> str:
        """Return the absolute path of an entry."""
        return self._above + met.path

    def ref(self, met: Met, codec: str) -> SourceRef:
        """Return an entry as a source, by a look at it and not into it.

        Raises:
            OSError: It is not there any more.
        """
        status = os.stat(self._above + met.path, follow_symlinks=met.is_link)
        return SourceRef(met.path, status.st_size, status.st_mtime_ns, codec, status.st_ino)

    def head(self, met: Met) -> Head:
        """Return the beginning of an entry.

        Raises:
            OSError: It cannot be opened or read.
        """
        return read_head(self._above + met.path, can_follow=met.is_link)

    def digest(self, met: Met) -> str:
        """Return the SHA-256 of an entry's content, hexadecimal.

        Raises:
            OSError: It cannot be read.
        """
        return digest_at(self._above + met.path)

    def folders(self) -> Iterator[Folder]:
        """Yield every folder, parents first, siblings in order."""
        waiting: list[tuple[_Place, ...]] = [(_Place("", (self._real_root,)),)]
        while waiting:
            places = waiting.pop()
            listing = _Listing()
            troubles = tuple(
                trouble for place in places if (trouble := self._list(place, listing)) is not None
            )
            names = frozenset(folded(os.path.basename(place.path)) for place in listing.places)
            paths = tuple(place.path for place in places)
            yield Folder(paths, names, listing.groups(), troubles)
            if self.settings.recursive:
                waiting.extend(reversed(_siblings(listing.places)))

    def _list(self, place: _Place, listing: _Listing) -> Trouble | None:
        try:
            path = os.path.join(self.root, place.path)
            with reachable(path) as short, os.scandir(short) as entries:
                for entry in entries:
                    path = f"{place.path}/{entry.name}" if place.path else entry.name
                    self._take(entry, path, place, listing)
        except OSError as error:
            return Trouble(place.path, error)
        return None

    def _take(self, entry: os.DirEntry[str], path: str, place: _Place, listing: _Listing) -> None:
        if entry.is_symlink():
            self._take_link(entry, path, place, listing)
        elif entry.is_dir(follow_symlinks=False):
            if self._enters(entry.name, path):
                above = os.path.join(place.above[-1], entry.name)
                listing.places.append(_Place(path, (*place.above, above)))
        else:
            is_file = entry.is_file(follow_symlinks=False)
            sort = self._sieve.sort(entry.name, path) if is_file else Sort.SPECIAL
            listing.add(Met(stem_key(entry.name), path, sort))

    def _take_link(
        self, entry: os.DirEntry[str], path: str, place: _Place, listing: _Listing
    ) -> None:
        real = self._followed(entry.path)
        if real and os.path.isdir(real):
            is_loop = real in place.above
            if not is_loop and self._enters(entry.name, path, real):
                listing.places.append(_Place(path, (*place.above, real)))
                return
            real = ""
        is_file = bool(real) and os.path.isfile(real)
        sort = self._sieve.sort(entry.name, path) if is_file else Sort.SYMLINK
        listing.add(Met(stem_key(entry.name), path, sort, is_link=is_file))

    def _followed(self, path: str) -> str:
        """Return where a link leads, or nothing where it may not be followed."""
        if self.settings.symlinks is Symlinks.SKIP:
            return ""
        real = os.path.realpath(path)
        is_inside = real == self._real_root or real.startswith(self._real_root + os.sep)
        return real if is_inside or self.settings.symlinks is Symlinks.FOLLOW else ""

    def _enters(self, name: str, path: str, real: str = "") -> bool:
        if not self._sieve.enters(name, path):
            return False
        return (
            not self.excluded or (real or os.path.join(self._real_root, path)) not in self.excluded
        )


@dataclass(slots=True)
class _Listing:
    """The entries of a folder, and the folders in it."""

    places: list[_Place] = field(default_factory=list)
    _entries: Sorter[Met] = field(default_factory=Sorter)

    def add(self, met: Met) -> None:
        """Take in one entry."""
        self._entries.add(met)

    def groups(self) -> Iterator[list[Met]]:
        """Yield the entries that share a key, in order; may be called once."""
        for _, group in groupby(self._entries.ordered(), key=_KEY):
            yield list(group)


def _siblings(places: list[_Place]) -> list[tuple[_Place, ...]]:
    """Group folders whose names differ in nothing but case: their files may share names."""
    keyed = sorted((folded(place.path), place.path, place.above) for place in places)
    return [
        tuple(_Place(path, above) for _, path, above in group)
        for _, group in groupby(keyed, key=lambda each: each[0])
    ]


def _compiled(globs: tuple[str, ...]) -> _Globs | None:
    """Compile globs with the meaning of .gitignore lines: `*.jpg` anywhere, `/raw/` at the root."""
    if not globs:
        return None
    import pathspec  # noqa: PLC0415 - 7 ms that a run without globs does not need

    return pathspec.PathSpec.from_lines("gitignore", globs)
