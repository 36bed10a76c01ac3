"""From what was typed to what is meant: `Options` in, a `Recipe` and its `Settings` out.

Pure. Every error names the option it is about; must not know whether a flag or a file gave it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from pixmill.address import Access, parse_tagging
from pixmill.errors import OptionError
from pixmill.model import Caps
from pixmill.options.fields import DEFAULT_MAX_DIMENSION_PX
from pixmill.options.formats import (
    candidates_of,
    codec_options_of,
    formats_of,
    supported_formats_of,
    target_format_of,
)
from pixmill.options.reading import chosen, parsed
from pixmill.recipe import KEEP_SOURCE_FORMAT, Recipe
from pixmill.settings import Redo, Settings, check_in_place, check_series
from pixmill.sharding import parse_shard
from pixmill.units import (
    Geometry,
    parse_duration,
    parse_geometry,
    parse_savings,
    parse_score,
    parse_size,
)
from pixmill.vocabulary import Keep, Operation

if TYPE_CHECKING:
    from pixmill.options.fields import Options

__all__ = ["Request", "meant", "uses_max_dimension"]

_AUTO: Final = "auto"
_ALL_PAGES: Final = "all"
_FIRST_PAGE: Final = "first"
_RECIPE: Final = Recipe()
_SETTINGS: Final = Settings()
_HEX: Final = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)
_COLOURS: Final = {"white": "#ffffff", "black": "#000000"}
_SHORT_HEX_LENGTH: Final = 3

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Request:
    """What is meant: what every image shall become, and how the run is carried out."""

    recipe: Recipe
    settings: Settings


def meant(options: Options) -> Request:
    """Return what these options ask for; what was not given takes its default.

    Raises:
        OptionError: A value that does not parse, lies outside its range or contradicts another.
    """
    request = Request(recipe=_recipe(options), settings=_settings(options))
    check_series(request.recipe, request.settings)
    check_in_place(request.recipe, request.settings)
    return request


def uses_max_dimension(options: Options) -> bool:
    """Whether `max_dimension` decides a size: resize is asked for by name, without a size."""
    named = options.operations or ()
    is_open = options.resize is None and options.widths is None
    return is_open and Operation.RESIZE in named and Operation.CROP not in named


def _recipe(options: Options) -> Recipe:
    resize = _geometry(options)
    target = target_format_of(options.target_format)
    recipe = Recipe(
        operations=_operations(options, is_sized=bool(resize or options.widths), target=target),
        resize=resize,
        fit=_or(options.fit, _RECIPE.fit),
        gravity=_or(options.gravity, _RECIPE.gravity),
        kernel=_or(options.kernel, _RECIPE.kernel),
        linear=_or(options.linear, _RECIPE.linear),
        enlarge=_or(options.enlarge, _RECIPE.enlarge),
        background=_background(options.background),
        target_format=target,
        candidates=candidates_of(options.candidates),
        quality=options.quality,
        lossless=_or(options.lossless, _RECIPE.lossless),
        effort=_or(options.effort, _RECIPE.effort),
        codec_options=codec_options_of(options.codec_option or ()),
        max_size_bytes=parsed(parse_size, options.max_size, option="max_size"),
        target_quality=parsed(parse_score, options.target_quality, option="target_quality"),
        min_quality=options.min_quality,
        allow_downscale=_or(options.allow_downscale, _RECIPE.allow_downscale),
        strategy=_or(options.strategy, _RECIPE.strategy),
        keep=_keep(options.keep),
        colour=_or(options.colour, _RECIPE.colour),
        auto_orient=_or(options.auto_orient, _RECIPE.auto_orient),
        if_larger=_or(options.if_larger, _RECIPE.if_larger),
        min_savings=parsed(parse_savings, options.min_savings, option="min_savings"),
        oversize=_or(options.oversize, _RECIPE.oversize),
        corrupt=_or(options.corrupt, _RECIPE.corrupt),
        pages=parsed(_page, options.pages, option="pages"),
        widths=_widths(options.widths),
        formats=formats_of(options.formats),
    )
    _check_named_operations(options, recipe)
    _check_convert(recipe)
    _check_lossless(recipe)
    return recipe


def _settings(options: Options) -> Settings:
    return Settings(
        recursive=_or(options.recursive, _SETTINGS.recursive),
        include=_or(options.include, _SETTINGS.include),
        exclude=_or(options.exclude, _SETTINGS.exclude),
        hidden=_or(options.hidden, _SETTINGS.hidden),
        symlinks=_or(options.symlinks, _SETTINGS.symlinks),
        supported_formats=supported_formats_of(options.supported_formats),
        copy_others=_or(options.copy_others, _SETTINGS.copy_others),
        if_exists=_or(options.if_exists, _SETTINGS.if_exists),
        on_collision=_or(options.on_collision, _SETTINGS.on_collision),
        parallel=parsed(_workers, options.parallel, option="parallel"),
        memory_bytes=parsed(_size_or_auto, options.memory, option="memory"),
        timeout_s=_or(
            parsed(parse_duration, options.timeout, option="timeout"), _SETTINGS.timeout_s
        ),
        retries=_or(options.retries, _SETTINGS.retries),
        dry_run=_or(options.dry_run, _SETTINGS.dry_run),
        sandbox=_or(options.sandbox, _SETTINGS.sandbox),
        journal=options.journal,
        redo=_redo(options),
        durability=_or(options.durability, _SETTINGS.durability),
        order=_or(options.order, _SETTINGS.order),
        checksum=_or(options.checksum, _SETTINGS.checksum),
        verify=_or(options.verify, _SETTINGS.verify),
        in_place=_or(options.in_place, _SETTINGS.in_place),
        backup=options.backup,
        no_backup=_or(options.no_backup, _SETTINGS.no_backup),
        name_template=options.name_template,
        manifest=options.manifest,
        executor=_or(options.executor, _SETTINGS.executor),
        ray_address=options.ray_address,
        shard=_or(parsed(parse_shard, options.shard, option="shard"), _SETTINGS.shard),
        access=Access(
            endpoint_url=options.endpoint_url,
            region=options.region,
            is_anonymous=_or(options.anonymous, _SETTINGS.access.is_anonymous),
            profile=options.profile,
            patience_s=_or(
                parsed(parse_duration, options.store_patience, option="store_patience"),
                _SETTINGS.access.patience_s,
            ),
        ),
        cache_control=options.cache_control,
        metadata_directive=_or(options.metadata_directive, _SETTINGS.metadata_directive),
        tagging=_or(parsed(parse_tagging, options.tagging, option="tagging"), _SETTINGS.tagging),
        caps=_caps(options),
        max_file_bytes=_or(
            parsed(parse_size, options.max_file_size, option="max_file_size"),
            _SETTINGS.max_file_bytes,
        ),
    )


def _caps(options: Options) -> Caps:
    caps = _SETTINGS.caps
    return Caps(
        whole_px=_or(options.max_pixels, caps.whole_px),
        stream_px=_or(options.max_stream_pixels, caps.stream_px),
        frames=_or(options.max_frames, caps.frames),
    )


def _redo(options: Options) -> Redo:
    if options.force and options.retry_failed:
        raise OptionError(
            "force takes everything and retry-failed only what failed: use one of them",
            option="retry_failed",
        )
    if options.force:
        return Redo.ALL
    return Redo.FAILED if options.retry_failed else Redo.CHANGED


def _operations(options: Options, *, is_sized: bool, target: str) -> frozenset[Operation]:
    """Return the operations named, or those that the other options imply."""
    if options.operations is not None:
        return frozenset(
            chosen(Operation, word, option="operations") for word in options.operations
        )
    implied = {Operation.COMPRESS}
    if is_sized:
        implied.add(Operation.RESIZE)
    if target != KEEP_SOURCE_FORMAT:
        implied.add(Operation.CONVERT)
    return frozenset(implied)


def _geometry(options: Options) -> Geometry | None:
    edge_px = _or(options.max_dimension, DEFAULT_MAX_DIMENSION_PX)
    if edge_px < 1:
        raise OptionError(f"expected at least 1 px, got {edge_px}", option="max_dimension")
    if uses_max_dimension(options):
        return Geometry(width_px=edge_px, height_px=edge_px)
    return parsed(parse_geometry, options.resize, option="resize")


def _widths(words: tuple[str, ...] | None) -> tuple[int, ...]:
    if words is None:
        return _RECIPE.widths
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise OptionError(
            f"expected widths in pixels such as 320,640,1280, got {','.join(words)!r}",
            option="widths",
        )
    return tuple(int(word) for word in words)


def _keep(words: tuple[str, ...] | None) -> frozenset[Keep]:
    if words is None:
        return _RECIPE.keep
    return frozenset(chosen(Keep, word, option="keep") for word in words)


def _background(text: str | None) -> str | None:
    if text is None:
        return _RECIPE.background
    spelled = _COLOURS.get(text.strip().lower(), text.strip().lower())
    match = _HEX.fullmatch(spelled)
    if match is None:
        raise OptionError(
            f"expected a colour such as #ffffff, #fff, white or black, got {text!r}",
            option="background",
        )
    digits = match[1]
    if len(digits) == _SHORT_HEX_LENGTH:
        digits = "".join(digit * 2 for digit in digits)
    return f"#{digits}"


def _workers(text: str) -> int | None:
    if text.strip().lower() == _AUTO:
        return None
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit()):
        raise OptionError(f"expected a number of workers or auto, got {text!r}")
    return int(stripped)


def _page(text: str) -> int | None:
    word = text.strip().lower()
    if word in {_ALL_PAGES, _FIRST_PAGE}:
        return None if word == _ALL_PAGES else 1
    if not (word.isascii() and word.isdigit()):
        raise OptionError(f"expected all, first or the number of a page, got {text!r}")
    return int(word)


def _size_or_auto(text: str) -> int | None:
    return None if text.strip().lower() == _AUTO else parse_size(text)


def _check_named_operations(options: Options, recipe: Recipe) -> None:
    """Refuse several outputs that the operations, where they are named, leave no room for."""
    if options.operations is None:
        return
    for name, is_given, needed in (
        ("widths", bool(recipe.widths), Operation.RESIZE),
        ("formats", bool(recipe.formats), Operation.CONVERT),
    ):
        if is_given and needed not in recipe.operations:
            raise OptionError(f"{name} need {needed} among the operations: add it", option=name)


def _check_convert(recipe: Recipe) -> None:
    has_format = recipe.target_format != KEEP_SOURCE_FORMAT or recipe.formats
    if Operation.CONVERT in recipe.operations and not has_format:
        raise OptionError(
            "convert needs a format to convert to: add --target-format, such as webp",
            option="target_format",
        )


def _check_lossless(recipe: Recipe) -> None:
    if not recipe.is_lossless:
        return
    asked = "--lossless" if recipe.lossless else "--strategy lossless"
    if recipe.quality is not None:
        raise OptionError(f"{asked} has no quality: leave one of the two out", option="quality")
    if recipe.max_size_bytes is not None:
        raise OptionError(
            f"{asked} cannot aim at a size: leave one of the two out", option="max_size"
        )
    if recipe.target_quality is not None:
        raise OptionError(
            f"{asked} needs no score, which would be 100: leave one of the two out",
            option="target_quality",
        )
    for target in recipe.candidates if recipe.is_auto else recipe.target_formats:
        _check_lossless_target(target, asked=asked)


def _check_lossless_target(target: str, *, asked: str) -> None:
    from pixmill.registry import codec, writable_names  # noqa: PLC0415 - as in _target_format

    if target == KEEP_SOURCE_FORMAT or codec(target).supports_lossless:
        return
    able = ", ".join(name for name in writable_names() if codec(name).supports_lossless)
    raise OptionError(
        f"{target} has no lossless mode: convert to one of {able}, or leave {asked} out",
        option="lossless",
    )


def _or(value: Value | None, default: Value) -> Value:
    return default if value is None else value
