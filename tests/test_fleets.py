"""Where workers are: what is refused before a cluster is joined, and what nodes are asked for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from pixmill.ends import LOCAL_ENDS
from pixmill.errors import OptionError
from pixmill.executors import ray_fleet
from pixmill.executors.fleets import fleet_of
from pixmill.executors.ray import RayExecutor
from pixmill.executors.tidings import Node
from pixmill.extras import Package
from pixmill.options import Options, meant
from pixmill.protocol import Setup
from pixmill.recipe import Recipe
from pixmill.settings import Durability, ExecutorName, Settings
from pixmill.sizing import AFIELD_BYTES, sized, sized_afield
from pixmill.storage.drafts import beacon, is_beacon_lit, sweep_below
from pixmill.storage.folders import Root

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.executors.outpost import Brief
    from pixmill.executors.ray import Gateway

RAY = ExecutorName.RAY
MB = 1_000_000
SETUP = Setup(
    slot=0,
    source_root="/in",
    destination_root="/out",
    recipe=Recipe(),
    lease_bytes=0,
    base_bytes=0,
    can_replace=False,
    is_dry_run=True,
)


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (Settings(ray_address="10.0.0.1:6379"), "ray_address"),
        (Settings(executor=RAY, in_place=True, no_backup=True), "in_place"),
        (Settings(executor=RAY, durability=Durability.BATCH), "durability"),
        (Settings(executor=RAY, ray_address="ray://10.0.0.1:10001"), "ray_address"),
        (Settings(executor=RAY, ray_address="10.0.0.1"), "ray_address"),
    ],
)
def test_what_makes_no_sense_with_an_executor_is_refused(settings: Settings, option: str) -> None:
    """The option is named, and nothing was started."""
    with pytest.raises(OptionError) as caught:
        fleet_of(settings)
    assert caught.value.option == option


def test_without_ray_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is an extra: who asks for it without having it learns how to get it."""
    monkeypatch.setattr(ray_fleet, "RAY", Package("no_such_module", "ray"))
    with pytest.raises(OptionError, match=r"pip install 'pixmill\[ray\]'"):
        fleet_of(Settings(executor=RAY))


def test_flags_say_where_workers_are() -> None:
    """Both options reach the settings."""
    settings = meant(Options(executor=RAY, ray_address="auto")).settings
    assert (settings.executor, settings.ray_address) == (RAY, "auto")


@pytest.mark.parametrize("memory_bytes", [150 * MB, 400 * MB, 8_000 * MB])
def test_an_image_may_hold_the_same_wherever_it_is_made(memory_bytes: int) -> None:
    """Bytes depend on the lease, so that of a cluster is that of a local run under the same cap."""
    afield = sized_afield(memory_bytes, 64)
    assert afield.lease_bytes == sized(memory_bytes, 2, was_asked=False).lease_bytes
    assert afield.workers == 64


def test_the_share_of_an_image_leaves_no_cpu_idle() -> None:
    """It fits every CPU of every node that has memory for any image."""
    sizing = sized_afield(4_000 * MB, 5)
    large, small, tiny = Node("a", 4, 8_000 * MB), Node("b", 1, 200 * MB), Node("c", 8, 50 * MB)

    def room_bytes(*nodes: Node) -> int:
        return ray_fleet._room_bytes(nodes, sizing, AFIELD_BYTES)

    assert room_bytes(large, small, tiny) == 200 * MB - AFIELD_BYTES
    assert room_bytes(large) == 2_000 * MB - AFIELD_BYTES
    assert room_bytes(tiny) == sizing.base_bytes


@pytest.mark.parametrize(
    ("node_bytes", "kept_bytes"),
    [(200 * MB, 0), (2 * (AFIELD_BYTES + 100 * MB), 0), (2_000 * MB, 64 * MB)],
)
def test_nodes_keep_what_images_free_where_each_cpu_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node_bytes: int, kept_bytes: int
) -> None:
    """It is set aside with every task, and an image may hold what it may everywhere else."""
    monkeypatch.setattr(ray_fleet, "RAY", Package("pixmill", "ray"))  # it is not spoken to here
    told: list[Brief] = []
    node = Node("a", 2, node_bytes)
    gateway = SimpleNamespace(nodes=(node,), words=SimpleNamespace(send=told.append))
    fleet = ray_fleet.RayFleet(Settings(executor=RAY), LOCAL_ENDS)
    fleet._gateway = cast("Gateway", gateway)
    sizing = fleet.sized(150 * MB)
    lease_bytes = sized_afield(150 * MB, 2).lease_bytes
    assert (sizing.kept_bytes, sizing.lease_bytes) == (kept_bytes, lease_bytes)
    assert sizing.room_bytes == node_bytes - AFIELD_BYTES - kept_bytes
    executor = fleet.executor(replace(SETUP, destination_root=str(tmp_path)), sizing, None)
    assert isinstance(executor, RayExecutor)
    executor.held.close()
    assert told[0].afield_bytes == AFIELD_BYTES + kept_bytes
    left_bytes = max(node_bytes // 2 - AFIELD_BYTES - kept_bytes, sizing.base_bytes)
    assert executor.chunks.share_bytes == min(left_bytes, lease_bytes)


def test_a_beacon_is_seen_where_its_folder_and_its_locks_are(tmp_path: Path) -> None:
    """While it is held it is lit and no sweep takes it; afterwards it is gone."""
    root = Root(str(tmp_path / "out"))
    with beacon(root) as path:
        assert is_beacon_lit(path)
        assert sweep_below(root, "").removed == 0
    assert not is_beacon_lit(path)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_beacon_that_nobody_holds_is_not_lit(tmp_path: Path) -> None:
    """A folder of the same name on another disc may hold such a file, too."""
    stale = tmp_path / ".pixmill-0.tmp"
    stale.touch()
    assert not is_beacon_lit(str(stale))
