"""Tell which formats this installation reads and writes, and what to install for the rest.

Must not open a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyvips
from PIL import Image

from pixmill.codecs.spec import Library
from pixmill.extras import how_to_install, is_installed
from pixmill.imaging.errors import imaging_error
from pixmill.imaging.pack import can_pack
from pixmill.imaging.pam import registered
from pixmill.model import FailureKind

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec
    from pixmill.model import Stage

__all__ = ["Support", "check_installed", "library_versions", "support"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What this installation can do with one format.

    Attributes:
        can_read: Whether its decoder is installed.
        can_write: Whether its encoder is installed.
        library: Library that decodes it with its version, or empty.
        hint: What to install so that it can be read, or empty.
    """

    can_read: bool
    can_write: bool
    library: str
    hint: str


def support(spec: CodecSpec) -> Support:
    """Return what this installation can do with a format."""
    can_read = _can_read(spec)
    can_write = _can_write(spec)
    hint = ""
    if spec.reader is Library.NONE:
        hint = "told apart, not read by this release"
    elif spec.reader.extra and not can_read:
        hint = how_to_install(spec.reader)
    elif spec.writer.extra and not can_write:
        hint = f"to write it: {how_to_install(spec.writer)}"
    return Support(
        can_read=can_read,
        can_write=can_write,
        library=f"{spec.reader} {_version(spec.reader)}".strip() if can_read else "",
        hint=hint,
    )


def check_installed(library: Library, stage: Stage, deed: str) -> None:
    """Make sure that what an extra brings is there.

    Raises:
        ImagingError: It is not; the message names the extra.
    """
    if not is_installed(library):
        needed = f"{deed} needs {library}: {how_to_install(library)}"
        raise imaging_error(FailureKind.UNSUPPORTED, stage, needed)


def library_versions() -> dict[str, str]:
    """Return the version of every image library found, by name."""
    found = {library: _version(library) for library in Library if library is not Library.NONE}
    return {str(library): version for library, version in found.items() if version}


def _can_read(spec: CodecSpec) -> bool:
    match spec.reader:
        case Library.VIPS:
            return _has_operation(f"{spec.loader}_source")
        case Library.PILLOW:
            Image.init()
            registered()
            return spec.pillow_format in Image.OPEN
        case Library.OXIPNG | Library.NONE:
            return False
        case _:
            return is_installed(spec.reader)


def _can_write(spec: CodecSpec) -> bool:
    match spec.writer:
        case Library.VIPS:
            return _has_operation(spec.saver)
        case Library.PILLOW:
            Image.init()
            return spec.pillow_format in Image.SAVE
        case Library.OXIPNG | Library.NONE:
            return False
        case _:
            return is_installed(spec.writer)


def _has_operation(name: str) -> bool:
    return bool(name) and pyvips.type_find("VipsOperation", name) != 0


def _version(library: Library) -> str:
    # loads mail and CSV parsers, for 24 ms of CPU beside 100 of all that workers load
    from importlib.metadata import version  # noqa: PLC0415 - no worker asks for versions

    match library:
        case Library.VIPS:
            return ".".join(str(pyvips.version(part)) for part in range(3))
        case Library.PILLOW:
            return version("pillow")
        case Library.OXIPNG:
            return version("pyoxipng") if can_pack() else ""
        case Library.NONE:
            return ""
        case _:
            return version(library) if is_installed(library) else ""
