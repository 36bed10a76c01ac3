"""What a plan holds at its peak, from header facts and measured bytes a pixel or a line.

Pure. Bounds from above; it does not predict. Must not choose between plans, nor know of a limit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pixmill.codecs.spec import Encoding
from pixmill.header import Header
from pixmill.perception.metric import cost_bytes
from pixmill.perception.mosaic import ACROSS, TILE_PX, is_worth_it
from pixmill.plan import Flatten, Scale, ToP3, ToSrgb
from pixmill.registry import codec
from pixmill.vocabulary import Kernel, StrategyName

if TYPE_CHECKING:
    from pixmill.operations.context import Context
    from pixmill.plan import Plan

__all__ = ["cost_of"]

# Strips of decoded rows that libvips' threads and write buffers hold while an image streams:
# 12,000 px wide RGB JPEGs measured 37 to 47 MB, PNGs 76 MB (research/libvips.md, section 2).
_LINES_IN_FLIGHT = 256
# Lines of the decoded image that wait while it is scaled across before down, as wide as the result:
# 1,200 to 1,900. Otherwise its codec's record has them.
_NARROW_LINES = 2000
# Likewise in linear light, of three bands and alpha, for eight and for two times fewer pixels:
# 1,240 to 1,560 and 840 to 1,220 (grey, RGB and RGBA PNGs 2,000, 4,000 and 8,000 px wide).
_LINEAR_LINES = 1600
_FLOAT_BYTES = 4
_HIGHEST_QUALITY = 100
_FRAMES_JUDGED = 3
_STRIPS_JUDGED_BYTES = 6_000_000
_SAMPLE_EDGE_PX = 512
_SAMPLE_BYTES = 6_000_000  # 64 squares of 64 px: 20 bytes a pixel


def cost_of(context: Context, plan: Plan) -> int:
    """Return the bytes at the peak: decoding beside what it feeds, then encoding beside the pin."""
    header, spec, load = context.header, codec(context.header.codec), plan.load
    loaded = header if header.pages == load.pages else replace(header, pages=load.pages)
    decode_bytes = spec.decode_cost(loaded, load.shrink) if spec.decode_cost else 0
    band_bytes = max(1, min(header.bits, context.target.max_bits) // 8)
    row_bytes = plan.width_px * (header.bands + 1) * band_bytes
    pixels = plan.width_px * plan.height_px * plan.pages
    raster_bytes = pixels * (3 + plan.has_alpha) * band_bytes
    encoding = _costliest(context, plan)
    encode_bytes = (
        context.target.encode_cost(encoding, pixels, 3 + plan.has_alpha)
        if context.target.encode_cost
        else 0
    )
    encode_bytes += _gain_map_bytes(context, plan, raster_bytes)
    # What scaling holds was measured with the strips that the result is computed in.
    stream_bytes = max(row_bytes * _LINES_IN_FLIGHT, _scaled_bytes(context, plan))
    if plan.is_packed and context.target.pack_cost:
        packing_bytes = context.target.pack_cost(context.recipe.effort, raster_bytes)
        encode_bytes = max(encode_bytes, packing_bytes)
    if plan.is_pinned:
        encode_bytes = max(encode_bytes, _chroma_bytes(context, plan, encoding))
        is_large = encoding.quality is None or not context.target.supports_lossy
        result_bytes = raster_bytes // (2 if is_large else 8)
        encode_bytes += result_bytes + 2 * _rewrap_bytes(context, plan)
        # The smaller image is held beside the whole one that it is made of.
        encode_bytes += raster_bytes if context.recipe.allow_downscale else 0
        if context.recipe.target_quality is not None:
            encode_bytes = _judged_bytes(context, plan, encode_bytes)
        return max(decode_bytes + stream_bytes + raster_bytes, raster_bytes + encode_bytes)
    turn_bytes = raster_bytes if context.orientation != 1 else 0
    return decode_bytes + stream_bytes + turn_bytes + encode_bytes


def _judged_bytes(context: Context, plan: Plan, encode_bytes: int) -> int:
    """Return the bytes of encodings that are scored: what is kept, and the dearer of the two."""
    size, sides = (plan.width_px, plan.height_px), 1 + plan.has_alpha
    result = Header(
        codec=context.target.name,
        width_px=plan.width_px,
        height_px=plan.height_px,
        bands=3 + plan.has_alpha,
        has_alpha=plan.has_alpha,
        pages=plan.pages,
        is_animated=plan.pages > 1,
        is_progressive=True,
    )
    decode_bytes = context.target.decode_cost(result, 1) if context.target.decode_cost else 0
    raster_bytes = size[0] * size[1] * result.bands
    is_large = plan.pages == 1 and is_worth_it(*size)
    mosaic_bytes = sides * cost_bytes(ACROSS * TILE_PX, ACROSS * TILE_PX, is_cached=True)
    sample_bytes = mosaic_bytes if is_large else sides * _SAMPLE_BYTES
    kept_bytes = sides * min(plan.pages, _FRAMES_JUDGED) * cost_bytes(*size, is_cached=True)
    # the result decoded, and as opaque sRGB
    shown_bytes = (3 * plan.pages + 2) * raster_bytes
    if plan.pages == 1 and (is_large or plan.is_thrifty):
        kept_bytes = 0
        shown_bytes = _STRIPS_JUDGED_BYTES + sides * cost_bytes(*size, is_cached=False)
    kept_bytes += sample_bytes
    judge_bytes = decode_bytes + shown_bytes
    results_bytes = raster_bytes * plan.pages  # two more at a time, at a quality of up to 100
    return kept_bytes + results_bytes + max(encode_bytes, judge_bytes)


def _chroma_bytes(context: Context, plan: Plan, encoding: Encoding) -> int:
    """Return the bytes of a sample that is encoded and scored to choose the chroma of a drawing."""
    can_choose = context.recipe.strategy is StrategyName.ADAPTIVE and plan.pages == 1
    if context.recipe.is_searched or not (can_choose and context.target.can_try_chroma):
        return 0
    size = (plan.width_px, plan.height_px)
    edge_px = ACROSS * TILE_PX if is_worth_it(*size) else _SAMPLE_EDGE_PX
    pixels = min(edge_px**2, size[0] * size[1])
    # what is narrow goes on with its mirror image, unless that would be larger than any sample
    whole_bytes = cost_bytes(*size, is_cached=True)
    judge_bytes = min(whole_bytes, cost_bytes(edge_px, edge_px, is_cached=True))
    judge_bytes *= 1 + plan.has_alpha
    encode = context.target.encode_cost
    return judge_bytes + (encode(encoding, pixels, 3 + plan.has_alpha) if encode else 0)


def _gain_map_bytes(context: Context, plan: Plan, raster_bytes: int) -> int:
    """Return the bytes that shaping a gain map and attaching it hold."""
    found, spec = plan.gain_map, codec(context.header.codec)
    if found is None:
        return 0
    # the map as found, as attached, and the result: without it, and with it
    copies_bytes = 3 * found.size_bytes + raster_bytes // 4
    if all(isinstance(step, (ToSrgb, ToP3, Flatten)) for step in plan.steps):
        return copies_bytes
    own = replace(
        context.header,
        width_px=found.width_px,
        height_px=found.height_px,
        bands=found.bands,
        is_progressive=found.is_progressive,
        is_subsampled=False,
        samples_per_px=0.0,
    )
    pixels = found.width_px * found.height_px // plan.load.shrink**2
    decode_bytes = spec.decode_cost(own, plan.load.shrink) if spec.decode_cost else 0
    encoding = replace(_costliest(context, plan), is_full_chroma=True)
    encode = context.target.encode_cost
    encode_bytes = encode(encoding, pixels, found.bands) if encode else 0
    return copies_bytes + decode_bytes + 2 * pixels * found.bands + encode_bytes


def _scaled_bytes(context: Context, plan: Plan) -> int:
    """Return the bytes of the lines that scaling holds: as decoded, and as floats where it must.

    Alpha and linear light are averaged as floats. A decoder that makes the image whole has its
    lines in its own cost.
    """
    header, load = context.header, plan.load
    scale = next((step for step in plan.steps if isinstance(step, Scale)), None)
    if scale is None:
        return 0
    factor = load.scale / load.shrink
    width_px = header.width_px * factor
    spec = codec(header.codec)
    lines = _LINEAR_LINES if context.is_linear else spec.scaled_lines
    if plan.is_narrow and scale.width_px < width_px:
        width_px, lines = scale.width_px, _NARROW_LINES
    is_by_line = spec.can_stream is not None
    is_premultiplied = header.has_alpha and context.recipe.kernel is not Kernel.NEAREST
    float_bands = 3 + header.has_alpha if context.is_linear else header.bands * is_premultiplied
    pixel_bytes = is_by_line * header.bands * max(1, header.bits // 8) + float_bands * _FLOAT_BYTES
    return round(width_px * min(lines, header.height_px * factor) * pixel_bytes)


def _rewrap_bytes(context: Context, plan: Plan) -> int:
    """Return the bytes of the source where it may be published with nothing but metadata gone."""
    can_rewrap = codec(context.header.codec).rewrapped is not None and not plan.is_demanded
    return context.header.file_bytes if can_rewrap else 0


def _costliest(context: Context, plan: Plan) -> Encoding:
    """Return the candidate that holds most: lossless wherever the strategy may try it.

    Else with chroma at full resolution where only the pixels can tell whether they are drawn.
    """
    recipe, target = context.recipe, context.target.holding(plan.pages)
    may_be_lossless = target.supports_lossless and (
        not target.supports_lossy
        or plan.has_lossless
        or recipe.is_lossless
        or (recipe.strategy is StrategyName.ADAPTIVE and context.header.is_lossless)
    )
    quality = None if may_be_lossless else _highest_quality(context)
    may_be_full = recipe.strategy is StrategyName.ADAPTIVE or recipe.target_quality is not None
    is_moving = plan.pages > 1
    may_be_palette = target.supports_palette and not (recipe.is_lossless or is_moving)
    is_palette = may_be_palette and plan.is_pinned and plan.has_palettes
    is_scaled = any(isinstance(step, Scale) for step in plan.steps)
    has_few = context.header.palette_bits > 0 and not (is_scaled or recipe.is_searched)
    if (is_palette or target.max_colours) and not has_few:
        quality = _HIGHEST_QUALITY  # matched, not stored as they are
    return Encoding(
        codec=target.name,
        quality=quality,
        effort=recipe.effort,
        is_palette=is_palette,
        is_full_chroma=plan.is_pinned and may_be_full,
        is_lean=plan.is_lean,
        is_frugal=plan.is_frugal,
        is_moving=is_moving,
    )


def _highest_quality(context: Context) -> int:
    """Return the most that a strategy may ask for: without compression, the source's own or 100."""
    recipe = context.recipe
    if recipe.target_quality is not None:
        return recipe.quality or _HIGHEST_QUALITY
    if recipe.max_size_bytes is not None:
        return recipe.highest_quality(context.header.quality)
    if recipe.has_compression:
        return recipe.quality or context.target.default_quality
    return context.header.quality or _HIGHEST_QUALITY
