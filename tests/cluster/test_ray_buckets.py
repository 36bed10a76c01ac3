"""A run from bucket to bucket on a cluster of Ray ends as a local one does, object for object.

The server and the cluster are on loopback. Temporary files of the nodes, Ray's own and its logs
among them, are in a folder that is looked through afterwards.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil
import pytest

import pixmill
from cluster.faulty import PASSING, Fault, Proxy
from cluster.ray_nodes import Nodes, nodes
from cluster.servers import SECRETS
from faults.plugin import MARKERS
from pixmill.address import Access, Address
from pixmill.executors import ray_fleet
from pixmill.executors.orders import Watch
from pixmill.executors.scratch import Scratch
from pixmill.model import FailureKind, Outcome, Status
from pixmill.recipe import Recipe
from pixmill.settings import ExecutorName, Settings
from pixmill.storage.objects import ObjectStore
from runs import HALVED, Ended, archive, by_path, digests, left_running, ran, runs_as, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster.servers import Server

LARGE_MB: Final = 700
SMALL_MB: Final = 200
LOCAL: Final = Settings(parallel=2, memory_bytes=1_000_000_000, timeout_s=60.0)
NAMES: Final = tuple(f"folder-{number % 3}/{number:03}.jpg" for number in range(40))
STRUCK_AFTER: Final = 6
HEADERS: Final = {
    "Cache-Control": "no-store",
    "artist": "me",
    "Content-Type": "binary/octet-stream",
}
_numbers = count()


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    """Return where nodes have their temporary files: Ray's sockets want a short path."""
    folder = Path(tempfile.mkdtemp(prefix="px-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster(moto: Server, temporary: Path) -> Iterator[Nodes]:
    """Start a head and two nodes that have access to the server by their environment."""
    marks = {MARKERS: str(temporary), "TMPDIR": str(temporary)}
    with nodes(**moto.environ(), **marks) as started:
        started.add(LARGE_MB)
        started.add(SMALL_MB)
        yield started


@pytest.fixture
def settings(
    cluster: Nodes, moto: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Return how a run is carried out on the cluster, with a worker on each of its two nodes."""
    for variable, value in moto.environ().items():
        monkeypatch.setenv(variable, value)
    return replace(
        LOCAL,
        executor=ExecutorName.RAY,
        ray_address=cluster.address,
        parallel=None,
        journal=str(tmp_path / "journal.sqlite"),
    )


@pytest.fixture(autouse=True)
def nothing_is_left(
    cluster: Nodes, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """See that a run leaves no process behind on any node, and no folder beyond the next start.

    Ray ends the processes of tasks without a word, so that they cannot do it themselves.
    """
    yield
    until(lambda: not any(runs_as(each, "pixmill.executors") for each in left_running()))
    until(lambda: not cluster.at_work())
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    until(lambda: _is_swept(temporary))


def _is_swept(temporary: Path) -> bool:
    """Whether a start leaves no folder of another, which is so once all who held one have died."""
    Scratch.made().close()
    return not list(temporary.glob("pixmill-*"))


def files_under_way(temporary: Path) -> list[Path]:
    """Return what is fetched, or made and not put."""
    return [each for each in temporary.glob("pixmill-*/**/*") if each.is_file()]


def ferries() -> list[psutil.Process]:
    """Return the ferries of nodes: those of Ray's processes."""
    found = [each for each in left_running() if runs_as(each, "pixmill.executors.ferryman")]
    return [each for each in found if each.ppid() != psutil.Process().pid]


def near(tmp_path: Path) -> Settings:
    """Return how a local run is carried out."""
    return replace(LOCAL, journal=str(tmp_path / "near.sqlite"))


def prefix(server: Server) -> str:
    """Return the address of an empty prefix."""
    return server.address(f"ray-{next(_numbers)}")


def store(url: str) -> ObjectStore:
    """Return a store."""
    return ObjectStore.opened(Address.parsed(url), Access())


def filled(url: str, folder: Path) -> str:
    """Put all files of a folder, with headers of their own."""
    for path in folder.rglob("*"):
        if path.is_file():
            key = path.relative_to(folder).as_posix()
            store(url).put(key, path.read_bytes(), attributes=HEADERS)
    return url


def objects(url: str) -> dict[str, tuple[str, tuple[tuple[str, str], ...]]]:
    """Return tag, which is moto's digest of the bytes, and headers of every object."""
    bucket = store(url)
    return {
        facts.key: (facts.tag, tuple(sorted(bucket.attributes(facts.key).items())))
        for page in bucket.listed()
        for facts in page
    }


def told(outcomes: list[Outcome]) -> dict[str, Outcome]:
    """Return outcomes by path, but for the time that they took."""
    return by_path([replace(outcome, wall_s=0.0, cpu_s=0.0) for outcome in outcomes])


def named(path: Path, word: str) -> None:
    """Have faults know an object, whatever number it has."""
    with path.open("ab") as stream:
        stream.write(f"named {word}".encode())


def struck(source: str, destination: str, settings: Settings, strike: Callable[[], None]) -> Ended:
    """Run slowly over a bucket, and strike once some objects have ended and others are in hand."""
    mill = "faults.slow:mill"
    with pixmill.optimize(source, destination, HALVED, settings=settings, mill=mill) as run:
        outcomes = [next(run) for _ in range(STRUCK_AFTER)]
        strike()
        outcomes += list(run)
    return Ended(outcomes, run.summary)


def test_a_bucket_on_a_cluster_gets_what_a_local_run_puts(
    moto: Server, settings: Settings, tmp_path: Path, temporary: Path
) -> None:
    """The same objects with the same headers, outcomes and tags; secrets are nowhere."""
    folder = archive(tmp_path / "in", *NAMES)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("no image")
    source, here, there = filled(prefix(moto), folder), prefix(moto), prefix(moto)
    local = ran(source, here, settings=replace(near(tmp_path), copy_others=True))
    far = ran(source, there, settings=replace(settings, copy_others=True))
    assert objects(there) == objects(here)
    assert told(far.outcomes) == told(local.outcomes)
    assert far.summary.optimized == len(NAMES)
    assert not files_under_way(temporary)
    assert far.summary.facts.lease_bytes == local.summary.facts.lease_bytes
    again = ran(source, there, settings=replace(settings, copy_others=True))
    assert again.summary.optimized == 0
    assert again.summary.skipped == len(NAMES) + 1
    written = [tmp_path / "journal.sqlite", *temporary.rglob("*")]
    texts = [path.read_bytes() for path in written if path.is_file()]
    assert any(moto.address("")[5:].encode() in text for text in texts)
    assert not [secret for secret in SECRETS if any(secret.encode() in text for text in texts)]


@pytest.mark.parametrize("ends", ["source", "destination"])
def test_one_end_may_be_a_shared_file_system(
    moto: Server, settings: Settings, tmp_path: Path, ends: str
) -> None:
    """Several outputs of a source come from a bucket, or go to one."""
    folder = archive(tmp_path / "in", *NAMES[:6], size_px=64)
    recipe = Recipe(widths=(16, 32), formats=("webp", "jpg"))
    ran(folder, tmp_path / "disc", recipe=recipe, settings=LOCAL)
    source = filled(prefix(moto), folder) if ends == "source" else folder
    out = prefix(moto) if ends == "destination" else tmp_path / "web"
    far = ran(source, out, recipe=recipe, settings=settings)
    assert [each.status for each in far.outcomes] == [Status.OPTIMIZED] * 6
    if isinstance(out, str):
        bucket = {facts.key: facts for page in store(out).listed() for facts in page}
        assert bucket.keys() == digests(tmp_path / "disc").keys()
    else:
        assert digests(out) == digests(tmp_path / "disc")


def test_faults_on_a_cluster_end_as_in_a_local_run(
    moto: Server, settings: Settings, tmp_path: Path
) -> None:
    """What crashes its worker is named and tried once more, alone; what asks for more gets it."""
    folder = archive(tmp_path / "in", *NAMES[:14])
    named(folder / NAMES[3], "segv")
    source, here, there = filled(prefix(moto), folder), prefix(moto), prefix(moto)
    local = ran(source, here, settings=near(tmp_path), mill="faults.crashing:mill")
    far = ran(source, there, settings=settings, mill="faults.crashing:mill")
    assert far.summary.failed == 1
    assert told(far.outcomes) == told(local.outcomes)
    assert objects(there) == objects(here)


def test_faults_of_the_network_cost_time_and_nothing_else(
    moto: Server, settings: Settings, tmp_path: Path
) -> None:
    """With 15 % of all requests of all nodes spoilt every object is made, whole."""
    folder = archive(tmp_path / "in", *NAMES)
    source, here, there = filled(prefix(moto), folder), prefix(moto), prefix(moto)
    ran(source, here, settings=near(tmp_path))
    faults = tuple(fault for fault in PASSING if fault is not Fault.SLOW)
    with Proxy(moto.port, faults) as proxy:
        access = replace(settings.access, endpoint_url=moto.url(proxy.port))
        far = ran(source, there, settings=replace(settings, access=access))
        assert sum(proxy.counts.values()) > 10, "too few faults happened to prove anything"
    assert [each.failure for each in far.outcomes if each.failure] == []
    assert objects(there) == objects(here)


def test_an_object_that_vanishes_fails_alone(
    moto: Server, settings: Settings, tmp_path: Path
) -> None:
    """What is gone when a node fetches it, or another by then, is told as in a local run."""
    names = [*NAMES, *(f"late/{number:03}.jpg" for number in range(160))]  # far from being fetched
    source, out = filled(prefix(moto), archive(tmp_path / "in", *names)), prefix(moto)
    *_, other, gone = sorted(names)

    def strike() -> None:
        store(source).remove(gone)
        store(source).put(other, b"\xff\xd8\xff another")

    far = by_path(struck(source, out, settings, strike).outcomes)
    failures = {path: each.failure.kind for path, each in far.items() if each.failure is not None}
    assert failures == {gone: FailureKind.VANISHED, other: FailureKind.CHANGED}
    assert len(objects(out)) == len(names) - 2


def test_dead_ferries_cost_their_objects_a_retry(
    moto: Server, settings: Settings, tmp_path: Path
) -> None:
    """Nothing is lost with who speaks to the store on a node, nor put twice as another."""
    source = filled(prefix(moto), archive(tmp_path / "in", *NAMES))
    here, there = prefix(moto), prefix(moto)
    ran(source, here, settings=near(tmp_path))

    def kill() -> None:
        for ferry in ferries():
            ferry.kill()

    far = struck(source, there, settings, kill)
    assert far.summary.optimized == len(NAMES)
    assert objects(there) == objects(here)


def test_a_frozen_node_wakes_up_in_vain(
    cluster: Nodes,
    moto: Server,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it had is made elsewhere once it is silent; what it puts late changes nothing."""
    monkeypatch.setattr(ray_fleet, "WATCH", Watch(silence_s=3.0, unbegun_s=4.0))
    source = filled(prefix(moto), archive(tmp_path / "in", *NAMES))
    here, there = prefix(moto), prefix(moto)
    ran(source, here, settings=near(tmp_path))
    frozen: list[psutil.Process] = []

    def freeze() -> None:
        frozen.extend(cluster.on(psutil.Process(cluster.raylets[0])))
        for process in frozen:
            process.suspend()

    try:
        far = struck(source, there, settings, freeze)
        assert far.summary.optimized == len(NAMES)
        before = {facts.key: facts for page in store(there).listed() for facts in page}
    finally:
        for process in frozen:
            process.resume()
    until(lambda: not ferries())  # the zombies have had their say
    assert {facts.key: facts for page in store(there).listed() for facts in page} == before
    assert objects(there) == objects(here)


def test_a_killed_node_costs_its_objects_a_retry(
    cluster: Nodes, moto: Server, settings: Settings, tmp_path: Path
) -> None:
    """What it had is made on the other, and what it left on its disc goes with the next start."""
    source = filled(prefix(moto), archive(tmp_path / "in", *NAMES))
    here, there = prefix(moto), prefix(moto)
    ran(source, here, settings=near(tmp_path))

    def kill() -> None:
        for process in cluster.on(psutil.Process(cluster.raylets[1])):
            process.kill()

    far = struck(source, there, settings, kill)
    assert far.summary.optimized == len(NAMES)
    assert all(outcome.attempts == 1 for outcome in far.outcomes)
    assert objects(there) == objects(here)
