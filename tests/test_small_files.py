"""A small file costs what its pixels cost: it is opened once, and looked at no more than once."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from pixmill.model import Job, Outcome, SourceRef, Status
from pixmill.protocol import Setup
from pixmill.recipe import Recipe
from pixmill.registry import recognised
from pixmill.settings import Sandbox
from pixmill.vocabulary import Effort, StrategyName
from pixmill.worker import Worker
from runs import archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_RECIPE: Final = Recipe(quality=80, effort=Effort.FAST, strategy=StrategyName.FIXED)
_watchers: list[list[str]] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watchers:
        _watchers[-1].append(str(arguments[0]))


sys.addaudithook(_watch)


@contextmanager
def opens() -> Iterator[list[str]]:
    """Gather the names that Python opens inside the block."""
    seen: list[str] = []
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.pop()


def setup_of(source: Path, destination: Path, recipe: Recipe = _RECIPE) -> Setup:
    """Return what a worker must know."""
    return Setup(
        slot=0,
        source_root=str(source),
        destination_root=str(destination),
        recipe=recipe,
        lease_bytes=100_000_000,
        base_bytes=8_000_000,
        can_replace=False,
        is_dry_run=False,
        is_flushed=False,
        sandbox=Sandbox.OFF,
    )


def job_of(source: Path, name: str) -> Job:
    """Return the job of a file that a worker is given."""
    status, head = (source / name).stat(), (source / name).read_bytes()[:4096]
    found = SourceRef(name, status.st_size, status.st_mtime_ns, recognised(head))
    return Job(0, found, name)


def making(
    source: Path, destination: Path, name: str, recipe: Recipe = _RECIPE
) -> Callable[[], Outcome]:
    """Return what makes one file as a worker does."""
    worker = Worker(setup_of(source, destination, recipe), ask=lambda _number, _cost: True)
    return partial(worker.outcome, job_of(source, name))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tif", "bmp"])
def test_a_small_source_is_opened_once(tmp_path: Path, suffix: str) -> None:
    """Header, metadata, pixels, and bytes that stay as they are come from one look at the file."""
    name = f"a.{suffix}"
    source = archive(tmp_path / "in", name)
    for number, recipe in enumerate((_RECIPE, replace(_RECIPE, quality=100))):
        make = making(source, tmp_path / f"out{number}", name, recipe)
        with opens() as seen:
            outcome = make()
        assert outcome.status in {Status.OPTIMIZED, Status.KEPT}, outcome.failure
        assert [each for each in seen if each.startswith(f"{source}/")] == [f"{source}/{name}"]


def test_a_kept_source_is_published_as_it_was_read(tmp_path: Path) -> None:
    """What stands in the output is the source to the byte."""
    source = archive(tmp_path / "in", "a.png")
    making(source, tmp_path / "once", "a.png")()
    outcome = making(tmp_path / "once", tmp_path / "twice", "a.png")()
    assert outcome.status is Status.KEPT
    before, after = tmp_path / "once" / "a.png", tmp_path / "twice" / "a.png"
    assert before.read_bytes() == after.read_bytes()
    assert outcome.bytes_written == before.stat().st_size
