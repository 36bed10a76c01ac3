"""Decode JPEG XL by pylibjxl, encode it by imagecodecs: the extra `jxl`.

Must not resize, convert colours or choose options. libjxl has turned the pixels already, so an EXIF
orientation is void.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import pyvips

from pixmill.codecs.jxl import boxed, jxl_file, said_profile
from pixmill.imaging.lookalike import Lookalike
from pixmill.imaging.metadata import written_exif
from pixmill.imaging.sources import size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixmill.codecs.jxl import JxlFile
    from pixmill.codecs.spec import SaveValue

__all__ = ["encoded_jxl", "opened_jxl"]

_MODES: Final = {
    (True, False): "L",
    (True, True): "LA",
    (False, False): "RGB",
    (False, True): "RGBA",
}
_EXIF_PREFIX: Final = b"Exif\0\0"
_PROFILE: Final = "icc_profile"


def opened_jxl(file: BinaryIO) -> Lookalike:
    """Open an image's header, without its library."""
    found = jxl_file(file, size_of(file))
    return _Jxl(file, found)


def encoded_jxl(image: pyvips.Image, options: Mapping[str, SaveValue]) -> bytes:
    """Return pixels of eight bits encoded, with EXIF and XMP that the image carries.

    Args:
        image: In grey or RGB, with or without alpha, in sRGB: the library knows no profile.
        options: What imagecodecs takes.
    """
    library = _imported("imagecodecs._jpegxl")
    held = image.copy_memory()
    shape = (held.height, held.width, held.bands)[: 2 if held.bands == 1 else 3]
    pixels = memoryview(held.write_to_memory()).cast("B", shape)
    codestream = library.jpegxl_encode(pixels, usecontainer=False, numthreads=1, **options)
    xmp = bytes(image.get("xmp-data")) if image.get_typeof("xmp-data") else b""
    exif = written_exif(held).removeprefix(_EXIF_PREFIX)
    return boxed(bytes(codestream), exif=exif, xmp=xmp)


class _Jxl(Lookalike):
    def __init__(self, file: BinaryIO, found: JxlFile) -> None:
        head = found.head
        info: dict[str, object] = {}
        if profile := said_profile(head):
            info[_PROFILE] = profile
        mode = _MODES[head.is_grey, head.has_alpha]
        super().__init__(mode, (head.width_px, head.height_px), info)
        self._file = file
        self._has_profile = head.has_profile

    def pixels(self) -> pyvips.Image:
        """Decode, and learn what only decoding tells: metadata, and the profile itself."""
        library = _imported("pylibjxl")
        self._file.seek(0)
        with library.JXL(threads=1, pool_size=1) as decoder:
            array, found = decoder.decode(self._file.read(), metadata=True)
        self._learn(found)
        height_px, width_px = array.shape[:2]
        bands = array.shape[2] if array.ndim == 3 else 1  # noqa: PLR2004 - rows, columns, bands
        image = pyvips.Image.new_from_memory(array.data, width_px, height_px, bands, "uchar")
        image._references.append(array)  # noqa: SLF001 - as for HEIC
        return image.copy(interpretation="srgb" if bands > 2 else "b-w")  # noqa: PLR2004 - grey, alpha

    def _learn(self, found: Mapping[str, Any]) -> None:
        if self._has_profile:
            self.info[_PROFILE] = found.get("icc", b"")
        for kind in ("exif", "xmp"):
            if kind in found:
                self.info[kind] = found[kind]


def _imported(name: str) -> Any:
    """Return a library of the extra, which nothing here holds before the first such file.

    OpenBLAS, which comes with numpy and is never used, would set 40 MB aside for every CPU.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return importlib.import_module(name)
