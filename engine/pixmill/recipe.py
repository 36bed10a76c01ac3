"""What the user wants of every image: validated, canonical, with a fingerprint.

Must not know files, workers or the machine; what those need is in `settings`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

from pixmill.errors import OptionError
from pixmill.units import Geometry, Savings
from pixmill.vocabulary import (
    Colour,
    Corrupt,
    Effort,
    Fit,
    Gravity,
    IfLarger,
    Keep,
    Kernel,
    Operation,
    Oversize,
    StrategyName,
)

__all__ = [
    "AUTO_FORMAT",
    "DEFAULT_KEEP",
    "KEEP_SOURCE_FORMAT",
    "WHITE",
    "Canonical",
    "CodecOption",
    "Recipe",
]

AUTO_FORMAT = "auto"
KEEP_SOURCE_FORMAT = "keep"
Canonical: TypeAlias = bool | int | float | str | list[str] | None
WHITE = "#ffffff"
_MAX_QUALITY = 100
_MAX_SCORE = 100
_TRANSPARENT_QUALITY = 92
"""At which a photograph shows no difference."""
_LEAST_FOR_SIZE = 40
_LEAST_FOR_SCORE = 5
"""Smooth pictures score 50 below 10; lower still blocks show, whatever a mean over them says."""
_MAX_WIDTHS = 32
_MAX_FORMATS = 8
"""A worker tells of all outputs in one message, which has an end."""
_HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True, order=True)
class CodecOption:
    """A value on a codec's own scale; `registry.check_codec_options` knows which there are.

    Attributes:
        codec: Name of the codec.
        name: Of the option.
        value: What it is set to.
    """

    codec: str
    name: str
    value: int

    def __str__(self) -> str:
        """Return it as it is typed: `avif.effort=2`."""
        return f"{self.codec}.{self.name}={self.value}"


DEFAULT_KEEP = frozenset({Keep.ICC, Keep.COPYRIGHT})
_LONELY_KEEPS = (Keep.NONE, Keep.ALL, Keep.NO_GPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What the user wants, the same for every image of a run.

    Attributes:
        operations: Which kinds of work are wanted. Default: compress.
        resize: The box or factor; present exactly when resize or crop is wanted.
        fit: How the image meets the box. Default: inside.
        gravity: What stays when cropping, where the image sits when padding. Default: centre.
        kernel: Resampling kernel. Default: lanczos3.
        linear: Whether pixels are averaged in linear light. Default: false.
        enlarge: Whether an image may be scaled up. Default: false.
        background: Colour of padding and of flattened transparency, `#rrggbb`. Default: white;
            images with alpha are padded with transparency.
        target_format: A writable codec's name, `keep`, or `auto` for the candidate that is
            smallest at equal looks. Default: keep.
        candidates: Names of the codecs that `auto` chooses from, in the order in which they win a
            tie; empty for those that the content deserves. Default: those.
        quality: 1 to 100; `None` for each codec's own default.
        lossless: Whether pixels must come out of the encoder as they went in. Default: false.
        effort: CPU spent on smaller files. Default: balanced.
        codec_options: Values on codecs' own scales, above what effort maps to. Default: none.
        max_size_bytes: Cap on each file; the best quality that fits is searched.
        target_quality: What each result must score against its own pixels before encoding, on the
            scale of SSIMULACRA2, 1 to 100; the fewest bytes that do are searched.
        min_quality: Lowest quality that a search may use. Default: 40 for a size, 5 for a score.
        allow_downscale: Whether what does not fit at the lowest quality may be scaled down, to a
            quarter of its edges at most. Default: false.
        strategy: How encodings are chosen. Default: adaptive.
        keep: Metadata retained. Default: icc and copyright.
        colour: sRGB, Display P3 or as it is. Default: srgb.
        auto_orient: Whether EXIF orientation is applied to the pixels. Default: true.
        pages: Number of the one page or frame that is taken, from 1; `None` for all that the target
            format stores. Default: all.
        widths: Widths in pixels of which each image gets an output; those above its own become its
            own, once, unless it may be enlarged. Default: none, one output.
        formats: Names of codecs, or `keep`, in each of which every output is made. Default: the
            target format alone.
        if_larger: What to publish when nothing smaller was found. Default: keep.
        min_savings: How much smaller a result must be to count as smaller. Default: a byte.
        oversize: Whether what is too long for the target format is scaled to fit. Default: refuse.
        corrupt: Whether what can be decoded of a damaged image is published. Default: fail.

    Raises:
        OptionError: Values that contradict each other or lie outside their range.
    """

    operations: frozenset[Operation] = frozenset({Operation.COMPRESS})
    resize: Geometry | None = None
    fit: Fit = Fit.INSIDE
    gravity: Gravity = Gravity.CENTRE
    kernel: Kernel = Kernel.LANCZOS3
    linear: bool = False
    enlarge: bool = False
    background: str | None = None
    target_format: str = KEEP_SOURCE_FORMAT
    candidates: tuple[str, ...] = ()
    quality: int | None = None
    lossless: bool = False
    effort: Effort = Effort.BALANCED
    codec_options: frozenset[CodecOption] = frozenset()
    max_size_bytes: int | None = None
    target_quality: float | None = None
    min_quality: int | None = None
    allow_downscale: bool = False
    strategy: StrategyName = StrategyName.ADAPTIVE
    keep: frozenset[Keep] = DEFAULT_KEEP
    colour: Colour = Colour.SRGB
    auto_orient: bool = True
    if_larger: IfLarger = IfLarger.KEEP
    min_savings: Savings | None = None
    oversize: Oversize = Oversize.REFUSE
    corrupt: Corrupt = Corrupt.FAIL
    pages: int | None = None
    widths: tuple[int, ...] = ()
    formats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that contradict each other: parse at the edge, trust inside."""
        self._check_operations()
        self._check_quality()
        self._check_codec_options()
        self._check_series()
        if self.background is not None and not _HEX_COLOUR.fullmatch(self.background):
            raise OptionError(
                f"expected a colour such as #ffffff, got {self.background!r}", option="background"
            )
        if self.pages is not None and self.pages < 1:
            raise OptionError(
                f"expected a page from 1 on, first or all, got {self.pages}", option="pages"
            )
        if self.min_savings is not None and self.if_larger is IfLarger.WRITE:
            raise OptionError(
                "min_savings has no meaning where if_larger is write: leave one of them out",
                option="min_savings",
            )
        lonely = [keep for keep in _LONELY_KEEPS if keep in self.keep]
        if not self.keep or (lonely and len(self.keep) > 1):
            word = lonely[0] if lonely else "nothing"
            raise OptionError(
                f"expected keep to name kinds of metadata, or one of none, all, no-gps on its own; "
                f"got {word} with {len(self.keep)} in all",
                option="keep",
            )

    @property
    def is_lossless(self) -> bool:
        """Whether every encoding must be lossless, by flag or by strategy."""
        return self.lossless or self.strategy is StrategyName.LOSSLESS

    @property
    def is_auto(self) -> bool:
        """Whether each image gets the format that is smallest for it."""
        return self.target_format == AUTO_FORMAT

    @property
    def is_series(self) -> bool:
        """Whether each image gets several outputs: of several widths, formats or both."""
        return bool(self.widths or self.formats)

    @property
    def target_formats(self) -> tuple[str, ...]:
        """The formats that every image is written in: one, unless several are named."""
        return self.formats or (self.target_format,)

    def members(self) -> tuple[Recipe, ...]:
        """Return the recipe of each output of a series, format by format, the narrowest first."""
        wanted = tuple(Geometry(width_px=width_px) for width_px in sorted(self.widths))
        sizes: tuple[Geometry | None, ...] = wanted or (self.resize,)
        return tuple(
            replace(
                self,
                widths=(),
                formats=(),
                resize=size,
                target_format=name,
                operations=self.operations | _implied(self.widths, name),
            )
            for name in self.target_formats
            for size in sizes
        )

    @property
    def is_searched(self) -> bool:
        """Whether a size or a score is asked for, so that qualities are searched."""
        return self.max_size_bytes is not None or self.target_quality is not None

    @property
    def is_loss_named(self) -> bool:
        """Whether somebody said how much of an image's looks may be spent."""
        return self.quality is not None or self.target_quality is not None

    @property
    def has_compression(self) -> bool:
        """Whether fidelity may be spent on bytes."""
        return Operation.COMPRESS in self.operations

    def highest_quality(self, own: int | None) -> int:
        """Return the highest quality that a cap on size leaves of use.

        Args:
            own: What the source was stored at, above which there are only bytes; `None` if unknown.
        """
        return min(self.quality or own or _TRANSPARENT_QUALITY, own or _MAX_QUALITY)

    @property
    def lowest_quality(self) -> int:
        """The lowest quality that the search for a size may use."""
        return _LEAST_FOR_SIZE if self.min_quality is None else self.min_quality

    def scored_qualities(self, own: int | None) -> range:
        """Return the qualities that the search for a score may use.

        Args:
            own: What the very pixels were stored at by the same codec, above which there are only
                bytes; `None` if unknown or if they changed since.
        """
        high = min(self.quality or _MAX_QUALITY, own or _MAX_QUALITY)
        low = _LEAST_FOR_SCORE if self.min_quality is None else self.min_quality
        return range(min(low, high), high + 1)

    def writing(self, target: str) -> Recipe:
        """Return this recipe for one of the formats that `auto` chooses from."""
        return replace(self, target_format=target, candidates=())

    def is_smaller(self, result_bytes: int, source_bytes: int) -> bool:
        """Whether a result saves enough to be worth having in place of its source."""
        wanted = self.min_savings or Savings()
        return result_bytes + wanted.of(source_bytes) <= source_bytes

    def canonical(self) -> dict[str, Canonical]:
        """Return every field as JSON has it, the same however the recipe was built."""
        return {field.name: _spelled(getattr(self, field.name)) for field in fields(self)}

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change exactly when the recipe does.

        What stands at its default is left out, so that an option which a later version brings
        does not make every recipe a new one.
        """
        chosen = {
            field.name: _spelled(getattr(self, field.name))
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        if self.target_quality is None and self.min_quality == _LEAST_FOR_SIZE:
            del chosen["min_quality"]  # it was the default itself, once
        import hashlib  # noqa: PLC0415 - brings OpenSSL, 2 ms, and no worker asks

        text = json.dumps(chosen, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _check_operations(self) -> None:
        if not self.operations:
            raise OptionError("expected at least one operation, got none", option="operations")
        is_sized = bool(self.operations & {Operation.RESIZE, Operation.CROP})
        if is_sized and self.resize is None and not self.widths:
            raise OptionError(
                "crop and resize need a size: add --resize WxH, or --max-dimension for resize",
                option="resize",
            )
        if self.resize is not None and not is_sized:
            raise OptionError(
                "a size was given, yet operations name neither resize nor crop: add one of them",
                option="operations",
            )
        is_box = self.resize is not None and self.resize.width_px and self.resize.height_px
        if Operation.CROP in self.operations and not is_box:
            raise OptionError("crop needs both edges: --resize WxH", option="resize")
        if self.target_format != KEEP_SOURCE_FORMAT and Operation.CONVERT not in self.operations:
            raise OptionError(
                f"target format {self.target_format} needs convert among the operations: add it",
                option="operations",
            )
        if self.candidates and not self.is_auto:
            raise OptionError(
                "candidates are for --target-format auto: leave one of them out",
                option="candidates",
            )
        if len(set(self.candidates)) != len(self.candidates):
            raise OptionError("expected each candidate once", option="candidates")

    def _check_quality(self) -> None:
        for name, value in (("quality", self.quality), ("min_quality", self.min_quality)):
            if value is not None and not 1 <= value <= _MAX_QUALITY:
                raise OptionError(f"expected {name} from 1 to 100, got {value}", option=name)
        floor = (self.min_quality or 1) if self.max_size_bytes is None else self.lowest_quality
        if self.is_searched and self.quality is not None and floor > self.quality:
            raise OptionError(
                f"min_quality {floor} is above quality {self.quality}",
                option="min_quality",
            )
        if self.target_quality is not None and not 1 <= self.target_quality <= _MAX_SCORE:
            raise OptionError(
                f"expected a score from 1 to 100, got {self.target_quality}",
                option="target_quality",
            )
        if not self.has_compression:
            for name, is_given in (
                ("quality", self.quality is not None),
                ("max_size", self.max_size_bytes is not None),
                ("target_quality", self.target_quality is not None),
            ):
                if is_given:
                    raise OptionError(
                        f"{name} needs compress among the operations: add it", option=name
                    )

    def _check_series(self) -> None:
        for name, given, most in (
            ("widths", self.widths, _MAX_WIDTHS),
            ("formats", self.formats, _MAX_FORMATS),
        ):
            if len(set(given)) != len(given) or len(given) > most:
                raise OptionError(f"expected {most} {name} at most, each once", option=name)
        if any(width_px < 1 for width_px in self.widths):
            raise OptionError(f"expected widths above 0, got {min(self.widths)}", option="widths")
        if not self.is_series:
            return
        has_format = self.target_format != KEEP_SOURCE_FORMAT
        for name, is_asked, message in (
            ("resize", self.widths and self.resize, "sizes are the widths: leave one of them out"),
            ("allow_downscale", self.allow_downscale, "names tell the widths: leave it out"),
            ("if_larger", self.if_larger is IfLarger.SKIP, "every output is made: keep or write"),
            ("target_format", self.is_auto, "several outputs have formats by name: use formats"),
            ("target_format", self.formats and has_format, "leave it out, or formats"),
        ):
            if is_asked:
                raise OptionError(message, option=name)

    def _check_codec_options(self) -> None:
        given = Counter((option.codec, option.name) for option in self.codec_options)
        for (codec, name), count in given.items():
            if count > 1:
                raise OptionError(
                    f"{codec}.{name} is given {count} values: keep one", option="codec_option"
                )


def _implied(widths: tuple[int, ...], name: str) -> set[Operation]:
    """Return the work that an output of a series takes, in one format."""
    sized = {Operation.RESIZE} if widths else set()
    return sized | ({Operation.CONVERT} if name != KEEP_SOURCE_FORMAT else set())


def _spelled(value: object) -> Canonical:
    if isinstance(value, frozenset):
        return sorted(str(member) for member in value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, tuple):
        return [str(member) for member in value]
    return value if isinstance(value, bool | int | None) else str(value)
