"""Let Pillow open PAM: a header of `codecs.pam`, then samples that its raw decoder takes.

Must not read samples by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from PIL import Image, ImageFile

from pixmill.codecs.pam import SPEC, pam_header

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["registered"]


class _PamImageFile(ImageFile.ImageFile):
    format = SPEC.pillow_format
    format_description = "Portable arbitrary map"

    def _open(self) -> None:
        header = pam_header(cast("BinaryIO", self.fp))
        modes = header.pillow_modes
        if modes is None:
            raise SyntaxError("expected samples that Pillow has a mode for")
        self._mode, raw_mode = modes
        self._size = header.width_px, header.height_px
        tile = ImageFile._Tile("raw", (0, 0, *self.size), header.offset, (raw_mode, 0, 1))  # noqa: SLF001 - what every plug-in of Pillow makes
        self.tile = [tile]


def registered() -> None:
    """Make Pillow know PAM; doing it twice changes nothing."""
    Image.register_open(SPEC.pillow_format, _PamImageFile, SPEC.recognises)
