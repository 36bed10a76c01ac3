"""One image made by one plan: its candidates, and which of them is published, if any.

Must not read headers nor make plans; `milling` does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixmill.aiming import Aiming
from pixmill.chroma import has_choice, with_best_chroma
from pixmill.fitting import best_fitting, with_fewer_colours
from pixmill.geometry import Size
from pixmill.header import Metadata
from pixmill.imaging import metadata
from pixmill.imaging.judge import Judge
from pixmill.imaging.sources import reading
from pixmill.imaging.turbo import transformed
from pixmill.keeping import metadata_kept
from pixmill.model import Failed, FailureKind, Stage, Status
from pixmill.picture import Candidate, Picture
from pixmill.planning import own_quality
from pixmill.product import Product
from pixmill.registry import codec, writable_names
from pixmill.strategies import enough
from pixmill.strategies.brief import Brief
from pixmill.strategies.choice import strategy
from pixmill.strategies.score_search import is_good_enough
from pixmill.strategies.unreachable import out_of_reach
from pixmill.vocabulary import IfLarger

if TYPE_CHECKING:
    import pyvips

    from pixmill.aiming import Scored
    from pixmill.codecs.spec import Encoding
    from pixmill.header import Header
    from pixmill.plan import Plan
    from pixmill.recipe import Recipe

__all__ = ["Making", "kept"]

_EXACT_SCORE = 100.0


@dataclass(slots=True)
class Making:
    """One image that is made by one plan.

    Attributes:
        picture: The image.
        is_weighed: Whether the looks that are wanted are somebody else's to judge.
    """

    picture: Picture
    is_weighed: bool = False

    @property
    def _plan(self) -> Plan:
        return self.picture.plan

    @property
    def _recipe(self) -> Recipe:
        return self.picture.recipe

    def made(self) -> Product | Failed:
        """Return the smallest good candidate, the source itself, or a failure."""
        rewrapped = self._rewrapped()
        if self._needs_nothing(rewrapped):
            return self._optimized(rewrapped) if rewrapped else self._kept()
        encodings = self._encodings()
        if not encodings:
            return self._without_encoding(rewrapped)
        if self._recipe.target_quality is not None:
            return self._aimed(encodings, rewrapped, self._recipe.target_quality)
        if self._recipe.max_size_bytes is not None:
            found = best_fitting(self.picture, encodings, self._recipe.max_size_bytes)
            return found if isinstance(found, Failed) else self._optimized(found)
        best = self._smallest(encodings)
        if best is None:
            return self._without_encoding(rewrapped)
        if rewrapped and self._is_no_gain(best, rewrapped.size_bytes):
            best = rewrapped
        return self._chosen(best, is_rewrapped=best is rewrapped)

    def finished(self) -> pyvips.Image:
        """Return the finished pixels."""
        return self.picture.image()

    def _chosen(self, best: Candidate, *, is_rewrapped: bool) -> Product:
        file_bytes = self._plan.header.file_bytes
        is_larger = not self._recipe.is_smaller(best.size_bytes, file_bytes)
        if not is_larger and not is_rewrapped and self._is_no_gain(best, file_bytes):
            self._note("left as it is: recoding it at its own quality would save little")
            is_larger = True
        is_free = not (self._plan.is_demanded or self._plan.is_rewrap_demanded)
        if not is_larger or not is_free or self._recipe.if_larger is IfLarger.WRITE:
            if is_rewrapped:
                self._note("recoding would not save enough: metadata removed, no more")
            return self._optimized(best)
        if self._recipe.if_larger is IfLarger.SKIP:
            return self._product(Status.SKIPPED)
        return self._kept()

    def _is_no_gain(self, made: Candidate, own_bytes: int) -> bool:
        """Whether the source's own pixels had better stand, which take so many bytes."""
        if not self._recipe.is_smaller(made.size_bytes, own_bytes):
            return True
        is_exact = made.quality is None
        return not (self._plan.is_demanded or is_exact) and enough.is_good_enough(
            self._plan.header,
            self._recipe,
            codec(self._plan.target),
            own_bytes=own_bytes,
            result_bytes=made.size_bytes,
        )

    def _needs_nothing(self, rewrapped: Candidate | None) -> bool:
        """Whether a size or a score is asked for and the source's own pixels have it already."""
        recipe, header = self._recipe, self._plan.header
        has_target = recipe.max_size_bytes is not None or recipe.target_quality is not None
        if not has_target or self._plan.is_demanded:
            return False
        if recipe.target_quality is not None and not is_good_enough(header, recipe.target_quality):
            return False
        return self._source_fits(rewrapped)

    def _source_fits(self, rewrapped: Candidate | None) -> bool:
        """Whether the source, without what must go of its metadata, is within the cap."""
        if self._plan.is_rewrap_demanded and rewrapped is None:
            return False
        size_bytes = rewrapped.size_bytes if rewrapped else self._plan.header.file_bytes
        return size_bytes <= (self._recipe.max_size_bytes or size_bytes)

    def _rewrapped(self) -> Candidate | None:
        """Return the source without the metadata that must go, its coded pixels untouched."""
        spec = codec(self._plan.header.codec)
        is_of_use = self._plan.is_rewrap_demanded and not self._plan.is_demanded
        if not is_of_use or spec.rewrapped is None or not self._plan.is_pinned:
            return None
        kept_whole = metadata_kept(self._plan.header, self._recipe)
        if not metadata.kinds_left(self.picture.image()) <= kept_whole:
            return None  # part of some kind is to stay, which only a new encoding can do
        with reading(self.picture.source) as file:
            content = spec.rewrapped(file.read(), kept_whole)
        if content is None:
            return None
        content = self.picture.bundled(content)
        return Candidate(content, len(content), self._plan.header.quality)

    def _transformed(self) -> Candidate | None:
        """Return the source's own coded pixels turned, cut or packed, without decoding them.

        What stays of its metadata must be whole, and true of what is turned or cut.
        """
        spec, header = codec(self._plan.header.codec), self._plan.header
        if not self._plan.is_transformed or spec.rewrapped is None:
            return None
        kept_whole = metadata_kept(header, self._recipe)
        told = kept_whole & header.metadata
        is_untrue = bool(self._plan.steps) and Metadata.EXIF in told
        is_partly = not metadata.kinds_left(self.picture.image()) <= kept_whole
        if is_untrue or is_partly or Metadata.OTHER in told:  # what an album's segments point at
            return None
        with reading(self.picture.source) as file:
            bare = spec.rewrapped(file.read(), kept_whole)
        content = transformed(bare, self._plan.steps) if bare is not None else None
        return None if content is None else Candidate(content, len(content), header.quality)

    def _without_encoding(self, rewrapped: Candidate | None) -> Product | Failed:
        """Answer where everything must be lossless and the target has no lossless form."""
        made = [each for each in (rewrapped, self._transformed()) if each is not None]
        is_free = not (self._plan.is_demanded or self._plan.is_rewrap_demanded)
        if made:
            best = min(made, key=lambda candidate: candidate.size_bytes)
            return self._chosen(best, is_rewrapped=False) if is_free else self._optimized(best)
        if is_free:
            return self._kept()
        choices = ", ".join(name for name in writable_names() if codec(name).supports_lossless)
        return Failed(
            FailureKind.UNSUPPORTED,
            Stage.PLAN,
            f"{codec(self._plan.target).title} has no lossless form for this change: "
            f"use --target-format with one of {choices}",
        )

    def _encodings(self) -> tuple[Encoding, ...]:
        chosen = strategy(self._recipe.strategy)
        is_seen = chosen.NEEDS_CONTENT and self._plan.is_pinned
        shown = self.picture.content_class() if is_seen else None
        target = codec(self._plan.target).holding(self._plan.pages)
        brief = Brief(
            self._plan.header,
            self._recipe,
            target,
            shown,
            is_lean=self._plan.is_lean,
            is_moving=self._plan.pages > 1,
            pixels=self._plan.width_px * self._plan.height_px,
            has_palettes=self._plan.has_palettes,
            is_frugal=self._plan.is_frugal,
        )
        encodings = chosen.candidates(brief)
        if not self._plan.is_pinned:
            return encodings[:1]
        is_settled = self.is_weighed or self._recipe.is_searched
        return encodings if is_settled else tuple(map(self._with_chroma, encodings))

    def _with_chroma(self, encoding: Encoding) -> Encoding:
        if not has_choice(encoding):
            return encoding
        return with_best_chroma(self.picture.image(), encoding)

    def _smallest(self, encodings: tuple[Encoding, ...]) -> Candidate | None:
        """Return the smallest good candidate; `None` where none keeps a promise of no loss."""
        candidates = [
            made for each in encodings if (made := self.picture.candidate(each)) is not None
        ]
        if not candidates:
            return None
        best = min(candidates, key=lambda candidate: candidate.size_bytes)
        target = codec(self._plan.target).holding(self._plan.pages)
        is_worth_lossless = (
            best.size_bytes > self._plan.header.file_bytes
            and self._plan.header.is_lossless
            and target.supports_lossless
            and all(each.quality is not None for each in encodings)
        )
        if is_worth_lossless and self._plan.is_pinned:
            exact = self.picture.candidate(_lossless(encodings[0]))
            best = min(best, exact or best, key=lambda candidate: candidate.size_bytes)
        return self.picture.packed(best)

    def _aimed(
        self, encodings: tuple[Encoding, ...], rewrapped: Candidate | None, target: float
    ) -> Product | Failed:
        """Return the smallest that reaches a score, or the source where it is no larger."""
        if not self._plan.is_pinned:
            exact = replace(self.picture.encoded(encodings[0]), score=_EXACT_SCORE)
            return self._chosen(exact, is_rewrapped=False)
        aiming = self._aiming(target)
        if not codec(self._plan.target).is_exact and encodings[0].quality is None:
            fewer = with_fewer_colours(self.picture, encodings[0])
            encodings = (*encodings, *((fewer,) if fewer else ()))
        found = aiming.smallest(encodings)
        if found is None and self._may_stand(rewrapped):
            return self._optimized(rewrapped) if rewrapped else self._kept()
        made = found or self._beyond(aiming, encodings[0])
        if isinstance(made, Failed):
            return made
        best = self.picture.packed(_scored(made))
        cap_bytes = self._recipe.max_size_bytes
        if cap_bytes is not None and best.size_bytes > cap_bytes:
            return self._lowered(encodings, cap_bytes)
        if rewrapped and rewrapped.size_bytes <= best.size_bytes:
            best = rewrapped
        return self._chosen(best, is_rewrapped=best is rewrapped)

    def _may_stand(self, rewrapped: Candidate | None) -> bool:
        """Whether the source's own pixels may be published, which no encoding comes near to."""
        is_free = not self._plan.is_demanded and self._source_fits(rewrapped)
        return is_free and (rewrapped is not None or not self._plan.is_rewrap_demanded)

    def _aiming(self, target: float) -> Aiming:
        def encoded(encoding: Encoding) -> bytes:
            content = self.picture.encoded(encoding).content
            return content if isinstance(content, bytes) else content.read()

        return Aiming(
            spec=codec(self._plan.target).holding(self._plan.pages),
            target=target,
            qualities=self._recipe.scored_qualities(own_quality(self._plan)),
            encode=encoded,
            judge=Judge(self.picture.image(), is_thrifty=self._plan.is_thrifty),
            pixels=self._plan.width_px * self._plan.height_px,
        )

    def _beyond(self, aiming: Aiming, encoding: Encoding) -> Scored | Failed:
        """Return what is left where no quality reaches the target."""
        best, own = aiming.best, own_quality(self._plan)
        if best is not None and own is not None and best.encoding.quality == own:
            self._note(
                f"scores {best.score:.1f}, below {aiming.target:g}: no quality above the source's "
                f"own of {own} was tried"
            )
            return best
        exact = aiming.nearly_lossless(encoding) if self._plan.has_lossless else None
        is_free = self._recipe.if_larger is IfLarger.WRITE
        if exact and (is_free or len(exact.content) < self._plan.header.file_bytes):
            return exact
        return out_of_reach(
            self._plan.target,
            target=aiming.target,
            best_score=best.score if best else 0.0,
            is_ceiling=self._recipe.quality is not None,
            lossless_bytes=len(exact.content) if exact else 0,
        )

    def _lowered(self, encodings: tuple[Encoding, ...], cap_bytes: int) -> Product | Failed:
        """Return the best that fits where what reaches the score does not."""
        size = Size(self._plan.width_px, self._plan.height_px)
        found = best_fitting(self.picture, encodings, cap_bytes)
        if isinstance(found, Failed):
            return found
        is_scaled = size != Size(self._plan.width_px, self._plan.height_px)
        if not is_scaled and isinstance(found.content, bytes):
            score = Judge(self.picture.image(), is_thrifty=True).score(
                found.content, self._plan.target
            )
            found = replace(found, score=score)
            self._note(f"scores {score:.1f}: --max-size allows no more")
        return self._optimized(found)

    def _kept(self) -> Product:
        return kept(self._plan.header, self._plan.header.codec, self.picture.encodes, self._told())

    def _optimized(self, candidate: Candidate) -> Product:
        return self._product(Status.OPTIMIZED, candidate)

    def _product(self, status: Status, candidate: Candidate | None = None) -> Product:
        return Product(
            status=status,
            target=self._plan.target,
            width_px=self._plan.width_px,
            height_px=self._plan.height_px,
            content=candidate.content if candidate else None,
            content_bytes=candidate.size_bytes if candidate else 0,
            quality=candidate.quality if candidate else None,
            score=_told(candidate.score) if candidate else None,
            encodes=self.picture.encodes,
            is_salvaged=bool(self._plan.header.damage),
            expected=self.picture.expected if candidate else None,
            notes=(*self._told(), *(self._plan.losses if candidate else ())),
        )

    def _note(self, note: str) -> None:
        self.picture.notes.append(note)

    def _told(self) -> tuple[str, ...]:
        return (*self._plan.notes, *self.picture.notes)


def _scored(found: Scored) -> Candidate:
    return Candidate(found.content, len(found.content), found.encoding.quality, found.score)


def _told(score: float | None) -> float | None:
    return None if score is None else round(score, 2)


def _lossless(encoding: Encoding) -> Encoding:
    return replace(encoding, quality=None, is_full_chroma=False)


def kept(header: Header, target: str, encodes: int = 0, notes: tuple[str, ...] = ()) -> Product:
    """Return that a source stays as it is."""
    return Product(
        status=Status.KEPT,
        target=target,
        width_px=header.width_px,
        height_px=header.height_px,
        content_bytes=header.file_bytes,
        encodes=encodes,
        notes=notes,
    )
