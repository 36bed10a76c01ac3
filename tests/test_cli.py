"""The command line is parsed, refused and explained before anything runs."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pixmill.errors import OptionError
from pixmill.options import entries, from_mapping, spelling
from pixmill_cli.app import app
from pixmill_cli.exit_codes import ExitCode
from pixmill_cli.screen import printable

COMMAND = str(Path(sys.executable).with_name("pixmill"))


def ran(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a wide terminal's place."""
    return subprocess.run(
        [COMMAND, *args], capture_output=True, text=True, check=False, cwd=cwd, timeout=60
    )


def refused(*args: str) -> OptionError:
    """Return the error that these arguments of `optimize` raise."""
    result = CliRunner().invoke(app, ["optimize", *args])
    assert isinstance(result.exception, OptionError), result.output
    return result.exception


def test_the_version_is_told() -> None:
    """`--version` prints one line on stdout."""
    result = ran("--version")
    assert result.returncode == ExitCode.OK
    assert result.stdout.startswith("pixmill ")


_GOODBYES = {
    "exit": "import atexit; atexit.register(sys.stderr.write, 'goodbye')",
    "thread": """
import threading
ended = threading.main_thread().join
threading.Thread(target=lambda: (ended(), sys.stderr.write('goodbye'))).start()""",
}


@pytest.mark.parametrize("goodbye", _GOODBYES)
def test_the_command_leaves_nothing_undone(goodbye: str) -> None:
    """What is registered for the end of Python is done, and threads that still run are awaited."""
    code = (
        "import sys\nfrom pixmill_cli.entry import command\nsys.argv = ['pixmill', '-V']\n"
        f"{_GOODBYES[goodbye]}\ncommand()"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.startswith("pixmill ")
    assert ended.stderr == "goodbye"


def test_no_arguments_show_the_help() -> None:
    """The bare command, and one that only leads to others, explain themselves."""
    for args in ((), ("config",)):
        result = ran(*args)
        assert result.returncode == ExitCode.OK
        assert result.stdout.startswith("Usage: pixmill")


@pytest.mark.parametrize(
    "command", ["optimize", "inspect", "compare", "status", "runs", "merge", "undo"]
)
def test_a_command_that_is_told_nothing_to_work_on_fails(command: str) -> None:
    """Where a script's variable is empty nothing was done, which is not told as success."""
    result = ran(command)
    assert result.returncode == ExitCode.USAGE
    assert result.stdout == ""
    assert "missing" in result.stderr.lower()


def test_help_names_every_option_and_exit_code() -> None:
    """The help of `optimize` has every flag, its panels, defaults and the exit codes."""
    result = CliRunner().invoke(app, ["optimize", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == ExitCode.OK
    for entry in entries():
        flag = spelling(entry.name)
        assert (flag.replace("--", "--[no-]") if entry.about.can_negate else flag) in result.output
        assert str(entry.about.group) in result.output
    assert "lanczos3" in result.output
    for code in ExitCode:
        assert str(int(code)) in result.output


@pytest.mark.parametrize(
    ("args", "option"),
    [
        ((), "input"),
        (("in",), "output"),
        (("--output", "out"), "input"),
        (("in", "out", "--input", "in"), "input"),
        (("in", "out", "--output", "out"), "output"),
    ],
)
def test_places_are_named_once(args: tuple[str, ...], option: str) -> None:
    """Input and output are each named exactly once, in either form."""
    assert refused("--dry-run", *args).option == option


@pytest.mark.parametrize(
    ("args", "option"),
    [
        (("--events", "-", "--json"), "events"),
        (("-q", "-v"), "quiet"),
        (("--max-size", "lots"), "max_size"),
        (("--resize", "0x5"), "resize"),
        (("--operations", "blur"), "operations"),
        (("--operations", ""), "operations"),
        (("--operations", "convert"), "target_format"),
        (("--target-format", "docx"), "target_format"),
        (("--lossless", "--quality", "80"), "quality"),
        (("--supported-formats", "jgp"), "supported_formats"),
        (("--config", "gone.json"), "config"),
    ],
)
def test_options_are_refused_by_name(tmp_path: Path, args: tuple[str, ...], option: str) -> None:
    """What an option cannot mean is refused before the run, by the option's name."""
    assert refused(str(tmp_path), str(tmp_path / "out"), *args).option == option


@pytest.mark.parametrize(
    "args",
    [("--fit", "covr"), ("--quality", "high"), ("--nonsense",), ("a", "b", "c"), ("--retries",)],
)
def test_typing_errors_are_usage_errors(args: tuple[str, ...]) -> None:
    """What Typer cannot parse ends with the usage exit code."""
    result = CliRunner().invoke(app, ["optimize", "in", "out", *args])
    assert result.exit_code == ExitCode.USAGE


def test_a_choice_that_is_nearly_one_is_named() -> None:
    """A word that is no choice is told plainly, with the one that was probably meant."""
    result = CliRunner().invoke(app, ["optimize", "in", "out", "--gravity", "center"])
    assert "'--gravity': 'center' is not one of 'centre'" in result.output
    assert result.output.rstrip().endswith(": did you mean 'centre'?")


def test_usage_errors_speak_on_stderr(tmp_path: Path) -> None:
    """A usage error exits with 2, says the flag as typed, and leaves stdout empty."""
    result = ran("optimize", str(tmp_path), str(tmp_path / "out"), "--max-size", "lots")
    assert result.returncode == ExitCode.USAGE
    assert result.stdout == ""
    assert result.stderr.startswith("pixmill: --max-size: expected a size")
    assert "Traceback" not in result.stderr


def test_a_missing_input_is_a_usage_error(tmp_path: Path) -> None:
    """An input folder that is not there is named, with exit code 2."""
    result = ran("optimize", str(tmp_path / "gone"), str(tmp_path / "out"))
    assert result.returncode == ExitCode.USAGE
    assert "gone" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_output_that_looks_like_a_file_hears_of_pipes(tmp_path: Path) -> None:
    """Whoever names a result as for cwebp is told how one image is had, before anything is made."""
    (tmp_path / "a.png").write_bytes(b"any")
    result = ran("optimize", "a.png", "a.webp", cwd=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert "name a folder, or - to have the one image on stdout" in result.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_config_errors_name_the_file(tmp_path: Path) -> None:
    """A config value that contradicts another names the config file and its key."""
    config = tmp_path / "a.toml"
    config.write_text('operations = ["convert"]\n', encoding="utf-8")
    result = ran("optimize", str(tmp_path), str(tmp_path / "out"), "--config", str(config))
    assert result.returncode == ExitCode.USAGE
    assert "pixmill: " in result.stderr
    config.write_text('max_size = "lots"\n', encoding="utf-8")
    error = refused(str(tmp_path), str(tmp_path / "out"), "--config", str(config))
    assert str(config) in str(error)
    assert "max_size" in str(error)


def test_unwritable_outputs_are_refused_before_the_run(tmp_path: Path) -> None:
    """A report, events or log file that cannot be written is a usage error."""
    for flag in ("--report", "--events", "--log-file"):
        error = refused(str(tmp_path), str(tmp_path / "out"), flag, str(tmp_path / "no" / "f"))
        assert error.option == flag.removeprefix("--").replace("-", "_")
    assert list(tmp_path.iterdir()) == []


def test_a_config_is_started_once(tmp_path: Path) -> None:
    """`config init` writes a file that is valid, and never overwrites one unasked."""
    assert ran("config", "init", cwd=tmp_path).returncode == ExitCode.OK
    path = tmp_path / "pixmill.toml"
    from_mapping(tomllib.loads(path.read_text(encoding="utf-8")))
    path.write_text("quality = 1\n", encoding="utf-8")
    again = ran("config", "init", cwd=tmp_path)
    assert again.returncode == ExitCode.USAGE
    assert "--force" in again.stderr
    assert path.read_text(encoding="utf-8") == "quality = 1\n"
    assert ran("config", "init", "--force", cwd=tmp_path).returncode == ExitCode.OK
    assert "default_quality" in path.read_text(encoding="utf-8")


def test_a_starter_goes_to_stdout_on_request() -> None:
    """`config init -` prints JSON or TOML and nothing else on stdout."""
    result = CliRunner().invoke(app, ["config", "init", "-", "--format", "json"])
    assert json.loads(result.stdout)["default_quality"] == 85


def test_the_schema_is_json() -> None:
    """`config schema` prints a JSON document."""
    result = CliRunner().invoke(app, ["config", "schema"])
    assert json.loads(result.stdout)["title"] == "pixmill configuration"


def test_show_tells_where_values_come_from(tmp_path: Path) -> None:
    """`config show` names for every option its value and whether a file gave it."""
    config = tmp_path / "a.json"
    config.write_text('{"default_quality": 85}', encoding="utf-8")
    result = CliRunner().invoke(app, ["config", "show", "--json", str(config)])
    options = json.loads(result.stdout)["options"]
    assert options["quality"] == {"value": 85, "from": "file"}
    assert options["fit"] == {"value": "inside", "from": "default"}
    table = CliRunner().invoke(app, ["config", "show", str(config)])
    assert table.exit_code == ExitCode.OK
    assert "quality" in table.stdout


def test_a_reader_who_leaves_makes_no_noise() -> None:
    """A closed pipe on stdout ends in silence."""
    script = f"{COMMAND} config schema | head -c 1 >/dev/null"
    result = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.stderr == ""


def test_the_command_line_never_loads_pyvips() -> None:
    """Parsing, help and checking options leave pyvips and Pillow unloaded."""
    script = (
        "import sys; from pixmill_cli.app import app; from pixmill import config, options; "
        "import pixmill_cli.reporters.assembly; options.meant(options.Options()); "
        "sys.exit(bool({'pyvips', 'PIL'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert result.returncode == 0


@pytest.mark.parametrize(
    ("path", "shown"),
    [("ü/a b.jpg", "ü/a b.jpg"), ("\x1b[31m.jpg", "\\x1b[31m.jpg"), ("a\udcff", "a\\udcff")],
)
def test_file_names_cannot_steer_the_terminal(path: str, shown: str) -> None:
    """Escape sequences and undecodable bytes in a name are spelled out on screen."""
    assert printable(path) == shown
