"""Images larger than what may be held: they stream, as their plan's cost says, or are refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pyvips

from pixmill.header import Header
from pixmill.imaging import load, steps
from pixmill.imaging.compare import psnr
from pixmill.imaging.probe import probe
from pixmill.model import Failed, FailureKind
from pixmill.plan import Plan
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.sizing import sized
from pixmill.units import parse_geometry, parse_size
from pixmill.vocabulary import Operation

if TYPE_CHECKING:
    from pathlib import Path

_MB = 1_000_000
_MEASURED = """
import re, sys
from pathlib import Path
from pixmill.imaging.confine import prepare_process
from pixmill.milling import mill
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.vocabulary import Operation
from pixmill.units import parse_geometry

def status_bytes(name):
    found = re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024

prepare_process()
path, codec_name, lease_bytes = sys.argv[1:]
resize = frozenset({Operation.COMPRESS, Operation.RESIZE})
recipe = Recipe(operations=resize, resize=parse_geometry("1024"))
costs = []
Path("/proc/self/clear_refs").write_text("5")
before_bytes = status_bytes("VmRSS")
made = mill(path, codec_name, recipe, Limits(int(lease_bytes)), lease=costs.append)
print(made.width_px, costs[0], status_bytes("VmHWM") - before_bytes)
"""


def _recipe(geometry: str = "2048") -> Recipe:
    operations = frozenset({Operation.COMPRESS, Operation.RESIZE})
    return Recipe(operations=operations, resize=parse_geometry(geometry))


def _drawn(width_px: int, height_px: int, *, bands: int = 3) -> pyvips.Image:
    """Return a picture with detail everywhere, which is made line by line."""
    waves = pyvips.Image.sines(width_px, height_px, uchar=True, hfreq=61, vfreq=37)
    image = waves.bandjoin([waves.invert(), (waves > 90).ifthenelse(waves, 40)])
    opaque = image.copy(interpretation="srgb")
    return opaque if bands == image.bands else opaque.bandjoin(waves)


@pytest.mark.parametrize(
    ("suffix", "options", "bands", "lease_mb"),
    [
        ("tiff", {"tile_height": 16}, 3, 40),
        ("tiff", {"tile_height": 512}, 3, 60),
        ("tiff", {"tile": True, "tile_width": 512, "tile_height": 512}, 3, 90),
        ("tiff", {"tile_height": 16}, 4, 80),
        ("png", {"compression": 1, "filter": "none"}, 3, 40),
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_a_giant_streams_within_its_plans_cost(
    tmp_path: Path, suffix: str, options: dict[str, int | bool | str], bands: int, lease_mb: int
) -> None:
    """What scaling a 432 MB picture really holds is what its plan asked for, and no more."""
    path = tmp_path / f"giant.{suffix}"
    _drawn(12_000, 12_000, bands=bands).write_to_file(str(path), **options)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(path), suffix, str(lease_mb * _MB)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    width_px, cost_bytes, growth_bytes = map(int, done.stdout.split())
    assert width_px == 1024
    assert growth_bytes <= cost_bytes <= lease_mb * _MB


@pytest.mark.parametrize(
    "header",
    [
        Header(codec="jpg", width_px=30_000, height_px=30_000, is_progressive=True),
        Header(codec="png", width_px=15_000, height_px=15_000, is_progressive=True),
        Header(codec="webp", width_px=15_000, height_px=15_000),
        Header(codec="heic", width_px=12_000, height_px=12_000),
        Header(codec="tiff", width_px=30_000, height_px=30_000, lines_at_once=30_000),
    ],
    ids=lambda header: header.codec,
)
def test_what_is_decoded_whole_is_refused_by_its_cost(header: Header) -> None:
    """A picture that cannot pass in strips names the `--memory` that would do, and it does."""
    limits = Limits(150 * _MB)
    limits = replace(limits, caps=replace(limits.caps, whole_px=10**10, stream_px=10**10))
    refused = planned(header, _recipe(), limits)
    assert isinstance(refused, Failed)
    assert refused.kind is FailureKind.TOO_LARGE
    found = re.search(r"raise --memory to (\d[\d.]* \w+) or more$", refused.message)
    assert found
    lease_bytes = sized(parse_size(found[1].replace(" ", "")), 1, was_asked=False).alone_bytes
    assert isinstance(planned(header, _recipe(), replace(limits, lease_bytes=lease_bytes)), Plan)


@pytest.mark.parametrize("geometry", ["701", "500x", "97", "31x900"])
@pytest.mark.parametrize("bands", [3, 4])
def test_scaling_across_first_shows_the_same_picture(
    tmp_path: Path, geometry: str, bands: int
) -> None:
    """Where memory lacks, an image is scaled in another order: same size, same picture."""
    path = tmp_path / "drawn.png"
    _drawn(1501, 1203, bands=bands).write_to_file(str(path))
    plan = planned(probe(str(path), "png"), _recipe(geometry), Limits(10**9))
    assert isinstance(plan, Plan)
    wide, narrow = (
        steps.run_steps(load.opened(str(path), each), each).copy_memory()
        for each in (plan, replace(plan, is_narrow=True))
    )
    assert not plan.is_narrow
    assert psnr(wide, narrow) >= 45
