"""What must stand at a key for an object to be put there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion

    from pixmill.address import ObjectFacts

__all__ = ["IfAbsent", "IfMatch", "mode_of"]


@dataclass(frozen=True, slots=True)
class IfAbsent:
    """Put only where no object stands."""


@dataclass(frozen=True, slots=True)
class IfMatch:
    """Put only over the object that was seen.

    Attributes:
        seen: It, as `put`, `facts` or a listing told of it.
    """

    seen: ObjectFacts


def mode_of(condition: IfAbsent | IfMatch | None) -> PutMode:
    """Return a condition as obstore spells it."""
    if condition is None:
        return "overwrite"
    if isinstance(condition, IfAbsent):
        return "create"
    seen = condition.seen
    version = {"version": seen.version} if seen.version else {}
    return cast("UpdateVersion", {"e_tag": seen.tag} | version)
