"""No bytes make a parser raise anything but ValueError, hang, or change what it promises."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpora import corpus_files
from pixmill.codecs.spec import Encoding, Scan
from pixmill.recipe import Effort
from pixmill.registry import codec, codecs, recognised

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec

_PARSERS = ("jpg", "png", "webp", "gif", "tiff", "avif", "heic")
_MAX_SEED_BYTES = 20_000
_OPENINGS = {
    "jpg": b"\xff\xd8\xff",
    "png": b"\x89PNG\r\n\x1a\n",
    "webp": b"RIFF\x40\0\0\0WEBPVP8X",
    "gif": b"GIF89a",
    "tiff": b"II*\0\x08\0\0\0",
    "avif": b"\0\0\0\x18ftypavis\0\0\0\0msf1iso8",
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
}
_FUZZED = settings(
    max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _seeds(spec: CodecSpec) -> list[bytes]:
    """Return small real files of a format, and one made here where the corpora are missing."""
    found = [
        data
        for path in corpus_files("formats") + corpus_files("metadata")
        if path.stat().st_size <= _MAX_SEED_BYTES
        and recognised((data := path.read_bytes())[:4096]) == spec.name
    ]
    if spec.save_options:
        options = spec.save_options(Encoding(codec=spec.name, quality=None, effort=Effort.FAST))
        found.append(getattr(pyvips.Image.black(64, 64, bands=3), spec.saver)(**options))
    return found or [_OPENINGS[spec.name] + bytes(64)]


def _survives(spec: CodecSpec, data: bytes) -> None:
    assert spec.scan is not None
    with contextlib.suppress(ValueError):
        scan = spec.scan(io.BytesIO(data), len(data))
        assert isinstance(scan, Scan)
        assert scan.pages is None or scan.pages >= 1
        assert scan.quality is None or 1 <= scan.quality <= 100
        assert scan.width_px is None or scan.width_px >= 1
    if spec.rewrapped:
        again = spec.rewrapped(data, frozenset())
        assert again is None or len(again) <= len(data)
    for other in codecs():
        assert isinstance(other.recognises(data[:4096]), bool)


@pytest.mark.parametrize("name", _PARSERS)
@_FUZZED
@given(data=st.data())
def test_mutated_files_are_survived(name: str, data: st.DataObject) -> None:
    """Real files with bytes changed, cut out or doubled are scanned or refused by value."""
    spec = codec(name)
    mutant = bytearray(data.draw(st.sampled_from(_seeds_by_name(name)), label="seed"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(0, len(mutant) - 1)))
        patch = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 4, bytes(8)]))
        mutant[at : at + data.draw(st.sampled_from([len(patch), 0, 16]))] = patch
    _survives(spec, bytes(mutant[: data.draw(st.sampled_from([None, len(mutant) // 2, 40]))]))


@pytest.mark.parametrize("name", _PARSERS)
@_FUZZED
@given(tail=st.binary(max_size=400))
def test_random_bytes_are_survived(name: str, tail: bytes) -> None:
    """Random bytes, alone or after a true opening, are scanned or refused by value."""
    spec = codec(name)
    _survives(spec, tail)
    _survives(spec, _OPENINGS[name] + tail)


@pytest.mark.parametrize("name", _PARSERS)
def test_every_cut_is_survived(name: str) -> None:
    """A file cut at each of its first bytes is scanned or refused by value."""
    spec = codec(name)
    seed = min(_seeds_by_name(name), key=len)
    for end in range(min(len(seed), 300)):
        _survives(spec, seed[:end])


_CACHE: dict[str, list[bytes]] = {}


def _seeds_by_name(name: str) -> list[bytes]:
    if name not in _CACHE:
        _CACHE[name] = _seeds(codec(name))
    return _CACHE[name]
