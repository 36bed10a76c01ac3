"""The version line, for `--version`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["version_line"]


def version_line() -> str:
    """Return `pixmill 1.2.3`, or say that it runs from a tree that was never installed."""
    try:
        return f"pixmill {version('pixmill')}"
    except PackageNotFoundError:
        return "pixmill (not installed)"
