"""Tell whether the libraries that extras bring are installed, without importing them.

Must not know formats: a record names its libraries.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.codecs.spec import Library

__all__ = ["Extra", "how_to_install", "is_installed"]


@dataclass(frozen=True, slots=True)
class Extra:
    """A library that is no codec's.

    Attributes:
        module: Name under which Python imports it.
        extra: Name of pixmill's extra that brings it.
    """

    module: str
    extra: str


def is_installed(library: Library | Extra) -> bool:
    """Return whether Python would find a library."""
    return find_spec(library.module) is not None


def how_to_install(library: Library | Extra) -> str:
    """Return the command that brings what an extra brings."""
    return f"pip install 'pixmill[{library.extra}]'"
