"""The config file as a JSON Schema and as a commented starter, both made from `Options`.

Pure. Must not describe an option in its own words: `options.fields` holds them all.
"""

from __future__ import annotations

import json
import textwrap
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Final

from pixmill.options.fields import ALIASES, Entry, entries
from pixmill.options.reading import SCHEMA_KEY

if TYPE_CHECKING:
    from pixmill.events import Json

__all__ = ["Syntax", "schema", "starter_config"]

_HEADLINE: Final[dict[str, Json]] = {
    "default_quality": 85,
    "max_dimension": 1920,
    "supported_formats": ["jpg", "png", "webp"],
    "compression_strategy": "adaptive",
    "parallel_workers": "auto",
}
_EXAMPLES: Final[dict[str, Json]] = {
    "candidates": ["avif", "webp", "jpg"],
    "operations": ["resize", "compress"],
    "resize": "800x600",
    "background": "#ffffff",
    "quality": 85,
    "codec_option": ["avif.effort=2"],
    "max_size": "500kB",
    "widths": [320, 640, 1280],
    "formats": ["avif", "webp", "jpg"],
    "name_template": "{stem}-{width}.{ext}",
    "manifest": "srcset.json",
    "target_quality": "high",
    "min_quality": 40,
    "include": ["*.jpg"],
    "exclude": ["drafts/**"],
    "supported_formats": ["jpg", "png", "webp"],
    "events": "events.ndjson",
    "report": "report.json",
    "min_savings": "5%",
    "backup": "originals",
    "journal": "web-journal.sqlite",
    "log_file": "pixmill.log",
    "ray_address": "10.0.0.1:6379",
    "endpoint_url": "https://minio.example:9000",
    "region": "eu-central-1",
    "profile": "images",
    "cache_control": "public, max-age=31536000, immutable",
    "tagging": "team=web&kind=thumbnail",
}
_COMMENT_WIDTH: Final = 88


class Syntax(StrEnum):
    """The syntax of a config file."""

    TOML = "toml"
    JSON = "json"


def schema() -> dict[str, Json]:
    """Return the JSON Schema (draft 2020-12) of a config file."""
    known = entries()
    properties: dict[str, Json] = {SCHEMA_KEY: {"type": "string"}}
    properties |= {entry.name: _property(entry) for entry in known}
    by_name = {entry.name: entry for entry in known}
    for alias, name in ALIASES.items():
        also = {"description": f"The same as {name}."}
        properties[alias] = _shape(by_name[name]) | also
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pixmill configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "allOf": [{"not": {"required": [alias, name]}} for alias, name in ALIASES.items()],
    }


def starter_config(syntax: Syntax = Syntax.TOML) -> str:
    """Return a config file to start from: five keys set, and in TOML every other one explained."""
    if syntax is Syntax.JSON:
        return json.dumps(_HEADLINE, indent=2) + "\n"
    lines = [
        "# pixmill.toml: options of `pixmill optimize`; a flag on the command line wins.",
        "# A line that starts with # is not in force and shows the default or an example.",
        "",
        *(f"{name} = {json.dumps(value)}" for name, value in _HEADLINE.items()),
    ]
    set_already = {ALIASES.get(name, name) for name in _HEADLINE}
    for group, members in groupby(entries(), key=lambda entry: entry.about.group):
        lines += ["", f"# -- {group} " + "-" * (_COMMENT_WIDTH - len(group) - 6)]
        for entry in members:
            if entry.name not in set_already:
                lines += ["", *_commented(entry)]
    return "\n".join(lines) + "\n"


def _commented(entry: Entry) -> list[str]:
    about = entry.about
    words = f" ({', '.join(entry.type)})" if issubclass(entry.type, StrEnum) else ""
    default = f" Default: {about.default_text}." if about.default_text else ""
    text = f"{about.text}{words}.{default}"
    value = _EXAMPLES.get(entry.name, _plain(about.default))
    return [
        *textwrap.wrap(text, _COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# "),
        f"# {entry.name} = {json.dumps(value)}",
    ]


def _property(entry: Entry) -> dict[str, Json]:
    """Return the schema of one key, with what the help says of it."""
    about = entry.about
    default = f" Default: {about.default_text}." if about.default_text else ""
    found = _shape(entry) | {"description": f"{about.text}.{default}"}
    if about.default is not None:
        found["default"] = _plain(about.default)
    return found


def _shape(entry: Entry) -> dict[str, Json]:
    about = entry.about
    if issubclass(entry.type, StrEnum):
        return {"type": "string", "enum": [str(word) for word in entry.type]}
    if entry.type is tuple:
        plain: list[Json] = ["string", "integer"]
        kind: Json = plain if about.is_number_too else "string"
        member: dict[str, Json] = {"type": kind}
        if about.words is not None:
            member["enum"] = [str(word) for word in about.words]
        items: dict[str, Json] = {"type": "array", "items": member, "uniqueItems": True}
        return {"anyOf": [items, {"type": kind}]}
    if entry.type is str:
        return {"type": ["string", "number"] if about.is_number_too else "string"}
    if entry.type is bool:
        return {"type": "boolean"}
    found: dict[str, Json] = {"type": "integer"}
    if about.minimum is not None:
        found["minimum"] = about.minimum
    if about.maximum is not None:
        found["maximum"] = about.maximum
    return found


def _plain(value: bool | int | str | tuple[str, ...] | None) -> Json:  # noqa: FBT001 - a JSON value
    return list(value) if isinstance(value, tuple) else value
