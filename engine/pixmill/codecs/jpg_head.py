"""What stands before the pixels of a JPEG: its frame, its tables, and what it says of itself.

Must not look at what follows the first scan's header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import jpg_segments as parts
from pixmill.codecs.fields import big
from pixmill.codecs.jpg_quality import origin

if TYPE_CHECKING:
    from pixmill.header import Metadata

__all__ = ["Head", "head_of"]

_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_STEPS_IN_TABLE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The facts of a JPEG's segments before its first scan.

    Attributes:
        width_px: Width.
        height_px: Height; 0 where it follows the first scan, in a DNL segment.
        bands: Components.
        quality: Estimated from its tables; `None` without any.
        tables: Family of these tables; `None` for one that is not known.
        is_progressive: Whether it is.
        is_subsampled: Whether its components differ in resolution.
        samples_per_px: Of all components together.
        metadata: Kinds of metadata.
        index: The segment that lists further pictures of the file, if there is one.
        described: Segments that speak of a gain map.
        end: Offset of the first scan's data.
    """

    width_px: int
    height_px: int
    bands: int
    quality: int | None
    tables: int | None
    is_progressive: bool
    is_subsampled: bool
    samples_per_px: float
    metadata: frozenset[Metadata]
    index: parts.Segment | None
    described: tuple[parts.Segment, ...]
    end: int


def head_of(file: BinaryIO) -> Head:
    """Read the segments of the JPEG that begins where a file stands, up to its pixels.

    Raises:
        ValueError: It is no JPEG, or has no frame, or no pixels.
    """
    frame: parts.Segment | None = None
    index: parts.Segment | None = None
    tables: dict[int, tuple[int, ...]] = {}
    metadata: set[Metadata] = set()
    described: list[parts.Segment] = []
    end = 0
    for segment in parts.segments(file):
        end = segment.end
        if segment.marker in parts.SOF_MARKERS:
            frame = frame or segment
        elif segment.marker == parts.DQT:
            tables.update(_tables(segment.body))
        elif kind := parts.metadata_kind(segment):
            metadata.add(kind)
            index = segment if parts.is_multi_picture(segment) else index
            described += [segment] if parts.has_gain_map_claim(segment) else []
        if segment.marker == parts.EOI:
            raise ValueError("expected pixels before the end of the image, found none")
    if frame is None:
        raise ValueError("expected a frame header before the pixels, found none")
    width_px, height_px, fields = _frame(frame.body)
    used = [tables.get(table) for _, table in fields]
    luma, chroma = used[0], used[1] if len(used) > 1 else None
    made = origin(luma, chroma) if luma else None
    return Head(
        width_px=width_px,
        height_px=height_px,
        bands=len(fields),
        quality=made.quality if made else None,
        tables=made.family if made else None,
        is_progressive=frame.marker in _PROGRESSIVE,
        is_subsampled=len({sampling for sampling, _ in fields}) > 1,
        samples_per_px=_samples_per_px([sampling for sampling, _ in fields]),
        metadata=frozenset(metadata),
        index=index,
        described=tuple(described),
        end=end,
    )


def _frame(body: bytes) -> tuple[int, int, list[tuple[int, int]]]:
    """Return width, height, and each component's sampling and table: ITU-T T.81 B.2.2."""
    height_px, width_px, components = big(body, 1, 2), big(body, 3, 2), big(body, 5, 1)
    if not width_px or not components:
        raise ValueError(f"expected a width and components, got {width_px} and {components}")
    fields = [(big(body, 7 + 3 * n, 1), big(body, 8 + 3 * n, 1)) for n in range(components)]
    return width_px, height_px, fields


def _samples_per_px(samplings: list[int]) -> float:
    """Return the samples of all components, each beside the pixels of the whole: A.1.1."""
    factors = [(sampling >> 4, sampling & 15) for sampling in samplings]
    most = max(across for across, _ in factors) * max(down for _, down in factors)
    return sum(across * down for across, down in factors) / max(1, most)


def _tables(body: bytes) -> dict[int, tuple[int, ...]]:
    """Return the quantisation tables of a DQT segment by number: ITU-T T.81 B.2.4.1."""
    tables: dict[int, tuple[int, ...]] = {}
    offset = 0
    while offset < len(body):
        step_bytes, number = (2 if body[offset] >> 4 else 1), body[offset] & 15
        offset += 1
        end = offset + _STEPS_IN_TABLE * step_bytes
        if end > len(body):
            break  # a short table decodes with what there is; it only costs the estimate
        steps = body[offset:end]
        tables[number] = tuple(steps if step_bytes == 1 else struct.unpack(">64H", steps))
        offset = end
    return tables
