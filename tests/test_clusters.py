"""What engine/CLUSTERS.md tells people to type is what the command takes, and its script runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from pixmill.journal.place import place_of
from pixmill.options import meant
from pixmill.settings import ExecutorName
from pixmill.sharding import Shard
from pixmill_cli.app import app
from pixmill_cli.flags import given_options
from runs import archive, digests

if TYPE_CHECKING:
    import click

PAGE = (Path(__file__).parents[1] / "engine" / "CLUSTERS.md").read_text(encoding="utf-8")
SCRIPTS = Path(sys.executable).parent
INDICES = {"SLURM_ARRAY_TASK_ID": "3", "JOB_COMPLETION_INDEX": "3"}
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(pixmill [a-z][^`]*)`|'(pixmill [a-z][^']*)'")


def _blocks(kind: str) -> list[str]:
    return [text for found, text in _BLOCK.findall(PAGE) if found == kind]


def _block(mark: str) -> str:
    """Return the one script or manifest that a mark stands in."""
    (found,) = (text for _, text in _BLOCK.findall(PAGE) if mark in text)
    return str(found)


def _lines(text: str) -> list[str]:
    """Return the command lines of a script, up to what is the shell's."""
    found = re.findall(r"^[^#\n]*?\b(pixmill (?:optimize|merge) .*)$", text, re.MULTILINE)
    return [re.split(r" [&|;] ?| &&", line.removesuffix(" &"))[0].rstrip("'") for line in found]


def _typed() -> list[str]:
    """Return every command line of ours in the page."""
    blocks = [line for kind in ("sh", "yaml") for text in _blocks(kind) for line in _lines(text)]
    rest = _BLOCK.sub("", PAGE)
    inline = [one or other for one, other in _INLINE.findall(rest)]
    return blocks + [line for line in inline if len(line.split()) > 2]


def _context(line: str) -> click.Context:
    """Parse a command line as the command itself would; what it does not take raises."""
    known = INDICES | {"SHARDS": "16", "INPUT": "in", "OUTPUT": "out"}
    text = re.sub(r"\$\{?(\w+)\}?", lambda found: known[found[1]], line.replace("…", ""))
    _, name, *args = shlex.split(text)
    group = typer.main.get_command(app)
    command = group.commands[name]  # type: ignore[attr-defined]  # it is a group
    context: click.Context = command.make_context(name, args)
    return context


def test_there_are_commands() -> None:
    """The page shows several, in each script and manifest as well."""
    assert len(_typed()) >= 10
    told = [text for kind in ("sh", "yaml") for text in _blocks(kind)]
    assert [len(_lines(text)) for text in told if "cluster_name" not in text] == [
        3,
        1,
        1,
        1,
        1,
        1,
        1,
        1,
    ]


@pytest.mark.parametrize("line", _typed())
def test_what_is_typed_is_understood(line: str) -> None:
    """Every command line parses, and what `optimize` is given means something."""
    context = _context(line)
    if context.info_name == "optimize":
        request = meant(given_options(context.params))
        is_whole = request.settings.executor is ExecutorName.RAY
        assert request.settings.shard.count in ({1} if is_whole else {2, 16})
        assert request.settings.memory_bytes == 3_000_000_000
        if "$" in line:
            assert request.settings.shard == Shard(3, 16)


def test_the_indices_cover_every_shard() -> None:
    """Array and indexed job start as many tasks as there are shards."""
    slurm, job = _block("#SBATCH --array"), _block("completionMode")
    assert "--array=0-15\n" in slurm
    assert "SHARDS=16\n" in slurm
    assert re.findall(r"(?:completions|parallelism): (\d+)", job) == ["16", "16"]
    assert "/16" in job


def _shell(script: str, folder: Path, **environment: str) -> int:
    """Run a script of the page as its scheduler would."""
    ended = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=folder,
        env={"PATH": f"{SCRIPTS}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode


def test_the_array_script_makes_its_share(tmp_path: Path) -> None:
    """As it stands in the page, with places of one's own: its share is made, and noted as such."""
    names = [f"{number}.jpg" for number in range(200)]
    own = list(filter(Shard(3, 16).holds, names))[:2]
    source = archive(tmp_path / "in", *own, *names[:6])
    places = {"INPUT": str(source), "OUTPUT": str(tmp_path / "web")}
    assert _shell(_block("#SBATCH --array"), tmp_path, **places, SLURM_ARRAY_TASK_ID="3") == 0
    assert set(digests(tmp_path / "web")) == {*own, *filter(Shard(3, 16).holds, names[:6])}
    assert place_of(str(tmp_path / "web")).shards()[0].shard == Shard(3, 16)


def _pod(run: str) -> str:
    """Return the script of the pod with something else in place of pixmill's command."""
    script = _block("completionMode").split("- |\n")[1].split("          resources:")[0]
    return re.sub(r"pixmill optimize[^&]*", f"{run} ", script)


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 0), (3, 3)])
def test_a_pod_is_started_again_only_where_that_helps(
    tmp_path: Path, code: int, expected: int
) -> None:
    """Files that failed end the pod well; trouble of the run itself does not."""
    assert _shell(_pod(f"sh -c 'exit {code}'"), tmp_path) == expected


def test_a_pod_that_is_told_to_go_waits_for_what_is_in_hand() -> None:
    """The signal reaches pixmill, and the pod ends as it does."""
    patient = "sh -c 'trap \"sleep 0.3; exit 130\" TERM; echo; while :; do sleep 0.05; done'"
    with subprocess.Popen(["/bin/sh", "-c", _pod(patient)], stdout=subprocess.PIPE) as pod:
        assert pod.stdout is not None
        assert pod.stdout.readline() == b"\n"
        pod.terminate()
        assert pod.wait(timeout=20) == 130
