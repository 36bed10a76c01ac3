"""The contest of `make bench`: who is measured, that it is measured whole, and how it is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import psutil
import pytest
from PIL import Image

import peers
from contest.chart import drawn
from contest.contestants import CAPPED, FLOOR, PEERS, PIXMILL, Contestant, Order
from contest.heats import held
from contest.jobs import JOBS, Job, Place, Task
from contest.judging import fault_of
from contest.looks import Looks
from contest.measuring import Command, spent_on
from contest.page import facts, page, record, table
from contest.standings import Heat, Standing
from pixmill.vocabulary import Effort

SAMPLE = Path(__file__).parent / "sample" / "travel"
BURN = "import time\nwhile time.process_time() < 0.3: pass\n"


def photographs(folder: Path, files: int) -> Place:
    """Copy pictures of the bundled sample."""
    place = Place(folder / "source", folder / "results")
    place.source.mkdir(parents=True)
    for photo in sorted(SAMPLE.glob("*.jpg"))[:files]:
        (place.source / photo.name).write_bytes(photo.read_bytes())
    return place


def job_of(files: int, **task: int | None) -> Job:
    """Return a small job."""
    asked = Task(".jpg", **task)  # type: ignore[arg-type]  # widths are no number
    return Job(key="x", title="x", task=asked, files=files, quick_files=files, prepare=photographs)


def order_of(folder: Path, job: Job) -> Order:
    """Return an order whose results nobody has made."""
    place = job.prepare(folder, job.files)
    place.destination.mkdir()
    return Order(job, place, tuple(sorted(place.source.iterdir())), 2, folder)


def python(source: str) -> Command:
    """Return a program."""
    return Command([sys.executable, "-c", source])


def test_children_count() -> None:
    """CPU and memory of a contestant are those of its whole tree."""
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"
    spent = spent_on(python(child), is_watched=True)
    assert spent.cpu_s > 0.3
    assert spent.wall_s > 0.3
    assert spent.tree_bytes > 8_000_000
    assert not spent.complaint


def test_failures_are_told() -> None:
    """Who ends with an error has its last words told instead of its time."""
    assert "exit code 3: no luck" in spent_on(python("print('no luck'); exit(3)")).complaint


def test_hanging_ends(tmp_path: Path) -> None:
    """Who hangs is ended with all its children, and told."""
    pid = tmp_path / "pid"
    child = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert "-9" in spent_on(python(parent), limit_s=2).complaint
    ends_at = time.monotonic() + 10  # a signal is sent at once, and acted on in its time
    while _runs(int(pid.read_text())) and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert not _runs(int(pid.read_text()))


def _runs(pid: int) -> bool:
    """Whether a process goes on: what has been killed may wait for whoever buries it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("name", ["peers", "quality", "search", "scaling", "soak"])
def test_commands_of_the_makefile_start(name: str) -> None:
    """What `make` runs finds its modules without pytest's paths."""
    script = Path(peers.__file__).with_name(f"{name}.py")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, script, "--help"], check=False, capture_output=True, env=environment
    )
    assert ended.returncode == 0, ended.stderr


def test_missing_peers_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A peer that is not installed is told as missing, and nobody fails for it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    present, versions = peers.present()
    assert "sharp" not in [each.name for each in present]
    assert versions["sharp"] == "missing"
    assert set(versions) == {each.title for each in (PIXMILL, CAPPED, FLOOR, *PEERS)}


def test_jobs_name_peers() -> None:
    """Whoever a job names as a rival is somebody."""
    assert {name for job in JOBS for name in job.rivals} == {peer.name for peer in PEERS}


def test_too_few_results_are_a_fault(tmp_path: Path) -> None:
    """Who writes fewer results than there are files has no figures."""
    order = order_of(tmp_path, job_of(2, edge_px=64, quality=80))
    assert fault_of(order, is_capped=True) == "0 results of 2 files"


@pytest.mark.parametrize(("edge_px", "is_fault"), [(64, False), (60, True)])
def test_wrong_sizes_are_a_fault(tmp_path: Path, edge_px: int, *, is_fault: bool) -> None:
    """Who makes other sizes than asked for has no figures."""
    order = order_of(tmp_path, job_of(2, edge_px=64, quality=80))
    for file in order.files:
        with Image.open(file) as image:
            image.thumbnail((edge_px, edge_px))
            image.save(order.place.destination / file.name)
    assert bool(fault_of(order, is_capped=True)) is is_fault


def test_large_results_are_a_fault(tmp_path: Path) -> None:
    """Who exceeds a cap on size has no figures; the floor, which makes one encoding, may."""
    order = order_of(tmp_path, job_of(1, edge_px=None, max_bytes=1_000))
    file = order.files[0]
    (order.place.destination / file.name).write_bytes(file.read_bytes())
    assert "larger than 1000 bytes" in fault_of(order, is_capped=True)
    assert not fault_of(order, is_capped=False)


def test_every_width_is_a_result(tmp_path: Path) -> None:
    """Pixmill makes every width of every file; one that is another or is missing is a fault."""
    job = replace(job_of(2), task=Task(".jpg", widths=(40, 90), quality=80))
    order = order_of(tmp_path, job)
    order.place.destination.rmdir()
    assert not spent_on(PIXMILL.command(order)).complaint
    assert not fault_of(order, is_capped=True)
    last = max(order.place.destination.iterdir())
    content = last.read_bytes()
    Image.new("RGB", (91, 60)).save(last)
    assert "where" in fault_of(order, is_capped=True)
    last.unlink()
    assert fault_of(order, is_capped=True) == "3 results of 2 files"
    (order.place.destination / "other-90.jpg").write_bytes(content)
    assert "was expected" in fault_of(order, is_capped=True)


def test_a_heat_is_held(tmp_path: Path) -> None:
    """Pixmill, the floor and a Pillow pool do the same job; who cannot is told with its words."""
    broken = Contestant("broken", "broken", lambda: "1", lambda _order: python("exit('no')"))
    pillow = next(peer for peer in PEERS if peer.name == "pillow")
    contestants = [PIXMILL, FLOOR, pillow, broken]
    heat = held(job_of(3, edge_px=300, quality=80), contestants, tmp_path, rounds=2)
    assert [each.name for each in heat.standings if each.has_figures] == [
        "pixmill",
        "floor",
        "pillow",
    ]
    assert all(len(each.cpu_s) == 2 for each in heat.standings if each.has_figures)
    assert re.search(r"broken has no figures, and held \d+ MB: exit code 1: no", table(heat))
    assert "Engine efficiency" in table(heat)
    assert all(each.score is not None for each in heat.standings if each.has_figures)


def test_looks_are_scored(tmp_path: Path) -> None:
    """Who shows more of the sources scores higher; a job without a quality has no score."""
    order = order_of(tmp_path, job_of(2, edge_px=300, quality=80))
    looks, scores = Looks(order), []
    for quality in (20, 90):
        for file in order.files:
            with Image.open(file) as image:
                image.thumbnail((300, 300))
                image.save(order.place.destination / file.name, quality=quality)
        scores.append(looks.score())
    low, high = scores
    assert low is not None
    assert high is not None
    assert low + 20 < high
    assert Looks(order_of(tmp_path / "other", job_of(2, max_bytes=9000))).score() is None


@pytest.mark.parametrize("effort", [Effort.FAST, Effort.BALANCED])
def test_the_floor_makes_what_pixmill_makes(tmp_path: Path, effort: Effort) -> None:
    """The floor's calls are pixmill's own: results differ by no more than what it leaves out."""
    job = Job(
        key="x",
        title="x",
        task=Task(".webp", edge_px=300, quality=80),
        files=4,
        quick_files=4,
        prepare=photographs,
        effort=effort,
    )
    heat = held(job, [PIXMILL, FLOOR], tmp_path, rounds=1)
    ours, floor = heat.standings
    assert not ours.fault
    assert not floor.fault
    assert floor.written_bytes == pytest.approx(ours.written_bytes, rel=0.1)


def made_up_heat() -> Heat:
    """Return figures that are easy to reckon with."""
    ours = Standing("pixmill", "pixmill", [2.0, 9.0, 1.0], [4.0, 4.0, 4.0], 50_000_000)
    floor = Standing("floor", "codec floor", [1.0, 1.5, 3.0], [3.0, 3.0, 3.0])
    other = Standing("other", "a < b", [6.0, 5.0, 7.0], [10.0, 10.0, 10.0])
    return Heat(replace(JOBS[0], files=48), 96_000_000, (ours, floor, other), floor)


def test_medians_are_told() -> None:
    """A table has medians and ratios to pixmill, and what is left of the floor."""
    told = table(made_up_heat())
    assert "| **pixmill** | 24.0 | 48.0 | 4.00 | 50 |" in told
    assert "| a < b | 8.0 | 16.0 | 10.00 | 0 | 0.00 |  | 3.00 | 2.50 |" in told
    assert "75% of CPU, 75% of time" in told


def test_results_are_kept() -> None:
    """The page names the machine and the missing, the picture is XML and fetches nothing."""
    told = facts({"pixmill": "1", "sharp": "missing"}, rounds=5, load=0.25)
    text = page(told, [made_up_heat()])
    assert "- sharp: missing" in text
    assert "load 0.2" in text
    assert '"wall_s": [' in record(told, [made_up_heat()])
    picture = drawn([made_up_heat()], told.line)
    ET.fromstring(picture)  # noqa: S314 - just drawn
    assert picture.count("http") == 1  # the namespace
