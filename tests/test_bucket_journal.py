"""Runs into a bucket, which a folder plays: their journal is in it, and as good as one on disc."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from PIL import Image
from typer.testing import CliRunner

import pixmill
from pixmill import api
from pixmill.errors import OptionError, RunError
from pixmill.model import SkipReason
from pixmill.recipe import Recipe
from pixmill.settings import Redo
from pixmill.sharding import WHOLE, Shard
from pixmill.vocabulary import Effort
from pixmill_cli.app import app
from pixmill_cli.exit_codes import ExitCode
from runs import HALVED, TWO_WORKERS, archive, by_path, digests, left_running, ran

if TYPE_CHECKING:
    from pixmill.model import Outcome

JOURNAL: Final = "web.pixmill/journal-0.sqlite"
NAMES: Final = tuple(f"{number:02}.jpg" for number in range(8))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of small photographs and a broken one."""
    folder = archive(tmp_path / "in", *NAMES)
    (folder / "broken.jpg").write_bytes((folder / NAMES[0]).read_bytes()[:300])
    return folder


@pytest.fixture
def web(tmp_path: Path) -> str:
    """Return the address of an output."""
    return f"file://{tmp_path}/bucket/web"


def _words(outcomes: list[Outcome]) -> dict[str, str]:
    return {path: str(each.reason or each.status) for path, each in by_path(outcomes).items()}


def test_the_journal_is_in_the_bucket(source: Path, web: str, tmp_path: Path) -> None:
    """A second run does nothing, tries what failed, and nothing is left on this machine."""
    ran(source, web)
    ran(source, tmp_path / "disc")
    assert digests(tmp_path / "bucket/web") == digests(tmp_path / "disc")
    assert set(digests(tmp_path / "bucket")) - {f"web/{name}" for name in NAMES} == {JOURNAL}
    again = _words(ran(source, web).outcomes)
    assert again == dict.fromkeys(NAMES, "done") | {"broken.jpg": "failed"}
    failed = _words(ran(source, web, settings=replace(TWO_WORKERS, redo=Redo.FAILED)).outcomes)
    assert failed == dict.fromkeys(NAMES, "not-failed") | {"broken.jpg": "failed"}
    found = api.history(web)
    assert found is not None
    assert [run.ending for run in found.runs()] == ["done"] * 3
    found.close(None)
    assert not left_running()


def test_a_dry_run_reads_the_journal_and_claims_nothing(
    source: Path, web: str, tmp_path: Path
) -> None:
    """A dry run knows what is done, and changes nothing in the bucket."""
    ran(source, web)
    before = digests(tmp_path / "bucket")
    dry = ran(source, web, settings=replace(TWO_WORKERS, dry_run=True))
    assert _words(dry.outcomes)[NAMES[0]] == "done"
    assert digests(tmp_path / "bucket") == before


def test_the_second_of_two_runs_is_refused(source: Path, web: str) -> None:
    """While a run holds an output in a bucket another is refused, and leaves it alone."""
    with pixmill.optimize(source, web, HALVED, settings=TWO_WORKERS) as run:
        next(run)
        with pytest.raises(RunError, match=f"process {os.getpid()} on "):
            ran(source, web)
        assert len(list(run)) == len(NAMES)
    assert not run.summary.fatal
    assert _words(ran(source, web).outcomes)[NAMES[-1]] == "done"


def test_a_killed_run_is_resumed(source: Path, web: str, tmp_path: Path) -> None:
    """What a run put before it was killed is made again, as its own, under any recipe."""
    recipe = replace(HALVED, quality=40)
    script = (
        "import os, signal, sys, pixmill\n"
        "from runs import HALVED, TWO_WORKERS\n"
        "if __name__ == '__main__':\n"
        "    with pixmill.optimize(*sys.argv[1:], HALVED, settings=TWO_WORKERS) as run:\n"
        "        [next(run) for _ in range(4)]\n"
        "        os.killpg(0, signal.SIGKILL)\n"
    )
    path = tmp_path / "script.py"
    path.write_text(script, encoding="utf-8")
    killed = subprocess.run(
        [sys.executable, str(path), str(source), web],
        check=False,
        start_new_session=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(digests(tmp_path / "bucket/web")) >= 3
    resumed = _words(ran(source, web, recipe=recipe).outcomes)
    assert resumed == dict.fromkeys(NAMES, "optimized") | {"broken.jpg": "failed"}
    ran(source, tmp_path / "disc", recipe=recipe)
    assert digests(tmp_path / "bucket/web") == digests(tmp_path / "disc")


TOPPLED: Final = """
import sys, pixmill
from pixmill.settings import Sandbox
if __name__ == "__main__":
    settings = pixmill.Settings(parallel=1, sandbox=Sandbox.OFF)
    list(pixmill.optimize(*sys.argv[1:], settings=settings, mill="faults.toppling:mill"))
"""


def _toppled(source: str, web: str, note: Path) -> int:
    tests = str(Path(__file__).parent)
    environment = os.environ | {
        "PYTHONPATH": tests,
        "PIXMILL_TEST_NOTE": str(note),
        "PIXMILL_TEST_NOTED": NAMES[2],
    }
    command = [sys.executable, "-c", TOPPLED, source, web]
    return subprocess.run(command, env=environment, check=False).returncode


def test_what_takes_runs_down_is_known_to_the_next(source: Path, web: str, tmp_path: Path) -> None:
    """An object with which runs died twice is quarantined until failures are asked for."""
    path, note = source / NAMES[2], tmp_path / "bucket/web.pixmill/hand-0-held"
    with Image.open(path) as image:
        image.save(path, comment=b"fell")
    bucket = f"file://{source}"
    for _ in range(2):
        assert _toppled(bucket, web, note) == -signal.SIGKILL
        assert note.exists()
    for _ in range(2):
        assert _toppled(bucket, web, note) == 0
        told = json.loads(CliRunner().invoke(app, ["status", web, "--json"]).stdout)
        kinds = {each["path"]: each["kind"] for each in told["failures"]}
        assert kinds == {NAMES[2]: "quarantined", "broken.jpg": "corrupt"}
    assert set(digests(tmp_path / "bucket/web.pixmill")) == {"journal-0.sqlite"}
    taken_up = ran(bucket, web, settings=replace(TWO_WORKERS, redo=Redo.FAILED))
    assert by_path(taken_up.outcomes)[NAMES[2]].status == "optimized"
    assert _words(ran(bucket, web).outcomes)[NAMES[2]] == "done"


def test_what_stood_before_is_nobodys(source: Path, web: str, tmp_path: Path) -> None:
    """An object that pixmill did not put is left alone, as a file would be."""
    mine = tmp_path / "bucket/web" / NAMES[2]
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    assert by_path(ran(source, web).outcomes)[NAMES[2]].reason is SkipReason.EXISTS
    assert by_path(ran(source, web).outcomes)[NAMES[2]].reason is SkipReason.EXISTS
    assert mine.read_bytes() == b"mine"


def test_a_view_is_of_all_shards(source: Path, web: str, tmp_path: Path) -> None:
    """`status`, `runs` and a dry run know what each shard has done, and change nothing."""
    outcomes = []
    for index in (0, 1):
        outcomes += ran(source, web, settings=replace(TWO_WORKERS, shard=Shard(index, 2))).outcomes
    before = digests(tmp_path / "bucket")
    assert set(by_path(outcomes)) == {*NAMES, "broken.jpg"}
    found = api.history(web)
    assert found is not None
    assert found.counts() == {"optimized": len(NAMES), "failed": 1}
    assert [run.shard for run in found.runs()] == ["0/2", "1/2"]
    found.close(None)
    dry = ran(source, web, settings=replace(TWO_WORKERS, dry_run=True))
    assert _words(dry.outcomes) == dict.fromkeys(NAMES, "done") | {"broken.jpg": "failed"}
    assert digests(tmp_path / "bucket") == before


def test_merged_shards_are_one_run(source: Path, web: str, tmp_path: Path) -> None:
    """What merging leaves in the bucket is what one run leaves on disc, and it can be repeated."""
    recipe = Recipe(widths=(16, 32), effort=Effort.FAST)
    how = replace(TWO_WORKERS, memory_bytes=500_000_000)
    ran(source, tmp_path / "disc", recipe=recipe, settings=how)
    ran(source, web, recipe=recipe, settings=replace(how, shard=Shard(0, 2)))
    assert api.merge(web).lacking == (Shard(1, 2),)
    ran(source, web, recipe=recipe, settings=replace(how, shard=Shard(1, 2)))
    merged = api.merge(web)
    assert merged.joined == (Shard(1, 2),)
    assert merged.lacking == ()
    assert merged.summary is not None
    assert merged.summary.optimized + merged.summary.kept == len(NAMES)
    state = tmp_path / "bucket/web.pixmill"
    assert set(digests(state)) == {"journal-0.sqlite", "srcset.json"}
    listing = json.loads((state / "srcset.json").read_bytes())
    for output in (output for outputs in listing["sources"].values() for output in outputs):
        assert output.pop("etag")
    assert listing == json.loads((tmp_path / "disc.pixmill/srcset.json").read_bytes())
    assert digests(tmp_path / "bucket/web") == digests(tmp_path / "disc")
    assert api.merge(web) == replace(merged, joined=())
    again = _words(ran(source, web, recipe=recipe, settings=how).outcomes)
    assert again == dict.fromkeys(NAMES, "done") | {"broken.jpg": "failed"}
    assert not left_running()


def test_merging_waits_for_no_shard(source: Path, web: str, tmp_path: Path) -> None:
    """While a shard works merging is refused and changes nothing; so is an output without runs."""
    runner = CliRunner()
    assert "no journal in" in str(runner.invoke(app, ["merge", web]).exception)
    assert not (tmp_path / "bucket").exists()
    shard = replace(TWO_WORKERS, shard=Shard(0, 2))
    with pixmill.optimize(source, web, HALVED, settings=shard) as run:
        next(run)
        assert "shards of 2 work on" in str(runner.invoke(app, ["merge", web]).exception)
        list(run)
    assert run.summary.fatal == ""
    listing = tmp_path / "list.json"
    result = runner.invoke(app, ["merge", web, "--manifest", str(listing)])
    assert result.exit_code == ExitCode.SOME_FAILED
    assert "journals joined: 1" in result.stderr
    assert "never begun: shards 1/2" in result.stderr
    assert set(digests(tmp_path / "bucket/web.pixmill")) == {"journal-0.sqlite"}


def test_status_and_undo(source: Path, web: str) -> None:
    """`status` and `runs` tell of an output in a bucket; `undo` says that there is nothing to."""
    assert isinstance(CliRunner().invoke(app, ["status", web]).exception, OptionError)
    ran(source, web)
    told = json.loads(CliRunner().invoke(app, ["status", web, "--json"]).stdout)
    assert told["files"] == {"optimized": len(NAMES), "failed": 1}
    assert told["last_run"]["ending"] == "done"
    assert "done" in CliRunner().invoke(app, ["runs", web]).stdout
    with pytest.raises(OptionError, match="never replaced in place"):
        api.undo(web)


def test_shards_know_each_others_results(source: Path, web: str, tmp_path: Path) -> None:
    """Shards leave what one run would, and the next run knows all of it, divided or not."""
    for number in range(2):
        ran(source, web, settings=replace(TWO_WORKERS, shard=Shard(number, 2)))
    ran(source, tmp_path / "disc")
    assert digests(tmp_path / "bucket/web") == digests(tmp_path / "disc")
    for shard in (WHOLE, Shard(0, 1), Shard(1, 3)):
        words = _words(ran(source, web, settings=replace(TWO_WORKERS, shard=shard)).outcomes)
        assert {word for path, word in words.items() if path != "broken.jpg"} <= {"done"}
    found = api.history(web)
    assert found is not None
    assert found.counts()["optimized"] == len(NAMES)
    found.close(None)


def test_the_list_of_a_series_is_beside_the_journal(source: Path, web: str, tmp_path: Path) -> None:
    """The list of a responsive set is in the bucket too, and is renewed there."""
    for widths in ((8,), (8, 16)):
        ran(source, web, recipe=Recipe(widths=widths))
        listed = json.loads((tmp_path / "bucket/web.pixmill/srcset.json").read_text())
        assert set(listed["sources"]) == set(NAMES)
        assert {len(outputs) for outputs in listed["sources"].values()} == {len(widths)}
