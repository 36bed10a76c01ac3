"""Decode HEIC by pi-heif.

Must not resize nor convert colours. libheif has turned and mirrored the pixels already, so an EXIF
orientation is void.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

import pyvips

from pixmill.imaging.lookalike import Lookalike

__all__ = ["opened_heif"]

_LAYOUTS: Final = {"L": (1, "b-w"), "LA": (2, "b-w"), "RGB": (3, "srgb"), "RGBA": (4, "srgb")}

if TYPE_CHECKING:
    from typing import Any


def opened_heif(file: BinaryIO) -> Lookalike:
    """Open an image's header."""
    import pi_heif  # noqa: PLC0415 - 2.8 MB that a worker without HEIC need not hold

    pi_heif.options.DECODE_THREADS = 1
    return _Heif(pi_heif.open_heif(file, convert_hdr_to_8bit=True))


class _Heif(Lookalike):
    def __init__(self, heif: Any) -> None:
        super().__init__(heif.mode, heif.size, dict(heif.info))
        self._heif = heif

    def pixels(self) -> pyvips.Image:
        """Decode, row padding cut off."""
        bands, interpretation = _LAYOUTS[self.mode]
        data, stride = self._heif.data, self._heif.stride
        width_px, height_px = self._heif.size  # after decoding
        rows = pyvips.Image.new_from_memory(data, stride, height_px, 1, "uchar")
        # the view does not hold what it looks at: without this, freed memory is read
        rows._references.append(self._heif)  # noqa: SLF001 - pyvips' own way to keep memory alive
        cut = rows.crop(0, 0, width_px * bands, height_px)
        return cut.bandfold(factor=bands).copy(interpretation=interpretation)
