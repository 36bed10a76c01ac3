"""A command that seems to begin a run starts its nursery before it loads itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.executors.hatchery import NurseryHatchery
from pixmill.executors.nest import HAS_NURSERIES, abandon, build_ahead
from pixmill_cli.headstart import seems_to_begin
from runs import archive, left_running, until

pytestmark = pytest.mark.skipif(not HAS_NURSERIES, reason="workers are no forks here")

TOLD = """
import subprocess, sys
started = []
class Told(subprocess.Popen):
    def __init__(self, *words, **more):
        print("began", "typer" in sys.modules, "pixmill.api" in sys.modules)
        super().__init__(*words, **more)
        started.append(self)
subprocess.Popen = Told
from pixmill_cli.entry import main
try:
    sys.exit(main())
finally:
    print("ended", *(each.returncode for each in started))
"""


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TOLD, "optimize", *map(str, words), "--quiet"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("words", "is_begun"),
    [
        (["optimize", "in", "out", "--resize", "400"], True),
        (["optimize", "-", "-"], True),
        (["optimize", "in", "done"], False),
        (["optimize", "in", "done/"], False),
        (["optimize", "in", "--output=done"], False),
        (["optimize", "held", "--in-place"], False),
        (["optimize", "in", "out", "--executor", "ray"], False),
        (["optimize", "in", "out", "--config=run.toml"], False),
        (["optimize", "--help"], False),
        (["optimize"], False),
        (["status", "out"], False),
        ([], False),
    ],
)
def test_only_what_seems_to_need_workers_has_them_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], *, is_begun: bool
) -> None:
    """Neither a page of help nor a run over an output that has a journal starts a nursery early."""
    (tmp_path / "done.pixmill").mkdir()
    (tmp_path / "held" / ".pixmill").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert seems_to_begin(words) is is_begun


def test_workers_hatch_in_the_nest_that_was_built_ahead() -> None:
    """The first hatchery takes the nursery that was started early, and the next one its own."""
    build_ahead()
    first, second = NurseryHatchery(), NurseryHatchery()
    try:
        first.hatch()
        built = first.processes()
        abandon()  # it was taken, so nothing ends
        first.hatch()
        assert first.processes() == built
        second.hatch()
        assert second.processes() != built
    finally:
        first.close()
        second.close()
    assert not left_running()


def test_a_nest_that_nobody_needs_is_taken_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An early nursery that turns out to be of no use ends at once, and leaves no folder behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    build_ahead()
    (nursery,) = left_running()
    # it has loaded all by then: what it does before may depend on when it is ended
    until(lambda: "_libvips" in Path(f"/proc/{nursery.pid}/maps").read_text())
    until(lambda: nursery.status() == "sleeping")
    abandon()
    assert not left_running()
    assert not [*tmp_path.iterdir()]


def test_a_command_begins_with_its_nursery(tmp_path: Path) -> None:
    """A run starts one nursery, before the command line and the engine are loaded."""
    archive(tmp_path / "in", "a.jpg")
    ended = _run(tmp_path / "in", tmp_path / "out")
    assert (ended.returncode, ended.stdout) == (0, "began False False\nended 0\n"), ended.stderr
    rerun = _run(tmp_path / "in", tmp_path / "out", "--force")
    assert (rerun.returncode, rerun.stdout) == (0, "began True True\nended 0\n"), rerun.stderr


def test_a_command_that_comes_to_nothing_leaves_no_nursery(tmp_path: Path) -> None:
    """A usage error ends the nursery that was started ahead of it."""
    ended = _run(tmp_path / "missing", tmp_path / "out")
    assert (ended.returncode, ended.stdout) == (2, "began False False\nended -9\n"), ended.stderr


def test_a_quiet_run_loads_no_more_than_it_uses(tmp_path: Path) -> None:
    """Without a word to say and a bucket to reach, neither Rich nor ferries are loaded."""
    archive(tmp_path / "in", "a.jpg")
    told = TOLD.replace("finally:", "finally:\n    print(*sys.modules)")
    command = [sys.executable, "-c", told, "optimize", "in", "out", "--quiet"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    loaded = set(ended.stdout.split())
    assert {"pixmill.coordinator", "pixmill_cli.reporters.quiet"} <= loaded
    assert not {"rich", "importlib.metadata", "pixmill.shipping", "pixmill.incoming"} & loaded
