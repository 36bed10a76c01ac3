"""From a name, a suffix or a file's first bytes to the record of a codec.

Records are imported when first asked for. Must not know what any of them can do: generic code asks
the record.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from pixmill.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixmill.codecs.spec import CodecSpec
    from pixmill.recipe import CodecOption

__all__ = [
    "canonical_name",
    "check_codec_options",
    "codec",
    "codec_names",
    "codecs",
    "recognised",
    "suffix_owner",
    "suffix_owners",
    "writable_names",
]

_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "jpg": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    "png": (".png", ".apng"),
    "webp": (".webp",),
    "gif": (".gif",),
    "tiff": (".tiff", ".tif"),
    "avif": (".avif", ".avifs"),
    "heic": (".heic", ".heif", ".hif", ".heics", ".heifs"),
    "svg": (".svg",),
    "bmp": (".bmp", ".dib"),
    "ico": (".ico",),
    "cur": (".cur",),
    "icns": (".icns",),
    "tga": (".tga", ".icb", ".vda", ".vst"),
    "psd": (".psd",),
    "pcx": (".pcx",),
    "ppm": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "sgi": (".sgi", ".rgb", ".rgba", ".bw"),
    "qoi": (".qoi",),
    "dds": (".dds",),
    "jp2": (".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"),
    "jxl": (".jxl",),
    "pam": (".pam",),
    "raw": (
        *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".raf", ".rw2"),
        *(".orf", ".pef", ".mrw", ".x3f"),
    ),
    "sun": (".ras", ".sun"),
    "xbm": (".xbm",),
    "xpm": (".xpm",),
    "fits": (".fits", ".fit", ".fts"),
}
"""The suffixes of every codec, the common ones first.

They stand in the records too, and a test holds the two together: to ask the records is to load all
of them, 22 ms of CPU before the first file had a name, beside 176 ms for all else that a run loads.
"""

_NAMES: Final = tuple(_SUFFIXES)

_BY_FIRST_BYTE: Final[Mapping[int, tuple[str, ...]]] = {
    0xFF: ("jpg", "jp2", "jxl"),
    0x89: ("png",),
    0x00: ("heic", "avif", "jp2", "jxl", "ico", "cur", "raw"),
    0x01: ("sgi",),
    0x0A: ("pcx", "svg"),
    0xEF: ("svg",),
    **dict.fromkeys(b"\t\r\f\v <", ("svg",)),
    ord("#"): ("xbm",),
    ord("/"): ("xpm", "xbm"),
    ord("8"): ("psd",),
    ord("B"): ("bmp",),
    ord("D"): ("dds",),
    ord("F"): ("raw",),
    ord("G"): ("gif",),
    ord("I"): ("raw", "tiff"),
    ord("M"): ("raw", "tiff"),
    ord("P"): ("ppm", "pam"),
    ord("R"): ("webp",),
    ord("S"): ("fits",),
    ord("Y"): ("sun",),
    ord("i"): ("icns",),
    ord("q"): ("qoi",),
}
"""Which codecs a file with this first byte can be, in the order in which they are asked."""

_ANY_FIRST_BYTE: Final = ("tga",)
"""Codecs whose files open with any byte, asked last."""


@cache
def codec(name: str) -> CodecSpec:
    """Return the record of a codec.

    Raises:
        OptionError: No codec has this name.
    """
    if name not in _NAMES:
        raise OptionError(_unknown(name, _NAMES))
    spec: CodecSpec = import_module(f"pixmill.codecs.{name}").SPEC
    return spec


def codec_names() -> tuple[str, ...]:
    """Return the names of all codecs, the common ones first."""
    return _NAMES


@cache
def codecs() -> tuple[CodecSpec, ...]:
    """Return the records of all codecs, the common ones first."""
    return tuple(codec(name) for name in _NAMES)


@cache
def writable_names() -> tuple[str, ...]:
    """Return the names of the codecs that pixmill writes."""
    return tuple(spec.name for spec in codecs() if spec.can_write)


def canonical_name(alias: str) -> str:
    """Return the name of the codec that a name or a suffix without its dot stands for.

    Raises:
        OptionError: It stands for none.
    """
    wanted = alias.strip().lower().removeprefix(".")
    if wanted in _NAMES:
        return wanted
    if owner := suffix_owner(f".{wanted}"):
        return owner
    known = (*_NAMES, *(suffix.removeprefix(".") for suffix in suffix_owners()))
    raise OptionError(_unknown(alias, known))


def check_codec_options(options: Iterable[CodecOption]) -> None:
    """Refuse options that no codec's record declares.

    Raises:
        OptionError: There is no such codec or option, or the value lies outside its range.
    """
    for option in options:
        spec = codec(option.codec)
        known = {tunable.name: tunable for tunable in spec.tunables}
        tunable = known.get(option.name)
        if tunable is None:
            names = ", ".join(known) or "none"
            raise OptionError(
                f"{spec.title} has no option {option.name!r}: it has {names}",
                option="codec_option",
            )
        if not tunable.least <= option.value <= tunable.most:
            raise OptionError(
                f"expected {option.codec}.{option.name} from {tunable.least} to {tunable.most}, "
                f"got {option.value}",
                option="codec_option",
            )


def suffix_owner(suffix: str) -> str:
    """Return the name of the codec that a file name's suffix claims, empty for none."""
    return suffix_owners().get(suffix.lower(), "")


@cache
def suffix_owners() -> Mapping[str, str]:
    """Return every suffix that a codec claims, with the name of that codec."""
    return {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes}


def recognised(head: bytes) -> str:
    """Return the name of the codec that a file's first 4096 bytes are, empty for none."""
    if not head:
        return ""
    for name in _BY_FIRST_BYTE.get(head[0], ()):
        if codec(name).recognises(head):
            return name
    for name in _ANY_FIRST_BYTE:
        if codec(name).recognises(head):
            return name
    return ""


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(_NAMES)}"
    return f"there is no format {name!r}: {hint}"
