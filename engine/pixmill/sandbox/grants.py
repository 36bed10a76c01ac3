"""Which files a confined worker may still reach."""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Grants", "library_paths"]

_SYSTEM_LIBRARIES: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
)
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/urandom", "/proc/self")
# SVG with text: without them every letter is a box. Read alone, so no cache is written.
_FONTS: Final = (
    "/etc/fonts",
    "/usr/share/fonts",
    "/usr/share/fontconfig",
    "/usr/local/share/fonts",
    "/var/cache/fontconfig",
    "~/.fonts",
    "~/.local/share/fonts",
    "~/.config/fontconfig",
    "~/.cache/fontconfig",
)
_FONT_VARIABLES: Final = ("FONTCONFIG_FILE", "FONTCONFIG_PATH")


@dataclass(frozen=True, slots=True)
class Grants:
    """Files and folders, with all they hold, that a worker may reach.

    Attributes:
        reads: What may be read; what does not exist is left out.
        writes: What may be read, made, written and removed in.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()

    def covers(self, path: str) -> bool:
        """Return whether a path is granted, links resolved as far as can be seen."""
        real = os.path.realpath(path)
        roots = (os.path.realpath(root) for root in (*self.reads, *self.writes))
        return any(real == root or real.startswith(root.rstrip("/") + "/") for root in roots)


@functools.cache
def library_paths() -> tuple[str, ...]:
    """Return what the interpreter and the codecs read of their own: code, fonts, two devices.

    Not `sys.path`: its first entry is wherever the caller stands, such as a home. Remembered, so
    that a nursery can ask once for all its forks.
    """
    schemes = ("stdlib", "platstdlib", "purelib", "platlib")
    code = {path for name in schemes if (path := sysconfig.get_path(name))}
    code |= {f"{prefix}/lib" for prefix in (sys.prefix, sys.base_prefix)}
    code |= {*site.getsitepackages(), str(Path(__file__).parents[1])}
    if site.ENABLE_USER_SITE:
        code.add(site.getusersitepackages())
    fonts = {os.path.expanduser(path) for path in _FONTS}  # noqa: PTH111 - never raises
    fonts |= {os.environ[name] for name in _FONT_VARIABLES if os.environ.get(name)}
    return (*_SYSTEM_LIBRARIES, *_DEVICES, *sorted(code), *sorted(fonts))
