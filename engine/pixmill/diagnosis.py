"""What this kernel and this machine give a run: confinement, limits, room, stores, libraries.

Changes nothing, and asks no object store for anything. Loads pyvips only when asked, and so into
the caller's process.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.address import DEFAULT_ACCESS, Address
from pixmill.errors import PixmillError
from pixmill.extras import OBSTORE, how_to_install, is_installed
from pixmill.freight import Look, Voyage
from pixmill.machine import (
    available_memory_bytes,
    cgroup_cpus,
    cgroup_memory_bytes,
    file_system,
    knows_data_size,
    knows_proportional_size,
    usable_cpus,
)
from pixmill.sandbox import offered
from pixmill.settings import Settings
from pixmill.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.sandbox import Offer

__all__ = ["Finding", "diagnosed", "is_sound"]

_IN_MEMORY = {"tmpfs", "ramfs"}
_FERRY_S = 20.0
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        value: What was found, for a person.
        is_there: Whether it is there.
        is_required: Whether `--sandbox require` cannot do without.
    """

    name: str
    value: str
    is_there: bool = True
    is_required: bool = False


def diagnosed() -> list[Finding]:
    """Look at everything a run depends on."""
    offer = offered()
    return [
        Finding("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        *_confinement(offer),
        *_limits(),
        *_room(),
        *_stores(offer),
        *_libraries(),
    ]


def is_sound(findings: list[Finding]) -> bool:
    """Return whether a worker can be confined as `--sandbox require` asks."""
    return all(each.is_there for each in findings if each.is_required)


def _confinement(offer: Offer) -> Iterator[Finding]:
    reasons = "; ".join(offer.missing)
    abi = f"ABI {offer.landlock_abi}: workers reach the input and the output alone"
    calls = "programs, connections and other processes end a worker"
    for name, is_there, value in (
        ("Landlock", offer.landlock_abi > 0, abi),
        ("seccomp", offer.has_seccomp, calls),
    ):
        yield Finding(name, value if is_there else reasons, is_there, is_required=True)


def _limits() -> Iterator[Finding]:
    can_limit, can_measure = knows_data_size(), knows_proportional_size()
    yield Finding(
        "memory limit",
        "RLIMIT_DATA, set for each image" if can_limit else "the system limits no data",
        can_limit,
    )
    yield Finding(
        "memory measure",
        "proportional set size"
        if can_measure
        else "resident size, which counts shared pages twice",
        can_measure,
    )
    is_linux = sys.platform == "linux"
    yield Finding(
        "workers",
        "forked off a nursery" if is_linux else "spawned, 12 MB more each",
        is_linux,
    )


def _room() -> Iterator[Finding]:
    quota = cgroup_cpus()
    by_group = "no quota" if quota is None else f"a quota of {quota:g}"
    yield Finding("CPUs", f"{usable_cpus()} usable of {os.cpu_count()}, {by_group} by cgroup")
    limit_bytes = cgroup_memory_bytes()
    by_group = "no limit" if limit_bytes is None else f"a limit of {format_size(limit_bytes)}"
    yield Finding("memory", f"{format_size(available_memory_bytes())} free, {by_group} by cgroup")
    folder = tempfile.gettempdir()
    kind = file_system(folder)
    room = format_size(shutil.disk_usage(folder).free)
    where = "held in memory" if kind in _IN_MEMORY else "on disc"
    yield Finding("temporary files", f"{folder}, {kind or 'unknown'}, {where}, {room} free")


def _stores(offer: Offer) -> Iterator[Finding]:
    """Tell what holds of object stores: who may speak to them, and who may not."""
    if not is_installed(OBSTORE):
        yield Finding("object stores", how_to_install(OBSTORE), is_there=False)
        return
    from importlib import metadata  # noqa: PLC0415 - 6 ms of every run's start, for one line here

    yield Finding(
        "object stores", f"obstore {metadata.version(OBSTORE.module)}: s3://, gs://, az://"
    )
    trouble = _trouble_of_a_ferry()
    carries = "starts; it alone speaks to stores, with access from the environment or by flags"
    yield Finding("ferry", trouble or carries, not trouble)
    kept = "reach no network, and get no access to stores"
    if not offer.has_seccomp:
        kept = f"may reach the network: {'; '.join(offer.missing)}"
    yield Finding("workers beside a ferry", kept, offer.has_seccomp)


def _trouble_of_a_ferry() -> str:
    """Have a ferry look into a store that is only its own memory, and return why it does not."""
    from pixmill.executors.ferry import Ferry  # noqa: PLC0415 - not for who has no obstore

    ferry = Ferry(
        Voyage(
            source=None,
            destination=Address("memory", "doctor"),
            access=DEFAULT_ACCESS,
            settings=Settings(),
            staging=tempfile.gettempdir(),
        )
    )
    until_s = time.monotonic() + _FERRY_S
    try:
        ferry.send(Look(0, names=("x",)))
        while not ferry.heard():
            if time.monotonic() > until_s:
                return f"does not answer within {_FERRY_S:g} s"
            time.sleep(_LOOK_S)
    except PixmillError as error:
        return str(error)
    finally:
        ferry.close()
    return ""


def _libraries() -> Iterator[Finding]:
    from pixmill.imaging.support import library_versions  # noqa: PLC0415 - loads pyvips

    yield Finding("Python", platform.python_version())
    for name, version in library_versions().items():
        yield Finding(name, version)
