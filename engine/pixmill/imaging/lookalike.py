"""An image of a library that is not Pillow, as far as what decodes through Pillow asks of one.

Must not decode: each library's own module does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyvips

__all__ = ["Lookalike"]


class Lookalike(ABC):
    """One still whose pixels are decoded when they are asked for.

    Args:
        mode: Pillow's mode for such pixels.
        size: Width and height, upright.
        info: Metadata, by Pillow's names; decoding may find more.
    """

    n_frames = 1

    def __init__(self, mode: str, size: tuple[int, int], info: dict[str, object]) -> None:
        self.mode = mode
        self.size = size
        self.info = info

    @abstractmethod
    def pixels(self) -> pyvips.Image:
        """Decode into libvips memory."""
