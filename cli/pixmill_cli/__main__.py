"""`python -m pixmill_cli` is `pixmill`."""

from __future__ import annotations

from pixmill_cli.entry import command

command()
