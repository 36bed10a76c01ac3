"""Confine a worker process: threads, caches, allocator, loaders, memory.

Must be called only in a process that pixmill owns: it changes libvips for the whole process.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyvips
from PIL import Image

from pixmill.footprint import data_bytes

try:
    import resource
except ImportError:  # pragma: no cover - Windows has no such limits
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LOADER_CLASSES", "let_libraries_speak", "limited_memory", "prepare_process", "trim"]

LOADER_CLASSES: Final = (
    "VipsForeignLoadJpeg",
    "VipsForeignLoadPng",
    "VipsForeignLoadWebp",
    "VipsForeignLoadNsgif",
    "VipsForeignLoadHeif",
    "VipsForeignLoadTiff",
    "VipsForeignLoadSvg",
)
"""Every libvips loader that pixmill calls; the others are closed to crafted files."""

SLACK_BYTES: Final = 96 << 20
"""Address space beyond an image's cost: stacks of libvips, libwebp and libaom threads (2 to 8 MiB
each, up to 8 of them) are data to the kernel, touched or not."""

_THREADS: Final = 8
_THREAD_BYTES: Final = 16 << 20
"""What each thread more may take, in a process that nobody prepared to have one: of 8 encodes to
AVIF at 16 threads 3 failed, some in words that name no memory; with 12 MiB a thread none at 48."""

_TILE_LINES: Final = b"64"
_BLOCKED: Final = True
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_MMAP_THRESHOLD_BYTES: Final = 512 << 10
_EVERY_LEVEL: Final = 0xFC
"""GLib's levels from error to debug, without its fatal and recursion flags."""


def prepare_process() -> None:
    """Make this process fit to decode hostile images one at a time, before its first image."""
    os.environ.setdefault("VIPS_CONCURRENCY", "1")  # for what reads it rather than the setting
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    pyvips.cache_set_max_mem(0)
    pyvips.cache_set_max_files(0)
    _hold_fewer_lines()
    _tune_allocator()
    _silence_libraries()
    _block_loaders()
    Image.MAX_IMAGE_PIXELS = None  # planning refuses by cost, for every library alike


@contextmanager
def limited_memory(extra_bytes: int) -> Iterator[None]:
    """Let this process grow by so much data at most, beyond what it holds now, inside the block.

    An allocation beyond it fails, libvips and Pillow report it, and the process lives on: measured
    with AVIF, WebP, progressive JPEG and PNG. `RLIMIT_DATA` leaves mapped files out, other than
    `RLIMIT_AS`. Does nothing where the kernel does not tell or does not limit.

    Args:
        extra_bytes: Cost of the image to come; slack is added for thread stacks.
    """
    held_bytes = data_bytes()
    if resource is None or not held_bytes:
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held_bytes + max(0, extra_bytes) + _slack_bytes()
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def let_libraries_speak() -> None:
    """Let libvips warn on standard error from now on, for a process that listens to itself."""
    with contextlib.suppress(AttributeError, OSError):
        pyvips.glib_lib.g_log_remove_handler(b"VIPS", _silencer())


def trim() -> None:
    """Hand freed memory back to the system, where the C library can."""
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _hold_fewer_lines() -> None:
    """Halve the lines that libvips keeps of what it reads from top to bottom: three tiles' height.

    Measured at 128, its default, and at 64: a 40,000 px wide TIFF holds 249 and 157 MB when it is
    resized, a 30,000 px wide PNG 178 and 109 MB, for the same CPU and the same bytes. libvips takes
    it from a command line alone, so it is given one; where it offers none, its default stands.
    """
    with contextlib.suppress(ImportError, AttributeError, OSError):
        library = ctypes.CDLL(importlib.import_module("_libvips").__file__)
        make_group, make_context = library.g_option_group_new, library.g_option_context_new
        make_group.restype = make_context.restype = ctypes.c_void_p
        group = ctypes.c_void_p(make_group(b"vips", b"", b"", None, None))
        library.vips_add_option_entries(group)
        context = ctypes.c_void_p(make_context(None))
        library.g_option_context_add_group(context, group)
        words = (ctypes.c_char_p * 3)(b"pixmill", b"--vips-tile-height=" + _TILE_LINES, None)
        count, first = ctypes.c_int(2), ctypes.cast(words, ctypes.c_void_p)
        parse = library.g_option_context_parse
        parse(context, ctypes.byref(count), ctypes.byref(first), None)
        library.g_option_context_free(context)


def _tune_allocator() -> None:
    """Keep one arena and map large blocks, so that freed images leave the process.

    Measured over an eight-format soak: 196 to 249 MB and growing by default, 31 to 33 MB so. Huge
    pages (`glibc.malloc.hugetlb=1`) nearly halve the page faults of a run to 1920 px, and yet it
    took 6 % more CPU, and 12 MB more.
    """
    if not _is_glibc():
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_ARENA_MAX, 1)
    libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)


def _silence_libraries() -> None:
    """Keep libvips and Pillow warnings off the user's terminal.

    pyvips' own handler calls Python for every message, from any thread, and can swallow an
    exception that is raised meanwhile; without it GLib writes to stderr. So a C function that
    ignores its arguments takes the messages, until `let_libraries_speak`; failures still arrive as
    exceptions.
    """
    pyvips._remove_log_handler()  # noqa: SLF001 - pyvips has no public way
    with contextlib.suppress(AttributeError, OSError):
        _silencer()
    logging.getLogger("PIL").addHandler(logging.NullHandler())


@functools.cache
def _silencer() -> int:
    """Have libvips' log come to nothing, and return the number of what does it."""
    silent = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
    set_handler = pyvips.glib_lib.g_log_set_handler
    handler_type = pyvips.ffi.typeof(set_handler).args[2]
    handler = pyvips.ffi.cast(handler_type, silent)
    return int(set_handler(b"VIPS", _EVERY_LEVEL, handler, pyvips.ffi.NULL))


def _block_loaders() -> None:
    pyvips.operation_block_set("VipsForeignLoad", _BLOCKED)
    for name in LOADER_CLASSES:
        pyvips.operation_block_set(name, not _BLOCKED)


def _slack_bytes() -> int:
    return SLACK_BYTES + max(0, int(pyvips.concurrency_get()) - _THREADS) * _THREAD_BYTES


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, OSError, ValueError):  # no such call, or a C library that it is not
        return False
