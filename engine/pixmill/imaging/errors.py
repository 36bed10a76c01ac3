"""Translate what libvips, Pillow and the system raise into one file's failure.

Must not decide about retries or exit codes: a failure says whether it may pass, no more.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyvips
from PIL import UnidentifiedImageError

from pixmill.errors import PixmillError
from pixmill.failures import RETRYABLE_ERRNOS, errno_failure
from pixmill.model import Failed, FailureKind, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ImagingError", "imaging_error", "parsing_failure", "translated", "translating"]


class ImagingError(PixmillError):
    """Carry one image's failure out of `imaging`, as the only exception its functions raise.

    Args:
        failure: Kind, stage and message.
    """

    def __init__(self, failure: Failed) -> None:
        super().__init__(f"{failure.kind}: {failure.message}")
        self.failure = failure


_SPOKEN_ERRNOS: Final = (
    *RETRYABLE_ERRNOS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
)
_SYSTEM_ERRORS: Final = frozenset(errno.errorcode) - {errno.EINVAL}
"""Error numbers that speak of the system rather than of the file's content."""

_MEMORY: Final = re.compile(
    r"out of memory|insufficient memory|memory allocation|memory exhausted|unable to alloc"
    r"|cannot allocate|failed to allocate|malloc",
    re.IGNORECASE,
)
_LIMIT: Final = re.compile(
    r"security limit|exceeds|too (large|big|many)|maximum|limit", re.IGNORECASE
)
_UNSUPPORTED: Final = re.compile(
    r"unsupported|not supported|page \d+ differs"
    r"|not been built in|not implemented|unimplemented|is blocked"
    r"|no decod|no decompress|not built|sorry|data precision|arithmetic coding"
    r"|bad labq|not a whole number of bytes|no known load|unknown.*(mode|format|compression)",
    re.IGNORECASE,
)
_SAVER: Final = re.compile(r"^(\w*save\w*|cgifsave|vips2\w+|wbuffer\w*|target)\b", re.IGNORECASE)
_DOMAIN: Final = re.compile(r"^[\w\-.]{1,40}: (?=\S)")
_NOISE: Final = re.compile(r"0x[0-9a-fA-F]{4,}|<_io\.[^>]*>|<[\w.]+ object[^>]*>")
_UNTELLING: Final = re.compile(
    r"bad seek to|unable to write to target|unable to call|is not read from file"
    r"|unable to open source for input|unable to copy to memory|unable to read pixels"
    r"|^\w*: ?((tiff)?load error|read error|libpng read error|zlib error:?)$",
    re.IGNORECASE,
)
_OVERFLOWN: Final = re.compile(r" at (scanline|row) 4294967295.*")
_MAX_CHARS: Final = 200
_CUT_OFF: Final = re.compile(
    r"image file is truncated|not enough (image )?data|seek error|unexpected end of|premature end"
    r"|truncated file read",
    re.IGNORECASE,
)
_SILENT_MESSAGES: Final = {
    Stage.READ: "expected a sound header, found a damaged one",
    Stage.DECODE: "expected sound pixels, found damaged ones",
}


def imaging_error(kind: FailureKind, stage: Stage, message: str) -> ImagingError:
    """Return the exception for a failure that pixmill itself found."""
    return ImagingError(Failed(kind, stage, message))


def translated(error: BaseException, stage: Stage) -> Failed:  # noqa: PLR0911 - one a case
    """Return the failure that an exception stands for.

    libvips is lazy: what breaks while encoding is mostly the decoder, so a libvips message that
    names no saver is put down to decoding, whatever the stage.
    """
    match error:
        case ImagingError():
            return error.failure
        case MemoryError():
            return Failed(
                FailureKind.MEMORY, stage, "not enough memory within this image's allowance"
            )
        case pyvips.Error():
            return _from_vips(error, stage)
        case OSError(errno=errno.EINVAL):  # a file's answer to where a number in it points
            return Failed(FailureKind.CORRUPT, stage, "it points to a place that no file has")
        case OSError(errno=int() as number) if number in _SYSTEM_ERRORS:
            return errno_failure(number, stage)
        case UnidentifiedImageError():
            return Failed(
                FailureKind.CORRUPT, stage, "the content is not what its first bytes promise"
            )
        case ModuleNotFoundError():
            return Failed(
                FailureKind.UNSUPPORTED, stage, f"needs the module {error.name}: install it"
            )
        case _:
            return _from_text(_told(error), stage)


@contextmanager
def translating(stage: Stage) -> Iterator[None]:
    """Turn whatever is raised inside into an `ImagingError` of that stage.

    libvips gathers messages in one buffer a process, those of images that loaded well with a
    warning among them: it is emptied first, or one image would be told another's troubles.
    """
    pyvips.vips_lib.vips_error_clear()
    try:
        yield
    except ImagingError:
        raise
    except Exception as error:  # the edge: a hostile file can raise any exception
        raise ImagingError(translated(error, stage)) from error


def parsing_failure(error: ValueError) -> Failed:
    """Return the failure that a codec's own parser stands for, in its words."""
    line = _told(error)
    return Failed(_kind_of(line), Stage.READ, line)


def _from_vips(error: pyvips.Error, stage: Stage) -> Failed:
    detail = str(error.detail or error.message)
    for number in _SPOKEN_ERRNOS:
        if os.strerror(number) in detail:
            return errno_failure(number, stage)
    lines = [line.strip() for line in detail.splitlines() if line.strip()]
    told = [line for line in lines if not _UNTELLING.search(line)]
    if any(_MEMORY.search(line) for line in lines) and not any(
        "limit" in line.lower() for line in lines
    ):
        return Failed(FailureKind.MEMORY, stage, "not enough memory within this image's allowance")
    if not told:  # libpng tells of a broken checksum by a warning, then fails without a word
        message = _SILENT_MESSAGES.get(stage, _SILENT_MESSAGES[Stage.DECODE])
        where = Stage.READ if stage is Stage.READ else Stage.DECODE
        return Failed(FailureKind.CORRUPT, where, message)
    opened = [line for line in told if _DOMAIN.match(line)]  # the others go on with one of these
    # the last: warnings that were survived stand before it
    return _from_text((opened or told)[-1], stage)


def _from_text(line: str, stage: Stage) -> Failed:
    is_saver = stage is Stage.ENCODE and bool(_SAVER.match(line))
    is_late = stage in (Stage.PROCESS, Stage.ENCODE) and not is_saver
    where = Stage.DECODE if is_late else stage
    kind = _kind_of(line)
    if is_saver and kind is FailureKind.CORRUPT:
        kind = FailureKind.UNSUPPORTED
    words = _human(line)
    if kind is FailureKind.CORRUPT:
        words = _damage(words, where)
    elif kind is FailureKind.UNSUPPORTED and not is_saver and "support" not in words:
        words = f"its decoder does not take it: {words}"
    return Failed(kind, where, words)


def _kind_of(line: str) -> FailureKind:
    if _UNSUPPORTED.search(line):
        return FailureKind.UNSUPPORTED
    return FailureKind.TOO_LARGE if _LIMIT.search(line) else FailureKind.CORRUPT


def _damage(words: str, stage: Stage) -> str:
    """Say what damage means for the file, then the library's own words."""
    if _CUT_OFF.search(words):
        return "expected more of the image, got the end of the file: it is cut off"
    expected = _SILENT_MESSAGES.get(stage, _SILENT_MESSAGES[Stage.DECODE])
    return f"{expected}: {words}"


def _told(error: BaseException) -> str:
    text = str(error).strip()
    line = text.splitlines()[0] if text else ""
    return line or f"unreadable ({type(error).__name__})"


def _human(line: str) -> str:
    text = _OVERFLOWN.sub("", _NOISE.sub("the file", _DOMAIN.sub("", line))).strip().rstrip(".")
    text = text[:1].lower() + text[1:] if text[1:2].islower() or len(text) == 1 else text
    return text[:_MAX_CHARS] or "unreadable"
