"""Tell whether the libraries that extras bring are installed, without importing them.

Must not know formats: a record names its libraries.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, Protocol

__all__ = ["OBSTORE", "RAY", "Package", "how_to_install", "is_installed"]


class _Optional(Protocol):
    """What an extra may bring."""

    @property
    def module(self) -> str:
        """Name under which Python imports it."""

    @property
    def extra(self) -> str:
        """Name of pixmill's extra that brings it."""


@dataclass(frozen=True, slots=True)
class Package:
    """A library that does not decode or encode.

    Attributes:
        module: Name under which Python imports it.
        extra: Name of pixmill's extra that brings it.
    """

    module: str
    extra: str


OBSTORE: Final = Package("obstore", "cloud")
RAY: Final = Package("ray", "ray")


def is_installed(library: _Optional) -> bool:
    """Return whether Python would find a library."""
    return find_spec(library.module) is not None


def how_to_install(library: _Optional) -> str:
    """Return the command that brings what an extra brings."""
    return f"pip install 'pixmill[{library.extra}]'"
