"""No bytes make a parser raise anything but ValueError, hang, or change what it promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzing.contracts import keeps_codec_contract
from fuzzing.seeds import files_of
from pixmill.registry import codec, codecs

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec

_PARSERS = ("jpg", "png", "webp", "gif", "tiff", "avif", "heic", "pam", "xpm", "sun")
_OPENINGS = {
    "jpg": b"\xff\xd8\xff",
    "png": b"\x89PNG\r\n\x1a\n",
    "webp": b"RIFF\x40\0\0\0WEBPVP8X",
    "gif": b"GIF89a",
    "tiff": b"II*\0\x08\0\0\0",
    "avif": b"\0\0\0\x18ftypavis\0\0\0\0msf1iso8",
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "pam": b"P7\nWIDTH 4\nHEIGHT 4\nDEPTH 3\nMAXVAL 255\nENDHDR\n",
    "xpm": b'/* XPM */\nstatic char *x[] = {\n"4 4 1 1",\n"a c #ff0000",\n"aaaa",\n',
    "sun": b"\x59\xa6\x6a\x95\0\0\0\4\0\0\0\4\0\0\0\x18",
}
_FUZZED = settings(
    max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _seeds(name: str) -> list[bytes]:
    """Return small real files of a format, those made here where the corpora are missing."""
    return [*files_of(name)] or [_OPENINGS[name] + bytes(64)]


def _survives(spec: CodecSpec, data: bytes) -> None:
    keeps_codec_contract(spec, data)
    for other in codecs():
        assert isinstance(other.recognises(data[:4096]), bool)


@pytest.mark.parametrize("name", _PARSERS)
@_FUZZED
@given(data=st.data())
def test_mutated_files_are_survived(name: str, data: st.DataObject) -> None:
    """Real files with bytes changed, cut out or doubled are scanned or refused by value."""
    spec = codec(name)
    mutant = bytearray(data.draw(st.sampled_from(_seeds(name)), label="seed"))
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
    seed = min(_seeds(name), key=len)
    for end in range(min(len(seed), 300)):
        _survives(spec, seed[:end])
