"""The best encoding of an image that fits a size: a lossless form, a lower quality, fewer pixels.

Must not publish, nor know of scores.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from pixmill.geometry import Size
from pixmill.imaging.sample import Sampled, levelled, sampled_for_size
from pixmill.registry import codec
from pixmill.strategies.search import Bracket, Clues, highest_fitting
from pixmill.strategies.shrinking import largest_fitting
from pixmill.strategies.unreachable import unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.codecs.spec import Encoding
    from pixmill.model import Failed
    from pixmill.picture import Candidate, Picture

__all__ = ["best_fitting", "with_fewer_colours"]


def best_fitting(
    picture: Picture, encodings: tuple[Encoding, ...], cap_bytes: int
) -> Candidate | Failed:
    """Return the best that fits a size: a lossless form if one does, else by search.

    Args:
        picture: What is encoded; the search may scale it down where the recipe allows that.
        encodings: Those that may be tried.
        cap_bytes: What the file may take.
    """
    exact = [each for each in encodings if each.quality is None]
    fitting: list[Candidate] = []
    lowest_bytes = 0
    for encoding in exact:
        made = picture.candidate(encoding)
        if made is not None:
            made = picture.packed(made)
            lowest_bytes = min(lowest_bytes or made.size_bytes, made.size_bytes)
            fitting += [made] if made.size_bytes <= cap_bytes else []
    if fitting:
        return fitting[0]
    lossy = next((each for each in encodings if each.quality is not None), None)
    lossy = lossy or with_fewer_colours(picture, encodings[0])
    if lossy is None:
        return _smaller(picture, encodings[0], lowest_bytes, cap_bytes)
    return _searched(picture, lossy, cap_bytes)


def with_fewer_colours(picture: Picture, encoding: Encoding) -> Encoding | None:
    """Return what a format without a quality can lose, where the recipe lets it lose any.

    A cap was asked for, so nobody judges how it looks: `min_quality` bounds it.
    """
    target = codec(picture.plan.target)
    is_stuck = picture.plan.pages > 1 and target.joined is not None
    can_match = picture.plan.is_pinned and picture.plan.has_palettes
    is_exact = picture.recipe.is_lossless or not can_match
    if not target.has_lossy_palette or is_stuck or is_exact:
        return None
    return replace(encoding, quality=100, is_palette=True)


def _searched(picture: Picture, encoding: Encoding, cap_bytes: int) -> Candidate | Failed:
    high = picture.recipe.highest_quality(picture.plan.header.quality)
    low = min(picture.recipe.lowest_quality, high)
    kept: dict[int, Candidate] = {}

    def size_of(quality: int) -> int:
        made = picture.encoded(replace(encoding, quality=quality))
        if made.size_bytes <= cap_bytes:
            kept.clear()
            kept[quality] = made
        return made.size_bytes

    bracket = Bracket(target_bytes=cap_bytes, low=low, high=high)
    found = highest_fitting(size_of, bracket, _clues(picture, encoding))
    if found.quality is None and encoding.is_full_chroma:
        picture.notes.append("chroma was stored at half resolution to fit --max-size")
        halved = replace(encoding, is_full_chroma=False, is_subsampled=True)
        return _searched(picture, halved, cap_bytes)
    if found.quality is None:
        lowest = replace(encoding, quality=low)
        return _smaller(picture, lowest, found.lowest_bytes, cap_bytes)
    return kept.get(found.quality) or picture.encoded(replace(encoding, quality=found.quality))


def _smaller(
    picture: Picture, encoding: Encoding, full_bytes: int, cap_bytes: int
) -> Candidate | Failed:
    """Return the largest picture that fits at the lowest quality, if it may be scaled down."""
    target, low, whole = picture.plan.target, encoding.quality, picture.image()
    if not (picture.recipe.allow_downscale and picture.plan.is_pinned):
        return unreachable(target, full_bytes, cap_bytes, low=low)
    full = Size(picture.plan.width_px, picture.plan.height_px)
    tried: dict[Size, Candidate] = {}

    def size_of(size: Size) -> int:
        picture.scale(whole, size)
        tried[size] = picture.encoded(encoding)
        return tried[size].size_bytes

    found = largest_fitting(size_of, full, full_bytes=full_bytes, target_bytes=cap_bytes)
    if found is None:
        smallest = min(tried, key=lambda size: tried[size].size_bytes, default=full)
        least = min((made.size_bytes for made in tried.values()), default=full_bytes)
        return unreachable(target, least, cap_bytes, low=low, smallest=smallest)
    picture.settle_size(found)
    picture.notes.append(
        f"scaled from {full.width_px}x{full.height_px} px to "
        f"{found.width_px}x{found.height_px} px to fit --max-size"
    )
    return tried[found]


def _clues(picture: Picture, encoding: Encoding) -> Clues:
    """Return what the codec's record, the source and a sample of the pixels tell of sizes."""
    header, plan = picture.plan.header, picture.plan
    target = codec(plan.target)
    share = plan.width_px * plan.height_px / (header.width_px * header.height_px)
    is_known = header.quality is not None and plan.pages == header.pages
    return Clues(
        curve=target.size_curve,
        jitter=target.size_jitter,
        reach=target.sample_reach,
        sample=_sample(picture, encoding) if plan.is_pinned and target.size_curve else None,
        like_quality=header.quality or target.default_quality,
        like_bytes=round(header.file_bytes * share) if is_known else 0,
    )


def _sample(picture: Picture, encoding: Encoding) -> Callable[[int], int] | None:
    """Return what encodes a sample at a quality, or `None` where there is none."""
    image = picture.image()
    squares = sampled_for_size(image)
    if squares is None:
        return None

    @cache
    def sampled() -> Sampled:
        # 4 % of an encode as WebP, so not before a sample is asked for
        return levelled(squares, image)

    return lambda quality: sampled().whole_bytes(replace(encoding, quality=quality))
