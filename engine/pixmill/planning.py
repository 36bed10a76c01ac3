"""From header facts, recipe and limits to a plan with its memory cost, or to a refusal.

Pure: a function of its arguments alone, so that the same source gives the same bytes on any
machine. Must not read a file, a clock or the load of the moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pixmill.costing import cost_of
from pixmill.geometry import Size, shrink_on_load
from pixmill.keeping import metadata_unwanted
from pixmill.losing import loss_of_gain_map, notes_on
from pixmill.model import DEFAULT_CAPS, Caps, Failed, FailureKind, Stage
from pixmill.operations.context import Context
from pixmill.operations.order import ordered_steps
from pixmill.plan import Crop, Load, Orient, Plan, Scale
from pixmill.registry import codec, writable_names
from pixmill.sizing import ENDLESS_BYTES, memory_for
from pixmill.targeting import target_of
from pixmill.units import format_size
from pixmill.vocabulary import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.codecs.spec import CodecSpec
    from pixmill.header import Header
    from pixmill.recipe import Recipe

__all__ = ["Limits", "own_quality", "planned"]

_MIN_SCALE_ON_LOAD_SHRINK = 4
_DEEPEST_INTEGERS = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one image may cost.

    Attributes:
        lease_bytes: Most that any plan may hold; fixed by the memory cap of the run alone.
        alone_bytes: Likewise where an image is made alone, which it is only if it cannot be made
            otherwise. Default: no more.
        room_bytes: As much of that as can be had where it is made. Plans do not depend on it, so
            that bytes are the same wherever there is enough. Default: enough.
        share_bytes: What it had better hold, so that others are made beside it: decides between
            ways to the same bytes alone. Default: all that it may.
        caps: How many pixels and frames it may have, whatever they would cost.
        is_enforced: Whether the process itself is held to a plan's cost, which is for a worker
            alone: a caller's own process has other work. Default: true.
    """

    lease_bytes: int
    caps: Caps = DEFAULT_CAPS
    is_enforced: bool = True
    alone_bytes: int = 0
    room_bytes: int = ENDLESS_BYTES
    share_bytes: int = ENDLESS_BYTES

    @property
    def of_one_alone(self) -> Limits | None:
        """The limits of an image that is made alone, where it may hold more then."""
        if not self.has_more:
            return None
        return replace(self, lease_bytes=self.alone_bytes, share_bytes=ENDLESS_BYTES)

    @property
    def has_more(self) -> bool:
        """Whether an image may hold more where it is made alone."""
        return self.alone_bytes > self.lease_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """A way to carry out a plan; each holds less than the one before, and does less."""

    is_pinned: bool = False
    is_lean: bool = False
    is_packed: bool = False
    has_lossless: bool = False
    has_palettes: bool = True
    is_thrifty: bool = False
    is_coarse: bool = False


_UNJUDGED_MANNERS: Final = (
    _Manner(is_pinned=True, is_packed=True),
    _Manner(is_pinned=True, is_packed=True, has_palettes=False),
    _Manner(is_pinned=True, has_palettes=False),
    _Manner(),
    _Manner(is_lean=True),
)
_LAST_MANNERS: Final = (
    _Manner(is_pinned=True, has_palettes=False, is_coarse=True),
    _Manner(is_lean=True, is_coarse=True),
)
"""Where nothing else would do: a decoder that shrinks as far as it can halves the lines in flight,
and costs sharpness (`geometry.shrink_on_load`). By a progressive JPEG of 17 MP, to 1920 px as WebP,
a worker grew by 121 MB so, of which 101 are its coefficients, and by 127 otherwise."""


def planned(header: Header, recipe: Recipe, limits: Limits) -> Plan | Failed:
    """Return the cheapest plan that fits the limits, or why there is none."""
    target = target_of(header.codec, recipe)
    context = Context(header, recipe, target)
    result = context.placement.result
    if refusal := (
        _refused_by_pages(context)
        or _refused_by_caps(context, limits.caps)
        or _refused_by_target(context, result)
        or _refused_by_depth(context)
    ):
        return refusal
    costs_bytes = []
    for plan in _possible(context, limits):
        if plan.cost_bytes <= limits.lease_bytes:
            return _transforming(_sharing(context, plan, limits), recipe, limits)
        costs_bytes.append(plan.cost_bytes)
    least_bytes = min(costs_bytes)
    what = f"to be scored as {target.title}" if _is_judged(context) else f"as {target.title}"
    hint = ", or give --quality in place of --target-quality" if _is_judged(context) else ""
    return Failed(
        FailureKind.TOO_LARGE,
        Stage.PLAN,
        f"needs about {format_size(least_bytes)} of memory {what}, and one image "
        f"may hold {format_size(limits.lease_bytes)}: raise --memory to "
        f"{format_size(memory_for(least_bytes))} or more{hint}",
    )


def _possible(context: Context, limits: Limits) -> Iterator[Plan]:
    """Yield the plans that would do, the cheapest in CPU first."""
    for manner in _manners(context, limits):
        plan = _planned(context, manner)
        yield plan
        if _can_be_narrow(context):
            # the same picture for 5 to 90 % more CPU of the scaling, so only where memory lacks
            yield _costed(context, replace(plan, is_narrow=True))


def _sharing(context: Context, plan: Plan, limits: Limits) -> Plan:
    """Return the plan, or a frugal one that keeps to its share where the plan does not."""
    if plan.cost_bytes <= limits.share_bytes:
        return plan
    frugal = _costed(context, replace(plan, is_frugal=True))
    return frugal if frugal.cost_bytes <= limits.share_bytes else plan


def own_quality(plan: Plan) -> int | None:
    """Return the quality that these very pixels were stored at by the codec they are written with.

    `None` where it is unknown, or where scaling has hidden what it cost.
    """
    is_scaled = any(isinstance(step, Scale) for step in plan.steps)
    is_same = plan.header.codec == plan.target and not is_scaled
    return plan.header.quality if is_same else None


def _transforming(plan: Plan, recipe: Recipe, limits: Limits) -> Plan:
    """Return the plan, with the source's own coded pixels as a candidate if that is all it takes.

    Without loss it is the only way for a JPEG: 4.8 % off 55 photographs, 6 % off 106 others, for
    25 ms of CPU a megapixel.
    """
    source = codec(plan.header.codec)
    is_alike = plan.target == plan.header.codec and plan.pages == plan.header.pages == 1
    is_simple = len(plan.steps) <= 1 and all(isinstance(step, Orient | Crop) for step in plan.steps)
    if source.transform_cost is None or not (recipe.is_lossless and is_alike and is_simple):
        return plan
    if plan.header.has_gain_map:
        return plan  # which would have to be turned alike
    cost_bytes = plan.cost_bytes + source.transform_cost(plan.header) + 3 * plan.header.file_bytes
    can = cost_bytes <= limits.lease_bytes
    return replace(plan, is_transformed=True, cost_bytes=cost_bytes) if can else plan


def _refused_by_pages(context: Context) -> Failed | None:
    wanted, pages = context.recipe.pages or 1, context.header.pages
    if wanted <= pages:
        return None
    found = "1 page" if pages == 1 else f"{pages} pages"
    message = f"has {found}, and page {wanted} was asked for: use --pages all or first"
    return Failed(FailureKind.REFUSED, Stage.PLAN, message)


def _refused_by_caps(context: Context, caps: Caps) -> Failed | None:
    """Refuse what is too large by its header alone, before anything is set aside for it."""
    header, load = context.header, _load(context)
    if load.pages > caps.frames:
        message = f"has {load.pages} frames, and {caps.frames} are taken: raise --max-frames"
        return Failed(FailureKind.TOO_LARGE, Stage.PLAN, message)
    spec = codec(header.codec)
    drawn = context.placement.scaled if spec.is_vector else context.stored
    pixels = drawn.width_px * drawn.height_px * load.pages
    is_streamed = spec.can_stream is not None and spec.can_stream(header)
    cap_px = caps.stream_px if is_streamed else caps.whole_px
    if pixels <= cap_px:
        return None
    how, option = ("", "--max-stream-pixels") if is_streamed else (" whole", "--max-pixels")
    return Failed(
        FailureKind.TOO_LARGE,
        Stage.PLAN,
        f"has {pixels} pixels to decode{how}, and {cap_px} are allowed: raise {option}",
    )


def _refused_by_target(context: Context, result: Size) -> Failed | None:
    target, header = context.target, context.header
    longest_px = max(result.width_px, result.height_px)
    if longest_px > target.max_edge_px:
        return Failed(
            FailureKind.TOO_LARGE,
            Stage.PLAN,
            f"{target.title} stores at most {target.max_edge_px} px an edge, got {longest_px}: "
            f"add --oversize resize, --resize {target.max_edge_px}x{target.max_edge_px} "
            f"or another --target-format",
        )
    is_lost = header.is_animated and not target.supports_animation and context.page is None
    if is_lost and header.codec == target.name and _is_demanded(context):
        return Failed(
            FailureKind.UNSUPPORTED,
            Stage.PLAN,
            f"animated {target.title} can be read and not yet written: "
            f"try --target-format webp or gif",
        )
    return None


def _refused_by_depth(context: Context) -> Failed | None:
    """Refuse what a promise of no loss would cost its depth; floats have none that is stored."""
    target, bits = context.target, min(context.header.bits, _DEEPEST_INTEGERS)
    if not (context.recipe.is_lossless and target.supports_lossless) or bits <= target.max_bits:
        return None
    able = (name for name in writable_names() if codec(name).max_bits >= bits)
    return Failed(
        FailureKind.UNSUPPORTED,
        Stage.PLAN,
        f"has {bits} bits a band, and {target.title} is written with {target.max_bits}: use "
        f"--target-format with one of {', '.join(able)}, or leave out --lossless",
    )


def _manners(context: Context, limits: Limits) -> tuple[_Manner, ...]:
    """Return the manners that will do; scores need the pixels, again and again."""
    target = context.target
    if not _is_judged(context):
        return _UNJUDGED_MANNERS + (() if limits.has_more else _LAST_MANNERS)
    may_be_lossless = target.supports_lossy and target.supports_lossless
    return tuple(
        _Manner(
            is_pinned=True,
            has_lossless=has_lossless,
            has_palettes=has_palettes,
            is_thrifty=is_thrifty,
        )
        for has_palettes in sorted({target.has_lossy_palette, False}, reverse=True)
        for has_lossless in sorted({may_be_lossless, False}, reverse=True)
        for is_thrifty in (False, True)
    )


def _is_judged(context: Context) -> bool:
    """Whether a score is asked for that the target format need not have by itself."""
    is_judged = context.target.supports_lossy or not context.target.is_exact
    return context.recipe.target_quality is not None and is_judged


def _can_pack(context: Context) -> bool:
    """Whether there is what packs the target format, and nothing that it would undo was chosen."""
    chosen = {
        each.name for each in context.recipe.codec_options if each.codec == context.target.name
    }
    is_final = any(each.is_final and each.name in chosen for each in context.target.tunables)
    return context.target.pack_cost is not None and not is_final


def _planned(context: Context, manner: _Manner) -> Plan:
    header, target = context.header, context.target
    result = context.placement.result
    load = _load(context, left=1 if manner.is_coarse else 2)
    steps = ordered_steps(context)
    loss = loss_of_gain_map(context, steps)
    plan = Plan(
        header=header,
        target=target.name,
        load=load,
        steps=steps,
        width_px=result.width_px,
        height_px=result.height_px,
        has_alpha=context.has_alpha,
        pages=load.pages,
        is_demanded=_is_demanded(context),
        is_rewrap_demanded=bool(metadata_unwanted(header, context.recipe)),
        is_pinned=manner.is_pinned,
        is_lean=manner.is_lean,
        is_packed=manner.is_packed and load.pages == 1 and _can_pack(context),
        has_lossless=manner.has_lossless,
        has_palettes=manner.has_palettes,
        is_thrifty=manner.is_thrifty,
        is_light=manner.is_pinned and header.is_plain and not steps and target.name == header.codec,
        cost_bytes=0,
        gain_map=None if loss else header.gain_map,
        notes=notes_on(context, load),
        losses=(f"the Ultra HDR gain map was dropped: {loss}",) if loss else (),
    )
    return _costed(context, plan)


def _costed(context: Context, plan: Plan) -> Plan:
    return replace(plan, cost_bytes=cost_of(context, plan))


def _can_be_narrow(context: Context) -> bool:
    return context.recipe.kernel is not Kernel.NEAREST  # which picks pixels, and holds no lines


def _load(context: Context, left: int = 2) -> Load:
    source = codec(context.header.codec)
    load = Load(pages=_pages(context), page=context.page)
    scaled = context.placement.scaled
    if scaled == context.displayed:
        return load
    if context.is_linear and not source.is_vector:
        # A decoder averages stored values. Of photographs shrunk 20 times a JPEG halved by it is
        # dE2000 0.5 off (3.0 at the 99th percentile) for 20% less CPU, by eight 2.0 (11.5) for 32%.
        return load
    if source.has_shrink_on_load:
        return replace(load, shrink=shrink_on_load(context.displayed, scaled, left))
    if source.has_scale_on_load:
        return replace(load, scale=_scale_on_load(context, source))
    return load


def _pages(context: Context) -> int:
    """Return how many pages the result has: all, or one where no more are wanted or stored."""
    header, target = context.header, context.target
    is_stored = target.supports_animation if header.is_animated else target.supports_pages
    return header.pages if is_stored and context.page is None else 1


def _scale_on_load(context: Context, source: CodecSpec) -> float:
    """Return the decoder's scale: exact for vectors, else twice what the kernel is to reach."""
    displayed, scaled = context.displayed, context.placement.scaled
    scale = max(scaled.width_px / displayed.width_px, scaled.height_px / displayed.height_px)
    if source.is_vector:
        return scale
    is_worth_it = scale * _MIN_SCALE_ON_LOAD_SHRINK <= 1 and context.header.pages == 1
    is_smooth = context.recipe.kernel is not Kernel.NEAREST
    return 2 * scale if is_worth_it and is_smooth else 1.0


def _is_demanded(context: Context) -> bool:
    """Whether the source's own bytes would break the recipe, whatever their metadata."""
    header = context.header
    return (
        context.target.name != header.codec
        or context.page is not None
        or context.placement.result != context.displayed
        or context.orientation != 1
        or context.is_converted
        or bool(header.damage)
    )
