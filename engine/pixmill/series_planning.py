"""The plans of all outputs of one source, and whether one decode does for them.

Pure, as `planning` is, which plans each. Must not choose a format or a width of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.model import Failed
from pixmill.plan import Flatten, Plan, Scale
from pixmill.planning import Limits, planned
from pixmill.registry import codec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.header import Header
    from pixmill.plan import Load, Step
    from pixmill.recipe import Recipe

__all__ = [
    "LEAST_STEP",
    "MOST_STEP",
    "Member",
    "SeriesPlan",
    "Treatment",
    "grouped",
    "has_roots",
    "parent_px",
    "series_planned",
    "steps_ahead",
]

_BYTE_BITS: Final = 8

LEAST_STEP: Final = 2.0
MOST_STEP: Final = 3.2
"""How much wider an output is, at least and at most, of which a narrower one is made.

PSNR against a float64 reference, of 6 photographs of 9 to 24 MP, beside each made of the source
through the decoder's scaling: 2.0 to 3.2 times narrower 1.3 to 3.7 dB better on the mean (56 to
58 dB; the worst image 2.0 dB worse), 1.3 to 1.7 times 1.4 to 2.1 dB worse, 4 and 6 times 1.6 and
4.2 dB worse. 1920, 1280, 640 and 320 px of 5 of them, one of the other: as near as apart, 54.8 to
59.0 dB on the mean, the worst 1.8 dB worse.
"""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to pixels whatever their size; what is treated alike can share a decode.

    Attributes:
        pages: Pages that are loaded.
        page: Index of the one page that was asked for.
        steps: Turns, colours and cuts.
    """

    pages: int
    page: int | None
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, plan: Plan) -> Treatment:
        """Return the treatment that a plan has."""
        load: Load = plan.load
        steps = tuple(each for each in plan.steps if not isinstance(each, Scale | Flatten))
        return cls(load.pages, load.page, steps)


@dataclass(frozen=True, slots=True)
class Member:
    """One output.

    Attributes:
        recipe: The recipe for it alone.
        plan: How it would be made alone.
    """

    recipe: Recipe
    plan: Plan

    @property
    def width_px(self) -> int:
        """Width of the output."""
        return self.plan.width_px

    @property
    def key(self) -> tuple[str, int]:
        """What no other output of the source has."""
        return self.plan.target, self.plan.width_px


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """What is to be done for all outputs of one source.

    Attributes:
        members: Format by format, the narrowest first; no two are alike.
        is_shared: Whether pixels are shared; else each is made alone, for want of memory.
        is_held: Whether those that were decoded are held, so that several sizes can be made of
            them; else the source is decoded for each size that is not made of another.
        cost_bytes: Memory that is held at the peak.
    """

    members: tuple[Member, ...]
    is_shared: bool
    is_held: bool
    cost_bytes: int


def series_planned(header: Header, recipe: Recipe, limits: Limits) -> SeriesPlan | Failed:
    """Return the plans of every output, or why one of them cannot be made.

    Widths that come out the same, since the source is narrower, are one output.
    """
    found: dict[tuple[str, int], Member] = {}
    for member in recipe.members():
        plan = planned(header, member, limits)
        if isinstance(plan, Failed):
            return plan
        one = Member(member, plan)
        found.setdefault(one.key, one)
    members = tuple(found.values())
    shared_bytes, decoded_bytes = _shared_bytes(members), _decoded_bytes(members)
    alone_bytes = max(each.plan.cost_bytes for each in members)
    can_share = all(each.plan.is_pinned for each in members)
    # Decoded anew for each size a baseline JPEG of 10 MP takes 150 ms for 117, and 28 MB for 48; a
    # progressive one of 8 MP 270 for 170. A worker that waits for memory costs more.
    most_bytes = min(limits.lease_bytes, limits.share_bytes)
    if can_share and shared_bytes + decoded_bytes <= most_bytes:
        return SeriesPlan(
            members,
            is_shared=True,
            is_held=decoded_bytes > 0,
            cost_bytes=shared_bytes + decoded_bytes,
        )
    if can_share and shared_bytes <= limits.lease_bytes:
        return SeriesPlan(members, is_shared=True, is_held=False, cost_bytes=shared_bytes)
    return SeriesPlan(members, is_shared=False, is_held=False, cost_bytes=alone_bytes)


def grouped(members: Iterable[Member]) -> list[list[Member]]:
    """Return outputs that are treated alike together."""
    groups: dict[Treatment, list[Member]] = {}
    for member in members:
        groups.setdefault(Treatment.of(member.plan), []).append(member)
    return [*groups.values()]


def has_roots(group: Iterable[Member]) -> bool:
    """Return whether several sizes are made of the source, of outputs that are treated alike."""
    widths = {each.width_px for each in group}
    return sum(parent_px(width_px, widths) is None for width_px in widths) > 1


def parent_px(width_px: int, made_px: Iterable[int]) -> int | None:
    """Return which of the widths that are made a narrower one is made of, `None` for none."""
    steps = range(round(LEAST_STEP * width_px), int(MOST_STEP * width_px) + 1)
    return min((each for each in made_px if each in steps), default=None)


def steps_ahead(plan: Plan) -> tuple[Step, ...]:
    """Return the steps of a plan that one format needs and others need not."""
    return tuple(each for each in plan.steps if isinstance(each, Flatten))


def _shared_bytes(members: tuple[Member, ...]) -> int:
    """Return the bytes at the peak: an output beside the pixels of wider ones, and all results.

    An output's own pixels are in its cost, and once more where a step of its own alters them.
    """
    sizes = {(Treatment.of(each.plan), each.width_px): _raster_bytes(each.plan) for each in members}

    def beside_bytes(one: Member) -> int:
        own = Treatment.of(one.plan)
        has_copy = bool(steps_ahead(one.plan))
        return sum(
            raster_bytes
            for (treatment, width_px), raster_bytes in sizes.items()
            if treatment == own
            and (width_px > one.width_px or (has_copy and width_px == one.width_px))
        )

    results_bytes = sum(_raster_bytes(each.plan) // _shrunk(each) for each in members)
    return max(each.plan.cost_bytes + beside_bytes(each) for each in members) + results_bytes


def _decoded_bytes(members: tuple[Member, ...]) -> int:
    """Return the bytes of the decoded source where several sizes are made of it, else 0."""
    most = 0
    for group in grouped(members):
        if has_roots(group):
            plan = max((each.plan for each in group), key=lambda plan: plan.width_px)
            factor = plan.load.scale / plan.load.shrink
            header, depth_bytes = plan.header, 1 + (plan.header.bits > _BYTE_BITS)
            lines = math.ceil(header.height_px * factor) * plan.load.pages
            row_bytes = math.ceil(header.width_px * factor) * header.bands * depth_bytes
            most = max(most, lines * row_bytes)
    return most


def _raster_bytes(plan: Plan) -> int:
    depth_bytes = 1 + (plan.header.bits > _BYTE_BITS)
    bands = 3 + plan.header.has_alpha
    return plan.width_px * plan.height_px * plan.pages * bands * depth_bytes


def _shrunk(member: Member) -> int:
    """Return by how much a result is smaller than its pixels, at the least, as `costing` has it."""
    target = codec(member.plan.target)
    is_exact = member.recipe.is_lossless or not target.supports_lossy
    may_be_exact = target.supports_lossless and member.plan.header.is_lossless
    return 2 if is_exact or may_be_exact else 8
