"""How results look: the mean SSIMULACRA2 score against an exact reduction of their sources.

At the same quality number encoders differ in both, bytes and looks; without the second the first
says little. Must not judge: the table shows both.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.imaging.probe import probe
from pixmill.registry import recognised
from rating.pictures import Picture

if TYPE_CHECKING:
    from pathlib import Path

    from contest.contestants import Order

__all__ = ["Looks"]

_JUDGED_FILES: Final = 12
_HEAD_BYTES: Final = 4096


@dataclass(slots=True)
class Looks:
    """Scores the results of one job, whoever made them.

    Attributes:
        order: The job.
    """

    order: Order
    _exact: dict[tuple[Path, int, int], Picture] = field(default_factory=dict)

    def score(self) -> float | None:
        """Return the mean score of the first results; `None` for a job that is not judged so."""
        task = self.order.job.task
        if task.edge_px is None or task.quality is None:
            return None
        found = [self._score(file) for file in self._judged()]
        return statistics.fmean(found) if found else None

    def _judged(self) -> list[Path]:
        """Return sources whose colours need no conversion, which contestants do differently."""
        plain = (file for file in sorted(self.order.files) if _is_plain(file))
        return [file for file, _ in zip(plain, range(_JUDGED_FILES), strict=False)]

    def _score(self, file: Path) -> float:
        (result,) = self.order.place.destination.glob(f"{file.stem}.*")
        encoded = result.read_bytes()
        made = pyvips.Image.new_from_buffer(encoded, "")
        key = (file, made.width, made.height)
        if key not in self._exact:
            self._exact[key] = _reduced(*key)
        return self._exact[key].score(encoded)


def _is_plain(file: Path) -> bool:
    with file.open("rb") as opened:
        name = recognised(opened.read(_HEAD_BYTES))
    return bool(name) and not probe(str(file), name).has_profile


def _reduced(file: Path, width_px: int, height_px: int) -> Picture:
    """Return a source upright at a size, scaled in double precision of all its pixels."""
    full = pyvips.Image.new_from_file(str(file)).autorot().colourspace("srgb")
    exact = full.cast("double").resize(width_px / full.width, vscale=height_px / full.height, gap=0)
    rounded = (exact + 0.5).cast("uchar").copy(interpretation="srgb").copy_memory()
    return Picture(file.name, rounded)
