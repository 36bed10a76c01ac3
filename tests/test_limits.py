"""What is too large is refused by its header, whatever it claims and whoever wrote it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from bombs import BOMBS, forged, heic
from corpora import CORPORA, needs_corpora
from pixmill.errors import OptionError
from pixmill.header import Header
from pixmill.machine import tree_memory_bytes
from pixmill.model import Caps, Failed, FailureKind, Status
from pixmill.options import Options, meant
from pixmill.plan import Plan
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.registry import codec, codecs, writable_names
from pixmill.settings import Settings
from pixmill.units import Geometry
from pixmill.vocabulary import Fit, Operation, Oversize
from runs import HALVED, archive, by_path, ran

if TYPE_CHECKING:
    from pathlib import Path

PLENTY = 10**15
SMALL_MEMORY = Settings(parallel=1, memory_bytes=200_000_000, timeout_s=60.0)


def _refusal(header: Header, caps: Caps) -> str:
    failure = planned(header, Recipe(), Limits(PLENTY, caps))
    assert isinstance(failure, Failed)
    assert failure.kind is FailureKind.TOO_LARGE
    return failure.message


def test_a_bomb_of_every_format_costs_a_header(tmp_path: Path) -> None:
    """Each is refused by name, no worker dies of one, and the tree stays within its memory."""
    source = archive(tmp_path / "in", "sound.jpg")
    for name in BOMBS:
        (source / name).write_bytes(forged(name))
    own_bytes = tree_memory_bytes([])
    ended = ran(source, tmp_path / "out", settings=SMALL_MEMORY)
    outcomes = by_path(ended.outcomes)
    assert outcomes.pop("sound.jpg").status is Status.OPTIMIZED
    lying = {"png-inside.ico", "plain.cur", "png-inside.icns"}
    for name, outcome in outcomes.items():
        assert outcome.failure is not None, name
        wanted = FailureKind.CORRUPT if name in lying else FailureKind.TOO_LARGE
        assert (outcome.failure.kind, outcome.attempts) == (wanted, 1), outcome
        assert outcome.wall_s < 5, name
    assert outcomes.keys() == BOMBS.keys()
    # The coordinator is this process, which holds pytest and whatever tests before have left.
    assert ended.summary.peak_memory_bytes - own_bytes < 150_000_000


@needs_corpora
def test_a_heic_bomb_costs_a_header(tmp_path: Path) -> None:
    """A HEIC whose size was forged fails before it is decoded, and the worker lives."""
    source = tmp_path / "in"
    source.mkdir()
    real = next(path for path in sorted(CORPORA.rglob("*.heic")) if b"ispe" in path.read_bytes())
    (source / "bomb.heic").write_bytes(heic(real.read_bytes()))
    (outcome,) = ran(source, tmp_path / "out", settings=SMALL_MEMORY).outcomes
    assert outcome.failure is not None
    assert outcome.failure.kind in {FailureKind.TOO_LARGE, FailureKind.CORRUPT}
    assert (outcome.attempts, outcome.wall_s < 5) == (1, True)


def test_every_readable_format_has_a_bomb() -> None:
    """No format that is read is left out above, HEIC by its own test."""
    suffixes = {name.rpartition(".")[2] for name in BOMBS} | {"heic"}
    readable = {spec.name for spec in codecs() if spec.can_read}
    assert {name for name in readable if name not in suffixes} == set()


def test_pixels_that_must_be_held_are_counted_apart_from_those_that_pass() -> None:
    """The same size is refused interlaced and taken in strips; each limit names its option."""
    header = Header(codec="png", width_px=100, height_px=100)
    caps = Caps(whole_px=9_999, stream_px=10_000)
    assert not isinstance(planned(header, Recipe(), Limits(PLENTY, caps)), Failed)
    assert "--max-pixels" in _refusal(replace(header, is_progressive=True), caps)
    assert "--max-stream-pixels" in _refusal(header, replace(caps, stream_px=9_999))


def test_frames_count_each_and_their_pixels_together() -> None:
    """Ten frames are ten times the pixels, and one more than allowed is refused."""
    header = Header(codec="gif", width_px=10, height_px=10, pages=10, is_animated=True)
    assert "--max-pixels" in _refusal(header, Caps(whole_px=999))
    assert "--max-frames" in _refusal(header, Caps(frames=9))
    assert not isinstance(planned(header, Recipe(), Limits(PLENTY, Caps(1000, 1, 10))), Failed)


def test_a_large_file_is_never_opened_by_a_worker(tmp_path: Path) -> None:
    """A file above --max-file-size fails by its size, one at it is made."""
    source = archive(tmp_path / "in", "a.jpg")
    size_bytes = (source / "a.jpg").stat().st_size
    for cap_bytes, status in ((size_bytes - 1, Status.FAILED), (size_bytes, Status.OPTIMIZED)):
        settings = Settings(parallel=1, max_file_bytes=cap_bytes)
        (outcome,) = ran(source, tmp_path / str(cap_bytes), settings=settings).outcomes
        assert outcome.status is status
    assert outcome.failure is None


def test_limits_are_typed_as_numbers_and_sizes() -> None:
    """Every limit reaches the settings, and none may be zero."""
    settings = meant(
        Options(max_pixels=5, max_stream_pixels=6, max_frames=7, max_file_size="1kB")
    ).settings
    assert settings.caps == Caps(whole_px=5, stream_px=6, frames=7)
    assert settings.max_file_bytes == 1000
    for options in (Options(max_pixels=0), Options(max_stream_pixels=0), Options(max_frames=0)):
        with pytest.raises(OptionError, match="above 0"):
            meant(options)


def test_limits_do_not_change_the_recipe() -> None:
    """Raising a limit invalidates nothing that was made under a lower one."""
    assert meant(Options(max_pixels=5)).recipe.fingerprint() == Recipe().fingerprint()
    assert HALVED.fingerprint() != Recipe().fingerprint()


def test_the_limits_of_formats_are_known_up_front() -> None:
    """A longer edge than the target stores is refused by default, and the message names a way."""
    known = {name: codec(name).max_edge_px for name in ("webp", "avif", "jpg", "gif")}
    assert known == {"webp": 16_383, "avif": 16_384, "jpg": 65_500, "gif": 65_535}
    for name, edge_px in known.items():
        header = Header(codec="png", width_px=edge_px + 1, height_px=10)
        failure = planned(header, _converting(name), Limits(PLENTY))
        assert isinstance(failure, Failed)
        assert failure.kind is FailureKind.TOO_LARGE
        assert "--oversize resize" in failure.message


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("target", writable_names())
def test_what_is_too_long_is_scaled_to_fit_where_wanted(target: str, fit: Fit) -> None:
    """The longest edge is then the longest that the format stores, and a note says so."""
    edge_px = codec(target).max_edge_px
    header = Header(codec="png", width_px=3 * edge_px, height_px=999)
    box = Geometry(width_px=2 * edge_px, height_px=500)
    for resize in (None, box):
        recipe = replace(
            _converting(target),
            fit=fit,
            oversize=Oversize.RESIZE,
            resize=resize,
            operations=frozenset({Operation.CONVERT, *([Operation.RESIZE] if resize else [])}),
        )
        plan = planned(header, recipe, Limits(PLENTY, Caps(stream_px=10**12)))
        assert isinstance(plan, Plan)
        assert plan.width_px == edge_px
        assert 1 <= plan.height_px <= 334
        assert any("scaled to" in note for note in plan.notes)


def test_what_fits_is_not_scaled(tmp_path: Path) -> None:
    """Asking for resize where nothing is too long changes nothing; too long comes out to fit."""
    source = tmp_path / "in"
    source.mkdir()
    Image.new("RGB", (16_400, 4)).save(source / "long.png")
    Image.new("RGB", (40, 40)).save(source / "short.png")
    recipe = replace(_converting("webp"), oversize=Oversize.RESIZE)
    outcomes = by_path(ran(source, tmp_path / "out", recipe=recipe).outcomes)
    assert (outcomes["long.png"].width_px, outcomes["short.png"].width_px) == (16_383, 40)
    with Image.open(tmp_path / "out" / "long.webp") as image:
        assert image.size == (16_383, 4)
    assert not any("scaled to" in note for note in outcomes["short.png"].notes)


def _converting(target: str) -> Recipe:
    return Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}), target_format=target
    )
