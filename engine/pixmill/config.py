"""Read a JSON or TOML config file into `Options`.

Does the file's I/O and names file, line and column in errors; what a key or a value may be is
checked by `options`.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

from pixmill.errors import OptionError
from pixmill.options.reading import from_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.options.fields import Options

__all__ = ["load"]


def load(path: Path) -> Options:
    """Return the options that a config file gives; JSON or TOML by suffix, else by its content.

    Raises:
        OptionError: The file cannot be read or parsed, or holds what no option takes; its message
            starts with the file's name and, where known, the line and column.
    """
    text = _text(path)
    mapping = _mapping(path, text)
    try:
        return from_mapping(mapping)
    except OptionError as error:
        key = error.option or ""
        place = f"{path}{_line_of(text, key)}"
        known = "" if str(error).startswith("there is no option") else f"{key}: "
        raise OptionError(f"{place}: {known}{error}", option="config") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OptionError(f"{path}: cannot read it: {reason}", option="config") from None
    except UnicodeDecodeError as error:
        raise OptionError(
            f"{path}: expected UTF-8, got byte {error.object[error.start]:#04x} at {error.start}",
            option="config",
        ) from None


def _mapping(path: Path, text: str) -> dict[str, object]:
    is_json = path.suffix.lower() == ".json" or (
        path.suffix.lower() != ".toml" and text.lstrip().startswith("{")
    )
    try:
        found = json.loads(text, object_pairs_hook=_unique) if is_json else tomllib.loads(text)
    except json.JSONDecodeError as error:
        raise OptionError(
            f"{path}:{error.lineno}:{error.colno}: not valid JSON: {_lowered(error.msg)}",
            option="config",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise OptionError(
            f"{path}: not valid TOML: {_lowered(str(error))}", option="config"
        ) from None
    except RecursionError:
        raise OptionError(f"{path}: nested too deeply", option="config") from None
    except OptionError as error:
        raise OptionError(f"{path}: {error}", option="config") from None
    if not isinstance(found, dict):
        raise OptionError(
            f"{path}: expected an object of options, such as {{'default_quality': 85}}",
            option="config",
        )
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse what JSON allows and TOML does not: the last of two equal keys would win silently."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise OptionError(f"{key} is given twice: keep one")
        found[key] = value
    return found


def _line_of(text: str, key: str) -> str:
    """Return `:line` of the first place where `key` is set, or nothing when it is not found."""
    setting = re.compile(rf"""(?:^|[{{,])\s*["']?{re.escape(key)}["']?\s*[=:]""", re.MULTILINE)
    found = setting.search(text)
    return f":{text.count(chr(10), 0, found.end()) + 1}" if found else ""


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
