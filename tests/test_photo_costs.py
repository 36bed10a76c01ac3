"""Photographs hold no more than their plans say, beside the few megabytes that a worker has."""

from __future__ import annotations

import subprocess
import sys

import pytest

from corpora import CORPORA, needs_corpora

_MB = 1_000_000
_SPARE_BYTES = 4 * _MB
"""What runs of one image differ by: 0 to 3 MB of 31 photographs, three times each."""
_MEASURED = """
import re, sys
from pathlib import Path
from pixmill.imaging.confine import Hoard, prepare_process
from pixmill.milling import mill
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.sizing import sized
from pixmill.units import parse_geometry
from pixmill.vocabulary import Effort, Operation, StrategyName

def status_bytes(name):
    found = re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024

prepare_process()
path, wanted = sys.argv[1:]
every = frozenset({Operation.COMPRESS, Operation.RESIZE, Operation.CONVERT})
recipes = {
    "set": Recipe(operations=every, widths=(320, 640, 1280, 1920), target_format="jpg",
                  quality=85, effort=Effort.FAST, strategy=StrategyName.FIXED),
    "webp": Recipe(operations=every, resize=parse_geometry("1920x1920"), target_format="webp",
                   quality=80, strategy=StrategyName.FIXED),
}
sizing = sized(200_000_000, 2, was_asked=True)
limits = Limits(
    sizing.lease_bytes, alone_bytes=sizing.alone_bytes, share_bytes=sizing.share_bytes
)
hoard, costs = Hoard(), []
for _ in range(2):  # the first loads what makes it
    hoard.settle()
    Path("/proc/self/clear_refs").write_text("5")
    before_bytes = status_bytes("VmRSS")
    mill(path, "jpg", recipes[wanted], limits, lease=costs.append)
print(costs[-1], sizing.share_bytes, status_bytes("VmHWM") - before_bytes)
"""


@needs_corpora
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's high-water mark is Linux's")
@pytest.mark.parametrize("wanted", ["set", "webp"])
def test_a_photograph_keeps_to_its_share_and_to_its_cost(wanted: str) -> None:
    """Two of 10 MP are made at one time under 200 MB, and each holds what was set aside for it."""
    photo = CORPORA / "photos" / "tea-gardens.jpg"
    words = [sys.executable, "-c", _MEASURED, str(photo), wanted]
    said = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout
    cost_bytes, share_bytes, growth_bytes = map(int, said.split())
    assert cost_bytes <= share_bytes
    assert growth_bytes <= cost_bytes + _SPARE_BYTES
    assert cost_bytes <= 1.5 * growth_bytes
