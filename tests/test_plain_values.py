"""Plain values of flags are what Typer would have made of them, for less."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Final

import pytest
import typer

from pixmill_cli.app import app

VALUES: Final = (
    None,
    "",
    "x",
    "80",
    "-3",
    "+3",
    "08",
    "1_000",
    "8.5",
    "\uff19",
    " 7",
    "fast",
    "FAST",
)
COMMANDS: Final[dict[str, Any]] = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def _made(process: Any, context: Any, value: object) -> object:
    """Return what becomes of a value, or the words with which it is refused."""
    try:
        return process(context, value)
    except Exception as error:  # noqa: BLE001 - Typer's own click is not click's
        return type(error).__name__, str(error)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "config"])
def test_values_are_what_typer_makes_of_them(name: str) -> None:
    """Each flag of each command takes and refuses as Typer does, to the word."""
    command = COMMANDS[name]
    context = command.context_class(command, info_name=name)
    for parameter in command.get_params(context):
        if parameter.callback is not None:
            continue
        plain = parameter.process_value
        for value in VALUES:
            its_own = type(parameter).process_value.__get__(parameter)
            made, wanted = _made(plain, context, value), _made(its_own, context, value)
            assert type(made) is type(wanted), (parameter.name, value)
            assert _words(made) == _words(wanted), (parameter.name, value)


def _words(made: object) -> object:
    """Return what was made, a refusal without pydantic's prefix and without our hint."""
    match made:
        case (str() as kind, str() as message):
            return kind, message.removeprefix("Value error, ").partition(": did")[0].rstrip(".")
        case _:
            return made


def test_an_ordinary_command_loads_no_validators() -> None:
    """Paths, words, choices and numbers do not load pydantic, which is half of a start."""
    words = [
        "optimize",
        "/nowhere",
        "out",
        "--quality",
        "80",
        "--effort",
        "fast",
        "--resize",
        "9x9",
    ]
    code = (
        "import sys; from pixmill_cli.entry import main; "
        f"sys.argv[1:] = {words}; print(main(), 'pydantic' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.split()[-1] == "False"
    assert "there is no /nowhere" in ended.stderr
