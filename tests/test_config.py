"""A config file is read as JSON or TOML, and its errors say where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixmill.config import load
from pixmill.errors import OptionError
from pixmill.options import Options

if TYPE_CHECKING:
    from pathlib import Path


def refused(path: Path, content: str | bytes) -> str:
    """Write a file and return the message that reading it raises."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(OptionError) as caught:
        load(path)
    assert caught.value.option == "config"
    assert str(path) in str(caught.value)
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{"default_quality": 85, "keep": ["icc"]}'),
        ("a.toml", 'default_quality = 85\nkeep = ["icc"]\n'),
        ("a.conf", ' {"default_quality": 85, "keep": ["icc"]}'),
        ("a.conf", 'default_quality = 85\nkeep = "icc"\n'),
        ("a.JSON", '\ufeff{"quality": 85, "keep": "icc", "$schema": "./schema.json"}'),
    ],
)
def test_both_syntaxes_are_read(tmp_path: Path, name: str, content: str) -> None:
    """JSON and TOML are told by suffix, and without one by content."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert load(path) == Options(quality=85, keep=("icc",))


def test_an_empty_toml_file_gives_nothing(tmp_path: Path) -> None:
    """A file with comments alone leaves every default."""
    path = tmp_path / "a.toml"
    path.write_text("# nothing yet\n", encoding="utf-8")
    assert load(path) == Options()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is refused by name."""
    with pytest.raises(OptionError, match=r"gone\.json: cannot read it: no such file"):
        load(tmp_path / "gone.json")


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    """A folder in place of a file is refused, not crashed on."""
    with pytest.raises(OptionError, match="cannot read it"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{\n  "quality": 85,\n}', ":3:1: not valid JSON"),
        ("a.json", "", ":1:1: not valid JSON"),
        ("a.json", "[1]", "expected an object of options"),
        ("a.json", '{"quality": 85, "quality": 70}', "quality is given twice"),
        ("a.toml", "quality = \n", "not valid TOML"),
        ("a.toml", "quality = 1\nquality = 2\n", "not valid TOML"),
        ("a.json", b'{"a": "\xff"}', "expected UTF-8, got byte 0xff at 7"),
        ("a.json", '{\n  "qualty": 85\n}', ":2: there is no option 'qualty'"),
        (
            "a.toml",
            "output = 'web'\n",
            ":1: there is no option 'output': name it on the command line",
        ),
        ("a.toml", "max-size = '9kb'\nmax_size = '9kb'\n", "max-size and max_size name the same"),
        ("a.toml", "# quality = 80\nhidden = true\nquality = 'x'\n", ":3: quality: expected"),
        ("a.toml", "[resize]\nwidth = 3\n", "resize: expected a string or a number, got a table"),
        ("a.json", "[" * 100_000, "nested too deeply"),
    ],
)
def test_errors_say_where_to_look(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    """What cannot be read names the file, and the line where it is known."""
    assert message in refused(tmp_path / name, content)


def test_options_are_spelled_as_flags_or_as_keys(tmp_path: Path) -> None:
    """The dashes of a flag are as good as the underscores of Python."""
    config = tmp_path / "a.toml"
    config.write_text("max-size = '500kB'\ntarget_format = 'webp'\n", encoding="utf-8")
    found = load(config)
    assert (found.max_size, found.target_format) == ("500kB", "webp")
