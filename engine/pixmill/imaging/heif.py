"""Decode HEIC by pi-heif, encode it by pillow-heif: the extra `heic`.

Must not resize, convert colours or choose options. libheif has turned and mirrored the pixels
already, so an EXIF orientation is void.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import pyvips

from pixmill.codecs.cicp import Colours
from pixmill.imaging.errors import imaging_error
from pixmill.imaging.lookalike import Lookalike
from pixmill.imaging.metadata import written_exif
from pixmill.model import FailureKind, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixmill.codecs.spec import SaveValue

__all__ = ["encoded_heif", "opened_heif"]

_LAYOUTS: Final = {"L": (1, "b-w"), "LA": (2, "b-w"), "RGB": (3, "srgb"), "RGBA": (4, "srgb")}

_REFUSED: Final = "could not be opened with the given parameters"
_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
_BLOBS: Final = {"icc_profile": "icc-profile-data", "xmp": "xmp-data"}
"""What pillow-heif calls the metadata that libvips' fields hold."""


def opened_heif(file: BinaryIO) -> Lookalike:
    """Open an image's header."""
    import pi_heif  # noqa: PLC0415 - 2.8 MB that a worker without HEIC need not hold

    pi_heif.options.DECODE_THREADS = 1
    return _Heif(pi_heif.open_heif(file, convert_hdr_to_8bit=True))


def encoded_heif(image: pyvips.Image, options: Mapping[str, SaveValue]) -> bytes:
    """Return pixels of eight bits encoded, with the metadata that the image carries.

    Args:
        image: In grey or RGB, with or without alpha.
        options: What pillow-heif takes, and x265's `preset` and `chroma`.
    """
    import pillow_heif  # noqa: PLC0415 - as above

    held = image.copy_memory()
    if held.bands == 2:  # noqa: PLR2004 - grey and alpha, which libheif gives back as RGBA as well
        held = held[0].bandjoin([held[0], held[0], held[1]]).copy_memory()
    blobs = {key: held.get(field) for key, field in _BLOBS.items() if held.get_typeof(field)}
    if exif := written_exif(held):
        blobs["exif"] = exif
    how = dict(options)
    # threads of x265's own would change no byte, and count against no worker
    tuning = {"x265:pools": "none", "x265:frame-threads": "1"}
    tuning |= {name: str(how.pop(name)) for name in ("preset", "chroma")}
    file = io.BytesIO()
    size, pixels = (held.width, held.height), bytes(held.write_to_memory())
    try:
        pillow_heif.encode(
            _MODES[held.bands], size, pixels, file, enc_params=tuning, **how, **blobs
        )
    except RuntimeError as error:
        if _REFUSED not in str(error):
            raise
        # 8192 x 16 px and the like: thin ones that no level of HEVC provides for
        refused = f"HEIC of {held.width} x {held.height} px is not supported by x265"
        raise imaging_error(FailureKind.UNSUPPORTED, Stage.ENCODE, refused) from error
    return file.getvalue()


class _Heif(Lookalike):
    def __init__(self, heif: Any) -> None:
        info = dict(heif.info)
        numbers = info.get("nclx_profile")
        if numbers and not info.get("icc_profile"):
            told = Colours(numbers["color_primaries"], numbers["transfer_characteristics"])
            info["icc_profile"] = told.shown_profile()
        super().__init__(heif.mode, heif.size, info)
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
