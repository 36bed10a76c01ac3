"""What a PNG says of its colours without a profile: `cICP`, or `gAMA` and `cHRM`.

PNG (third edition) 11.3.2.

Must not look at compressed pixels.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pixmill.codecs.cicp import Colours
from pixmill.codecs.fields import read_exact
from pixmill.codecs.icc_profiles import Chromaticities, grey_profile, rgb_profile
from pixmill.codecs.png_chunks import chunks

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["implied_profile"]

_UNIT: Final = 100_000
_HEAD_BYTES: Final = 8
_BODY_BYTES: Final = {b"IHDR": 13, b"gAMA": 4, b"cHRM": 32, b"cICP": 4}
_PAIR: Final = frozenset({b"IHDR", b"gAMA", b"cHRM"})
_STRONGER: Final = frozenset({b"iCCP", b"sRGB"})
_COLOUR_TYPE: Final = 9
_HAS_COLOUR: Final = 2
_SRGB_GAMMA: Final = 45455
_SRGB_PLACES: Final = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_NEAR: Final = 200
"""Some writers round what they know: 0.002, of a gamma or a chromaticity."""


def implied_profile(file: BinaryIO) -> bytes:
    """Return a profile for what `cICP` says, else the pair of others; empty where sRGB is said.

    Browsers heed the pair. Of `gAMA` alone they differ, and Chromium overlooks it. The pair that
    writers of sRGB put beside an `sRGB` chunk, by the standard, means sRGB without it too:
    ImageMagick writes no other, and 2.2 to the letter would move its dark tones by 8 of 255.

    Raises:
        ValueError: The chunks cannot be walked, or say nothing sensible.
    """
    found, is_srgb = {}, False
    for chunk in chunks(file):
        is_srgb |= chunk.kind in _STRONGER
        if chunk.kind == b"IDAT":
            break
        if chunk.size_bytes == _BODY_BYTES.get(chunk.kind):
            file.seek(chunk.offset + _HEAD_BYTES)
            found[chunk.kind] = read_exact(file, chunk.size_bytes, what="a chunk")
    is_grey = not found.get(b"IHDR", b"\2" * 13)[_COLOUR_TYPE] & _HAS_COLOUR
    if b"cICP" in found:
        return Colours(*found[b"cICP"][:2]).shown_profile(is_grey=is_grey)
    if is_srgb or not found.keys() >= _PAIR:
        return b""
    (gamma,) = struct.unpack(">I", found[b"gAMA"])
    if gamma == 0:
        return b""
    places = struct.unpack(">8I", found[b"cHRM"])
    if _is_srgb(gamma, places):
        return b""
    if is_grey:
        return grey_profile(_UNIT / gamma)
    shares = [value / _UNIT for value in places]
    white, red, green, blue = zip(shares[::2], shares[1::2], strict=True)
    return rgb_profile(Chromaticities(white, red, green, blue), _UNIT / gamma)


def _is_srgb(gamma: int, places: tuple[int, ...]) -> bool:
    pairs = zip((gamma, *places), (_SRGB_GAMMA, *_SRGB_PLACES), strict=True)
    return all(abs(told - meant) <= _NEAR for told, meant in pairs)
