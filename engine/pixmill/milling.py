"""One image from source to product: probe, plan, decode, steps, candidates, the smallest good one.

Runs where pyvips may be loaded: in a worker, or in the caller's process for `optimize_bytes`.
Must not publish, retry or know other images.
"""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING

from pixmill.aiming import Aiming
from pixmill.choosing import Choices, Chooser, choices
from pixmill.content import classify
from pixmill.geometry import Size
from pixmill.header import Metadata
from pixmill.imaging import compare, encode, load, metadata, pack, probe, steps
from pixmill.imaging.confine import limited_memory
from pixmill.imaging.content import sampled
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.gain_map import carried
from pixmill.imaging.judge import Judge
from pixmill.imaging.likeness import looks_alike
from pixmill.imaging.mend import OneLease, mended
from pixmill.imaging.notes import notes_of
from pixmill.imaging.progress import watched
from pixmill.imaging.resampling import resampled
from pixmill.imaging.sample import sampled_for_size
from pixmill.imaging.sources import reading
from pixmill.imaging.turbo import transformed
from pixmill.imaging.verify import meant
from pixmill.model import Failed, FailureKind, Stage, Status
from pixmill.plan import Scale
from pixmill.planning import metadata_kept, own_quality, planned, targets_of
from pixmill.product import Product
from pixmill.recipe import Corrupt, IfLarger
from pixmill.registry import codec, writable_names
from pixmill.strategies import enough, palettes
from pixmill.strategies.brief import Brief
from pixmill.strategies.choice import strategy
from pixmill.strategies.score_search import is_good_enough
from pixmill.strategies.search import Bracket, Clues, highest_fitting
from pixmill.strategies.shrinking import largest_fitting
from pixmill.strategies.unreachable import out_of_reach, unreachable
from pixmill.units import format_size

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyvips

    from pixmill.aiming import Scored
    from pixmill.codecs.spec import Encoding
    from pixmill.content import ContentClass
    from pixmill.header import Header
    from pixmill.imaging.gain_map import CarriedMap
    from pixmill.imaging.sources import Source
    from pixmill.imaging.verify import Expected
    from pixmill.plan import Plan
    from pixmill.planning import Limits
    from pixmill.recipe import Recipe

__all__ = ["Product", "mill"]

_EXACT_SCORE = 100.0
# What reading a header may hold: more than any real one takes, far less than pixels would.
_HEADER_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class _Candidate:
    content: bytes | IO[bytes]
    size_bytes: int
    quality: int | None
    score: float | None = None


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
    made = _made(source, codec_name, recipe, limits, lease=one_lease, spool_folder=spool_folder)
    if not isinstance(made, Failed) or made.kind is not FailureKind.CORRUPT:
        return made
    if recipe.corrupt is not Corrupt.SALVAGE:
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
                return _kept(header, header.codec)
            plan = choices(header, recipe, limits) or planned(header, recipe, limits)
    except ImagingError as error:
        return _bombed(error.failure) if limits.is_enforced else error.failure
    if isinstance(plan, Failed):
        return plan
    if isinstance(plan, Choices):
        return _chosen(source, recipe, plan, limits, lease=lease, spool_folder=spool_folder)
    try:
        lease.take(plan.cost_bytes)
        with _contained(limits, plan.cost_bytes):
            return _Mill(source, recipe, plan, spool_folder).made()
    except ImagingError as error:
        return _left(error.failure, plan)


def _chosen(
    source: Source,
    recipe: Recipe,
    choices: Choices,
    limits: Limits,
    *,
    lease: OneLease,
    spool_folder: str | None,
) -> Product | Failed:
    """Make one image in the format that is smallest for it."""

    def start(plan: Plan, recipe: Recipe) -> _Mill:
        return _Mill(source, recipe, plan, spool_folder)

    try:
        lease.take(choices.cost_bytes)
        with _contained(limits, choices.cost_bytes):
            return Chooser(choices, recipe, start).chosen()
    except ImagingError as error:
        return error.failure


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
        return _kept(plan.header, plan.header.codec, notes=(f"not recoded: {failure.message}",))
    return failure


@dataclass(slots=True)
class _Mill:
    source: Source
    recipe: Recipe
    plan: Plan
    spool_folder: str | None
    encodes: int = 0
    notes: list[str] = field(default_factory=list)
    pixels: pyvips.Image | None = None
    seen: pyvips.Image | None = None
    expected: Expected | None = None
    gain_map: CarriedMap | None = None

    def made(self) -> Product | Failed:
        """Return the smallest good candidate, the source itself, or a failure."""
        rewrapped = self._rewrapped()
        if self._needs_nothing(rewrapped):
            return self._optimized(rewrapped) if rewrapped else self._kept()
        encodings = self._encodings()
        if not encodings:
            return self._without_encoding(rewrapped)
        if self.recipe.target_quality is not None:
            return self._aimed(encodings, rewrapped, self.recipe.target_quality)
        if self.recipe.max_size_bytes is not None:
            found = self._sized(encodings, self.recipe.max_size_bytes)
            return found if isinstance(found, Failed) else self._optimized(found)
        best = self._smallest(encodings)
        if best is None:
            return self._without_encoding(rewrapped)
        if rewrapped and self._is_no_gain(best, rewrapped.size_bytes):
            best = rewrapped
        return self._chosen(best, is_rewrapped=best is rewrapped)

    def finished(self) -> pyvips.Image:
        """Return the finished pixels."""
        return self._image()

    def _chosen(self, best: _Candidate, *, is_rewrapped: bool) -> Product:
        file_bytes = self.plan.header.file_bytes
        is_larger = not self.recipe.is_smaller(best.size_bytes, file_bytes)
        if not is_larger and not is_rewrapped and self._is_no_gain(best, file_bytes):
            self.notes.append("left as it is: recoding it at its own quality would save little")
            is_larger = True
        is_free = not (self.plan.is_demanded or self.plan.is_rewrap_demanded)
        if not is_larger or not is_free or self.recipe.if_larger is IfLarger.WRITE:
            if is_rewrapped:
                self.notes.append("recoding would not make it smaller: metadata removed, no more")
            return self._optimized(best)
        if self.recipe.if_larger is IfLarger.SKIP:
            return self._product(Status.SKIPPED)
        return self._kept()

    def _is_no_gain(self, made: _Candidate, own_bytes: int) -> bool:
        """Whether the source's own pixels had better stand, which take so many bytes."""
        if made.size_bytes >= own_bytes:
            return True
        is_exact = made.quality is None
        return not (self.plan.is_demanded or is_exact) and enough.is_good_enough(
            self.plan.header,
            self.recipe,
            codec(self.plan.target),
            own_bytes=own_bytes,
            result_bytes=made.size_bytes,
        )

    def _needs_nothing(self, rewrapped: _Candidate | None) -> bool:
        """Whether a size or a score is asked for and the source's own pixels have it already."""
        recipe, header = self.recipe, self.plan.header
        has_target = recipe.max_size_bytes is not None or recipe.target_quality is not None
        if not has_target or self.plan.is_demanded:
            return False
        if recipe.target_quality is not None and not is_good_enough(header, recipe.target_quality):
            return False
        return self._source_fits(rewrapped)

    def _source_fits(self, rewrapped: _Candidate | None) -> bool:
        """Whether the source, without what must go of its metadata, is within the cap."""
        if self.plan.is_rewrap_demanded and rewrapped is None:
            return False
        size_bytes = rewrapped.size_bytes if rewrapped else self.plan.header.file_bytes
        return size_bytes <= (self.recipe.max_size_bytes or size_bytes)

    def _rewrapped(self) -> _Candidate | None:
        """Return the source without the metadata that must go, its coded pixels untouched."""
        spec = codec(self.plan.header.codec)
        is_of_use = self.plan.is_rewrap_demanded and not self.plan.is_demanded
        if not is_of_use or spec.rewrapped is None or not self.plan.is_pinned:
            return None
        kept_whole = metadata_kept(self.plan.header, self.recipe)
        if not metadata.kinds_left(self._image()) <= kept_whole:
            return None  # part of some kind is to stay, which only a new encoding can do
        with reading(self.source) as file:
            content = spec.rewrapped(file.read(), kept_whole)
        if content is None:
            return None
        content = self._bundled(content)
        return _Candidate(content, len(content), self.plan.header.quality)

    def _transformed(self) -> _Candidate | None:
        """Return the source's own coded pixels turned, cut or packed, without decoding them.

        What stays of its metadata must be whole, and true of what is turned or cut.
        """
        spec, header = codec(self.plan.header.codec), self.plan.header
        if not self.plan.is_transformed or spec.rewrapped is None:
            return None
        kept_whole = metadata_kept(header, self.recipe)
        told = kept_whole & header.metadata
        is_untrue = bool(self.plan.steps) and Metadata.EXIF in told
        is_partly = not metadata.kinds_left(self._image()) <= kept_whole
        if is_untrue or is_partly or Metadata.OTHER in told:  # what an album's segments point at
            return None
        with reading(self.source) as file:
            bare = spec.rewrapped(file.read(), kept_whole)
        content = transformed(bare, self.plan.steps) if bare is not None else None
        return None if content is None else _Candidate(content, len(content), header.quality)

    def _without_encoding(self, rewrapped: _Candidate | None) -> Product | Failed:
        """Answer where everything must be lossless and the target has no lossless form."""
        made = [each for each in (rewrapped, self._transformed()) if each is not None]
        is_free = not (self.plan.is_demanded or self.plan.is_rewrap_demanded)
        if made:
            best = min(made, key=lambda candidate: candidate.size_bytes)
            return self._chosen(best, is_rewrapped=False) if is_free else self._optimized(best)
        if is_free:
            return self._kept()
        choices = ", ".join(name for name in writable_names() if codec(name).supports_lossless)
        return Failed(
            FailureKind.UNSUPPORTED,
            Stage.PLAN,
            f"{codec(self.plan.target).title} has no lossless form for this change: "
            f"use --target-format with one of {choices}",
        )

    def _encodings(self) -> tuple[Encoding, ...]:
        chosen = strategy(self.recipe.strategy)
        shown = self._content_class() if chosen.NEEDS_CONTENT and self.plan.is_pinned else None
        target = codec(self.plan.target).holding(self.plan.pages)
        is_moving = self.plan.pages > 1
        brief = Brief(self.plan.header, self.recipe, target, shown, self.plan.is_lean, is_moving)
        encodings = chosen.candidates(brief)
        return encodings if self.plan.is_pinned else encodings[:1]

    def _content_class(self) -> ContentClass:
        shown = classify(sampled(self._image()))
        self.notes.append(f"content: {shown}")
        return shown

    def _smallest(self, encodings: tuple[Encoding, ...]) -> _Candidate | None:
        """Return the smallest good candidate; `None` where none keeps a promise of no loss."""
        candidates = [made for each in encodings if (made := self._candidate(each)) is not None]
        if not candidates:
            return None
        best = min(candidates, key=lambda candidate: candidate.size_bytes)
        target = codec(self.plan.target).holding(self.plan.pages)
        is_worth_lossless = (
            best.size_bytes > self.plan.header.file_bytes
            and self.plan.header.is_lossless
            and target.supports_lossless
            and all(each.quality is not None for each in encodings)
        )
        if is_worth_lossless and self.plan.is_pinned:
            exact = self._candidate(_lossless(encodings[0]))
            best = min(best, exact or best, key=lambda candidate: candidate.size_bytes)
        return self._packed(best)

    def _packed(self, made: _Candidate) -> _Candidate:
        """Return the same picture in fewer bytes, where the plan has the memory for that."""
        levels_of = codec(self.plan.target).pack_levels
        pixels = self.plan.width_px * self.plan.height_px
        if levels_of is None or not self.plan.is_packed or not isinstance(made.content, bytes):
            return made
        content = pack.packed(made.content, levels_of(self.recipe.effort, pixels))
        return replace(made, content=content, size_bytes=len(content))

    def _aimed(
        self, encodings: tuple[Encoding, ...], rewrapped: _Candidate | None, target: float
    ) -> Product | Failed:
        """Return the smallest that reaches a score, or the source where it is no larger."""
        if not self.plan.is_pinned:
            exact = replace(self._encoded(encodings[0]), score=_EXACT_SCORE)
            return self._chosen(exact, is_rewrapped=False)
        aiming = self._aiming(target)
        if not codec(self.plan.target).is_exact and encodings[0].quality is None:
            fewer = self._with_fewer_colours(encodings[0])
            encodings = (*encodings, *((fewer,) if fewer else ()))
        found = aiming.smallest(encodings)
        if found is None and self._may_stand(rewrapped):
            return self._optimized(rewrapped) if rewrapped else self._kept()
        made = found or self._beyond(aiming, encodings[0])
        if isinstance(made, Failed):
            return made
        best = _scored(made)
        cap_bytes = self.recipe.max_size_bytes
        if cap_bytes is not None and best.size_bytes > cap_bytes:
            return self._lowered(encodings, cap_bytes)
        if rewrapped and rewrapped.size_bytes <= best.size_bytes:
            best = rewrapped
        return self._chosen(best, is_rewrapped=best is rewrapped)

    def _may_stand(self, rewrapped: _Candidate | None) -> bool:
        """Whether the source's own pixels may be published, which no encoding comes near to."""
        is_free = not self.plan.is_demanded and self._source_fits(rewrapped)
        return is_free and (rewrapped is not None or not self.plan.is_rewrap_demanded)

    def _aiming(self, target: float) -> Aiming:
        def encoded(encoding: Encoding) -> bytes:
            content = self._encoded(encoding).content
            return content if isinstance(content, bytes) else content.read()

        return Aiming(
            spec=codec(self.plan.target).holding(self.plan.pages),
            target=target,
            qualities=self.recipe.scored_qualities(own_quality(self.plan)),
            encode=encoded,
            judge=Judge(self._image(), is_thrifty=self.plan.is_thrifty),
        )

    def _beyond(self, aiming: Aiming, encoding: Encoding) -> Scored | Failed:
        """Return what is left where no quality reaches the target."""
        best, own = aiming.best, own_quality(self.plan)
        if best is not None and own is not None and best.encoding.quality == own:
            self.notes.append(
                f"scores {best.score:.1f}, below {aiming.target:g}: no quality above the source's "
                f"own of {own} was tried"
            )
            return best
        exact = aiming.nearly_lossless(encoding) if self.plan.has_lossless else None
        is_free = self.recipe.if_larger is IfLarger.WRITE
        if exact and (is_free or len(exact.content) < self.plan.header.file_bytes):
            return exact
        return out_of_reach(
            self.plan.target,
            target=aiming.target,
            best_score=best.score if best else 0.0,
            is_ceiling=self.recipe.quality is not None,
            lossless_bytes=len(exact.content) if exact else 0,
        )

    def _lowered(self, encodings: tuple[Encoding, ...], cap_bytes: int) -> Product | Failed:
        """Return the best that fits where what reaches the score does not."""
        size = Size(self.plan.width_px, self.plan.height_px)
        found = self._sized(encodings, cap_bytes)
        if isinstance(found, Failed):
            return found
        is_scaled = size != Size(self.plan.width_px, self.plan.height_px)
        if not is_scaled and isinstance(found.content, bytes):
            score = Judge(self._image(), is_thrifty=True).score(found.content, self.plan.target)
            found = replace(found, score=score)
            self.notes.append(f"scores {score:.1f}: --max-size allows no more")
        return self._optimized(found)

    def _sized(self, encodings: tuple[Encoding, ...], cap_bytes: int) -> _Candidate | Failed:
        """Return the best that fits a size: a lossless form if one does, else by search."""
        exact = [each for each in encodings if each.quality is None]
        fitting: list[_Candidate] = []
        lowest_bytes = 0
        for encoding in exact:
            made = self._candidate(encoding)
            if made is not None:
                made = self._packed(made)
                lowest_bytes = min(lowest_bytes or made.size_bytes, made.size_bytes)
                fitting += [made] if made.size_bytes <= cap_bytes else []
        if fitting:
            return fitting[0]
        lossy = next((each for each in encodings if each.quality is not None), None)
        lossy = lossy or self._with_fewer_colours(encodings[0])
        return self._smaller(encodings[0], lowest_bytes) if lossy is None else self._searched(lossy)

    def _with_fewer_colours(self, encoding: Encoding) -> Encoding | None:
        """Return what a format without a quality can lose, where the strategy lets it lose any.

        The cap was asked for, so nobody judges how it looks: `min_quality` bounds it.
        """
        target = codec(self.plan.target)
        is_stuck = self.plan.pages > 1 and target.joined is not None
        is_exact = self.recipe.is_lossless or not self.plan.is_pinned
        if not target.has_lossy_palette or is_stuck or is_exact:
            return None
        return replace(encoding, quality=100, is_palette=True, is_flat=False)

    def _searched(self, encoding: Encoding) -> _Candidate | Failed:
        cap_bytes = self.recipe.max_size_bytes or 0
        high = self.recipe.highest_quality(self.plan.header.quality)
        low = min(self.recipe.lowest_quality, high)
        kept: dict[int, _Candidate] = {}

        def size_of(quality: int) -> int:
            made = self._encoded(replace(encoding, quality=quality))
            if made.size_bytes <= cap_bytes:
                kept.clear()
                kept[quality] = made
            return made.size_bytes

        bracket = Bracket(target_bytes=cap_bytes, low=low, high=high)
        found = highest_fitting(size_of, bracket, self._clues(encoding))
        if found.quality is None and encoding.is_full_chroma:
            self.notes.append("chroma was stored at half resolution to fit --max-size")
            return self._searched(replace(encoding, is_full_chroma=False, is_subsampled=True))
        if found.quality is None:
            return self._smaller(replace(encoding, quality=low), found.lowest_bytes)
        return kept.get(found.quality) or self._encoded(replace(encoding, quality=found.quality))

    def _smaller(self, encoding: Encoding, full_bytes: int) -> _Candidate | Failed:
        """Return the largest picture that fits at the lowest quality, if it may be scaled down."""
        cap_bytes, low = self.recipe.max_size_bytes or 0, encoding.quality
        target, whole = self.plan.target, self._image()
        if not (self.recipe.allow_downscale and self.plan.is_pinned):
            return unreachable(target, full_bytes, cap_bytes, low=low)
        full = Size(self.plan.width_px, self.plan.height_px)
        tried: dict[Size, _Candidate] = {}

        def size_of(size: Size) -> int:
            step = Scale(size.width_px, size.height_px, self.recipe.kernel, self.recipe.linear)
            self.pixels = load.pinned(resampled(whole, step))
            tried[size] = self._encoded(encoding)
            return tried[size].size_bytes

        found = largest_fitting(size_of, full, full_bytes=full_bytes, target_bytes=cap_bytes)
        if found is None:
            smallest = min(tried, key=lambda size: tried[size].size_bytes, default=full)
            least = min((made.size_bytes for made in tried.values()), default=full_bytes)
            return unreachable(target, least, cap_bytes, low=low, smallest=smallest)
        self.plan = replace(self.plan, width_px=found.width_px, height_px=found.height_px)
        if self.expected is not None:
            self.expected = replace(
                self.expected, width_px=found.width_px, height_px=found.height_px
            )
        self.notes.append(
            f"scaled from {full.width_px}x{full.height_px} px to "
            f"{found.width_px}x{found.height_px} px to fit --max-size"
        )
        return tried[found]

    def _clues(self, encoding: Encoding) -> Clues:
        """Return what the codec's record, the source and a sample of the pixels tell of sizes."""
        target, header, plan = codec(self.plan.target), self.plan.header, self.plan
        sampled = sampled_for_size(self._image()) if plan.is_pinned and target.size_curve else None

        def sample(quality: int) -> int:
            return sampled.whole_bytes(replace(encoding, quality=quality)) if sampled else 0

        share = plan.width_px * plan.height_px / (header.width_px * header.height_px)
        is_known = header.quality is not None and plan.pages == header.pages
        return Clues(
            curve=target.size_curve,
            jitter=target.size_jitter,
            sample=sample if sampled else None,
            like_quality=header.quality or target.default_quality,
            like_bytes=round(header.file_bytes * share) if is_known else 0,
        )

    def _candidate(self, encoding: Encoding) -> _Candidate | None:
        """Encode, and judge where an encoding may turn out bad: a palette, or too few colours."""
        made = self._encoded(encoding)
        must_match = self.recipe.is_lossless and codec(self.plan.target).max_colours > 0
        if not (encoding.is_palette or must_match) or not isinstance(made.content, bytes):
            return made
        reduced = load.reopened(made.content, encoding.codec)
        if must_match:
            return made if compare.is_identical(self._image(), reduced) else None
        if looks_alike(self._image(), reduced):
            return made
        finer = palettes.finer(encoding)
        return None if finer is None else self._candidate(finer)

    def _encoded(self, encoding: Encoding) -> _Candidate:
        self.encodes += 1
        if self.plan.is_pinned:
            content_ = self._bundled(encode.encoded(self._image(), encoding))
            return _Candidate(content_, len(content_), encoding.quality)
        spool = tempfile.TemporaryFile(dir=self.spool_folder)  # noqa: SIM115 - the product owns it
        encode.encode_to_file(self._image(), encoding, spool.fileno())
        if self.gain_map is not None:
            with spool:
                spool.seek(0)
                content_ = self._bundled(spool.read())
            return _Candidate(content_, len(content_), encoding.quality)
        return _Candidate(spool, spool.seek(0, 2), encoding.quality)

    def _bundled(self, content: bytes) -> bytes:
        """Return an encoded picture with its gain map, where it has one."""
        return self.gain_map.attached(content) if self.gain_map else content

    def _carried(self, image: pyvips.Image) -> CarriedMap | None:
        """Return the gain map that goes along; a damaged one costs itself and not its picture."""
        try:
            return carried(self.source, self.plan, image, effort=self.recipe.effort)
        except ImagingError as error:
            if error.failure.kind is FailureKind.MEMORY:
                raise
            self.notes.append(f"the Ultra HDR gain map was dropped: {error.failure.message}")
            return None

    def _image(self) -> pyvips.Image:
        """Return the finished pixels: held in memory, or a fresh pipeline for every pass."""
        if self.pixels is not None:
            return self.pixels
        image = steps.run_steps(load.opened(self.source, self.plan), self.plan)
        most_bytes = codec(self.plan.target).max_xmp_bytes
        image = metadata.with_metadata(image, self.recipe.keep, max_xmp_bytes=most_bytes)
        self.notes += [note for note in notes_of(image) if note not in self.notes]
        self.seen = image = watched(image)
        if self.plan.is_pinned:
            self.pixels = image = load.pinned(image)
            self.seen = None  # a decoder tells what it complains of once it is closed
        if self.expected is None:
            self.gain_map = self._carried(image)
            has_gain_map = self.gain_map is not None
            self.expected = replace(meant(image, self.plan), has_gain_map=has_gain_map)
        return image

    def _kept(self) -> Product:
        return _kept(self.plan.header, self.plan.header.codec, self.encodes, self._notes())

    def _optimized(self, candidate: _Candidate) -> Product:
        return self._product(Status.OPTIMIZED, candidate)

    def _product(self, status: Status, candidate: _Candidate | None = None) -> Product:
        return Product(
            status=status,
            target=self.plan.target,
            width_px=self.plan.width_px,
            height_px=self.plan.height_px,
            content=candidate.content if candidate else None,
            content_bytes=candidate.size_bytes if candidate else 0,
            quality=candidate.quality if candidate else None,
            score=_told(candidate.score) if candidate else None,
            encodes=self.encodes,
            is_salvaged=bool(self.plan.header.damage),
            expected=self.expected if candidate else None,
            notes=(*self._notes(), *(self.plan.losses if candidate else ())),
        )

    def _notes(self) -> tuple[str, ...]:
        return (*self.plan.notes, *self.notes)


def _kept(header: Header, target: str, encodes: int = 0, notes: tuple[str, ...] = ()) -> Product:
    return Product(
        status=Status.KEPT,
        target=target,
        width_px=header.width_px,
        height_px=header.height_px,
        content_bytes=header.file_bytes,
        encodes=encodes,
        notes=notes,
    )


def _scored(found: Scored) -> _Candidate:
    return _Candidate(found.content, len(found.content), found.encoding.quality, found.score)


def _told(score: float | None) -> float | None:
    return None if score is None else round(score, 2)


def _lossless(encoding: Encoding) -> Encoding:
    return replace(encoding, quality=None, is_full_chroma=False)
