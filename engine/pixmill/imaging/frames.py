"""Cut stacked frames into stills of what changes, for formats whose savers take one at a time.

Must not encode nor join them: `encode` and a codec's record do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.codecs.spec import Frame
from pixmill.imaging.pages import page_count, page_height

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyvips

__all__ = ["DELAY_MS", "frames", "plays"]

DELAY_MS = 100
"""What viewers take for a frame that names no delay."""


def frames(image: pyvips.Image, still: Callable[[pyvips.Image, bool], bytes]) -> Iterator[Frame]:
    """Yield each frame's smallest part that differs from the frame before, encoded.

    Args:
        image: Frames stacked, in memory: each is read twice.
        still: Encodes one part; told whether it is the first, whose metadata is the animation's.
    """
    height_px = page_height(image)
    named: list[int] = list(image.get("delay")) if image.get_typeof("delay") else []
    before: pyvips.Image | None = None
    for index in range(page_count(image)):
        frame = image.crop(0, index * height_px, image.width, height_px)
        left_px, top_px, part = (0, 0, frame) if before is None else _changed(before, frame)
        delay_ms = named[index] if index < len(named) else DELAY_MS
        yield Frame(still(part, before is None), left_px, top_px, delay_ms)
        before = frame


def plays(image: pyvips.Image) -> int:
    """Return how often an animation is played, 0 for ever, which is what silence means."""
    return int(image.get("loop")) if image.get_typeof("loop") else 0


def _changed(before: pyvips.Image, frame: pyvips.Image) -> tuple[int, int, pyvips.Image]:
    """Return where a frame differs from another, and that part: one pixel where nowhere."""
    mask = (frame != before).bandor()
    left_px, top_px, width_px, height_px = mask.find_trim(
        threshold=1, background=[0], line_art=True
    )
    if not width_px:
        left_px, top_px, width_px, height_px = 0, 0, 1, 1
    return left_px, top_px, frame.crop(left_px, top_px, width_px, height_px)
