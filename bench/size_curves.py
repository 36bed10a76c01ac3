"""Measure how encoded size depends on quality: the `size_curve` of each lossy codec's record.

Prints the mean natural logarithm of the size relative to quality 75 over the tuning half of the
photos (`size_tables`). Run `python bench/size_curves.py`.
"""

from __future__ import annotations

import math
from typing import Final

from pixmill.strategies.curve import CURVE_QUALITIES
from size_tables import Table, photos, tables

REFERENCE_QUALITY: Final = 75
PHOTOS: Final = {"jpg": 99, "webp": 99, "avif": 14, "jxl": 8, "heic": 6}


def size_curve(measured: list[Table]) -> list[float]:
    """Return the mean logarithm of size at each quality, relative to the reference quality."""
    return [
        sum(
            math.log(table.size_at(quality) / table.size_at(REFERENCE_QUALITY))
            for table in measured
        )
        / len(measured)
        for quality in CURVE_QUALITIES
    ]


def main() -> None:
    """Print one line a codec, ready for its record."""
    for name, most in PHOTOS.items():
        measured = list(tables(name, photos(is_proof=False)[:most]))
        points = ", ".join(f"{point:.3f}" for point in size_curve(measured))
        print(
            f"{name}: {len(measured)} photos, qualities {CURVE_QUALITIES}: ({points})", flush=True
        )


if __name__ == "__main__":
    main()
