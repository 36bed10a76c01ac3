"""What stands in a folder of results under the names of a series, whatever their widths.

Must not open a file.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pixmill.series import NameTemplate, Series

__all__ = ["Standing"]


class Named(Protocol):
    """What has names in folders."""

    def names(self, folder: str) -> list[str]:
        """Return the bare names in a folder."""


@dataclass(slots=True)
class Standing:
    """The names in one folder at a time, as they were when it was first asked for.

    Widths are known once a source is opened, so names cannot be asked for one by one.

    Args:
        destination: Where results go.
        template: How they are named.
    """

    destination: Named
    template: NameTemplate
    _folder: str | None = None
    _names: dict[str, list[str]] = field(default_factory=dict)

    def of(self, series: Series) -> list[str]:
        """Return what stands under the names of a series, relative to the destination."""
        folder = posixpath.dirname(series.before)
        if folder != self._folder:
            self._folder, self._names = folder, self._listed(folder)
        keys = (posixpath.basename(key).lower() for key in series.keys)
        found = (posixpath.join(folder, name) for key in keys for name in self._names.get(key, ()))
        return [name for name in found if series.has(name)]

    def _listed(self, folder: str) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for name in self.destination.names(folder):
            if key := self.template.key_of(name.lower()):
                names.setdefault(key, []).append(name)
        return names
