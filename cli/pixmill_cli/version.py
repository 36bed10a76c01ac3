"""The version line, for `--version`."""

from __future__ import annotations

from pixmill.release import VERSION

__all__ = ["version_line"]


def version_line() -> str:
    """Return `pixmill 1.2.3`."""
    return f"pixmill {VERSION}"
