"""The list of what every source became, for who writes `srcset`: one JSON file an output folder.

`{"schema": 1, "sources": {"a.jpg": [{"path": "a-320.jpg", "width": 320, "height": 213, "type":
"image/jpeg", "bytes": 9120}, ...]}}`: paths relative to the input and to the output, outputs format
by format in the order asked for, the narrowest first; `sha256` where runs know files by content.
It tells of sources whose every output was published, whichever run did so. Must not look at any of
these files, nor hold the list.
"""

from __future__ import annotations

import filecmp
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.errors import RunError
from pixmill.storage.drafts import draft, write_all
from pixmill.storage.folders import Root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["SCHEMA_VERSION", "Manifest"]

SCHEMA_VERSION: Final = 1
_CHUNK_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Manifest:
    """The list of one output folder.

    Args:
        path: Where it is written, absolute.
        kept: Called with it once it is written, to keep it elsewhere. Default: it stays there.
    """

    path: Path
    kept: Callable[[Path], None] = lambda _path: None

    def write(self, outputs: Iterable[tuple[str, str]]) -> None:
        """Write it anew in one step, and leave one that says the same as it is.

        Args:
            outputs: Sources, each with the list of its outputs as JSON.

        Raises:
            RunError: It cannot be written, or not be kept.
        """
        try:
            root = Root(str(self.path.parent))
            with root.folder("", can_make=True) as folder, draft(folder) as made:
                for chunk in _chunks(outputs):
                    write_all(made.descriptor, chunk)
                os.fsync(made.descriptor)
                if self._says(made.readable):
                    folder.unlink(made.name)
                else:
                    folder.replace(made.name, self.path.name)
        except OSError as error:
            raise RunError(
                f"the list of outputs cannot be written to {self.path}: "
                f"{error.strerror or error}; make room, or name another place with --manifest"
            ) from error
        self.kept(self.path)

    def _says(self, path: str) -> bool:
        return self.path.is_file() and filecmp.cmp(path, self.path, shallow=False)


def _chunks(outputs: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """Yield the document, a source a line, in pieces worth a call."""
    held = [f'{{"schema": {SCHEMA_VERSION}, "sources": {{']
    size = 0
    comma = ""
    for path, listed in outputs:
        held.append(f"{comma}\n{json.dumps(path)}: {listed}")
        size, comma = size + len(held[-1]), ","
        if size >= _CHUNK_BYTES:
            yield "".join(held).encode("ascii")
            held, size = [], 0
    yield "".join([*held, "\n}}\n"]).encode("ascii")
