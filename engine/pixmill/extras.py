"""Tell whether the libraries that extras bring are installed, without importing them.

Must not know formats: a record names its libraries.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.codecs.spec import Library

__all__ = ["how_to_install", "is_installed"]


def is_installed(library: Library) -> bool:
    """Return whether Python would find a library."""
    return find_spec(library.module) is not None


def how_to_install(library: Library) -> str:
    """Return the command that brings what an extra brings."""
    return f"pip install 'pixmill[{library.extra}]'"
