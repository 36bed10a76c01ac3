"""Tell heats: a table in Markdown, and all that was measured as JSON.

Must not measure.
"""

from __future__ import annotations

import json
import platform
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.machine import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contest.standings import Heat, Standing

__all__ = ["Facts", "facts", "page", "record", "table"]

_COLUMNS: Final = (
    "images/s",
    "MB/s",
    "CPU s",
    "memory MB",
    "written MB",
    "score",
    "time / pixmill",
    "CPU / pixmill",
)
_HEAD: Final = f"| contestant | {' | '.join(_COLUMNS)} |\n|---|{'--:|' * len(_COLUMNS)}"
_HOW: Final = (
    "Everybody in turn on the same files, in as many processes as CPUs. Memory is the highest sum "
    "of proportional set sizes\nover the process tree, in a run that is not timed. The codec floor "
    "is libvips decoding, resizing and encoding in a\nbare loop per core. "
    "Score is the mean SSIMULACRA2 of up to twelve results against an exact reduction of their "
    "sources:\nat one quality encoders differ in bytes and in looks, and neither says much alone."
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the figures hang on.

    Attributes:
        date: Day of the contest.
        processor: As the system names it.
        cpus: How many this process may use.
        system: Kernel.
        python: Version.
        libvips: Version of pixmill's and the floor's.
        load: Processes that wanted a CPU in the minute before it began.
        rounds: Timed rounds.
        versions: Of each contestant, by its title; "missing" where it is not installed.
    """

    date: str
    processor: str
    cpus: int
    system: str
    python: str
    libvips: str
    load: float
    rounds: int
    versions: dict[str, str]

    @property
    def line(self) -> str:
        """All but the versions, in a line."""
        return (
            f"{self.date}, {self.processor}, {self.cpus} CPUs, {self.system}, "
            f"Python {self.python}, libvips {self.libvips}, "
            f"load {self.load:.1f} before it began, medians of {self.rounds}"
        )


def facts(versions: dict[str, str], *, rounds: int, load: float) -> Facts:
    """Return what the machine says of itself."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(
        r"^model name\s*: (.+)$", cpuinfo.read_text() if cpuinfo.exists() else "", re.MULTILINE
    )
    return Facts(
        date=time.strftime("%Y-%m-%d"),
        processor=found[1] if found else platform.processor() or "unknown processor",
        cpus=usable_cpus(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        libvips=".".join(str(pyvips.version(part)) for part in range(3)),
        load=load,
        rounds=rounds,
        versions=versions,
    )


def table(heat: Heat) -> str:
    """Return one job as a table, and below it what is left of the codec floor, and who failed."""
    lines = [f"### ({heat.job.key}) {heat.job.title}", "", _sources(heat), "", _HEAD]
    lines += [_row(heat, each) for each in heat.standings if each.has_figures]
    floor = heat.floor
    if floor is not None and floor.has_figures and heat.ours.has_figures:
        lines += ["", _efficiency(heat, floor)]
    failed = [
        f"{each.title} has no figures, and held {each.tree_bytes / 1e6:.0f} MB: {each.fault}"
        for each in heat.standings
        if each.fault
    ]
    return "\n".join([*lines, *(line for each in failed for line in ("", each)), ""])


def page(facts: Facts, heats: Sequence[Heat]) -> str:
    """Return everything, as it stands in `bench/results`."""
    versions = "\n".join(f"- {title}: {found}" for title, found in facts.versions.items())
    parts = [
        "# pixmill and its peers",
        f"Made by `make bench`: {facts.line}.",
        _HOW,
        "![images a second, job by job](peers.svg)",
        versions,
        *(table(heat).rstrip() for heat in heats),
    ]
    return "\n\n".join(parts) + "\n"


def record(facts: Facts, heats: Sequence[Heat]) -> str:
    """Return every round of everybody as JSON."""
    written = {
        "facts": asdict(facts),
        "jobs": [
            {
                "key": heat.job.key,
                "title": heat.job.title,
                "files": heat.job.files,
                "read_bytes": heat.read_bytes,
                "standings": [asdict(each) for each in heat.standings],
            }
            for heat in heats
        ],
    }
    return json.dumps(written, indent=1) + "\n"


def _sources(heat: Heat) -> str:
    count = f"{heat.job.files:,} files" if heat.job.files > 1 else "1 file"
    return f"{count}, {heat.read_bytes / 1e6:,.1f} MB; pixmill with --effort {heat.job.effort}."


def _row(heat: Heat, standing: Standing) -> str:
    cells = (
        f"**{standing.title}**" if standing is heat.ours else standing.title,
        _figure(heat.images_per_s(standing)),
        _figure(heat.mb_per_s(standing)),
        f"{standing.median_cpu_s:.2f}",
        f"{standing.tree_bytes / 1e6:.0f}",
        f"{standing.written_bytes / 1e6:.2f}",
        "" if standing.score is None else f"{standing.score:.1f}",
        *_ratios(heat, standing),
    )
    return f"| {' | '.join(cells)} |"


def _ratios(heat: Heat, standing: Standing) -> tuple[str, str]:
    if not heat.ours.has_figures:
        return "", ""
    return f"{heat.wall_ratio(standing):.2f}", f"{heat.cpu_ratio(standing):.2f}"


def _efficiency(heat: Heat, floor: Standing) -> str:
    cpu, wall = heat.cpu_ratio(floor), heat.wall_ratio(floor)
    return f"Engine efficiency, floor / pixmill: {cpu:.0%} of CPU, {wall:.0%} of time."


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"
