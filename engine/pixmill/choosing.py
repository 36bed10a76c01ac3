"""The format that is smallest for one image at equal looks, for `--target-format auto`.

What the yardstick loses at the quality asked for, every candidate may lose, or what a score that is
asked for allows. Its quality is searched
and its size estimated on a sample, which is cheap; whole images are encoded from the smallest
estimate on until what is left is estimated too large, and each is held to its score on the whole.
Must not encode a result itself, publish, nor compare names of formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from pixmill.candidacy import YARDSTICK, Subject, deserving, yardstick_quality
from pixmill.content import ContentClass, classify
from pixmill.imaging.content import sampled
from pixmill.imaging.errors import ImagingError
from pixmill.model import Failed, FailureKind, Stage, Status
from pixmill.perception.kernels import has_kernel
from pixmill.planning import planned
from pixmill.registry import codec
from pixmill.strategies.brief import Brief
from pixmill.strategies.choice import strategy
from pixmill.targeting import targets_of
from pixmill.units import format_size
from pixmill.vocabulary import Operation, StrategyName
from pixmill.weighing import Weighed, Weighing, weighing_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyvips

    from pixmill.codecs.spec import Encoding
    from pixmill.header import Header
    from pixmill.plan import Plan
    from pixmill.planning import Limits
    from pixmill.product import Product
    from pixmill.recipe import Recipe

__all__ = ["Choices", "Chooser", "Milling", "choices"]

_SLACK: Final = 1.10
"""An estimate that is larger than the best so far by more is believed: those of 6 photographs were
0.95 to 1.18 of what was encoded then."""
_DRAWN_SLACK: Final = 2.0
"""Likewise of drawings, whose squares repeat less than the whole does."""
_BAND: Final = 1.5
"""How far above the yardstick's score a result may be that is let be."""
_MISS: Final = 0.3
"""How far below it may be: less than a step of quality."""
_MOST_MENDS: Final = 2


class Milling(Protocol):
    """One image that is made in one format."""

    def finished(self) -> pyvips.Image:
        """Return the finished pixels."""

    def made(self) -> Product | Failed:
        """Return what is made of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The formats that one image may become.

    Attributes:
        plans: The plan for each that can hold it, by codec, in order of preference.
        is_weighed: Whether they can be compared, which takes memory; else the first that works is
            taken.
        cost_bytes: Memory that all this holds at its peak, beyond the worker's base.
    """

    plans: dict[str, Plan]
    is_weighed: bool
    cost_bytes: int


def choices(header: Header, recipe: Recipe, limits: Limits) -> Choices | Failed | None:
    """Return what an image may become, why it becomes nothing, or `None` where there is one way."""
    specs = targets_of(header.codec, recipe)
    if len(specs) == 1:
        return None
    made = {spec.name: planned(header, recipe.writing(spec.name), limits) for spec in specs}
    plans = {name: plan for name, plan in made.items() if not isinstance(plan, Failed)}
    if not plans:
        return next(plan for plan in made.values() if isinstance(plan, Failed))
    dearest_bytes = max(plan.cost_bytes for plan in plans.values())
    can_weigh = has_kernel() and all(plan.is_pinned for plan in plans.values())
    whole_bytes = dearest_bytes
    if can_weigh:
        whole_bytes += max(map(weighing_bytes, plans.values()))
    is_weighed = can_weigh and whole_bytes <= limits.lease_bytes
    cost_bytes = whole_bytes if is_weighed else dearest_bytes
    return Choices(plans=plans, is_weighed=is_weighed, cost_bytes=cost_bytes)


@dataclass(frozen=True, slots=True)
class _Tried:
    """A format that was made: its size, what it scores where it was scored, and whether that does.

    What was not scored is the source as it is, or was asked for unseen.
    """

    name: str
    product: Product
    size_bytes: int
    score: float | None = None
    is_good: bool = True

    def __str__(self) -> str:
        """Return it in words."""
        size = format_size(self.size_bytes)
        return f"{self.name} {size}" + ("" if self.score is None else f" at {self.score:.1f}")


@dataclass(slots=True)
class Chooser:
    """Chooses the format of one image.

    Args:
        choices: What it may become.
        recipe: What is wanted.
        start: Begins to make it by a plan and a recipe for one format.
    """

    choices: Choices
    recipe: Recipe
    start: Callable[[Plan, Recipe], Milling]
    _encodes: int = 0
    _told: list[str] = field(default_factory=list)

    def chosen(self) -> Product | Failed:
        """Return the smallest result, the source itself, or a failure."""
        plans = self.choices.plans
        if (own := self._fitting()) is not None:
            return self.start(own, self.recipe.writing(own.target)).made()
        if not self.choices.is_weighed:
            header = next(iter(plans.values())).header
            names = self._deserving(header, ContentClass.PHOTOGRAPH)
            return self._first(
                names, "chosen unseen: memory lacks, or what scores, to compare formats"
            )
        # of the plans, the one that loses nothing that another holds
        whole = max(plans.values(), key=lambda plan: (plan.pages, plan.has_alpha))
        image = self.start(whole, self.recipe.writing(whole.target)).finished()
        shown = classify(sampled(image))
        names = self._deserving(whole.header, shown)
        if len(names) == 1:
            return self._first(names, "the one that this content deserves")
        weighing = Weighing(image, self.recipe.target_quality or self._yardstick(whole, shown))
        self._encodes += self.recipe.target_quality is None
        every = self._weighed(names, weighing, shown)
        if self.recipe.max_size_bytes is not None:
            return self._first(tuple(one.name for one in every), "by its size at equal looks")
        return self._smallest(every, weighing, shown)

    def _fitting(self) -> Plan | None:
        """Return the plan that leaves the source its format, where it fits a cap as it is."""
        cap_bytes = self.recipe.max_size_bytes
        for plan in self.choices.plans.values():
            is_own = not plan.is_demanded
            if cap_bytes is not None and is_own and plan.header.file_bytes <= cap_bytes:
                return plan
        return None

    def _deserving(self, header: Header, shown: ContentClass) -> tuple[str, ...]:
        plans = self.choices.plans
        subject = Subject(
            codec=header.codec,
            shown=shown,
            has_alpha=any(plan.has_alpha for plan in plans.values()),
            is_moving=header.is_animated and any(plan.pages > 1 for plan in plans.values()),
            is_lossless=header.is_lossless,
        )
        names = tuple(name for name in deserving(subject, self.recipe) if name in plans)
        return names or tuple(plans)

    def _first(self, names: tuple[str, ...], why: str) -> Product | Failed:
        """Return the first format that can be made: the last step of what a cap on size tries."""
        failures: list[tuple[str, Failed]] = []
        for name in names:
            made = self._made(name, self.recipe.writing(name))
            if not isinstance(made, Failed):
                failed = [f"{each} cannot: {why.message}" for each, why in failures]
                self._told = [f"{name} {format_size(made.content_bytes)}, {why}", *failed]
                return self._with_notes(made)
            failures.append((name, made))
        (_, failure), *others = failures
        if not others:
            return failure
        word = ", ".join(name for name, _ in others)
        return replace(failure, message=f"{failure.message}; {word} did no better")

    def _weighed(
        self, names: tuple[str, ...], weighing: Weighing, shown: ContentClass
    ) -> list[Weighed]:
        """Return what the formats are expected to take, the smallest first."""
        found = []
        for name in names:
            plan = self.choices.plans[name]
            try:
                weighed = weighing.weighed(self._offers(plan, shown))
            except ImagingError as error:
                if error.failure.kind is not FailureKind.UNSUPPORTED:
                    raise
                self._told.append(f"{name} cannot: {error.failure.message}")
                continue
            own_bytes = weighed.size_bytes if plan.is_demanded else plan.header.file_bytes
            found.append(replace(weighed, size_bytes=min(weighed.size_bytes, own_bytes)))
        return sorted(found, key=lambda one: one.size_bytes)

    def _smallest(
        self, every: list[Weighed], weighing: Weighing, shown: ContentClass
    ) -> Product | Failed:
        slack = _SLACK if shown is ContentClass.PHOTOGRAPH else _DRAWN_SLACK
        tried: list[_Tried] = []
        failure = None
        for one in every:
            best_bytes = min((each.size_bytes for each in tried), default=None)
            if best_bytes is not None and self._is_ruled_out(one, best_bytes, slack):
                self._told.append(f"{one.name} not tried: estimate {format_size(one.size_bytes)}")
                continue
            made = self._held(one, weighing, shown)
            if isinstance(made, Failed):
                self._told.append(f"{one.name} failed: {made.message}")
                failure = failure or made
            else:
                tried.append(made)
        if not tried:
            return failure or _no_format()
        return self._best(tried)

    def _is_ruled_out(self, one: Weighed, best_bytes: int, slack: float) -> bool:
        """Whether a format is too large by its estimate, and not the source's that would stand."""
        plan = self.choices.plans[one.name]
        is_saving = self.recipe.is_smaller(best_bytes, plan.header.file_bytes)
        return one.size_bytes > slack * best_bytes and (plan.is_demanded or is_saving)

    def _best(self, tried: list[_Tried]) -> Product:
        """Return the smallest that looks as it must, unless the source as it is does nearly."""
        best = min([one for one in tried if one.is_good] or tried, key=lambda one: one.size_bytes)
        left = next((one for one in tried if one.product.status is not Status.OPTIMIZED), None)
        if left and not self.recipe.is_smaller(best.size_bytes, left.size_bytes):
            best = left
        others = [str(one) for one in tried if one is not best]
        self._told = [str(best), *others, *self._told]
        return self._with_notes(best.product)

    def _held(self, one: Weighed, weighing: Weighing, shown: ContentClass) -> _Tried | Failed:
        """Make an image in one format, again until it scores what is wanted if it can."""
        plan, tries = self.choices.plans[one.name], dict[int | None, _Tried]()
        quality = one.quality
        while quality not in tries and len(tries) <= _MOST_MENDS:
            made = self._made(one.name, self._at(one.name, quality))
            if isinstance(made, Failed):
                return made
            tries[quality] = tried = self._judged(one.name, made, weighing)
            if tried.score is None or quality is None or made.quality != quality:
                break  # the source itself, a form without a quality, or a search of its own
            if weighing.wanted - _MISS <= tried.score <= weighing.wanted + _BAND:
                break
            if self.recipe.target_quality is not None:
                break
            quality = weighing.mended(self._lossy(plan, shown, quality), tried.score)
        if not any(each.is_good for each in tries.values()) and codec(one.name).supports_lossless:
            exact = self._made(one.name, self._exact(one.name))
            if not isinstance(exact, Failed):
                return self._judged(one.name, exact, weighing)
        good = [each for each in tries.values() if each.is_good]
        if not good:
            return max(tries.values(), key=lambda each: each.score or 0.0)
        return min(good, key=lambda each: each.size_bytes)

    def _judged(self, name: str, product: Product, weighing: Weighing) -> _Tried:
        file_bytes = self.choices.plans[name].header.file_bytes
        if not isinstance(product.content, bytes):
            return _Tried(name, product, file_bytes)
        score = weighing.score(product.content, name)
        is_good = score >= weighing.wanted - _MISS
        return _Tried(name, product, product.content_bytes, score, is_good=is_good)

    def _made(self, name: str, recipe: Recipe) -> Product | Failed:
        """Make an image in one format; what that format cannot hold is its failure alone."""
        try:
            made = self.start(self.choices.plans[name], recipe).made()
        except ImagingError as error:
            if error.failure.kind is not FailureKind.UNSUPPORTED:
                raise
            return error.failure
        if not isinstance(made, Failed):
            self._encodes += made.encodes
        return made

    def _at(self, name: str, quality: int | None) -> Recipe:
        recipe = self.recipe.writing(name)
        if quality is None or recipe.target_quality is not None:
            return recipe
        operations = recipe.operations | {Operation.COMPRESS}
        return replace(recipe, quality=quality, operations=operations)

    def _exact(self, name: str) -> Recipe:
        return replace(self.recipe.writing(name), quality=None, target_quality=None, lossless=True)

    def _offers(self, plan: Plan, shown: ContentClass) -> tuple[Encoding, ...]:
        """Return what the strategy would try of a format."""
        target = codec(plan.target).holding(plan.pages)
        brief = Brief(
            plan.header,
            self.recipe.writing(plan.target),
            target,
            shown,
            is_lean=plan.is_lean,
            is_moving=plan.pages > 1,
            pixels=plan.width_px * plan.height_px,
            is_frugal=plan.is_frugal,
        )
        return strategy(self.recipe.strategy).candidates(brief)

    def _lossy(self, plan: Plan, shown: ContentClass, quality: int) -> Encoding:
        offers = self._offers(plan, shown)
        lossy = (one for one in offers if one.quality is not None and not one.is_palette)
        return replace(next(lossy), quality=quality)

    def _yardstick(self, plan: Plan, shown: ContentClass) -> Encoding:
        quality = yardstick_quality(self.recipe, plan.header.quality)
        recipe = replace(
            self.recipe.writing(YARDSTICK), lossless=False, strategy=StrategyName.ADAPTIVE
        )
        brief = Brief(plan.header, recipe, codec(YARDSTICK), shown, is_lean=False)
        return replace(strategy(recipe.strategy).candidates(brief)[0], quality=quality)

    def _with_notes(self, product: Product) -> Product:
        notes = (*product.notes, f"format: {'; '.join(self._told)}")
        return replace(product, notes=notes, encodes=self._encodes)


def _no_format() -> Failed:
    message = "none of the candidates can hold it: name others with --candidates"
    return Failed(FailureKind.UNSUPPORTED, Stage.ENCODE, message)
