"""What a contest measured: medians, ratios and efficiency, out of rounds.

Pure: numbers in, numbers out.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contest.jobs import Job

__all__ = ["Heat", "Standing"]


@dataclass(slots=True)
class Standing:
    """How one contestant did in one job.

    Attributes:
        name: The contestant's.
        title: As a person reads it.
        wall_s: Seconds on the clock, a round each.
        cpu_s: Seconds of CPU, likewise.
        tree_bytes: Highest proportional set size of its process tree.
        written_bytes: What its results take.
        score: Mean SSIMULACRA2 score of its results; `None` where looks are not judged.
        fault: Why it has no figures, empty where it has.
    """

    name: str
    title: str
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    tree_bytes: int = 0
    written_bytes: int = 0
    score: float | None = None
    fault: str = ""

    @property
    def has_figures(self) -> bool:
        """Whether it took part."""
        return not self.fault and bool(self.wall_s)

    @property
    def median_wall_s(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.wall_s)

    @property
    def median_cpu_s(self) -> float:
        """Likewise, of CPU."""
        return statistics.median(self.cpu_s)


@dataclass(frozen=True, slots=True)
class Heat:
    """One job, done by everybody.

    Attributes:
        job: The job.
        read_bytes: What its sources take.
        standings: pixmill's first, then everybody else's.
        floor: The codec floor's, which is one of them; `None` where the job has none.
    """

    job: Job
    read_bytes: int
    standings: tuple[Standing, ...]
    floor: Standing | None

    @property
    def ours(self) -> Standing:
        """Those of pixmill."""
        return self.standings[0]

    def images_per_s(self, standing: Standing) -> float:
        """Return images a second."""
        return self.job.files / standing.median_wall_s

    def mb_per_s(self, standing: Standing) -> float:
        """Return megabytes of sources a second."""
        return self.read_bytes / 1e6 / standing.median_wall_s

    def wall_ratio(self, standing: Standing) -> float:
        """Return how many times as long as pixmill it took."""
        return standing.median_wall_s / self.ours.median_wall_s

    def cpu_ratio(self, standing: Standing) -> float:
        """Return how many times pixmill's CPU it took."""
        return standing.median_cpu_s / self.ours.median_cpu_s
