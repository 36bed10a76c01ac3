"""Where workers are: what is refused before a cluster is joined, and what nodes are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixmill.errors import OptionError
from pixmill.executors import ray_fleet
from pixmill.executors.fleets import fleet_of
from pixmill.executors.tidings import Node
from pixmill.extras import Package
from pixmill.options import Options, meant
from pixmill.settings import Durability, ExecutorName, Settings
from pixmill.sizing import AFIELD_BYTES, sized, sized_afield
from pixmill.storage.drafts import beacon, is_beacon_lit, sweep_below
from pixmill.storage.folders import Root

if TYPE_CHECKING:
    from pathlib import Path

RAY = ExecutorName.RAY
MB = 1_000_000


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
    """It fits every CPU of every node that has memory for any image, and never exceeds a lease."""
    sizing = sized_afield(4_000 * MB, 5)
    large, small, tiny = Node("a", 4, 8_000 * MB), Node("b", 1, 200 * MB), Node("c", 8, 50 * MB)
    assert (
        ray_fleet._share_bytes((large, small, tiny), sizing, AFIELD_BYTES)
        == 200 * MB - AFIELD_BYTES
    )
    assert ray_fleet._share_bytes((large,), sizing, AFIELD_BYTES) == 2_000 * MB - AFIELD_BYTES
    assert (
        ray_fleet._share_bytes((Node("d", 1, 90_000 * MB),), sizing, AFIELD_BYTES)
        == sizing.lease_bytes
    )
    assert ray_fleet._share_bytes((tiny,), sizing, AFIELD_BYTES) == sizing.base_bytes


def test_a_beacon_is_seen_where_its_folder_and_its_locks_are(tmp_path: Path) -> None:
    """While it is held it is lit and no sweep takes it; afterwards it is gone."""
    root = Root(str(tmp_path / "out"))
    with beacon(root) as path:
        assert is_beacon_lit(path)
        assert sweep_below(root, "") == 0
    assert not is_beacon_lit(path)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_beacon_that_nobody_holds_is_not_lit(tmp_path: Path) -> None:
    """A folder of the same name on another disc may hold such a file, too."""
    stale = tmp_path / ".pixmill-0.tmp"
    stale.touch()
    assert not is_beacon_lit(str(stale))
