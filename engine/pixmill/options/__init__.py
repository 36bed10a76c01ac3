"""What was typed, and what is meant: options shared by the flags and the config file.

Pure. `fields` lists the options, `reading` checks a mapping, `meaning` makes a `Request`,
`schema` describes the config file.
"""

from __future__ import annotations

from pixmill.options.fields import (
    ALIASES,
    DEFAULT_MAX_DIMENSION_PX,
    About,
    Entry,
    Group,
    Options,
    ProgressStyle,
    entries,
    spelling,
)
from pixmill.options.meaning import Request, meant, uses_max_dimension
from pixmill.options.reading import chosen, from_mapping, merged, nearest, split_list
from pixmill.options.schema import Syntax, schema, starter_config

__all__ = [
    "ALIASES",
    "DEFAULT_MAX_DIMENSION_PX",
    "About",
    "Entry",
    "Group",
    "Options",
    "ProgressStyle",
    "Request",
    "Syntax",
    "chosen",
    "entries",
    "from_mapping",
    "meant",
    "merged",
    "nearest",
    "schema",
    "spelling",
    "split_list",
    "starter_config",
    "uses_max_dimension",
]
