"""Where the state of an output lives: its journal and its lock.

Beside the output, not in it: an output tree is served to the world.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Place", "is_network", "place_of"]

# Each shard of a run will have a journal and a lock of its own; there is one shard today.
_SHARD = 0
_MANIFEST = "srcset.json"
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "fuse.sshfs"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """The files that hold the state of one output.

    Attributes:
        journal: The SQLite file.
        lock: The file whose lock says that a run is under way.
        hands: The files in which workers note what they hold, but for the number at their end.
        manifest: The list of outputs where sources have several.
    """

    journal: Path
    lock: Path
    hands: Path
    manifest: Path


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
            lock=named.with_name(named.name + f".lock-{_SHARD}"),
            hands=named.with_name(named.name + f".hand-{_SHARD}-"),
            manifest=named.with_name(named.name + f".{_MANIFEST}"),
        )
    folder = _folder(destination)
    return Place(
        folder / f"journal-{_SHARD}.sqlite",
        lock=folder / f"lock-{_SHARD}",
        hands=folder / f"hand-{_SHARD}-",
        manifest=folder / _MANIFEST,
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
    beside, inside = output.with_name(output.name + ".pixmill"), output / ".pixmill"
    if not output.name or inside.is_dir():
        return inside
    if beside.is_dir():
        return beside
    is_awkward = os.path.ismount(output) or not os.access(output.parent, os.W_OK)
    return inside if is_awkward and output.exists() else beside
