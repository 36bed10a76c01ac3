"""Files of a few hundred bytes whose headers promise billions of pixels, one for every format."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Final

from PIL import Image

from raws import raw_with

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BOMBS", "forged", "heic"]

_TINY: Final = Image.linear_gradient("L").resize((16, 16)).convert("RGB")


def forged(name: str) -> bytes:
    """Return the bomb of this name."""
    return BOMBS[name]()


def _saved(format_: str, **options: bool) -> bytearray:
    file = io.BytesIO()
    _TINY.save(file, format_, **options)
    return bytearray(file.getvalue())


def _patched(data: bytearray, after: bytes, patch: bytes, skip: int = 0) -> bytes:
    at = data.index(after) + len(after) + skip
    data[at : at + len(patch)] = patch
    return bytes(data)


def _png(edge_px: int = 100_000, *, interlace: int = 0) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", edge_px, edge_px, 8, 2, 0, 0, interlace)
    pixels = zlib.compress(bytes(1 << 20))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def _jpg(*, progressive: bool = False) -> bytes:
    marker = b"\xff\xc2" if progressive else b"\xff\xc0"
    edges = struct.pack(">HH", 65_500, 65_500)
    return _patched(_saved("JPEG", progressive=progressive), marker, edges, 3)


def _gif() -> bytes:
    data = bytearray(_saved("GIF"))
    data[6:10] = b"\xff\xff\xff\xff"
    return _patched(data, b"\x2c\0\0\0\0", b"\xff\xff\xff\xff")


def _gif_frames() -> bytes:
    """An animation of 20,000 small frames, 13 bytes each."""
    frame = b"\x2c" + bytes(4) + struct.pack("<HHB", 1, 1, 0) + b"\x02\x02\x44\x01\0"
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    return head + frame * 20_000 + b";"


def _webp(*, lossless: bool) -> bytes:
    data = _saved("WEBP", lossless=lossless)
    if lossless:
        bits = struct.unpack_from("<I", data, 21)[0]
        struct.pack_into("<I", data, 21, bits & ~0xFFFFFFF | 0xFFFFFFE)
    else:
        struct.pack_into("<HH", data, 26, 16_383, 16_383)
    return bytes(data)


def _tiff() -> bytes:
    file = io.BytesIO()
    _TINY.save(file, "TIFF")
    data = bytearray(file.getvalue())
    first = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, first)[0]):
        at = first + 2 + 12 * entry
        if struct.unpack_from("<H", data, at)[0] in (256, 257):
            struct.pack_into(
                "<HHII", data, at, struct.unpack_from("<H", data, at)[0], 4, 1, 300_000
            )
    return bytes(data)


def _bmp() -> bytes:
    data = _saved("BMP")
    struct.pack_into("<ii", data, 18, 100_000, 100_000)
    return bytes(data)


def _ico(kind: int = 1) -> bytes:
    inner = _png(60_000)
    return (
        struct.pack("<HHH", 0, kind, 1)
        + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inner), 22)
        + inner
    )


def _cur() -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, 60_000, 120_000, 1, 32, 0, 0, 0, 0, 0, 0)
    return (
        struct.pack("<HHH", 0, 2, 1)
        + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(header), 22)
        + header
    )


def _icns() -> bytes:
    inner = _png(60_000)
    return (
        b"icns"
        + struct.pack(">I", 16 + len(inner))
        + b"ic10"
        + struct.pack(">I", 8 + len(inner))
        + inner
    )


def _tga() -> bytes:
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 65_535, 65_535, 24, 0) + bytes(64)


def _psd() -> bytes:
    return b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 300_000, 300_000, 8, 3) + bytes(4 * 3 + 2 + 64)


def _pcx() -> bytes:
    data = _saved("PCX")
    struct.pack_into("<HHHH", data, 4, 0, 0, 65_534, 65_534)
    return bytes(data)


def _sgi() -> bytes:
    data = _saved("SGI")
    struct.pack_into(">HH", data, 6, 65_535, 65_535)
    return bytes(data)


def _qoi() -> bytes:
    return b"qoif" + struct.pack(">IIBB", 300_000, 300_000, 4, 0) + b"\xfd" * 64 + bytes(7) + b"\1"


def _dds() -> bytes:
    data = _saved("DDS")
    struct.pack_into("<II", data, 12, 100_000, 100_000)
    return bytes(data)


def _jp2() -> bytes:
    data = _saved("JPEG2000")
    _patched(data, b"ihdr", struct.pack(">II", 200_000, 200_000))
    return _patched(data, b"\xff\x51", struct.pack(">II", 200_000, 200_000), 4)


def _avif() -> bytes:
    return _patched(_saved("AVIF"), b"ispe", struct.pack(">II", 16_384, 16_384), 4)


def _jxl() -> bytes:
    """A square of 100,000 px, everything else as it mostly is."""
    bits, at = 0, 1  # not in eighths
    for value, count in ((3, 2), (100_000 - 1, 30), (1, 3), (1, 1)):  # way, height, square, usual
        bits |= value << at
        at += count
    return b"\xff\x0a" + bits.to_bytes(64, "little")


def heic(sound: bytes) -> bytes:
    """Return a sound HEIC with every size in it forged."""
    forged_edges = struct.pack(">II", 65_535, 65_535)
    parts = sound.split(b"ispe")
    return b"ispe".join([parts[0], *(part[:4] + forged_edges + part[12:] for part in parts[1:])])


def _svg() -> bytes:
    return (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="90000" height="90000">'
        b'<rect width="90000" height="90000" fill="red"/></svg>'
    )


BOMBS: Final[dict[str, Callable[[], bytes]]] = {
    "square.jxl": _jxl,
    "streamed.png": _png,
    "interlaced.png": lambda: _png(30_000, interlace=1),
    "baseline.jpg": _jpg,
    "progressive.jpg": lambda: _jpg(progressive=True),
    "canvas.gif": _gif,
    "frames.gif": _gif_frames,
    "lossy.webp": lambda: _webp(lossless=False),
    "lossless.webp": lambda: _webp(lossless=True),
    "strips.tiff": _tiff,
    "plain.bmp": _bmp,
    "png-inside.ico": _ico,
    "plain.cur": _cur,
    "png-inside.icns": _icns,
    "runs.tga": _tga,
    "plain.psd": _psd,
    "runs.pcx": _pcx,
    "plain.ppm": lambda: b"P6 200000 200000 255\n" + bytes(64),
    "runs.sgi": _sgi,
    "runs.qoi": _qoi,
    "plain.dds": _dds,
    "plain.jp2": _jp2,
    "still.avif": _avif,
    "drawn.svg": _svg,
    "inside.raw": lambda: raw_with(_jpg()),
    "plain.sun": lambda: struct.pack(">8I", 0x59A66A95, 60_000, 60_000, 24, 0, 1, 0, 0) + bytes(64),
    "plain.xbm": lambda: (
        b"#define x_width 200000\n#define x_height 200000\nstatic char x_bits[] = {\n0x00, 0x00};\n"
    ),
    "plain.xpm": lambda: (
        b'/* XPM */\nstatic char *x[] = {\n"200000 200000 1 1",\n"a c #ff0000",\n"aaaa"};\n'
    ),
    "plain.pam": lambda: (
        b"P7\nWIDTH 200000\nHEIGHT 200000\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + bytes(64)
    ),
}
