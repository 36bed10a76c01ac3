"""All outputs of one source: decoded once, each size made of a larger one, each format of a size.

Must not encode a result itself, nor publish: whoever makes one image makes each of them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from pixmill.imaging import load, steps
from pixmill.imaging.progress import watched
from pixmill.imaging.resampling import resampled
from pixmill.model import Failed, Status
from pixmill.picture import Origin
from pixmill.plan import Scale
from pixmill.product import Product
from pixmill.registry import codec
from pixmill.series_planning import Member, grouped, has_roots, parent_px, steps_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyvips

    from pixmill.imaging.sources import Source
    from pixmill.plan import Plan
    from pixmill.series_planning import SeriesPlan

__all__ = ["MakeOne", "SeriesMaker", "joined"]


class MakeOne(Protocol):
    """Makes one output."""

    def __call__(self, member: Member, origin: Origin | None) -> Product | Failed:
        """Make it of pixels that are there, or of the source."""


@dataclass(slots=True)
class SeriesMaker:
    """Makes all outputs of one source.

    Args:
        source: Path or encoded bytes.
        plan: What is to be made.
        make: Makes one.
        spool_folder: Where results wait while others are made that need the memory.
    """

    source: Source
    plan: SeriesPlan
    make: MakeOne
    spool_folder: str | None = None
    _sizes: dict[int, pyvips.Image] = field(default_factory=dict)
    _decoded: pyvips.Image | None = None
    _is_held: bool = False

    def made(self) -> Product | Failed:
        """Return all outputs as one product, or why one of them cannot be made.

        All are made before the first is published, so that few fail half done.
        """
        found: dict[tuple[str, int], Product] = {}
        for member, origin in self._in_turn():
            product = self.make(member, origin)
            if isinstance(product, Failed):
                return _told(product, member)
            found[member.key] = product if self.plan.is_shared else self._spooled(product)
        return joined([found[member.key] for member in self.plan.members])

    def _spooled(self, product: Product) -> Product:
        if not isinstance(product.content, bytes):
            return product
        spool = tempfile.TemporaryFile(dir=self.spool_folder)  # noqa: SIM115 - the product owns it
        spool.write(product.content)
        return replace(product, content=spool)

    def _in_turn(self) -> Iterator[tuple[Member, Origin | None]]:
        """Yield every output with what it is made of: the widest first, so that others can be."""
        if not self.plan.is_shared:
            yield from ((member, None) for member in self.plan.members)
            return
        for treated in grouped(self.plan.members):
            self._sizes.clear()
            self._decoded, self._is_held = None, self.plan.is_held and has_roots(treated)
            for alike in _by_width(treated):
                pixels = self._pixels(alike)
                yield from ((each, Origin(pixels, steps_ahead(each.plan))) for each in alike)

    def _pixels(self, alike: Sequence[Member]) -> pyvips.Image:
        """Return the pixels of one size, as deep as the deepest of its formats."""
        plan = max((each.plan for each in alike), key=lambda plan: codec(plan.target).max_bits)
        parent = parent_px(plan.width_px, self._sizes)
        if parent is not None:
            scale = Scale(
                plan.width_px, plan.height_px, alike[0].recipe.kernel, alike[0].recipe.linear
            )
            image = resampled(self._sizes[parent], scale)
        else:
            ahead = steps_ahead(plan)
            shared = tuple(each for each in plan.steps if each not in ahead)
            image = steps.run_steps(self._opened(plan), replace(plan, steps=shared))
        self._sizes[plan.width_px] = load.pinned(watched(image))
        return self._sizes[plan.width_px]

    def _opened(self, plan: Plan) -> pyvips.Image:
        """Return the source, decoded for the widest output if others are made of it too."""
        if self._decoded is not None:
            return self._decoded
        image = load.opened(self.source, plan)
        if self._is_held:
            self._decoded = image = load.pinned(image)
        return image


def joined(members: Sequence[Product]) -> Product:
    """Return the outputs of one source as one product."""
    widest = max(members, key=lambda each: each.width_px)
    is_made = any(each.status is Status.OPTIMIZED for each in members)
    return Product(
        status=Status.OPTIMIZED if is_made else Status.KEPT,
        target=members[0].target,
        width_px=widest.width_px,
        height_px=widest.height_px,
        content_bytes=sum(each.content_bytes for each in members),
        encodes=sum(each.encodes for each in members),
        is_salvaged=any(each.is_salvaged for each in members),
        notes=_notes(members),
        members=tuple(members),
    )


def _notes(members: Sequence[Product]) -> tuple[str, ...]:
    """Return what every output has to say once, and what one alone says with its name."""
    known: dict[str, list[Product]] = {}
    for member in members:
        for note in dict.fromkeys(member.notes):
            known.setdefault(note, []).append(member)
    return tuple(
        note if len(of) == len(members) or len(of) > 1 else f"{_name(of[0])}: {note}"
        for note, of in known.items()
    )


def _told(failure: Failed, member: Member) -> Failed:
    plan = member.plan
    name = f"{plan.target} of {plan.width_px} px"
    return replace(failure, message=f"{name}: {failure.message}")


def _name(product: Product) -> str:
    return f"{product.target} of {product.width_px} px"


def _by_width(members: Sequence[Member]) -> list[list[Member]]:
    """Return members of one width together, the widest first."""
    widths: dict[int, list[Member]] = {}
    for member in sorted(members, key=lambda each: -each.width_px):
        widths.setdefault(member.width_px, []).append(member)
    return [*widths.values()]
