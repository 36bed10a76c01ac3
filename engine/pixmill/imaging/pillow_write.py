"""Encode through Pillow what libvips' wheel has no saver for.

Must not choose options: the record does. Metadata is not written: no record whose writer is Pillow
names a kind that it stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    import pyvips

    from pixmill.codecs.spec import CodecSpec, SaveValue

__all__ = ["save_by_pillow"]

_STRIP_BYTES: Final = 4 << 20
_MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def save_by_pillow(
    image: pyvips.Image, spec: CodecSpec, options: Mapping[str, SaveValue], file: IO[bytes]
) -> None:
    """Encode an image of eight bits in grey or RGB, with or without alpha, into a file.

    Args:
        image: What to encode; computed once, from top to bottom.
        spec: Its record names Pillow's format.
        options: What Pillow's `save` takes.
        file: Open for writing, at its start.
    """
    _in_pillow(image.copy_memory()).save(file, spec.pillow_format, **options)


def _in_pillow(image: pyvips.Image) -> Image.Image:
    """Copy pixels in memory strip by strip: as a whole they would be held a third time."""
    shown = Image.new(_MODES[image.bands], (image.width, image.height))
    rows = max(1, _STRIP_BYTES // (image.width * image.bands))
    for top in range(0, image.height, rows):
        strip = image.crop(0, top, image.width, min(rows, image.height - top))
        size = (strip.width, strip.height)
        shown.paste(Image.frombuffer(shown.mode, size, strip.write_to_memory()), (0, top))
    return shown
