"""What a disc may hold after the power was cut: legal states of a recorded run, drawn by chance.

What was flushed is there. What was written into a file since may be there, not, or torn; names
that a folder got or lost since may have changed or not, each by itself, but a rename is one step.
The journal is as its last commit left it, or the one that was under way.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from faults.recording import (
    Committed,
    Flushed,
    FlushedAll,
    FlushedFolder,
    Made,
    Named,
    Removed,
    Timed,
    Wrote,
)

if TYPE_CHECKING:
    import random

    from faults.recording import Deed

__all__ = ["Disc"]

_UNSET_NS = 1_700_000_000_000_000_000


@dataclass(slots=True)
class _File:
    """What reached the disc of one file, and what was done to it since."""

    content: bytes = b""
    mtime_ns: int = _UNSET_NS
    since: list[Wrote | Timed] = field(default_factory=list)

    def flush(self) -> None:
        for deed in self.since:
            self._take(deed, whole=True)
        self.since = []

    def after_cut(self, rng: random.Random) -> _File:
        found, luck = _File(self.content, self.mtime_ns), rng.choice((0.0, 0.5, 1.0))
        for deed in self.since:
            if rng.random() < luck:
                found._take(deed, whole=rng.random() < luck, rng=rng)
        return found

    def _take(self, deed: Wrote | Timed, *, whole: bool, rng: random.Random | None = None) -> None:
        if isinstance(deed, Timed):
            self.mtime_ns = deed.mtime_ns
            return
        content = deed.content
        if rng is not None and not whole:
            content = content[: rng.randrange(len(content) + 1)]
        before = self.content.ljust(deed.offset, b"\0")
        self.content = before[: deed.offset] + content + before[deed.offset + len(content) :]


@dataclass(slots=True)
class _Folder:
    """The names that reached the disc, and those that came or went since; `None` is a folder's."""

    names: dict[str, _File | None] = field(default_factory=dict)
    since: list[tuple[str, str, _File | None]] = field(default_factory=list)

    def flush(self) -> None:
        for change in self.since:
            _change(self.names, change)
        self.since = []

    def after_cut(self, rng: random.Random) -> dict[str, _File | None]:
        found, luck = dict(self.names), rng.choice((0.0, 0.5, 0.8, 1.0))
        for change in self.since:
            if rng.random() < luck:
                _change(found, change)
        return found


def _change(names: dict[str, _File | None], change: tuple[str, str, _File | None]) -> None:
    lost, name, file = change
    names.pop(lost, None)
    if name:
        names[name] = file


@dataclass(slots=True)
class Disc:
    """A disc below one folder, as far as deeds have been replayed.

    Args:
        base: The folder; what is in it when the disc is made has reached it.
        journal: Content of the journal then, or nothing.
    """

    base: Path
    journal: bytes = b""
    _folders: dict[str, _Folder] = field(default_factory=dict)
    _files: dict[int, _File] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take in what is there."""
        for folder, inner, names in os.walk(self.base):
            held = self._folders.setdefault(folder, _Folder())
            held.names.update(dict.fromkeys(inner))
            for name in names:
                path = Path(folder, name)
                status = path.stat()
                file = _File(path.read_bytes(), status.st_mtime_ns)
                held.names[name] = self._files[status.st_ino] = file

    def copied(self) -> Disc:
        """Return a disc in the same state, to be replayed apart from this one."""
        return copy.deepcopy(self)

    def replay(self, deed: Deed) -> None:
        """Let one deed be done."""
        match deed:
            case Made(folder, name, inode, is_folder):
                self._made(folder, name, inode, is_folder=is_folder)
            case Named(folder, name, inode, old):
                self._folders[folder].since.append((old, name, self._files[inode]))
            case Removed(folder, name):
                self._folders[folder].since.append((name, "", None))
            case Wrote(inode) | Timed(inode):
                self._files[inode].since.append(deed)
            case Flushed(inode):
                self._files[inode].flush()
            case FlushedFolder(folder):
                if folder in self._folders:
                    self._folders[folder].flush()
            case FlushedAll():
                self._flush_all()
            case Committed(content):
                self.journal = content

    def _flush_all(self) -> None:
        for folder in self._folders.values():
            folder.flush()
        for file in self._files.values():
            file.flush()

    def _made(self, folder: str, name: str, inode: int, *, is_folder: bool) -> None:
        file = None
        if is_folder:
            self._folders[f"{folder}/{name}"] = _Folder()
        else:
            file = self._files[inode] = _File()  # a number that was used before is another file's
        self._folders[folder].since.append(("", name, file))

    def after_cut(self, rng: random.Random, place: Path, journal: str) -> None:
        """Write what may be there after a power cut into a place of its own.

        Args:
            rng: Decides.
            place: An empty folder.
            journal: Name of the journal, relative to the base.
        """
        self._lay(rng, str(self.base), place)
        if self.journal and (place / journal).parent.is_dir():
            (place / journal).write_bytes(self.journal)

    def _lay(self, rng: random.Random, folder: str, place: Path) -> None:
        place.mkdir(exist_ok=True)
        laid: dict[int, Path] = {}
        for name, file in sorted(self._folders[folder].after_cut(rng).items()):
            path = place / name
            if file is None:
                self._lay(rng, f"{folder}/{name}", path)
            elif id(file) in laid:
                path.hardlink_to(laid[id(file)])
            else:
                laid[id(file)] = path
                found = file.after_cut(rng)
                path.write_bytes(found.content)
                os.utime(path, ns=(found.mtime_ns, found.mtime_ns))
