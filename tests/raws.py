"""Camera raws made by hand: a JPEG in the structure of TIFF/EP, beside what stands for a sensor."""

from __future__ import annotations

import io
import struct

from PIL import Image

__all__ = ["raw_with"]

_LOSSLESS_JPEG = b"\xff\xd8\xff\xc3\0\x0b\x0e\xff\xff\xff\xff\1\1\x11\0" + bytes(200_000)
"""The sensor: larger than any preview, a JPEG too, and none that a decoder of pictures takes."""


def raw_with(preview: bytes, *, orientation: int = 1, order: str = "<") -> bytes:
    """Return a DNG: a thumbnail, and sub-directories for the sensor and for the preview."""
    small = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(small, "JPEG")
    start = 8 + 2 + 12 * 6 + 4 + 8 + 2 * (2 + 12 * 3 + 4)
    thumb, sensor = start, start + len(small.getvalue())
    shown = sensor + len(_LOSSLESS_JPEG)
    subs = 8 + 2 + 12 * 6 + 4
    first, second = subs + 8, subs + 8 + 2 + 12 * 3 + 4

    def directory(*fields: tuple[int, int, int, int]) -> bytes:
        body = b"".join(
            struct.pack(f"{order}HHI", tag, kind, count)
            + (
                struct.pack(f"{order}HH", value, 0)
                if kind == 3
                else struct.pack(f"{order}I", value)
            )
            for tag, kind, count, value in fields
        )
        return struct.pack(f"{order}H", len(fields)) + body + bytes(4)

    main = directory(
        (0xFE, 4, 1, 1),
        (0x112, 3, 1, orientation),
        (0x14A, 4, 2, subs),
        (0x201, 4, 1, thumb),
        (0x202, 4, 1, len(small.getvalue())),
        (0xC612, 4, 1, 0x00000401),
    )
    pointers = struct.pack(f"{order}II", first, second)
    sensor_part = directory(
        (0x103, 4, 1, 7), (0x111, 4, 1, sensor), (0x117, 4, 1, len(_LOSSLESS_JPEG))
    )
    shown_part = directory((0x103, 4, 1, 7), (0x111, 4, 1, shown), (0x117, 4, 1, len(preview)))
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    parts = (head, main, pointers, sensor_part, shown_part, small.getvalue(), _LOSSLESS_JPEG)
    return b"".join(parts) + preview
