"""Score two files as people see them: decoded, upright, in eight-bit sRGB, first page or frame.

Pixels pass strip by strip where their decoders let them. Must not compute the metric, nor judge.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.imaging.colour import to_eight_bits
from pixmill.imaging.errors import ImagingError, imaging_error, translating
from pixmill.imaging.load import opened
from pixmill.imaging.probe import probe
from pixmill.imaging.steps import run_steps
from pixmill.model import DEFAULT_CAPS, FailureKind, Stage
from pixmill.perception.metric import Comparison, cost_bytes
from pixmill.perception.scales import LEAST_EDGE_PX
from pixmill.plan import Load, Orient, Plan, ToSrgb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.header import Header
    from pixmill.imaging.sources import Source

__all__ = ["Side", "is_cheap", "likeness", "scored"]

_STRIP_PX: Final = 1 << 19
_UPRIGHT: Final = 4
"""The last orientation that keeps rows rows; the others are on their side."""

_BACKGROUNDS: Final = (0, 255)
_MOST_MIRRORED_BYTES: Final = 6_000_000
"""As for 512 x 512 px."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two files.

    Attributes:
        source: Its path, or its bytes.
        codec_name: What its content was recognised as.
        name: What it is called in messages.
    """

    source: Source
    codec_name: str
    name: str


def scored(reference: Side, candidate: Side) -> float:
    """Return the SSIMULACRA2 score of one file against another of the same size.

    Transparency is put on black and on white, and the worse score counts.

    Raises:
        ImagingError: A file cannot be decoded, is too large, or their sizes differ.
    """
    images = [_decoding(side) for side in (reference, candidate)]
    width_px, height_px = images[0].width, images[0].height
    if (images[1].width, images[1].height) != (width_px, height_px):
        raise imaging_error(
            FailureKind.REFUSED,
            Stage.PLAN,
            f"expected images of one size, {reference.name} has {width_px}x{height_px} px and "
            f"{candidate.name} {images[1].width}x{images[1].height}: resize one",
        )
    return _compared(images, (_strips(images[0], reference), _strips(images[1], candidate)))


def likeness(reference: pyvips.Image, candidate: pyvips.Image) -> float:
    """Return the SSIMULACRA2 score of pixels in memory against others of the same size and profile.

    Strip by strip, which holds 4 MB for 16 MP where a `Judge` holds 20 bytes a pixel.

    Raises:
        ImagingError: They cannot be read.
    """
    with translating(Stage.PROCESS):
        images = [to_eight_bits(image).colourspace("srgb") for image in (reference, candidate)]
        return _compared(images, (_rows(images[0]), _rows(images[1])))


def is_cheap(image: pyvips.Image) -> bool:
    """Return whether the score of pixels in memory holds little more than they do.

    What is narrow goes on with its mirror image: one of 65,000 x 1 px took 300 MB.
    """
    is_mirrored = min(image.width, image.height) < LEAST_EDGE_PX
    held_bytes = cost_bytes(image.width, image.height, is_cached=True)
    return not is_mirrored or held_bytes <= _MOST_MIRRORED_BYTES


def _compared(
    images: list[pyvips.Image], strips: tuple[Iterator[pyvips.Image], Iterator[pyvips.Image]]
) -> float:
    width_px, height_px = images[0].width, images[0].height
    has_alpha = any(image.hasalpha() for image in images)
    comparisons = [
        (level, Comparison(width_px, height_px))
        for level in (_BACKGROUNDS if has_alpha else _BACKGROUNDS[:1])
    ]
    for first, second in zip(*strips, strict=True):
        for level, comparison in comparisons:
            comparison.feed(_pixels(first, level), _pixels(second, level))
    return min(comparison.score() for _, comparison in comparisons)


def _decoding(side: Side) -> pyvips.Image:
    """Return the file as upright sRGB, grey made RGB, that decodes while it is read."""
    with _naming(side), translating(Stage.DECODE):
        header = probe(side.source, side.codec_name)
        if header.width_px * header.height_px > DEFAULT_CAPS.stream_px:
            message = f"has more than the {DEFAULT_CAPS.stream_px} pixels that are taken"
            raise imaging_error(FailureKind.TOO_LARGE, Stage.PLAN, message)
        plan = _plan(header)
        return run_steps(opened(side.source, plan), plan).colourspace("srgb")


def _plan(header: Header) -> Plan:
    width_px, height_px = header.width_px, header.height_px
    if header.orientation > _UPRIGHT:
        width_px, height_px = height_px, width_px
    turn = (Orient(header.orientation),) if header.orientation != 1 else ()
    return Plan(
        header=header,
        target=header.codec,
        load=Load(),
        steps=(*turn, ToSrgb()),
        width_px=width_px,
        height_px=height_px,
        has_alpha=header.has_alpha,
        pages=1,
        is_demanded=True,
        is_rewrap_demanded=False,
        is_pinned=False,
        is_lean=False,
        is_packed=False,
        cost_bytes=0,
    )


def _strips(image: pyvips.Image, side: Side) -> Iterator[pyvips.Image]:
    """Yield a file's rows from top to bottom, strip by strip in memory."""
    with _naming(side), translating(Stage.DECODE):
        yield from _rows(image)


def _rows(image: pyvips.Image) -> Iterator[pyvips.Image]:
    region = pyvips.Region.new(image)
    rows = max(1, _STRIP_PX // image.width)  # whatever the bands: both images' strips are alike
    for top in range(0, image.height, rows):
        taken = min(rows, image.height - top)
        pixels = region.fetch(0, top, image.width, taken)
        strip = pyvips.Image.new_from_memory(pixels, image.width, taken, image.bands, "uchar")
        yield strip.copy(interpretation="srgb")


def _pixels(strip: pyvips.Image, level: int) -> bytes:
    shown = strip.flatten(background=[level] * 3) if strip.hasalpha() else strip
    return bytes(shown.write_to_memory())


@contextmanager
def _naming(side: Side) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except ImagingError as error:
        message = f"{side.name}: {error.failure.message}"
        raise ImagingError(replace(error.failure, message=message)) from error
