"""What a run tells its observers, and the fan-out that tells all of them.

Pure: a reporter of one's own may do I/O, this module may not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pixmill.model import Outcome
    from pixmill.recipe import Canonical

__all__ = [
    "Failure",
    "FanOut",
    "FormatCount",
    "Progress",
    "Ranked",
    "Reporter",
    "RunFacts",
    "Summary",
    "UnderWay",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is fixed when a run starts.

    Attributes:
        source: Root that is read, as the user named it.
        destination: Root that is written, as the user named it.
        recipe: Canonical recipe.
        fingerprint: Fingerprint of the recipe.
        workers: Worker processes.
        memory_bytes: Cap on the process tree.
        lease_bytes: Most that one image may cost.
        is_dry_run: Whether nothing is published.
        warnings: What the user should know before the run.
        is_in_place: Whether results replace their sources.
        backup: Absolute path of the folder that keeps the originals then, or empty.
        shard: The share of the files that the run makes, `3/16`; empty for all.
    """

    source: str
    destination: str
    recipe: dict[str, Canonical]
    fingerprint: str
    workers: int
    memory_bytes: int
    lease_bytes: int
    is_dry_run: bool
    warnings: tuple[str, ...] = ()
    is_in_place: bool = False
    backup: str = ""
    shard: str = ""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A file that takes its time, and the share of it that is made, 0 to 1."""

    path: str
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands at one moment.

    Attributes:
        optimized: Outcomes of that status so far; likewise the next three.
        kept: See `optimized`.
        skipped: See `optimized`.
        failed: See `optimized`.
        in_hand: Files in the hands of workers.
        files_found: Files that the run or its scan ahead has met so far.
        is_scanning: Whether that scan has not ended; it begins with the first file to be made.
        bytes_read: Bytes of the sources that are done.
        bytes_saved: Bytes saved so far; negative where results grew.
        files_per_s: Rate over the last seconds.
        bytes_per_s: Bytes of sources a second over the last seconds.
        done_fraction: Share of the cost that is done, 0 to 1; `None` while scanning.
        eta_s: Seconds that remain, `None` while scanning or too early to tell.
        elapsed_s: Seconds since the run started.
        memory_bytes: Summed proportional set size of the process tree, last measured.
        under_way: Files in hand that have taken seconds, as far as their workers told.
    """

    optimized: int = 0
    kept: int = 0
    skipped: int = 0
    failed: int = 0
    in_hand: int = 0
    files_found: int = 0
    is_scanning: bool = True
    bytes_read: int = 0
    bytes_saved: int = 0
    files_per_s: float = 0.0
    bytes_per_s: float = 0.0
    done_fraction: float | None = None
    eta_s: float | None = None
    elapsed_s: float = 0.0
    memory_bytes: int = 0
    under_way: tuple[UnderWay, ...] = ()

    @property
    def done(self) -> int:
        """Files that have an outcome."""
        return self.optimized + self.kept + self.skipped + self.failed


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed file in the summary."""

    path: str
    kind: str
    stage: str
    message: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """One of the slowest or largest files."""

    path: str
    seconds: float
    bytes_read: int


@dataclass(frozen=True, slots=True)
class FormatCount:
    """What became of the sources of one format."""

    files: int
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a run ended.

    Attributes:
        walked: Files met; the sum of the four counts.
        optimized: Outcomes of that status; likewise the next three.
        kept: See `optimized`.
        skipped: See `optimized`.
        failed: See `optimized`.
        bytes_read: Bytes of sources that were optimized or kept.
        bytes_written: Bytes published for them.
        wall_s: Seconds from start to end.
        cpu_s: CPU seconds of the process tree.
        peak_memory_bytes: Highest summed proportional set size of the tree that was measured.
        encodes: Encodes in all.
        scores: How often each score was reached by what was published, in tenths.
        pixels_written: Pixels of all published images, in all.
        is_interrupted: Whether the user stopped the run.
        fatal: Why the run stopped itself, or empty.
        skips: Count for each reason to skip.
        formats: What became of each source format.
        failures: Failed files, the first 10,000; `failed` counts them all.
        slowest: The ten slowest files, slowest first.
        largest: The ten largest sources, largest first.
        facts: What was fixed when the run started.
    """

    walked: int
    optimized: int
    kept: int
    skipped: int
    failed: int
    bytes_read: int
    bytes_written: int
    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    encodes: int
    scores: dict[int, int]
    pixels_written: int
    is_interrupted: bool
    fatal: str
    skips: dict[str, int]
    formats: dict[str, FormatCount]
    failures: tuple[Failure, ...]
    slowest: tuple[Ranked, ...]
    largest: tuple[Ranked, ...]
    facts: RunFacts

    @property
    def bytes_saved(self) -> int:
        """Bytes by which what was published is smaller than its sources."""
        return self.bytes_read - self.bytes_written

    @property
    def median_score(self) -> float | None:
        """Median of the scores, to a tenth; `None` without any."""
        left = (sum(self.scores.values()) + 1) // 2
        for tenths, count in sorted(self.scores.items()):
            left -= count
            if left <= 0:
                return tenths / 10
        return None


class Reporter(Protocol):
    """An observer of a run. It must not raise, block for long or keep every outcome."""

    def started(self, facts: RunFacts) -> None:
        """Learn what is fixed for this run."""

    def finished_file(self, outcome: Outcome) -> None:
        """Learn how one source ended."""

    def progressed(self, progress: Progress) -> None:
        """Learn where the run stands; called a few times a second."""

    def noticed(self, message: str) -> None:
        """Learn of something that is no file's outcome: a replaced worker, an interrupt."""

    def ended(self, summary: Summary) -> None:
        """Learn how the run ended; called once, whatever happened."""


@dataclass(frozen=True, slots=True)
class FanOut:
    """A reporter that tells several others, in order."""

    reporters: tuple[Reporter, ...] = field(default=())

    def started(self, facts: RunFacts) -> None:
        """Pass on the facts of the run."""
        for reporter in self.reporters:
            reporter.started(facts)

    def finished_file(self, outcome: Outcome) -> None:
        """Pass on one outcome."""
        for reporter in self.reporters:
            reporter.finished_file(outcome)

    def progressed(self, progress: Progress) -> None:
        """Pass on where the run stands."""
        for reporter in self.reporters:
            reporter.progressed(progress)

    def noticed(self, message: str) -> None:
        """Pass on a notice."""
        for reporter in self.reporters:
            reporter.noticed(message)

    def ended(self, summary: Summary) -> None:
        """Pass on the end."""
        for reporter in self.reporters:
            reporter.ended(summary)
