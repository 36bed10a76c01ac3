"""One image's finished pixels and what encodes them: every encoding that is tried is made here.

Must not decide which encodings are tried nor which becomes the result.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING

from pixmill.content import classify
from pixmill.imaging import compare, encode, light, load, metadata, pack, steps
from pixmill.imaging.content import sampled
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.gain_map import carried
from pixmill.imaging.likeness import looks_alike
from pixmill.imaging.notes import notes_of
from pixmill.imaging.progress import watched
from pixmill.imaging.resampling import resampled
from pixmill.imaging.verify import meant, meant_of_still
from pixmill.model import FailureKind
from pixmill.plan import Scale
from pixmill.reducing import least_score
from pixmill.registry import codec
from pixmill.strategies import palettes

if TYPE_CHECKING:
    import pyvips

    from pixmill.codecs.spec import Encoding
    from pixmill.content import ContentClass
    from pixmill.geometry import Size
    from pixmill.imaging.gain_map import CarriedMap
    from pixmill.imaging.sources import Source
    from pixmill.imaging.verify import Expected
    from pixmill.plan import Plan, Step
    from pixmill.recipe import Recipe

__all__ = ["Candidate", "Origin", "Picture"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An encoding that was made and may be published.

    Attributes:
        content: The file, or an unnamed one that holds it.
        size_bytes: Its size.
        quality: Its quality, `None` where none applies.
        score: How near it comes to the image, where that was asked for.
        is_final: Whether packing it would gain nothing.
    """

    content: bytes | IO[bytes]
    size_bytes: int
    quality: int | None
    score: float | None = None
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Pixels that stand for a source which other outputs were made of too.

    Attributes:
        pixels: Held in memory, upright, of the colours and the size that the result has.
        steps: What is left of the plan's steps.
    """

    pixels: pyvips.Image
    steps: tuple[Step, ...]


@dataclass(slots=True)
class Picture:
    """One image on its way from source to result.

    Attributes:
        source: Path or encoded bytes.
        recipe: What is wanted.
        plan: How it is made.
        spool_folder: Where results too large to hold are spooled.
        origin: What it begins with in place of the source. Default: the source.
        encodes: Encodes so far.
        notes: What the user should know.
        expected: What the result must turn out to be, known once the pixels are.
    """

    source: Source
    recipe: Recipe
    plan: Plan
    spool_folder: str | None
    origin: Origin | None = None
    encodes: int = 0
    notes: list[str] = field(default_factory=list)
    expected: Expected | None = None
    _seen: pyvips.Image | None = None
    _pixels: pyvips.Image | None = None
    _gain_map: CarriedMap | None = None
    _still: light.Still | None = None

    def __post_init__(self) -> None:
        """Decode what is small at once."""
        if self.plan.is_light and self.origin is None:
            self._still = light.decoded(self.source, codec(self.plan.header.codec))

    def image(self) -> pyvips.Image:
        """Return the finished pixels: held in memory, or a fresh pipeline for every pass."""
        if self._pixels is not None:
            return self._pixels
        image = self._begun()
        most_bytes = codec(self.plan.target).max_xmp_bytes
        image = metadata.with_metadata(image, self.recipe.keep, max_xmp_bytes=most_bytes)
        self.notes += [note for note in notes_of(image) if note not in self.notes]
        self._seen = image = watched(image)
        if self.plan.is_pinned:
            self._pixels = image = image if self._is_held else load.pinned(image)
            self._seen = None  # a decoder tells what it complains of once it is closed
        if self.expected is None:
            self._gain_map = self._carried(image)
            has_gain_map = self._gain_map is not None
            self.expected = replace(meant(image, self.plan), has_gain_map=has_gain_map)
        return image

    @property
    def _is_held(self) -> bool:
        """Whether the very pixels are in memory already, as those of another output are."""
        return self.origin is not None and not self.origin.steps

    def _begun(self) -> pyvips.Image:
        if self._still is not None:
            return steps.run_steps(self._still.in_libvips(), self.plan)
        if self.origin is None:
            return steps.run_steps(load.opened(self.source, self.plan), self.plan)
        return steps.run_steps(self.origin.pixels, replace(self.plan, steps=self.origin.steps))

    def encoded(self, encoding: Encoding) -> Candidate:
        """Encode, and count it."""
        self.encodes += 1
        if light_one := self._encoded_lightly(encoding):
            return light_one
        if self.plan.is_pinned:
            content_ = self.bundled(encode.encoded(self.image(), encoding))
            return Candidate(content_, len(content_), encoding.quality)
        spool = tempfile.TemporaryFile(dir=self.spool_folder)  # noqa: SIM115 - the product owns it
        encode.encode_to_file(self.image(), encoding, spool.fileno())
        if self._gain_map is not None:
            with spool:
                spool.seek(0)
                content_ = self.bundled(spool.read())
            return Candidate(content_, len(content_), encoding.quality)
        return Candidate(spool, spool.seek(0, 2), encoding.quality)

    def _encoded_lightly(self, encoding: Encoding) -> Candidate | None:
        """Return a small still as Pillow encodes it; `None` where libvips is to."""
        still = self._still
        made = light.encoded(still, encoding) if still and self._pixels is None else None
        if made is None or still is None:
            return None
        if self.expected is None:
            self.expected = meant_of_still(still)
        is_final = self.plan.is_packed and light.is_final(still, encoding, len(made))
        return Candidate(made, len(made), encoding.quality, is_final=is_final)

    def candidate(self, encoding: Encoding) -> Candidate | None:
        """Encode, and judge where an encoding may turn out bad: a palette, or too few colours."""
        if encoding.is_palette:
            return self._reduced(encoding)
        made = self.encoded(encoding)
        must_match = self.recipe.is_lossless and codec(self.plan.target).max_colours > 0
        if not must_match or not isinstance(made.content, bytes):
            return made
        reduced = load.reopened(made.content, encoding.codec)
        return made if compare.is_identical(self.image(), reduced) else None

    def packed(self, made: Candidate) -> Candidate:
        """Return the same picture in fewer bytes, where the plan has the memory for that."""
        if made.is_final:
            return made
        packings_of = codec(self.plan.target).packings
        pixels = self.plan.width_px * self.plan.height_px
        if packings_of is None or not self.plan.is_packed or not isinstance(made.content, bytes):
            return made
        packings = packings_of(self.recipe.effort, pixels, made.size_bytes)
        content = pack.packed(made.content, packings)
        return replace(made, content=content, size_bytes=len(content))

    def bundled(self, content: bytes) -> bytes:
        """Return an encoded picture with its gain map, where it has one."""
        return self._gain_map.attached(content) if self._gain_map else content

    def scale(self, whole: pyvips.Image, size: Size) -> None:
        """Let the finished pixels be smaller than they were planned.

        Args:
            whole: What is scaled: the pixels as they were planned.
            size: Their new size.
        """
        step = Scale(size.width_px, size.height_px, self.recipe.kernel, self.recipe.linear)
        self._pixels = load.pinned(resampled(whole, step))

    def settle_size(self, size: Size) -> None:
        """Let a size that pixels were scaled to be the result's."""
        self.plan = replace(self.plan, width_px=size.width_px, height_px=size.height_px)
        if self.expected is not None:
            self.expected = replace(self.expected, width_px=size.width_px, height_px=size.height_px)

    def _reduced(self, encoding: Encoding) -> Candidate | None:
        """Encode with a palette that looks as it must, or with a closer one; `None` for none."""
        wanted = least_score(self.image(), encoding, self.recipe)
        if wanted is None:
            return None
        made = self.encoded(encoding)
        if not isinstance(made.content, bytes):
            return made
        reduced = load.reopened(made.content, encoding.codec)
        if looks_alike(self.image(), reduced, least_score=wanted):
            return made
        finer = palettes.finer(encoding)
        return None if finer is None else self._reduced(finer)

    def content_class(self) -> ContentClass:
        """Return what the image shows, and tell so."""
        shown = classify(sampled(self.image()))
        self.notes.append(f"content: {shown}")
        return shown

    def _carried(self, image: pyvips.Image) -> CarriedMap | None:
        """Return the gain map that goes along; a damaged one costs itself and not its picture."""
        try:
            return carried(self.source, self.plan, image, effort=self.recipe.effort)
        except ImagingError as error:
            if error.failure.kind is FailureKind.MEMORY:
                raise
            self.notes.append(f"the Ultra HDR gain map was dropped: {error.failure.message}")
            return None
