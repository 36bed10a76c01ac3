"""What is shrunk while it is decoded is as near to an exact reduction as rivals make it."""

from __future__ import annotations

import math
from typing import Final

import pytest
import pyvips

from corpora import corpus_files, needs_corpora
from pixmill.imaging.load import opened
from pixmill.imaging.probe import probe
from pixmill.imaging.steps import run_steps
from pixmill.plan import Plan
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.units import Geometry
from pixmill.vocabulary import Operation

SHRINKS: Final = (1, 2, 4, 8)
MOST_LOSS_DB: Final = 0.5
PLENTY: Final = Limits(1 << 40)


def _plan(content: bytes, edge_px: int) -> Plan:
    sized = frozenset({Operation.RESIZE, Operation.COMPRESS})
    recipe = Recipe(operations=sized, resize=Geometry(edge_px, edge_px))
    plan = planned(probe(content, "jpg"), recipe, PLENTY)
    assert isinstance(plan, Plan)
    return plan


def _sized(image: pyvips.Image, plan: Plan, **how: float) -> pyvips.Image:
    return image.resize(plan.width_px / image.width, vscale=plan.height_px / image.height, **how)


def _as_sharp_does(content: bytes, full: pyvips.Image, plan: Plan) -> pyvips.Image:
    """Shrink by the decoder as far as the size allows, which is sharp's default."""
    most = min(full.width / plan.width_px, full.height / plan.height_px)
    shrink = max(shrink for shrink in SHRINKS if shrink == 1 or shrink < most)
    return _sized(pyvips.Image.jpegload_buffer(content, shrink=shrink), plan)


def _psnr_db(image: pyvips.Image, exact: pyvips.Image) -> float:
    error = image.cast("double") - exact
    return 10 * math.log10(255.0**2 / (error * error).avg())


@needs_corpora
@pytest.mark.parametrize("edge_px", [300, 150, 90, 60])
def test_shrinking_while_decoding_is_no_worse(edge_px: int) -> None:
    """A size is no farther from a float64 reduction than sharp's, nor 0.5 dB than libvips' own."""
    for path in corpus_files("kodak", "*.png")[:3]:
        content = bytes(pyvips.Image.new_from_file(str(path)).jpegsave_buffer(Q=92))
        plan = _plan(content, edge_px)
        full = pyvips.Image.jpegload_buffer(content)
        exact = _sized(full.cast("double"), plan, gap=0)
        ours = _psnr_db(run_steps(opened(content, plan), plan), exact)
        own = pyvips.Image.thumbnail_buffer(
            content, plan.width_px, height=plan.height_px, size="force"
        )
        assert ours >= _psnr_db(_as_sharp_does(content, full, plan), exact)
        assert ours >= _psnr_db(own, exact) - MOST_LOSS_DB
