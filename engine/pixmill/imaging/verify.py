"""Look at a result as the next reader will: open it again, decode all of it, compare the facts.

Must not judge how good it looks: only whether it is the picture that was meant, and whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.header import Metadata
from pixmill.imaging.errors import ImagingError, translating
from pixmill.imaging.frames import DELAY_MS
from pixmill.imaging.load import is_oriented_by_loader, opened_whole
from pixmill.imaging.metadata import orientation_of, profile_of
from pixmill.imaging.probe import probe
from pixmill.model import Stage
from pixmill.registry import codec

if TYPE_CHECKING:
    import pyvips

    from pixmill.header import Header
    from pixmill.imaging.light import Still
    from pixmill.imaging.sources import Source
    from pixmill.plan import Plan

__all__ = [
    "Expected",
    "difference",
    "duration_ms",
    "is_still",
    "is_transparent",
    "meant",
    "meant_of_still",
]

_OPAQUE, _FAINT = 1.0, 0.25
_SHALLOW, _DEEP = 255, 65535
_TICK_MS = 10
"""What GIF rounds each delay to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a result must turn out to be.

    Attributes:
        width_px: Its stored width.
        height_px: Its stored height, of one page.
        pages: Its pages or frames.
        duration_ms: How long all frames last together, 0 for what does not move.
        is_still: Whether all frames are the same, so that one may stand for all of them.
        is_transparent: Whether some pixel shows much of what is behind it, or none does at all;
            `None` where it is neither, or nobody has looked. Encoders drop alpha that hides
            nothing, and GIF's rounds it.
        profile: Description of its ICC profile, empty for none or one that says sRGB.
        orientation: EXIF orientation that is left to its reader, 1 for none.
        has_gain_map: Whether it carries a gain map.
    """

    width_px: int
    height_px: int
    pages: int = 1
    duration_ms: int = 0
    is_still: bool = False
    is_transparent: bool | None = False
    profile: str = ""
    orientation: int = 1
    has_gain_map: bool = False


def meant(image: pyvips.Image, plan: Plan) -> Expected:
    """Return what a result must turn out to be, as the finished image says it."""
    if not plan.has_alpha:
        is_seen_through: bool | None = False
    else:
        is_seen_through = is_transparent(image) if plan.is_pinned else None
    target = codec(plan.target)
    # HEIF turns its own pixels, whatever EXIF says in it
    can_tell = Metadata.EXIF in target.supports_metadata and not is_oriented_by_loader(target)
    return Expected(
        width_px=plan.width_px,
        height_px=plan.height_px,
        pages=plan.pages,
        duration_ms=duration_ms(image, plan.pages) if plan.pages > 1 else 0,
        is_still=plan.pages > 1 and plan.is_pinned and is_still(image, plan.pages),
        is_transparent=is_seen_through,
        profile=profile_of(image),
        orientation=orientation_of(image) if can_tell else 1,
    )


def meant_of_still(still: Still) -> Expected:
    """Return likewise for a small still that says nothing but pixels."""
    return Expected(
        width_px=still.image.width,
        height_px=still.image.height,
        is_transparent=shows_through(still.lowest_alpha),
    )


def difference(source: Source, codec_name: str, expected: Expected) -> str:
    """Return how an encoded result differs from what was meant; empty where it does not.

    Every pixel is decoded.

    Args:
        source: The result, a path or its bytes.
        codec_name: What it was written as.
        expected: What it must be.
    """
    try:
        header = probe(source, codec_name)
        if wrong := _wrong_facts(header, expected):
            return wrong
        with translating(Stage.VERIFY):
            image = opened_whole(source, header)
            alpha = _lowest_alpha(image)
            return _wrong_alpha(alpha, expected) or _wrong_frames(header, image, expected)
    except ImagingError as error:
        return f"it does not decode: {error.failure.message}"


def is_transparent(image: pyvips.Image) -> bool | None:
    """Return whether some pixel shows much of what is behind it, or none any; else `None`."""
    if not image.hasalpha():
        return False
    # a third of what all bands would take
    return shows_through(_share(image, image[image.bands - 1].min()))


def shows_through(lowest_alpha: float) -> bool | None:
    """Return likewise for the least alpha of an image, from 0 to 1."""
    if lowest_alpha >= _OPAQUE:
        return False
    return True if lowest_alpha < _FAINT else None


def is_still(image: pyvips.Image, pages: int) -> bool:
    """Return whether all frames of an animation, stacked in memory, are the same."""
    height_px = image.height // pages
    first = image.crop(0, 0, image.width, height_px)
    frames = (image.crop(0, height_px * at, image.width, height_px) for at in range(1, pages))
    return all((frame - first).abs().max() == 0 for frame in frames)


def duration_ms(image: pyvips.Image, pages: int) -> int:
    """Return how long all frames of an animation last together, as viewers show them.

    10 ms and less mean 100 ms to them, and libvips writes that into a WebP.
    """
    if not image.get_typeof("delay"):
        return 0
    delays: list[int] = list(image.get("delay"))[:pages]
    shown = (delay_ms if delay_ms > _TICK_MS else DELAY_MS for delay_ms in delays)
    return sum(shown) + DELAY_MS * (pages - len(delays))


def _wrong_facts(header: Header, expected: Expected) -> str:
    size = (header.width_px, header.height_px)
    wanted = (expected.width_px, expected.height_px)
    for name, found, meant in (
        ("pixels", _box(*size), _box(*wanted)),
        ("profile", "" if header.is_srgb else header.profile, expected.profile),
        ("orientation", header.orientation, expected.orientation),
    ):
        if found != meant:
            return f"expected {name} {meant or 'none'}, found {found or 'none'}"
    is_lost = expected.has_gain_map and header.gain_map is None
    return "expected a gain map, found none" if is_lost else ""


def _lowest_alpha(image: pyvips.Image) -> float | None:
    """Decode every pixel and return the least alpha, 1 for opaque; `None` without an alpha band."""
    lowest = float(image.stats()(0, image.bands)[0])  # a row a band, the first is for all of them
    return _share(image, lowest) if image.hasalpha() else None


def _share(image: pyvips.Image, alpha: float) -> float:
    return alpha / (_DEEP if image.format == "ushort" else _SHALLOW)


def _wrong_alpha(lowest: float | None, expected: Expected) -> str:
    if expected.is_transparent and lowest is None:
        return "expected alpha, found none"
    if expected.is_transparent is False and lowest is not None and lowest < _OPAQUE:
        return "expected no transparency, found some"
    return ""


def _wrong_frames(header: Header, image: pyvips.Image, expected: Expected) -> str:
    """Compare frames: an encoder may join equal ones that follow each other, and their times."""
    if header.pages == expected.pages:
        found_ms = duration_ms(image, header.pages) if header.is_animated else 0
        is_off = abs(found_ms - expected.duration_ms) > _TICK_MS * header.pages
        wrong = f"expected {expected.duration_ms} ms in all, found {found_ms} ms"
        return wrong if header.is_animated and is_off else ""
    is_joined = header.pages < expected.pages and expected.duration_ms > 0
    if is_joined and header.pages == 1 and expected.is_still:  # such a file keeps no time
        return ""
    if is_joined and duration_ms(image, header.pages) == expected.duration_ms:
        return ""
    return f"expected {expected.pages} pages, found {header.pages}"


def _box(width_px: int, height_px: int) -> str:
    return f"{width_px}x{height_px}"
