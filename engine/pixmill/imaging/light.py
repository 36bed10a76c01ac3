"""Stills too small to be worth a libvips pipeline, decoded and encoded by Pillow alone.

Takes none but those that the record calls plain, whose pixels are libvips' to the value, and leaves
whatever it cannot do to libvips, by returning `None`: what is damaged is judged in one place. Must
not see a file that says more than pixels, nor change a pixel.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyvips
from PIL import Image

from pixmill.codecs.light import MOST_LIGHT_PX
from pixmill.imaging.huffman import recoder
from pixmill.imaging.pillow import Form, form_of
from pixmill.registry import codec

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec, Encoding, Scan
    from pixmill.imaging.sources import Source

__all__ = ["Still", "decoded", "encoded", "form_seen", "is_final"]

_OPAQUE: Final = 255
_PALETTE_COLOURS: Final = 256
_COLOUR_BANDS: Final = 3


@dataclass(frozen=True, slots=True)
class Still:
    """The pixels of a small picture.

    Attributes:
        image: As Pillow holds them.
        form: How libvips would.
    """

    image: Image.Image
    form: Form

    @property
    def lowest_alpha(self) -> float:
        """The least of its alpha, from 0 to 1, which hides nothing."""
        return min(self.image.getchannel("A").tobytes()) / _OPAQUE if self.form.has_alpha else 1.0

    @property
    def is_dense(self) -> bool:
        """Whether no fewer bits hold it: no palette, no grey for its colours, nor less alpha."""
        bands = [band.tobytes() for band in self.image.split()]
        if self.image.getcolors(_PALETTE_COLOURS) is not None:
            return False
        is_grey = len(bands) >= _COLOUR_BANDS and bands[0] == bands[1] == bands[2]
        return not is_grey and not (self.form.has_alpha and min(bands[-1]) == _OPAQUE)

    def in_libvips(self) -> pyvips.Image:
        """Return its pixels in memory, as libvips' loader tells of them."""
        size = (self.image.width, self.image.height)
        pixels = self.image.tobytes()
        made = pyvips.Image.new_from_memory(pixels, *size, self.form.bands, "uchar")
        return made.copy(interpretation=self.form.interpretation)


def form_seen(source: Source, spec: CodecSpec, scan: Scan) -> Form | None:
    """Return the form of a file's pixels where it is small and plain; else `None`.

    Args:
        source: A path, or the file's bytes, which alone are looked at.
        spec: What it was recognised as.
        scan: What was found of it.
    """
    pixels = (scan.width_px or 0) * (scan.height_px or 0)
    is_quiet = scan.metadata is not None and not scan.metadata
    if spec.light is None or not isinstance(source, bytes) or not is_quiet:
        return None
    if not 0 < pixels <= MOST_LIGHT_PX:
        return None
    try:
        if not spec.light.is_plain(source, recoder()):
            return None
        image = _opened(source, spec)
        form = form_of(image)
    except Exception:  # noqa: BLE001 - whatever it is, libvips has the word
        return None
    is_meant = image.mode == form.mode and image.size == (scan.width_px, scan.height_px)
    return form if is_meant else None


def decoded(source: Source, spec: CodecSpec) -> Still | None:
    """Return the pixels of a file that `form_seen` has seen; `None` where it fails all the same."""
    if not isinstance(source, bytes):
        return None
    try:
        image = _opened(source, spec)
        image.load()
        return Still(image, form_of(image))
    except Exception:  # noqa: BLE001 - as above
        return None


def encoded(still: Still, encoding: Encoding) -> bytes | None:
    """Return a still encoded; `None` where that is for libvips to do."""
    spec = codec(encoding.codec)
    handing = spec.light.handed(encoding, still.form.bands) if spec.light else None
    if spec.light is None or handing is None:
        return None
    held = io.BytesIO()
    try:
        importlib.import_module(f"PIL.{handing.plugin}")  # or Pillow imports all there are
        still.image.save(held, spec.pillow_format, **handing.options)
    except Exception:  # noqa: BLE001 - as above
        return None
    return spec.light.finished(held.getvalue())


def is_final(still: Still, encoding: Encoding, size_bytes: int) -> bool:
    """Return whether packing what `encoded` made, of so many bytes, would gain nothing."""
    spec, pixels = codec(encoding.codec), still.image.width * still.image.height
    is_worth_a_look = spec.light is not None and spec.light.is_final(
        encoding.effort, pixels, size_bytes
    )
    return is_worth_a_look and still.is_dense


def _opened(content: bytes, spec: CodecSpec) -> Image.Image:
    """Open by the format's own plugin: to ask each costs twice as much as a header."""
    if spec.light is not None:
        importlib.import_module(f"PIL.{spec.light.plugin}")
    factory, _ = Image.OPEN[spec.pillow_format]
    return factory(io.BytesIO(content), "")
