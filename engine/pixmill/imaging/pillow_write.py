"""Encode through Pillow what libvips' wheel has no saver for, or a slower one.

Must not choose options: the record does. The metadata of a still for which there is no saver is not
written: no record whose writer is Pillow names a kind that it stores.
"""

from __future__ import annotations

import importlib
import io
import re
from typing import TYPE_CHECKING, Final

from PIL import Image

from pixmill.imaging.frames import DELAY_MS, plays
from pixmill.imaging.metadata import valid_profile, written_exif
from pixmill.imaging.pages import page_count, page_height

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    import pyvips

    from pixmill.codecs.spec import CodecSpec, Handing, SaveValue

__all__ = ["encoded_by_handing", "rolled_by_pillow", "save_by_pillow"]

_STRIP_BYTES: Final = 4 << 20
_BLOBS: Final = {"icc_profile": "icc-profile-data", "xmp": "xmp-data"}
"""What Pillow calls the metadata that libvips' fields hold; EXIF only a saver puts together."""

_OPAQUE: Final = 255
_WANTS_MEMORY: Final = re.compile(r"encoding error [12]\b")
"""`VP8_ENC_ERROR_OUT_OF_MEMORY` and its like for the bit stream, of libwebp's `encode.h`."""

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


class _Roll(Image.Image):
    """Stacked frames as Pillow's savers ask for them: copied one at a time."""

    def __init__(self, image: pyvips.Image) -> None:
        super().__init__()
        self._stack, self._at = image, 0
        self._size = image.width, page_height(image)
        self._mode = _MODES[image.bands]
        self.n_frames, self.is_animated = page_count(image), True
        self.seek(0)

    def seek(self, frame: int) -> None:
        if not 0 <= frame < self.n_frames:
            raise EOFError("no more frames")
        width_px, height_px = self.size
        self.im = _in_pillow(self._stack.crop(0, frame * height_px, width_px, height_px)).im
        self._at = frame

    def tell(self) -> int:
        return self._at


def rolled_by_pillow(
    image: pyvips.Image, spec: CodecSpec, options: Mapping[str, SaveValue]
) -> bytes:
    """Return an animation encoded, with the metadata that the image carries.

    Args:
        image: Frames stacked, in memory.
        spec: Its record names Pillow's format.
        options: What Pillow's `save` takes.
    """
    named: list[int] = list(image.get("delay")) if image.get_typeof("delay") else []
    delays_ms = [*named, *[DELAY_MS] * page_count(image)][: page_count(image)]
    held = io.BytesIO()
    kept = {key: image.get(field) for key, field in _BLOBS.items() if image.get_typeof(field)}
    if exif := written_exif(image):
        kept["exif"] = exif
    how = {"save_all": True, "duration": delays_ms, **kept, **options}
    _Roll(image).save(held, spec.pillow_format, **how)
    data = held.getvalue()
    return spec.settled(data, plays(image)) if spec.settled else data


def encoded_by_handing(image: pyvips.Image, spec: CodecSpec, handing: Handing) -> bytes:
    """Return a still encoded, with the profile that goes with its colours.

    Pillow looks at the pixels where they lie, in four bytes each: a picture of its own would take
    8 ms/MP to fill, this 4.

    Args:
        image: In memory, of eight bits in RGB, with or without alpha.
        spec: Its record names Pillow's format.
        handing: How.
    """
    importlib.import_module(f"PIL.{handing.plugin}")  # or Pillow imports all there are, in 23 ms
    mode, whole = ("RGBA", image) if image.hasalpha() else ("RGBX", image.bandjoin(_OPAQUE))
    size, pixels = (image.width, image.height), whole.write_to_memory()
    held = io.BytesIO()
    try:
        shown = Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1)
        shown.save(held, spec.pillow_format, icc_profile=valid_profile(image), **handing.options)
    except ValueError as error:
        if _WANTS_MEMORY.search(str(error)):
            raise MemoryError from error
        raise
    return held.getvalue()


def _in_pillow(image: pyvips.Image) -> Image.Image:
    """Copy pixels in memory strip by strip: as a whole they would be held a third time."""
    shown = Image.new(_MODES[image.bands], (image.width, image.height))
    rows = max(1, _STRIP_BYTES // (image.width * image.bands))
    for top in range(0, image.height, rows):
        strip = image.crop(0, top, image.width, min(rows, image.height - top))
        size = (strip.width, strip.height)
        shown.paste(Image.frombuffer(shown.mode, size, strip.write_to_memory()), (0, top))
    return shown
