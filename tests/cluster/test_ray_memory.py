"""Where a node has no memory left Ray kills, and goes on killing; a run on it comes to an end.

Ray sees the memory of the whole machine. It is made to kill long before that is in need, and far
below what is free when the test begins, so that nothing else here comes near.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import psutil
import pytest

from cluster.ray_nodes import Nodes, nodes
from faults.feasting import FEAST
from pixmill.model import FailureKind
from pixmill.settings import ExecutorName, Settings
from runs import archive, by_path, digests, ran

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOM_BYTES: Final = 2_500_000_000
"""What may be taken until Ray kills: 0.5 GB by the cluster itself, the rest by who feasts and by
whatever else goes on."""
BEYOND_BYTES: Final = 500_000_000
"""How much more who feasts wants; what others give back meanwhile it takes as well."""
NODE_MB: Final = 640
LOCAL: Final = Settings(parallel=1, memory_bytes=1_000_000_000, timeout_s=60.0)


@pytest.fixture
def starving() -> Iterator[Nodes]:
    """Start a cluster of one node, on which Ray kills before the machine is in need."""
    available_bytes = psutil.virtual_memory().available
    if available_bytes < 2 * (ROOM_BYTES + BEYOND_BYTES):
        pytest.skip("too little memory is free to play with")
    least_bytes = available_bytes - ROOM_BYTES
    with nodes(**{FEAST: str(least_bytes - BEYOND_BYTES)}) as started:
        started.add(NODE_MB, least_bytes=least_bytes)
        yield started


def test_who_eats_all_memory_is_found_alone(starving: Nodes, tmp_path: Path) -> None:
    """Ray's kills name no file, and Ray does not count them: all others are as ever."""
    names = ["0.jpg", "1.jpg", "3.jpg"]
    source = archive(tmp_path / "in", *names, "2-feast.jpg")
    ran(source, tmp_path / "local", settings=LOCAL)
    (tmp_path / "local" / "2-feast.jpg").unlink()
    settings = replace(LOCAL, executor=ExecutorName.RAY, ray_address=starving.address)
    far = ran(source, tmp_path / "far", settings=settings, mill="faults.feasting:mill")
    failure = by_path(far.outcomes)["2-feast.jpg"].failure
    assert failure is not None
    assert failure.kind is FailureKind.CRASHED
    assert failure.message == "its worker died 3 times, by Ray, for want of memory on its node"
    assert (far.summary.optimized, far.summary.failed) == (len(names), 1)
    assert digests(tmp_path / "far") == digests(tmp_path / "local")
