"""One image from source to product: probe, plan, decode, steps, candidates, the smallest good one.

Runs where pyvips may be loaded: in a worker, or in the caller's process for `optimize_bytes`.
Must not publish, retry or know other images.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from pixmill.choosing import Choices, Chooser, choices
from pixmill.imaging import probe
from pixmill.imaging.confine import limited_memory
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.mend import OneLease, mended
from pixmill.imaging.sources import inhaled
from pixmill.making import Making, kept
from pixmill.model import Failed, FailureKind, Stage, Status
from pixmill.picture import Origin, Picture
from pixmill.plan import Plan
from pixmill.planning import planned
from pixmill.product import Product
from pixmill.registry import codec
from pixmill.series_making import SeriesMaker
from pixmill.series_planning import Member, SeriesPlan, series_planned
from pixmill.targeting import targets_of
from pixmill.units import format_size
from pixmill.vocabulary import Corrupt

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.header import Header
    from pixmill.imaging.sources import Source
    from pixmill.planning import Limits
    from pixmill.recipe import Recipe

__all__ = ["Product", "mill"]

# What reading a header may hold: more than any real one takes, far less than pixels would.
_HEADER_BYTES = 32_000_000


def mill(
    source: Source,
    codec_name: str,
    recipe: Recipe,
    limits: Limits,
    *,
    lease: Callable[[int], None],
    spool_folder: str | None = None,
) -> Product | Failed:
    """Make one image.

    Args:
        source: Path or encoded bytes.
        codec_name: What its content was recognised as.
        recipe: What is wanted.
        limits: What it may cost.
        lease: Called with the plan's cost in bytes before any pixel is decoded; returns once that
            much may be held.
        spool_folder: Where results too large to hold are spooled, in unnamed files. Default: the
            system's folder for temporary files.

    Returns:
        The product, or why there is none.
    """
    one_lease = OneLease(lease)
    try:
        source = inhaled(source)
    except ImagingError as error:
        return error.failure
    made = _made(source, codec_name, recipe, limits, lease=one_lease, spool_folder=spool_folder)
    if not isinstance(made, Failed):
        return _with_source(made, source)
    if made.kind is not FailureKind.CORRUPT or recipe.corrupt is not Corrupt.SALVAGE:
        return made
    source, damage = mended(source, codec_name), made.message
    salvaged = _made(
        source,
        codec_name,
        recipe,
        limits,
        lease=one_lease,
        spool_folder=spool_folder,
        damage=damage,
    )
    return made if isinstance(salvaged, Failed) else salvaged


def _with_source(made: Product, source: Source) -> Product:
    """Return a product that publishes its source with the bytes that were judged."""
    if made.status is not Status.KEPT or made.members or not isinstance(source, bytes):
        return made
    return replace(made, source=source)


def _made(  # noqa: PLR0913 - as `mill`
    source: Source,
    codec_name: str,
    recipe: Recipe,
    limits: Limits,
    *,
    lease: OneLease,
    spool_folder: str | None,
    damage: str = "",
) -> Product | Failed:
    try:
        with _contained(limits, _HEADER_BYTES):
            header = probe.probe(source, codec_name, damage=damage, page=recipe.pages)
            if not (damage or any(spec.can_write for spec in targets_of(codec_name, recipe))):
                return kept(header, header.codec)
            plan = _found_plan(header, recipe, limits)
    except ImagingError as error:
        return _bombed(error.failure) if limits.is_enforced else error.failure
    if isinstance(plan, Failed):
        return plan
    try:
        lease.take(plan.cost_bytes)
        with _contained(limits, plan.cost_bytes):
            return _carried_out(plan, source, recipe, spool_folder)
    except ImagingError as error:
        return _left(error.failure, plan) if isinstance(plan, Plan) else error.failure


def _found_plan(
    header: Header, recipe: Recipe, limits: Limits
) -> Plan | Choices | SeriesPlan | Failed:
    """Return a plan to be carried out beside others, or else alone, or why there is none."""
    found, alone = _planned(header, recipe, limits), limits.of_one_alone
    is_refused = isinstance(found, Failed) and found.kind is FailureKind.TOO_LARGE
    if not (is_refused and alone):
        return found
    found = _planned(header, recipe, alone)
    if isinstance(found, Failed) or found.cost_bytes <= limits.room_bytes:
        return found
    return Failed(
        FailureKind.TOO_LARGE,
        Stage.PLAN,
        f"needs about {format_size(found.cost_bytes)} of memory, and no machine here can set aside "
        f"more than {format_size(limits.room_bytes)} for one image",
    )


def _planned(
    header: Header, recipe: Recipe, limits: Limits
) -> Plan | Choices | SeriesPlan | Failed:
    if recipe.is_series:
        return series_planned(header, recipe, limits)
    return choices(header, recipe, limits) or planned(header, recipe, limits)


def _carried_out(
    plan: Plan | Choices | SeriesPlan, source: Source, recipe: Recipe, spool_folder: str | None
) -> Product | Failed:
    """Make one image, in the format that is smallest for it, or every output of it."""

    def picture(plan: Plan, recipe: Recipe, origin: Origin | None = None) -> Picture:
        return Picture(source, recipe, plan, spool_folder, origin)

    def weighed(plan: Plan, recipe: Recipe) -> Making:
        return Making(picture(plan, recipe), is_weighed=True)

    def make(member: Member, origin: Origin | None) -> Product | Failed:
        if not codec(member.plan.target).can_write:
            return kept(member.plan.header, member.plan.target)
        try:
            return Making(picture(member.plan, member.recipe, origin)).made()
        except ImagingError as error:
            return _left(error.failure, member.plan)

    match plan:
        case Plan():
            return Making(picture(plan, recipe)).made()
        case Choices():
            return Chooser(plan, recipe, weighed).chosen()
        case SeriesPlan():
            return SeriesMaker(source, plan, make, spool_folder).made()
        case _:
            assert_never(plan)


def _contained(limits: Limits, extra_bytes: int) -> AbstractContextManager[None]:
    """Hold the process to a cost, where the process is pixmill's own."""
    return limited_memory(extra_bytes) if limits.is_enforced else nullcontext()


def _bombed(failure: Failed) -> Failed:
    """Tell a header that takes all the memory a header may have from a want of memory."""
    if failure.kind is not FailureKind.MEMORY:
        return failure
    most = format_size(_HEADER_BYTES)
    message = f"expected a header that takes at most {most} of memory to read, got one beyond it"
    return Failed(FailureKind.TOO_LARGE, Stage.READ, message)


def _left(failure: Failed, plan: Plan) -> Product | Failed:
    """Let a sound source stand that cannot be recoded, where the recipe does not demand it."""
    is_free = not (plan.is_demanded or plan.is_rewrap_demanded)
    if failure.kind is FailureKind.UNSUPPORTED and is_free:
        return kept(plan.header, plan.header.codec, notes=(f"not recoded: {failure.message}",))
    return failure
