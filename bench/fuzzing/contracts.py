"""What each parser promises of any bytes whatever, as functions that raise where it is broken.

A parser returns, or raises the exception it documents; what it holds meanwhile is a small multiple
of its input. Must not load pyvips: `guided` runs these some thousands of times a second.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
import tempfile
import tracemalloc
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixmill import config
from pixmill.codecs.spec import Scan
from pixmill.errors import OptionError
from pixmill.executors.hearing import UntrustedError, heard
from pixmill.header import Metadata
from pixmill.imaging import icc
from pixmill.model import SourceRef
from pixmill.naming import Namer, wrong_suffix
from pixmill.options import from_mapping, meant, spelling, split_list
from pixmill.recipe import Recipe
from pixmill.registry import canonical_name, codec, codec_names, codecs, recognised
from pixmill.units import format_duration, format_size, parse_duration, parse_geometry, parse_size
from pixmill.vocabulary import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.codecs.spec import CodecSpec

__all__ = ["CONTRACTS", "keeps_codec_contract", "sparing"]

_HEAD_BYTES: Final = 4096
_SPARE_BYTES: Final = 4 << 20  # the largest block that a scan reads at once, and room beside it
_MULTIPLE: Final = 64
_LARGEST_OFFSET: Final = (1 << 44) - 1  # of a file on ext4; BytesIO would seek anywhere
_PAD_BYTES: Final = 1  # that a WebP needs after a last chunk of odd length, and may lack
_MENDED_MULTIPLE: Final = 10
_NAMES: Final = 20
_TO_WEBP: Final = Recipe(operations=frozenset({Operation.CONVERT}), target_format="webp")
_PIPE_BYTES: Final = 32_000  # fit into a pipe that nobody reads yet


class _Disc(io.BytesIO):
    """Bytes that refuse to be sought in as a file on a disc does."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if offset > _LARGEST_OFFSET:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return super().seek(offset, whence)


@contextlib.contextmanager
def sparing(input_bytes: int) -> Iterator[None]:
    """Expect what runs inside to hold no more than a small multiple of its input."""
    tracemalloc.start()
    try:
        yield
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    allowed_bytes = _SPARE_BYTES + _MULTIPLE * input_bytes
    assert peak_bytes <= allowed_bytes, f"held {peak_bytes} bytes for an input of {input_bytes}"


def keeps_codec_contract(spec: CodecSpec, data: bytes) -> None:
    """Expect a codec's parsers to answer by value, and what they make of a file to be sound."""
    assert isinstance(spec.recognises(data[:_HEAD_BYTES]), bool)
    if spec.scan:
        with contextlib.suppress(ValueError):
            _is_possible(spec.scan(_Disc(data), len(data)))
    for kept in (frozenset[Metadata](), frozenset({Metadata.ICC, Metadata.EXIF})):
        _is_rewrapped(spec, data, kept)
    if spec.mended and (whole := spec.mended(data)) is not None:
        assert len(whole) <= _MENDED_MULTIPLE * len(data)


def _is_possible(scan: Scan) -> None:
    assert isinstance(scan, Scan)
    for number in (scan.pages, scan.width_px, scan.height_px):
        assert number is None or number >= 1
    assert scan.quality is None or 1 <= scan.quality <= 100
    assert scan.defect == scan.defect[:1].lower() + scan.defect[1:]


def _is_rewrapped(spec: CodecSpec, data: bytes, kept: frozenset[Metadata]) -> None:
    """Expect no more bytes, nothing that should have gone, and nothing to do a second time."""
    again = spec.rewrapped(data, kept) if spec.rewrapped else None
    if again is None or spec.rewrapped is None or spec.scan is None:
        return
    assert len(again) <= len(data) + _PAD_BYTES
    assert spec.rewrapped(again, kept) == again
    with contextlib.suppress(ValueError):
        left = spec.scan(_Disc(again), len(again)).metadata
        assert left is None or left <= kept, f"{sorted(left - kept)} is left"


def _codec(name: str, data: bytes) -> None:
    keeps_codec_contract(codec(name), data)


def _heads(data: bytes) -> None:
    """Expect every codec to say yes or no to any beginning, and the registry to name one."""
    head = data[:_HEAD_BYTES]
    for spec in codecs():
        assert isinstance(spec.recognises(head), bool)
    assert recognised(head) in {"", *codec_names()}


def _units(data: bytes) -> None:
    """Expect sizes, durations and geometry to be numbers in range, or refused."""
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(OptionError):
        assert format_size(parse_size(text))
        assert parse_size(text) >= 1
    with contextlib.suppress(OptionError):
        assert 0 < parse_duration(text) < float("inf")
        assert format_duration(parse_duration(text))
    with contextlib.suppress(OptionError):
        geometry = parse_geometry(text)
        assert parse_geometry(str(geometry)) == geometry
    with contextlib.suppress(OptionError):
        assert canonical_name(text) in codec_names()


def _config(data: bytes) -> None:
    """Expect a config file of any content to give options with a meaning, or be refused."""
    suffix = (".toml", ".json", "")[data[0] % 3] if data else ""
    path = Path(tempfile.gettempdir(), f"pixmill-fuzz-{os.getpid()}{suffix}")
    path.write_bytes(data[1:])
    try:
        with contextlib.suppress(OptionError):
            assert meant(config.load(path))
    finally:
        path.unlink()


def _options(data: bytes) -> None:
    """Expect any mapping of strings to be options with a meaning, or refused."""
    text = data.decode("utf-8", "surrogateescape")
    pairs = (line.partition("=") for line in text.splitlines())
    with contextlib.suppress(OptionError):
        options = from_mapping({key.strip(): _value(value) for key, _, value in pairs})
        assert meant(options)
    assert all(part == part.strip() for part in split_list(text))
    assert isinstance(spelling(text), str)


def _value(text: str) -> object:
    """Read JSON where it is some, so that numbers, lists and tables come too."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    return value


def _icc(data: bytes) -> None:
    """Expect a profile of any bytes to have a name that prints and colours that are known."""
    assert isinstance(icc.is_srgb(data), bool)
    assert icc.description(data).isprintable()
    assert isinstance(icc.colour_space(data), str)


def _naming(data: bytes) -> None:
    """Expect names of any bytes to give as many destinations, none of them twice."""
    names = [os.fsdecode(name) for name in data.split(b"/") if name not in {b"", b".", b".."}]
    sources = [SourceRef(f"deep/{name}", 1, 1, "png") for name in names[:_NAMES]]
    for recipe in (Recipe(), _TO_WEBP):
        if sources:
            named = Namer(recipe).named(sources)
            assert len({one.destination for one in named}) == len(sources)
    assert all(wrong_suffix(source) in source.path for source in sources)


_DEEDS: Final = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "import", "exec", "open")


@dataclass(slots=True)
class _Watch:
    """Notes what Python does besides computing; one for all, since no hook can be removed."""

    is_awake: bool = False
    deeds: list[str] = field(default_factory=list)

    def note(self, event: str, _arguments: object) -> None:
        """Be the audit hook."""
        if self.is_awake and event.startswith(_DEEDS):
            self.deeds.append(event)


@cache
def _watch() -> _Watch:
    watch = _Watch()
    sys.addaudithook(watch.note)
    return watch


def _hearing(data: bytes) -> None:
    """Expect a worker's words, whatever they are, to do nothing but be heard or refused."""
    watch = _watch()
    watch.deeds.clear()
    ours, theirs = Pipe(duplex=False)
    with ours, theirs:
        theirs.send_bytes(data[:_PIPE_BYTES])
        watch.is_awake = True
        try:
            with contextlib.suppress(UntrustedError, EOFError, OSError):
                repr(heard(ours, 3))
        finally:
            watch.is_awake = False
    assert not watch.deeds, f"a message did {watch.deeds}"


CONTRACTS: Final[dict[str, Callable[[bytes], None]]] = {
    **{
        name: partial(_codec, name)
        for name in ("jpg", "png", "webp", "gif", "tiff", "avif", "heic", "svg", "ico", "icns")
    },
    "heads": _heads,
    "units": _units,
    "config": _config,
    "options": _options,
    "icc": _icc,
    "naming": _naming,
    "hearing": _hearing,
}
"""Every parser that `make fuzz` tries, by the name of its target."""
