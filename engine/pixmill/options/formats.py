"""Which formats, and which options of their codecs, words name.

Pure. The registry imports every codec record, which `pixmill --help` must not wait for: it is
loaded where a word names a format.
"""

from __future__ import annotations

import re
from typing import Final

from pixmill.errors import OptionError
from pixmill.options.reading import parsed
from pixmill.recipe import AUTO_FORMAT, KEEP_SOURCE_FORMAT, CodecOption, Recipe
from pixmill.settings import Settings

__all__ = [
    "candidates_of",
    "codec_options_of",
    "formats_of",
    "supported_formats_of",
    "target_format_of",
]

_RECIPE: Final = Recipe()
_SETTINGS: Final = Settings()
_CODEC_OPTION: Final = re.compile(r"(?P<codec>\w+)\.(?P<name>[\w-]+)=(?P<value>-?[0-9]{1,9})")


def target_format_of(text: str | None) -> str:
    """Return the format that results get, the source's own where none is named.

    Raises:
        OptionError: It is none that is written.
    """
    from pixmill.registry import canonical_name, codec, writable_names  # noqa: PLC0415 - see above

    if text is None or text in {KEEP_SOURCE_FORMAT, AUTO_FORMAT}:
        return text or KEEP_SOURCE_FORMAT
    name = parsed(canonical_name, text, option="target_format")
    if name is None or not codec(name).can_write:
        names = ", ".join((*writable_names(), KEEP_SOURCE_FORMAT, AUTO_FORMAT))
        raise OptionError(f"expected one of {names}; got {text!r}", option="target_format")
    return name


def candidates_of(words: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return what `auto` chooses from; empty for what the content deserves.

    Raises:
        OptionError: A word names no format that is written, or there is none.
    """
    from pixmill.registry import canonical_name, codec, writable_names  # noqa: PLC0415 - see above

    if words is None:
        return _RECIPE.candidates
    names = [parsed(canonical_name, word, option="candidates") or "" for word in words]
    if not names or not all(name and codec(name).can_write for name in names):
        able = ", ".join(writable_names())
        raise OptionError(f"expected some of {able}; got {','.join(words)!r}", option="candidates")
    return tuple(names)


def formats_of(words: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the formats of which each source gets a result; empty for one result.

    Raises:
        OptionError: A word names no format that is written, or there is none.
    """
    from pixmill.registry import canonical_name, codec, writable_names  # noqa: PLC0415 - see above

    if words is None:
        return _RECIPE.formats
    names = [
        word if word == KEEP_SOURCE_FORMAT else parsed(canonical_name, word, option="formats")
        for word in words
    ]
    found = [name for name in names if name == KEEP_SOURCE_FORMAT or codec(name or "").can_write]
    if not found or len(found) < len(names):
        able = ", ".join((*writable_names(), KEEP_SOURCE_FORMAT))
        raise OptionError(f"expected some of {able}; got {','.join(words)!r}", option="formats")
    return tuple(name for name in found if name)


def supported_formats_of(words: tuple[str, ...] | None) -> frozenset[str]:
    """Return the formats that are taken; empty for all.

    Raises:
        OptionError: A word names none, or there is none.
    """
    from pixmill.registry import canonical_name  # noqa: PLC0415 - see above

    if words is None:
        return _SETTINGS.supported_formats
    if not words:
        raise OptionError(
            "expected at least one format, got none: leave it out to take every format",
            option="supported_formats",
        )
    names = (parsed(canonical_name, word, option="supported_formats") for word in words)
    return frozenset(name for name in names if name is not None)


def codec_options_of(words: tuple[str, ...]) -> frozenset[CodecOption]:
    """Return the options of codecs that `CODEC.OPTION=NUMBER` spells.

    Raises:
        OptionError: A codec, an option or a number is none.
    """
    from pixmill.registry import check_codec_options  # noqa: PLC0415 - see above

    options = frozenset(_codec_option(word) for word in words)
    check_codec_options(options)
    return options


def _codec_option(text: str) -> CodecOption:
    from pixmill.registry import canonical_name  # noqa: PLC0415 - see above

    match = _CODEC_OPTION.fullmatch(text.strip())
    if match is None:
        raise OptionError(
            f"expected CODEC.OPTION=NUMBER such as avif.effort=2, got {text!r}",
            option="codec_option",
        )
    name = parsed(canonical_name, match["codec"], option="codec_option") or ""
    return CodecOption(name, match["name"].lower(), int(match["value"]))
