"""The memory a record asks for covers what was measured, and grows with what it depends on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pixmill.codecs.spec import Encoding
from pixmill.header import Header
from pixmill.registry import codec, codecs, writable_names
from pixmill.vocabulary import Effort

_MB = 1_000_000
_FRUGAL_WEBP = Encoding(codec="webp", quality=80, effort=Effort.BALANCED, is_frugal=True)


def _header(name: str, width_px: int, height_px: int) -> Header:
    return Header(codec=name, width_px=width_px, height_px=height_px)


def _full_chroma(name: str, quality: int) -> Encoding:
    return Encoding(codec=name, quality=quality, effort=Effort.BALANCED, is_full_chroma=True)


@pytest.mark.parametrize(
    ("header", "shrink", "measured_mb"),
    [
        (_header("jpg", 12_000, 12_000), 1, 14),
        (_header("jpg", 65_500, 65_500), 1, 73),
        (_header("jpg", 65_500, 65_500), 8, 10),
        (replace(_header("jpg", 12_000, 12_000), is_progressive=True, samples_per_px=1.5), 8, 425),
        (replace(_header("jpg", 2560, 3837), is_progressive=True, samples_per_px=2.0), 4, 39),
        (replace(_header("jpg", 4096, 4096), is_progressive=True, samples_per_px=3.0), 4, 101),
        (_header("png", 12_000, 12_000), 1, 10),
        (_header("png", 30_000, 30_000), 1, 24),
        (replace(_header("png", 12_000, 12_000), is_progressive=True), 1, 430),
        (_header("webp", 12_000, 12_000), 1, 1100),
        (replace(_header("webp", 4000, 4000), is_lossless=True), 1, 125),
        (replace(_header("webp", 4000, 4000), is_lossless=True), 10, 62),
        (_header("tiff", 12_000, 12_000), 1, 10),
        (replace(_header("tiff", 40_000, 40_000), lines_at_once=128), 1, 46),
        (replace(_header("tiff", 12_000, 12_000), lines_at_once=512), 1, 27),
        (replace(_header("tiff", 12_000, 12_000), lines_at_once=2 * 2048), 1, 161),
        (_header("avif", 6000, 6000), 1, 527),
        (replace(_header("gif", 800, 600), pages=60, bands=4), 1, 7),
        (_header("jp2", 7000, 7000), 1, 810),
    ],
)
def test_decoding_covers_what_was_measured(header: Header, shrink: int, measured_mb: int) -> None:
    """What decoding was measured to hold is asked for, and not much more than twice that."""
    cost = codec(header.codec).decode_cost
    assert cost is not None
    assert measured_mb * _MB <= cost(header, shrink) <= 2.2 * measured_mb * _MB


@pytest.mark.parametrize(
    ("encoding", "pixels", "measured_mb"),
    [
        (Encoding(codec="jpg", quality=80, effort=Effort.BALANCED), 144_000_000, 850),
        (Encoding(codec="jpg", quality=92, effort=Effort.FAST), 16_000_000, 211),
        (_full_chroma("jpg", 80), 16_000_000, 211),
        (Encoding(codec="webp", quality=80, effort=Effort.BALANCED), 144_000_000, 893),
        (_full_chroma("webp", 92), 16_000_000, 267),
        (Encoding(codec="webp", quality=80, effort=Effort.BALANCED), 4_000_000, 55),
        (Encoding(codec="webp", quality=80, effort=Effort.BALANCED), 2_500_000, 39),
        (_FRUGAL_WEBP, 2_500_000, 28),
        (Encoding(codec="webp", quality=None, effort=Effort.FAST), 4_000_000, 144),
        (Encoding(codec="avif", quality=80, effort=Effort.BALANCED), 16_000_000, 422),
        (_full_chroma("avif", 50), 16_000_000, 681),
        (Encoding(codec="jp2", quality=None, effort=Effort.FAST), 16_000_000, 648),
        (Encoding(codec="png", quality=80, effort=Effort.FAST, is_palette=True), 16_000_000, 115),
        (Encoding(codec="png", quality=80, effort=Effort.BEST, is_palette=True), 3_000_000, 123),
        (Encoding(codec="png", quality=None, effort=Effort.FAST, is_palette=True), 2_700_000, 62),
    ],
)
def test_encoding_covers_what_was_measured(
    encoding: Encoding, pixels: int, measured_mb: int
) -> None:
    """What encoding was measured to hold is asked for, and not much more."""
    cost = codec(encoding.codec).encode_cost
    assert cost is not None
    assert measured_mb * _MB <= cost(encoding, pixels, 3) <= 1.3 * measured_mb * _MB


def test_costs_never_fall_as_images_grow() -> None:
    """A larger image never asks for less, and none asks for nothing."""
    for spec in codecs():
        if spec.decode_cost:
            costs = [spec.decode_cost(_header(spec.name, edge, edge), 1) for edge in (1, 99, 9999)]
            assert 0 < costs[0] <= costs[1] <= costs[2], spec.name
    for name in writable_names():
        encode = codec(name).encode_cost
        assert encode is not None
        encoding = Encoding(codec=name, quality=80, effort=Effort.BALANCED)
        assert 0 < encode(encoding, 1, 3) <= encode(encoding, 10**8, 3), name
