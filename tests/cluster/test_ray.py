"""A run on a cluster of Ray ends as a local run does, byte for byte, whatever happens to its nodes.

The cluster has a head and two nodes on loopback, each ended by process id.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil
import pytest
from PIL import Image

import pixmill
from cluster.ray_nodes import Nodes, nodes
from faults.plugin import MARKERS
from pixmill.errors import RunError
from pixmill.executors import ray_fleet
from pixmill.executors.orders import Watch
from pixmill.executors.ray import Gateway
from pixmill.executors.vigil import Alive
from pixmill.model import FailureKind, Outcome, Status
from pixmill.recipe import Recipe
from pixmill.settings import ExecutorName, Sandbox, Settings
from pixmill.vocabulary import Effort, Operation
from runs import (
    HALVED,
    Ended,
    archive,
    by_path,
    digests,
    left_running,
    ran,
    runs_as,
    temporary_files,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LARGE_MB: Final = 640
SMALL_MB: Final = 160
LOCAL: Final = Settings(parallel=2, memory_bytes=1_000_000_000, timeout_s=60.0)
NAMES: Final = tuple(f"folder-{number % 3}/{number:03}.jpg" for number in range(60))
STRUCK_AFTER: Final = 8
COSTLY: Final = Recipe(
    operations=frozenset({Operation.CONVERT}), target_format="avif", effort=Effort.BEST
)
PIXMILL: Final = str(Path(sys.executable).with_name("pixmill"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Start a head and two nodes, on which faults find the marks that they leave."""
    marks = tmp_path_factory.mktemp("marks")
    with nodes(**{MARKERS: str(marks)}) as started:
        started.add(LARGE_MB)
        started.add(SMALL_MB)
        yield started


@pytest.fixture
def settings(cluster: Nodes) -> Settings:
    """Return how a run is carried out on the cluster, with a worker on each of its two nodes."""
    return replace(LOCAL, executor=ExecutorName.RAY, ray_address=cluster.address, parallel=None)


@pytest.fixture(autouse=True)
def nothing_is_left(cluster: Nodes) -> Iterator[None]:
    """See that a run leaves no process behind: Ray's workers, gateway, nurseries and theirs."""
    yield
    until(lambda: is_over(cluster))


def is_over(cluster: Nodes) -> bool:
    """Whether no process of a run is left, here or on a node."""
    return not (any(map(_is_ours, left_running())) or cluster.at_work())


def _is_ours(process: psutil.Process) -> bool:
    return runs_as(process, "pixmill.executors")


def outposts(cluster: Nodes) -> list[psutil.Process]:
    """Return the processes of the nodes that keep a worker: Ray's own above pixmill's."""
    found = [each for pid in cluster.raylets for each in left_running(pid) if _is_ours(each)]
    parents = {parent for each in found if (parent := each.parent()) is not None}
    return [parent for parent in parents if not _is_ours(parent)]


def told(outcomes: list[Outcome]) -> dict[str, Outcome]:
    """Return outcomes by path, but for the time that they took."""
    return by_path([replace(outcome, wall_s=0.0, cpu_s=0.0) for outcome in outcomes])


def struck(
    source: Path, destination: Path, settings: Settings, strike: Callable[[], None]
) -> Ended:
    """Run slowly over a folder, and strike once some files have ended and others are in hand."""
    mill = "faults.slow:mill"
    with pixmill.optimize(source, destination, HALVED, settings=settings, mill=mill) as run:
        outcomes = [next(run) for _ in range(STRUCK_AFTER)]
        strike()
        outcomes += list(run)
    return Ended(outcomes, run.summary)


def test_a_run_on_a_cluster_ends_as_a_local_run(settings: Settings, tmp_path: Path) -> None:
    """The same bytes, outcomes and totals; running again does nothing; nothing is left over."""
    source = archive(tmp_path / "in", *NAMES)
    (source / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    local = ran(source, tmp_path / "local", settings=LOCAL)
    far = ran(source, tmp_path / "far", settings=settings)
    assert digests(tmp_path / "far") == digests(tmp_path / "local")
    assert told(far.outcomes) == told(local.outcomes)
    assert (far.summary.optimized, far.summary.failed) == (len(NAMES), 1)
    assert far.summary.facts.lease_bytes == local.summary.facts.lease_bytes
    assert far.summary.facts.workers == 2
    assert not temporary_files(tmp_path / "far")
    again = ran(source, tmp_path / "far", settings=settings)
    assert again.summary.skipped == len(NAMES)


def test_faults_on_a_cluster_end_as_in_a_local_run(settings: Settings, tmp_path: Path) -> None:
    """What crashes its worker is named and tried once more, alone; what hangs is a timeout."""
    source = archive(tmp_path / "in", *NAMES[:12], "segv.jpg", "twice-segv.jpg")
    local = ran(source, tmp_path / "local", settings=LOCAL, mill="faults.crashing:mill")
    far = ran(source, tmp_path / "far", settings=settings, mill="faults.crashing:mill")
    assert far.summary.failed == 2
    assert told(far.outcomes) == told(local.outcomes)
    assert digests(tmp_path / "far") == digests(tmp_path / "local")


def test_a_file_that_hangs_on_a_cluster_is_a_timeout(settings: Settings, tmp_path: Path) -> None:
    """Its time is taken where it is made."""
    source = archive(tmp_path / "in", *NAMES[:4], "hang.jpg")
    short = replace(settings, timeout_s=2.0)
    far = ran(source, tmp_path / "far", settings=short, mill="faults.hanging:mill")
    failure = by_path(far.outcomes)["hang.jpg"].failure
    assert failure is not None
    assert (failure.kind, failure.message) == (FailureKind.TIMEOUT, "took longer than 2 s")
    assert (far.summary.optimized, far.summary.failed) == (4, 1)


def test_what_takes_its_ray_worker_down_is_found_alone(settings: Settings, tmp_path: Path) -> None:
    """As a kill for want of memory does, which names no file: all others are made."""
    source = archive(tmp_path / "in", *NAMES[:6], "folder-1/fell.jpg")
    free = replace(settings, sandbox=Sandbox.OFF)  # so that it reaches its Ray worker
    far = ran(source, tmp_path / "far", settings=free, mill="faults.felling:mill")
    outcome = by_path(far.outcomes)["folder-1/fell.jpg"]
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.CRASHED
    assert outcome.failure.message == "its worker died twice, by the end of its Ray worker"
    assert far.summary.optimized == 6


def test_a_worker_that_eats_memory_costs_its_file(settings: Settings, tmp_path: Path) -> None:
    """It is held to its lease where it runs, and the run goes on."""
    source = archive(tmp_path / "in", *NAMES[:2])
    local = ran(source, tmp_path / "local", settings=LOCAL, mill="faults.hungry:mill")
    far = ran(source, tmp_path / "far", settings=settings, mill="faults.hungry:mill")
    assert [each.failure and each.failure.kind for each in far.outcomes] == [FailureKind.MEMORY] * 2
    assert told(far.outcomes) == told(local.outcomes)


def test_an_image_that_needs_a_large_node_gets_it(settings: Settings, tmp_path: Path) -> None:
    """Memory is set aside with Ray before it is granted, and no file before or after is lost."""
    source = archive(tmp_path / "in", *NAMES[:6], "folder-0/large.jpg", "folder-2/large.jpg")
    far = ran(source, tmp_path / "far", settings=settings, mill="faults.asking:mill")
    assert {each.status for each in far.outcomes} == {Status.OPTIMIZED}
    assert len(far.outcomes) == 8


def test_what_a_local_run_makes_alone_a_node_with_room_makes(
    settings: Settings, tmp_path: Path
) -> None:
    """Beyond the lease memory is set aside for it, to the same bytes; nothing waits in vain."""
    source = archive(tmp_path / "in", *NAMES[:4])
    whole = Image.new("RGB", (3600, 2600), "teal")
    whole.save(source / "whole.jpg", progressive=True, subsampling=0)
    little = 150_000_000  # of which an image may hold 55 MB beside others, and 78 alone
    ran(source, tmp_path / "local", settings=replace(LOCAL, memory_bytes=little))
    far = ran(source, tmp_path / "far", settings=replace(settings, memory_bytes=little))
    assert (far.summary.optimized, far.summary.failed) == (5, 0)
    assert digests(tmp_path / "far") == digests(tmp_path / "local")


def test_a_lease_that_no_node_can_hold_is_refused(settings: Settings, tmp_path: Path) -> None:
    """A task that no node can hold would wait for ever, without an error."""
    source = archive(tmp_path / "in", NAMES[0])
    greedy = replace(settings, memory_bytes=4_000_000_000)
    with pytest.raises(RunError, match=r"no node .* give --memory 1\.1 GB or less"):
        ran(source, tmp_path / "far", settings=greedy)


@pytest.mark.parametrize("is_whole", [True, False], ids=["node", "raylet"])
def test_a_frozen_node_keeps_nobody_waiting_and_wakes_up_in_vain(
    cluster: Nodes,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_whole: bool,
) -> None:
    """What it had is made elsewhere once it is silent; what it writes late changes nothing."""
    monkeypatch.setattr(ray_fleet, "WATCH", Watch(silence_s=3.0, unbegun_s=4.0))
    source = archive(tmp_path / "in", *NAMES)
    ran(source, tmp_path / "local", settings=LOCAL)
    raylet = psutil.Process(cluster.raylets[0])
    frozen: list[psutil.Process] = []

    def freeze() -> None:
        frozen.extend(cluster.on(raylet) if is_whole else [raylet])
        for process in frozen:
            process.suspend()

    try:
        far = struck(source, tmp_path / "far", settings, freeze)
    finally:
        for process in frozen:
            process.resume()
    assert far.summary.optimized == len(NAMES)
    until(lambda: is_over(cluster))  # the zombies have had their say
    again = ran(source, tmp_path / "far", settings=LOCAL)  # and what they left is swept
    assert again.summary.skipped == len(NAMES)
    assert digests(tmp_path / "far") == digests(tmp_path / "local")


def test_frozen_processes_on_nodes_that_live_are_ended(
    cluster: Nodes, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold every CPU there is for what stands still, and Ray would never take it from them."""
    monkeypatch.setattr(ray_fleet, "WATCH", Watch(silence_s=3.0, unbegun_s=4.0))
    source = archive(tmp_path / "in", *NAMES)
    ran(source, tmp_path / "local", settings=LOCAL)
    frozen: list[psutil.Process] = []

    def freeze() -> None:
        frozen.extend(outposts(cluster))
        for process in frozen:
            process.suspend()

    far = struck(source, tmp_path / "far", settings, freeze)
    assert len(frozen) == 2
    assert far.summary.optimized == len(NAMES)
    assert all(outcome.attempts == 1 for outcome in far.outcomes)
    assert digests(tmp_path / "far") == digests(tmp_path / "local")
    until(lambda: not any(each.is_running() for each in frozen))


def test_the_first_ctrl_c_finishes_what_is_in_hand(settings: Settings, tmp_path: Path) -> None:
    """It exits with 130, leaves nothing half-written, and the next run does the rest.

    Each file takes 40 ms, so that what is in hand, half of them at most, is not all there is.
    """
    source = archive(tmp_path / "in", *NAMES, size_px=192)
    place = tmp_path / "far"
    process = subprocess.Popen(
        [
            *(PIXMILL, "optimize", str(source), str(place), "--operations", "convert"),
            *("--target-format", "avif", "--effort", "best", "--memory", "1GB", "--quiet"),
            *("--executor", "ray", "--ray-address", settings.ray_address or ""),
            *("--report", str(tmp_path / "report.json")),
        ],
        env={**os.environ, "PYTHONPATH": ""},
    )
    until(lambda: any(place.rglob("*.avif")), patience_s=40.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    report = json.loads((tmp_path / "report.json").read_text())
    done = report["totals"]["optimized"]
    assert report["interrupted"]
    assert len(digests(place)) == done
    assert 0 < done < len(NAMES)
    rest = ran(source, place, recipe=COSTLY, settings=LOCAL)
    assert rest.summary.optimized == len(NAMES) - done
    assert rest.summary.skipped == done


def test_a_run_that_is_aborted_leaves_nothing_at_work(
    cluster: Nodes, settings: Settings, tmp_path: Path
) -> None:
    """Workers on the cluster end with it, and nothing is half-written behind its back."""
    source = archive(tmp_path / "in", *NAMES)
    for number in range(2):  # a run that did not wait left something behind in one of six
        place = tmp_path / f"far-{number}"
        began_s = time.monotonic()
        with pixmill.optimize(
            source, place, HALVED, settings=settings, mill="faults.slow:mill"
        ) as run:
            next(run)
            run.abort()
            list(run)
        assert run.summary.is_interrupted
        assert time.monotonic() - began_s < 30.0
        until(lambda: is_over(cluster))
        assert not temporary_files(place)


@pytest.mark.parametrize(
    ("end", "reason"),
    [(signal.SIGKILL, "the connection to Ray ended"), (signal.SIGSTOP, "stood still")],
    ids=["killed", "frozen"],
)
def test_a_run_that_loses_the_cluster_says_so_and_is_resumed(
    cluster: Nodes,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    end: signal.Signals,
    reason: str,
) -> None:
    """What had ended is kept, the reason is told, and the next run, here a local one, goes on.

    It sweeps what was left in the hands of those that Ray has ended by then.
    """
    monkeypatch.setattr("pixmill.executors.ray.PATIENCE_S", 3.0)
    source = archive(tmp_path / "in", *NAMES)
    ran(source, tmp_path / "local", settings=LOCAL)

    def part() -> None:
        assert cluster.at_work()
        (gateway,) = [each for each in left_running() if runs_as(each, "gateway")]
        gateway.send_signal(end)

    far = struck(source, tmp_path / "far", settings, part)
    assert reason in far.summary.fatal
    assert far.summary.failed == 0
    assert STRUCK_AFTER <= far.summary.optimized < len(NAMES)
    until(lambda: is_over(cluster))
    rest = ran(source, tmp_path / "far", settings=LOCAL)
    assert rest.summary.optimized == len(NAMES) - far.summary.optimized
    assert digests(tmp_path / "far") == digests(tmp_path / "local")


def test_the_gateway_says_that_it_lives_while_nothing_happens(cluster: Nodes) -> None:
    """So that nobody takes a cluster for frozen that has no CPU to spare for a while."""
    gateway = Gateway(cluster.address)
    try:
        gateway.join()
        for _ in range(2):
            assert gateway.words.poll(30.0)
            assert gateway.words.recv() == Alive()
    finally:
        gateway.close()


def test_a_killed_node_costs_its_files_a_retry(
    cluster: Nodes, settings: Settings, tmp_path: Path
) -> None:
    """What it had is made on the other, and ends as if nothing had happened."""
    source = archive(tmp_path / "in", *NAMES)
    ran(source, tmp_path / "local", settings=LOCAL)

    def kill() -> None:
        for process in cluster.on(psutil.Process(cluster.raylets[1])):
            process.kill()

    far = struck(source, tmp_path / "far", settings, kill)
    assert far.summary.optimized == len(NAMES)
    assert all(outcome.attempts == 1 for outcome in far.outcomes)
    assert digests(tmp_path / "far") == digests(tmp_path / "local")
    assert not temporary_files(tmp_path / "far")


def test_an_address_that_says_nothing_is_told_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something listens there that is no Ray, or one with another token."""
    monkeypatch.setattr("pixmill.executors.ray._JOIN_S", 6.0)
    source = archive(tmp_path / "in", NAMES[0])
    with socket.create_server(("127.0.0.2", 0)) as mute:
        address = f"127.0.0.2:{mute.getsockname()[1]}"
        silent = replace(LOCAL, executor=ExecutorName.RAY, ray_address=address)
        began_s = time.monotonic()
        with pytest.raises(RunError, match=r"cannot join .*RAY_AUTH_TOKEN are the cluster's"):
            ran(source, tmp_path / "far", settings=silent)
    assert time.monotonic() - began_s < 12.0


def test_an_address_that_does_not_answer_is_told_at_once(tmp_path: Path) -> None:
    """Where nobody listens Ray would try for minutes; the user learns what to name."""
    source = archive(tmp_path / "in", NAMES[0])
    nowhere = replace(LOCAL, executor=ExecutorName.RAY, ray_address="127.0.0.2:9")
    began_s = time.monotonic()
    with pytest.raises(RunError, match=r"cannot join .* at 127\.0\.0\.2:9: connection refused"):
        ran(source, tmp_path / "far", settings=nowhere)
    assert time.monotonic() - began_s < 10.0
