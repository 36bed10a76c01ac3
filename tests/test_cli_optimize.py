"""The installed command runs in a temporary tree: exit codes, reports, events, precedence."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pixmill_cli.exit_codes import ExitCode

COMMAND = str(Path(sys.executable).with_name("pixmill"))
FAST = ("--effort", "fast", "--parallel", "2")


def photo(path: Path, *, width_px: int = 320, height_px: int = 240, seed: int = 1) -> None:
    """Write something like a photograph: smooth, with a little noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = Image.frombytes(
        "RGB",
        (width_px // 8, height_px // 8),
        random.Random(seed).randbytes(width_px * height_px // 64 * 3),
    )
    noise.resize((width_px, height_px), Image.Resampling.BICUBIC).save(path, quality=95)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return a folder of four files: two JPEG, one PNG in a folder, and a text."""
    root = tmp_path / "photos"
    photo(root / "one.jpg", seed=1)
    photo(root / "two.jpg", seed=2)
    photo(root / "deep" / "er" / "three.png", seed=3)
    (root / "notes.txt").write_text("no image\n", encoding="utf-8")
    return root


def optimized(source: Path, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `pixmill optimize` into `web` beside the source and check its exit code."""
    result = subprocess.run(
        [COMMAND, "optimize", str(source), str(source.parent / "web"), *FAST, *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == code, result.stderr
    return result


def files(folder: Path) -> set[str]:
    """Return the relative paths of all files in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_all_well_is_0(archive: Path) -> None:
    """A run without failures exits with 0, keeps the tree, and says so on stderr alone."""
    result = optimized(archive, "--resize", "160")
    assert result.stdout == ""
    assert "optimized" in result.stderr
    assert "walked" in result.stderr
    assert files(archive.parent / "web") == {"one.jpg", "two.jpg", "deep/er/three.png"}
    with Image.open(archive.parent / "web" / "one.jpg") as image:
        assert image.size == (160, 120)


def test_a_failed_file_is_1(archive: Path) -> None:
    """A corrupt file is named in the summary, and everything else is made."""
    whole = (archive / "one.jpg").read_bytes()
    (archive / "broken.jpg").write_bytes(whole[: len(whole) // 3])
    result = optimized(archive, code=ExitCode.SOME_FAILED)
    assert "broken.jpg" in result.stderr
    assert files(archive.parent / "web") == {"one.jpg", "two.jpg", "deep/er/three.png"}


def test_silence_leaves_only_failures(archive: Path) -> None:
    """`-q` says nothing when all is well, and names failed files."""
    assert optimized(archive, "-q").stderr == ""
    (archive / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    assert "broken.png" in optimized(archive, "-q", code=ExitCode.SOME_FAILED).stderr


def test_an_output_that_is_a_file_is_an_error(archive: Path) -> None:
    """An output that cannot be a folder ends with an error code and a message, not a traceback."""
    (archive.parent / "web").write_text("in the way", encoding="utf-8")
    result = subprocess.run(
        [COMMAND, "optimize", str(archive), str(archive.parent / "web")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode in (ExitCode.USAGE, ExitCode.RUN_FAILED)
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("pixmill: ")


def test_json_accounts_for_every_file(archive: Path) -> None:
    """`--json` prints one document on stdout whose counts add up to the files there are."""
    document = json.loads(optimized(archive, "--json").stdout)
    totals = document["totals"]
    assert document["schema"] == 1
    assert totals["walked"] == 4
    assert totals["walked"] == sum(
        totals[name] for name in ("optimized", "kept", "skipped", "failed")
    )
    assert totals["skipped"] == 1
    assert document["bytes"]["saved"] == document["bytes"]["read"] - document["bytes"]["written"]
    assert document["seconds"]["wall"] > 0
    assert document["peak_memory_bytes"] > 0
    assert document["failures"] == []


def test_the_report_is_the_document(archive: Path) -> None:
    """`--report` writes what `--json` prints, and leaves no partial file behind."""
    report = archive.parent / "report.json"
    result = optimized(archive, "--json", "--report", str(report))
    assert json.loads(report.read_text(encoding="ascii")) == json.loads(result.stdout)
    assert {path.name for path in archive.parent.iterdir()} == {
        "photos",
        "web",
        "web.pixmill",
        "report.json",
    }


def test_events_tell_the_whole_run(archive: Path) -> None:
    """`--events -` prints a run event first, one file event a file, and the summary last."""
    lines = [json.loads(line) for line in optimized(archive, "--events", "-").stdout.splitlines()]
    assert lines[0]["type"] == "run"
    assert lines[-1]["type"] == "summary"
    ended = {line["path"]: line for line in lines if line["type"] == "file"}
    assert set(ended) == {"one.jpg", "two.jpg", "deep/er/three.png", "notes.txt"}
    promised = {"outcome", "destination", "bytes_read", "bytes_written", "quality", "attempts"}
    assert all(promised | {"encodes"} <= line.keys() for line in ended.values())
    assert ended["notes.txt"]["reason"] == "not-an-image"
    size = (archive.parent / "web" / "one.jpg").stat().st_size
    assert ended["one.jpg"]["bytes_written"] == size


def test_events_survive_odd_names(tmp_path: Path) -> None:
    """A file whose name is no UTF-8 is made, and its event holds the very bytes."""
    root = tmp_path / "photos"
    name = os.fsdecode(b"caf\xe9 \x1b[31m.png")
    photo(root / "plain.png")
    (root / "plain.png").rename(root / name)
    events = tmp_path / "events.ndjson"
    result = optimized(root, "--events", str(events), "-v")
    lines = [json.loads(line) for line in events.read_text(encoding="ascii").splitlines()]
    assert name in [line.get("path") for line in lines]
    assert "\x1b[31m" not in result.stderr
    assert (tmp_path / "web" / name).exists()


def test_the_log_has_a_line_a_file(archive: Path) -> None:
    """`--log-file` appends one line with a time for every file."""
    log = archive.parent / "run.log"
    log.write_text("before\n", encoding="utf-8")
    optimized(archive, "--log-file", str(log))
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "before"
    for name in ("one.jpg", "two.jpg", "deep/er/three.png", "notes.txt"):
        assert sum(f" {name}" in line for line in lines) == 1


def recipe_of(archive: Path, *args: str) -> dict[str, Any]:
    """Return the recipe that a dry run reports."""
    document = json.loads(optimized(archive, "--dry-run", "--json", *args).stdout)
    recipe: dict[str, Any] = document["run"]["recipe"]
    return recipe


def test_flags_win_over_the_config_file(archive: Path) -> None:
    """A value comes from the flag, else from the config file, else from the defaults."""
    config = archive.parent / "config.json"
    config.write_text('{"default_quality": 61, "min_quality": 30}', encoding="utf-8")
    assert recipe_of(archive)["quality"] is None
    filed = recipe_of(archive, "--config", str(config))
    assert (filed["quality"], filed["min_quality"]) == (61, 30)
    typed = recipe_of(archive, "--config", str(config), "--quality", "77")
    assert (typed["quality"], typed["min_quality"]) == (77, 30)


def test_the_config_of_the_documentation_runs(archive: Path) -> None:
    """The documented config file takes only the formats it names."""
    config = archive.parent / "config.json"
    config.write_text(
        json.dumps(
            {
                "default_quality": 85,
                "max_dimension": 1920,
                "supported_formats": ["jpg"],
                "compression_strategy": "adaptive",
                "parallel_workers": "auto",
            }
        ),
        encoding="utf-8",
    )
    result = optimized(archive, "--config", str(config), "--json")
    assert json.loads(result.stdout)["totals"]["skipped"] == 2
    assert files(archive.parent / "web") == {"one.jpg", "two.jpg"}


def test_a_dry_run_writes_nothing(archive: Path) -> None:
    """`--dry-run` reports real sizes and leaves no output folder."""
    document = json.loads(optimized(archive, "--dry-run", "--json", "--quality", "50").stdout)
    assert document["run"]["dry_run"] is True
    assert 0 < document["bytes"]["written"] < document["bytes"]["read"]
    assert not (archive.parent / "web").exists()


def test_named_places_work_as_well(archive: Path) -> None:
    """`--input` and `--output` do what the two arguments do."""
    out = archive.parent / "web"
    result = subprocess.run(
        [COMMAND, "optimize", "--input", f"{archive}/", "--output", f"{out}/", *FAST],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == ExitCode.OK
    assert "one.jpg" in files(out)


def started(source: Path, *args: str) -> subprocess.Popen[str]:
    """Start a run whose events can be read as they happen."""
    return subprocess.Popen(
        [COMMAND, "optimize", str(source), str(source.parent / "web"), "--events", "-", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    "signals",
    [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)],
    ids=["ctrl-c", "terminate", "twice"],
)
def test_an_interrupt_is_130(tmp_path: Path, signals: tuple[signal.Signals, ...]) -> None:
    """A signal ends the run early with a summary, exit code 130 and no temporary file."""
    root = tmp_path / "photos"
    photo(root / "0.png", width_px=640, height_px=480)
    content = (root / "0.png").read_bytes()
    for number in range(1, 400):
        (root / f"{number}.png").write_bytes(content)
    run = started(root, "--parallel", "2", "--effort", "best", "--target-format", "webp")
    assert run.stdout is not None
    assert any('"type":"file"' in line for line in run.stdout)
    for number in signals:
        run.send_signal(number)
    output, errors = run.communicate(timeout=60)
    assert run.returncode == ExitCode.INTERRUPTED, errors
    last = json.loads(output.splitlines()[-1])
    assert last["type"] == "summary"
    assert last["interrupted"] is True
    assert last["totals"]["walked"] < 400
    assert {Path(name).suffix for name in files(tmp_path / "web")} == {".webp"}


def test_a_reader_who_leaves_does_not_end_the_run(archive: Path) -> None:
    """When whoever reads the events goes away, the files are still made, without noise."""
    run = started(archive, *FAST)
    assert run.stdout is not None
    run.stdout.close()
    assert run.stderr is not None
    errors = run.stderr.read()
    assert run.wait(timeout=60) == ExitCode.OK, errors
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors
    assert len(files(archive.parent / "web")) == 3
    run.stderr.close()


def test_inspect_tells_what_files_are(archive: Path) -> None:
    """`inspect` tells format by content and warns of a wrong suffix; exit 1 names what failed."""
    (archive / "one.jpg").rename(archive / "one.png")
    good = [str(archive / "one.png"), str(archive / "two.jpg")]
    result = subprocess.run(
        [COMMAND, "inspect", "--json", *good],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == ExitCode.OK
    first, second = json.loads(result.stdout)["files"]
    assert (first["format"], first["suffix_fits"]) == ("jpg", False)
    assert (second["format"], second["suffix_fits"]) == ("jpg", True)
    assert (first["width"], first["height"]) == (320, 240)
    assert first["decode_bytes"] > 0
    result = subprocess.run(
        [COMMAND, "inspect", *good, str(archive / "notes.txt")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == ExitCode.SOME_FAILED
    assert "its name says .png" in result.stdout
    assert "failed" in result.stdout


def test_a_summary_says_what_was_added_and_nothing_of_nothing(archive: Path) -> None:
    """Results that had to grow are not told as negative savings, nor no formats as a table."""
    args = ("--resize", "200%", "--enlarge", "--lossless", "--target-format", "png")
    grown = optimized(archive, *args, "--parallel", "1", "--progress", "none").stderr
    assert "   added " in grown
    assert "(+" in grown
    assert " · 1 worker · " in grown
    again = optimized(archive, *args, "--progress", "none").stderr
    assert "format" in grown
    assert "format" not in again


def test_what_is_no_file_or_empty_is_told_as_such(archive: Path) -> None:
    """What is missing, empty or a folder is named with its reason beside files that are fine."""
    (archive / "empty.jpg").touch()
    names = ("two.jpg", "gone.jpg", "empty.jpg", "deep")
    found = subprocess.run(
        [COMMAND, "inspect", "--json", *names],
        capture_output=True,
        text=True,
        check=False,
        cwd=archive,
        timeout=60,
    )
    assert found.returncode == ExitCode.SOME_FAILED
    assert found.stderr == ""
    fine, *failed = json.loads(found.stdout)["files"]
    assert fine["format"] == "jpg"
    assert [(each["failure"]["kind"], each["failure"]["message"]) for each in failed] == [
        ("io", "no such file or directory"),
        ("unsupported", "it is empty"),
        ("unsupported", "expected a file, got a folder, a pipe or a device"),
    ]
    (failure,) = json.loads(optimized(archive, "--json", code=1).stdout)["failures"]
    assert failure["message"] == "the name says JPEG, it is empty"


def test_formats_tells_what_this_machine_can() -> None:
    """`formats --json` lists every codec with what can be read and written here."""
    result = subprocess.run(
        [COMMAND, "formats", "--json"], capture_output=True, text=True, check=False, timeout=60
    )
    found = {one["name"]: one for one in json.loads(result.stdout)["formats"]}
    assert found["jpg"]["can_read"] is True
    assert found["webp"]["can_write"] is True
    assert found["svg"]["can_write"] is False
