"""What the frames of a GIF leave bare, and how libnsgif is made to see it clear, as browsers do.

libvips gives a GIF alpha only where a frame has a transparent colour, and libnsgif paints what a
frame without one disposes of in the background colour. So a frame is given a transparent colour
that none of its pixels has. Must not read files: `gif` walks the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pixmill.codecs.fields import little
from pixmill.header import Patch

__all__ = ["CONTROL_BYTES", "Canvas"]

CONTROL_BYTES: Final = 5
"""The body of a graphic control extension, its length included: GIF89a 23."""

_TRANSPARENT_FLAG: Final = 0x01
_TO_BACKGROUND: Final = 2
_UNUSED: Final = 0xFF
_ROOMY_BITS: Final = 7
"""Indices of so many bits never reach `_UNUSED`."""

_MAX_PATCHES: Final = 20_000
"""Bounds what a file of countless tiny frames can make of memory."""

_CONTROL: Final = b"!\xf9\x04%c\x0a\0%c\0"


@dataclass(frozen=True, slots=True)
class _Area:
    left_px: int
    top_px: int
    right_px: int
    bottom_px: int

    def covers(self, other: _Area) -> bool:
        return (
            self.left_px <= other.left_px
            and self.top_px <= other.top_px
            and self.right_px >= other.right_px
            and self.bottom_px >= other.bottom_px
        )


@dataclass(frozen=True, slots=True)
class _Disposed:
    """A frame that is taken away before the next, and what makes libnsgif leave nothing."""

    area: _Area
    clearing: tuple[Patch, ...]


@dataclass(slots=True)
class Canvas:
    """The canvas, frame by frame.

    Args:
        width_px: Of the screen.
        height_px: Likewise.
    """

    width_px: int
    height_px: int
    _control: tuple[int, bytes] | None = None
    _is_clear: bool = False
    _is_bare: bool = False
    _is_first: bool = True
    _spare: tuple[Patch, ...] = ()
    _before: _Disposed | None = None
    _patches: list[Patch] = field(default_factory=list)

    def controlled(self, at: int, body: bytes) -> None:
        """Take the body of a graphic control extension that begins at an offset."""
        if len(body) == CONTROL_BYTES:
            self._control = at, body

    def framed(self, at: int, descriptor: bytes, code_bits: int) -> None:
        """Take an image descriptor at an offset, and the bits of its pixels' indices."""
        at_control, control = self._control or (0, bytes(CONTROL_BYTES))
        is_clear = bool(control[1] & _TRANSPARENT_FLAG)
        clearing: tuple[Patch, ...] = ()
        if not is_clear and code_bits <= _ROOMY_BITS:
            clearing = _clearing(at_control, control) if at_control else (_control_before(at),)
        area = _area(descriptor)
        if self._is_first:
            self._is_bare = not area.covers(_Area(0, 0, self.width_px, self.height_px))
        elif self._before and not area.covers(self._before.area):
            self._patches += self._before.clearing if len(self._patches) < _MAX_PATCHES else ()
        is_disposed = control[1] >> 2 & 7 == _TO_BACKGROUND
        self._before = _Disposed(area, clearing) if is_disposed else None
        self._is_clear = self._is_clear or is_clear
        self._spare = self._spare or clearing
        self._control, self._is_first = None, False

    @property
    def patches(self) -> tuple[Patch, ...]:
        """What to change in the file, so that what is bare comes out clear; mostly nothing."""
        if self._is_bare and not self._is_clear and not self._patches:
            return self._spare
        return tuple(self._patches)


def _area(descriptor: bytes) -> _Area:
    left_px, top_px = little(descriptor, 0, 2), little(descriptor, 2, 2)
    width_px, height_px = little(descriptor, 4, 2), little(descriptor, 6, 2)
    return _Area(left_px, top_px, left_px + width_px, top_px + height_px)


def _clearing(at: int, control: bytes) -> tuple[Patch, ...]:
    flags = bytes((control[1] | _TRANSPARENT_FLAG,))
    return (Patch(at + 1, 1, flags), Patch(at + 4, 1, bytes((_UNUSED,))))


def _control_before(at: int) -> Patch:
    """Return a control that says what the lack of one does, but for the transparent colour."""
    return Patch(at, 0, _CONTROL % (_TRANSPARENT_FLAG, _UNUSED))
