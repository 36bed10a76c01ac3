"""Where the state of an output lives: its journal and its lock, and those of each shard.

Beside the output, not in it: an output tree is served to the world.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixmill.errors import OptionError
from pixmill.naming import STATE_SUFFIX
from pixmill.sharding import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Place", "is_network", "place_of"]

_MANIFEST = "srcset.json"
_DATABASE: Final = ".sqlite"
_SHARD: Final = re.compile(r"shard-(?P<index>0|[1-9][0-9]*)-of-(?P<count>[1-9][0-9]*)\..+")
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "fuse.sshfs"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """The files that hold the state of one output, or of one shard of it.

    Attributes:
        journal: The SQLite file.
        lock: The file whose lock says that a run is under way.
        hands: The files in which workers note what they hold, but for the number at their end.
        manifest: The list of outputs where sources have several.
        division: The file that says into how many shards runs divide the output, and whose lock
            they share.
        shard: Whose files these are, those of the division apart.
        prefix: What the names of all shards' files begin with.
        elder: The files of the whole output where these are a shard's.
    """

    journal: Path
    lock: Path
    hands: Path
    manifest: Path
    division: Path
    shard: Shard = WHOLE
    prefix: str = ""
    elder: Place | None = None

    @property
    def whole(self) -> Place:
        """The files of the whole output."""
        return self.elder or self

    @property
    def held(self) -> Path:
        """The note of what is in hand, where that is kept elsewhere than on this machine."""
        return self.hands.with_name(f"{self.hands.name}held")

    def of_shard(self, shard: Shard) -> Place:
        """Return the files of one shard of this output."""
        if shard.is_whole:
            return self
        base = self.division.with_name(f"{self.prefix}shard-{shard.index}-of-{shard.count}")
        return Place(
            journal=base.with_name(base.name + _DATABASE),
            lock=base.with_name(base.name + ".lock"),
            hands=base.with_name(base.name + ".hand-"),
            manifest=base.with_name(f"{base.name}.{_MANIFEST}"),
            division=self.division,
            shard=shard,
            prefix=self.prefix,
            elder=self.whole,
        )

    def shards(self) -> list[Place]:
        """Return the files of every shard whose journal lies here, in order."""
        names = set()
        with contextlib.suppress(OSError):
            names = {path.name for path in self.division.parent.iterdir()}
        return [each for each in self.among(names) if each.journal.name in names]

    def among(self, names: Iterable[str]) -> list[Place]:
        """Return the files of every shard that has any of them among these names, in order."""
        found = set(self._shards_of(names))
        return [self.of_shard(shard) for shard in sorted(found, key=_in_order)]

    def _shards_of(self, names: Iterable[str]) -> Iterator[Shard]:
        for name in names:
            bare = name.removeprefix(self.prefix)
            if name.startswith(self.prefix) and (found := _SHARD.fullmatch(bare)):
                with contextlib.suppress(OptionError):  # somebody else's file, then
                    shard = Shard(int(found["index"]), int(found["count"]))
                    if not shard.is_whole:
                        yield shard


def place_of(destination: str, journal: str | None = None) -> Place:
    """Return where the state of an output lives.

    `web` has its state in `web.pixmill` beside it. An output that is a mount point, or whose parent
    cannot be written, has it in `.pixmill` inside; state that stands in either place is found.

    Args:
        destination: Absolute path of the output.
        journal: The journal that the user named, with its lock beside it. Default: none.
    """
    if journal is not None:
        named = Path(journal).absolute()
        return Place(
            named,
            lock=named.with_name(named.name + ".lock-0"),
            hands=named.with_name(named.name + ".hand-0-"),
            manifest=named.with_name(named.name + f".{_MANIFEST}"),
            division=named.with_name(named.name + ".division"),
            prefix=f"{named.name}.",
        )
    folder = _folder(destination)
    return Place(
        folder / "journal-0.sqlite",
        lock=folder / "lock-0",
        hands=folder / "hand-0-",
        manifest=folder / _MANIFEST,
        division=folder / "division",
    )


def is_network(path: Path) -> bool:
    """Return whether a path lies on a network file system, as far as the system tells."""
    try:
        device = path.stat().st_dev
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    numbers = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == numbers and kind.split()[0] in _NETWORK:
            return True
    return False


def _folder(destination: str) -> Path:
    output = Path(destination)
    beside, inside = output.with_name(output.name + STATE_SUFFIX), output / STATE_SUFFIX
    if not output.name or inside.is_dir():
        return inside
    if beside.is_dir():
        return beside
    is_awkward = os.path.ismount(output) or not os.access(output.parent, os.W_OK)
    return inside if is_awkward and output.exists() else beside


def _in_order(shard: Shard) -> tuple[int, int]:
    return shard.count, shard.index
