"""Carry what the user should know about an image along with it, as a field of the image.

Savers write no field that they do not know, so a note never reaches a file.
"""

from __future__ import annotations

from typing import Final

import pyvips

__all__ = ["noted", "notes_of"]

_FIELD: Final = "pixmill-notes"


def noted(image: pyvips.Image, note: str) -> pyvips.Image:
    """Return the image with a note added."""
    tagged = image.copy()
    told = "\n".join((*notes_of(image), note))
    tagged.set_type(pyvips.GValue.gstr_type, _FIELD, told)
    return tagged


def notes_of(image: pyvips.Image) -> tuple[str, ...]:
    """Return the notes that steps left on an image."""
    return tuple(image.get(_FIELD).split("\n")) if image.get_typeof(_FIELD) else ()
