"""A paper model of archives past one machine: the cluster, the bill, and what gives way first.

`python bench/cluster_model.py` writes bench/results/cluster-model.md. Measured figures and prices
stand at the top, each with where it comes from: change one and run it again. Nothing of this was
run on a cluster.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ARCHIVES",
    "JOBS",
    "MACHINE",
    "MEASURED",
    "PAGE",
    "PRICES",
    "STORE",
    "Archive",
    "Fleet",
    "Job",
    "fleet",
    "page",
]

PAGE: Final = Path(__file__).parent / "results" / "cluster-model.md"
_GB: Final = 1e9
_KEYS: Final = 1000
_DAY_S: Final = 86_400.0
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, in CPU time on a virtual CPU of an Intel Xeon.

    Attributes:
        object_bytes: Size of the objects that the next two were measured with.
        get_s: Of fetching one by obstore (research notes, section 2). It is taken to grow with
            the size, which is too much: part of it does not.
        put_s: Of putting one, likewise.
        coordinator_s: Of the coordinator for one file, at 256 workers (`make bench-scaling`).
        other_s: Of a shard for a file of another: met, hashed, left alone (20,000 files).
        ray_s: Of one task of Ray's, 100 paths, at most 64 in flight (research notes, section 1).
        row_bytes: Of the journal for a file (a million rows, names of 26 bytes).
        join_s: Of `pixmill merge` for a row of a shard's journal (the same).
        worker_bytes: Of memory for a worker, half of the tree of two (`bench/results/peers.md`).
    """

    object_bytes: float = 300e3
    get_s: float = 1.35e-3
    put_s: float = 0.74e-3
    coordinator_s: float = 139e-6
    other_s: float = 3.5e-6
    ray_s: float = 1.5e-3
    row_bytes: float = 187.0
    join_s: float = 10e-6
    worker_bytes: float = 113e6


@dataclass(frozen=True, slots=True)
class Store:
    """What an object store gives: what vendors say of one prefix, and an assumption.

    Attributes:
        gets: Requests to read a second and prefix.
        puts: Requests to write a second and prefix.
        page_s: Wait for one page of a listing, of a thousand keys; assumed.
    """

    gets: float = 5500.0
    puts: float = 3500.0
    page_s: float = 0.1


@dataclass(frozen=True, slots=True)
class Machine:
    """What one machine of the cluster is; assumed.

    Attributes:
        cpus: Virtual CPUs.
        busy: Share of their time that they work.
        chunk_s: Work in one of Ray's tasks.
        listing: Share of the deadline that walking the archive may take.
    """

    cpus: int = 64
    busy: float = 0.85
    chunk_s: float = 5.0
    listing: float = 0.05


@dataclass(frozen=True, slots=True)
class Prices:
    """Example prices in US dollars, like those that large clouds listed in November 2026.

    Attributes:
        cpu_h: A virtual CPU of a compute instance for an hour, on demand.
        spot_h: The same where it may be taken away.
        gets: A thousand requests to read.
        puts: A thousand requests to write, or to list.
        stored: A GB stored for a month.
    """

    cpu_h: float = 0.0425
    spot_h: float = 0.016
    gets: float = 0.0004
    puts: float = 0.005
    stored: float = 0.023


@dataclass(frozen=True, slots=True)
class Job:
    """One job of `make bench` (`bench/results/peers.md`), for one image.

    Attributes:
        name: What is made.
        cpu_s: CPU time of the whole process tree.
        read_bytes: Size of the source.
        written_bytes: Size of the result.
    """

    name: str
    cpu_s: float
    read_bytes: float
    written_bytes: float


@dataclass(frozen=True, slots=True)
class Archive:
    """So many images, and the days in which they are to be done."""

    images: float
    days: float

    @property
    def name(self) -> str:
        """How the tables call it."""
        return f"{self.images / 1e6:,.0f} M in {self.days:g} d"


MEASURED: Final = Measured()
STORE: Final = Store()
MACHINE: Final = Machine()
PRICES: Final = Prices()
JOBS: Final = (
    Job("1920 px", cpu_s=7.35 / 48, read_bytes=71.2e6 / 48, written_bytes=14.67e6 / 48),
    Job("400 px", cpu_s=4.09 / 48, read_bytes=71.2e6 / 48, written_bytes=1.00e6 / 48),
)
ARCHIVES: Final = (Archive(1e8, 1), Archive(1e8, 7), Archive(1e10, 7), Archive(1e10, 30))


@dataclass(frozen=True, slots=True)
class Fleet:
    """What one job over one archive takes, from bucket to bucket, one shard a machine.

    Attributes:
        images_per_s: Rate that the deadline asks for.
        cpu_s: CPU time for one image, its objects and its share of a coordinator's included.
        machines: Machines that work side by side, and so shards.
        cpu_h: Hours of virtual CPUs.
        network_gbit_s: What one machine reads and writes.
        list_h: Time that one walk of the whole archive waits for pages.
        walk_h: CPU time that one shard spends on files of others.
        parts: Parts that the archive has to be divided into by folder, so that a walk takes a
            small share of the deadline.
        prefixes: Prefixes that results must be spread over, so that no request is refused.
        ray_coordinators: Coordinators, were the machines one cluster of Ray's.
        journal_gb: Journals of all shards.
        join_h: CPU time of joining them.
        request_dollars: Requests to read and to write.
        list_dollars: Listings by all shards, if the archive were not divided.
        parted_dollars: Listings where it is.
        stored_dollars: Results, for a month.
    """

    images_per_s: float
    cpu_s: float
    machines: int
    cpu_h: float
    network_gbit_s: float
    list_h: float
    walk_h: float
    parts: int
    prefixes: int
    ray_coordinators: int
    journal_gb: float
    join_h: float
    request_dollars: float
    list_dollars: float
    parted_dollars: float
    stored_dollars: float


def fleet(job: Job, archive: Archive) -> Fleet:
    """Return what a job over an archive takes."""
    deadline_s = archive.days * _DAY_S
    rate = archive.images / deadline_s
    cpu_s = job.cpu_s + _moved_s(job) + MEASURED.coordinator_s
    busy_s = archive.images * cpu_s / MACHINE.busy
    machines = math.ceil(busy_s / deadline_s / MACHINE.cpus)
    list_s = archive.images / _KEYS * STORE.page_s
    parts = math.ceil(list_s / (MACHINE.listing * deadline_s))
    list_dollars = archive.images / _KEYS * PRICES.puts / _KEYS
    deciding_s = _deciding_s(cpu_s)
    return Fleet(
        images_per_s=rate,
        cpu_s=cpu_s,
        machines=machines,
        cpu_h=busy_s / _HOUR_S,
        network_gbit_s=rate / machines * (job.read_bytes + job.written_bytes) * 8 / 1e9,
        list_h=list_s / _HOUR_S,
        walk_h=archive.images * MEASURED.other_s / _HOUR_S,
        parts=parts,
        prefixes=math.ceil(max(rate / STORE.gets, rate / STORE.puts)),
        ray_coordinators=math.ceil(rate * deciding_s / MACHINE.busy),
        journal_gb=archive.images * MEASURED.row_bytes / _GB,
        join_h=archive.images * MEASURED.join_s / _HOUR_S,
        request_dollars=archive.images / _KEYS * (PRICES.gets + PRICES.puts),
        list_dollars=list_dollars * machines,
        parted_dollars=list_dollars * math.ceil(machines / parts),
        stored_dollars=archive.images * job.written_bytes / _GB * PRICES.stored,
    )


def _deciding_s(cpu_s: float) -> float:
    """Return a coordinator's CPU time for an image, its share of one of Ray's tasks included."""
    return MEASURED.coordinator_s + MEASURED.ray_s * cpu_s / MACHINE.chunk_s


def _fed_cpus(job: Job) -> float:
    """Return how many CPUs one coordinator keeps busy through Ray."""
    cpu_s = fleet(job, ARCHIVES[0]).cpu_s
    return cpu_s / _deciding_s(cpu_s)


def _moved_s(job: Job) -> float:
    """Return CPU time for an image's two objects."""
    got = max(1.0, job.read_bytes / MEASURED.object_bytes) * MEASURED.get_s
    return got + max(1.0, job.written_bytes / MEASURED.object_bytes) * MEASURED.put_s


def page() -> str:
    """Return the page's text."""
    rows = [(job, archive, fleet(job, archive)) for job in JOBS for archive in ARCHIVES]
    bill = _table(
        "job, images|images/s|machines|vCPU hours|on demand $|spot $|requests $|results $ a month",
        (
            (
                f"{job.name}, {archive.name}",
                f"{one.images_per_s:,.0f}",
                f"{one.machines:,}",
                f"{one.cpu_h:,.0f}",
                f"{one.cpu_h * PRICES.cpu_h:,.0f}",
                f"{one.cpu_h * PRICES.spot_h:,.0f}",
                f"{one.request_dollars:,.0f}",
                f"{one.stored_dollars:,.0f}",
            )
            for job, archive, one in rows
        ),
    )
    bounds = _table(
        "job, images|Gbit/s a machine|prefixes|one walk: waits h|and CPU h|parts"
        "|listing $, not parted|parted|journals GB|join CPU h|Ray's coordinators",
        (
            (
                f"{job.name}, {archive.name}",
                f"{one.network_gbit_s:.1f}",
                f"{one.prefixes}",
                f"{one.list_h:,.1f}",
                f"{one.walk_h:,.1f}",
                f"{one.parts}",
                f"{one.list_dollars:,.2f}",
                f"{one.parted_dollars:,.2f}",
                f"{one.journal_gb:,.0f}",
                f"{one.join_h:,.1f}",
                f"{one.ray_coordinators}",
            )
            for job, archive, one in rows
        ),
    )
    return _TEXT.format(
        cpus=MACHINE.cpus,
        busy=MACHINE.busy,
        listing=MACHINE.listing,
        inputs=_table("input|value", _inputs()),
        fed=1 / MEASURED.coordinator_s,
        fed_cpus=_fed_cpus(JOBS[0]),
        puts=STORE.puts,
        images=MACHINE.cpus / fleet(JOBS[0], ARCHIVES[0]).cpu_s,
        bill=bill,
        bounds=bounds,
    )


def _inputs() -> Iterable[Sequence[str]]:
    """Yield every figure that the model rests on."""
    for job in JOBS:
        yield (
            f"CPU of an image to {job.name} JPEG; its source; its result",
            f"{job.cpu_s * 1e3:.0f} ms; {_mb(job.read_bytes)}; {_mb(job.written_bytes)}",
        )
    known, store, prices = MEASURED, STORE, PRICES
    yield "fetching, putting 300 kB", f"{known.get_s * 1e3:.2f}, {known.put_s * 1e3:.2f} ms of CPU"
    yield "coordinator, for a file", f"{known.coordinator_s * 1e6:.0f} us of CPU"
    yield "a shard, for a file of another", f"{known.other_s * 1e6:.1f} us of CPU"
    yield "a task of Ray's, of 5 s", f"{known.ray_s * 1e3:.1f} ms of CPU"
    yield "journal, for a file; joining it", f"{known.row_bytes:.0f} bytes; 10 us of CPU"
    yield "memory for a worker", f"{known.worker_bytes / 1e6:.0f} MB"
    yield "a prefix gives", f"{store.gets:,.0f} reads, {store.puts:,.0f} writes a second"
    yield "a page of 1,000 keys takes (assumed)", f"{store.page_s:g} s"
    yield "a vCPU hour, on demand; spot (example)", f"${prices.cpu_h:g}; ${prices.spot_h:g}"
    yield "1,000 reads; writes or listings (example)", f"${prices.gets:g}; ${prices.puts:g}"
    yield "a GB for a month (example)", f"${prices.stored:g}"


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.2f} MB"


def _table(heads: str, rows: Iterable[Sequence[str]]) -> str:
    names = heads.split("|")
    lines = [f"| {' | '.join(names)} |", f"|---|{'--:|' * (len(names) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


_TEXT: Final = """\
# Past one machine, on paper

Written by `python bench/cluster_model.py` from figures that were measured on two virtual CPUs
and from example prices of November 2026. No cluster was rented: these are estimates, good to
find what gives way first. Machines have {cpus} vCPUs that work {busy:.0%} of the time; from
bucket to bucket, one shard a machine.

{inputs}

## Cluster and bill

{bill}

Writing costs more than making: a request for each result is twice the CPU on demand, and keeping
results of 1920 px for a month is nearly as much as both. So CPU that makes files smaller is soon
earned, and the machines that may be taken away are the ones to rent: a shard that is evicted
loses what it has in hand. Requests cost the same however the work is divided. Traffic inside one
region is taken to be free.

## What gives way first

{bounds}

1. **Listing.** A bucket is listed page after page, and by every shard, for each has to know
   which files are its own. With 100 million keys that is three hours; with 10 billion one walk
   lasts longer than a week, and each machine more pays for another. Such an archive has to be
   divided by folder first, into as many parts as the table says (a walk then takes {listing:.0%}
   of the deadline): each is a run of its own, into its folder of the output, with shards of its
   own. Names do not collide across folders, so the results are the same.
2. **Journals.** Each shard's is small. All rows in one are too many from some hundred million
   on: leave the journals of parts where they are, and join their reports alone (`pixmill merge
   REPORT...`, part by part). Keep N, too, for another N joins them first.
3. **Writes to one prefix.** Above {puts:,.0f} a second results have to go to as many prefixes as
   the table says, which parts by folder do by themselves.
4. **The coordinator** is far from its end with shards: it can tell of {fed:,.0f} files a second,
   and a machine makes {images:.0f}. One that feeds a whole cluster through Ray fills
   {fed_cpus:,.0f} vCPUs at most; a larger one takes several, as the table says, each over its
   share of the files.
5. **The network** has to give each machine what the table says: machines are chosen by that,
   too.
"""


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
