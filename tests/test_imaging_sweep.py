"""Promises over every file of the corpora: from file to bytes, or an ImagingError."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpora import corpus_files, needs_corpora
from imaging_cases import codec_of, encoding_for, plan_for, reread
from pixmill.imaging.encode import encoded
from pixmill.imaging.errors import ImagingError
from pixmill.imaging.load import opened
from pixmill.imaging.metadata import with_metadata
from pixmill.imaging.probe import probe
from pixmill.imaging.steps import run_steps
from pixmill.plan import Flatten, Load, Orient, Plan, Scale, Step, ToSrgb
from pixmill.recipe import DEFAULT_KEEP
from pixmill.vocabulary import Kernel

if TYPE_CHECKING:
    from pixmill.header import Header

pytestmark = needs_corpora

_TARGETS = ("jpg", "png", "webp")
_MAX_PIXELS = 20_000_000


def _small(header: Header, target: str) -> Plan:
    pages = header.pages if header.is_animated and target == "webp" else 1
    width_px, height_px = max(1, header.width_px // 3), max(1, header.height_px // 3)
    steps: list[Step] = [Scale(width_px, height_px, Kernel.LANCZOS3)]
    size = (width_px, height_px)
    if header.orientation != 1:
        steps.append(Orient(header.orientation))
        size = size[::-1] if header.orientation >= 5 else size
    steps.append(ToSrgb())
    if target == "jpg":
        steps.append(Flatten("#ff8800"))
    return plan_for(header, target, *steps, size=size, load=Load(pages=pages))


@pytest.mark.parametrize(
    "folder", ["color", "corrupt", "exif_orientation", "formats", "metadata", "pngsuite"]
)
def test_every_file_ends_well(folder: str) -> None:
    """Each file becomes a small image of the promised size, or fails as `ImagingError`."""
    made = 0
    for number, path in enumerate(corpus_files(folder)):
        name = codec_of(path)
        if not name:
            continue
        target = _TARGETS[number % len(_TARGETS)]
        try:
            header = probe(path, name)
            if header.pixels > _MAX_PIXELS:
                continue
            plan = _small(header, target)
            image = run_steps(opened(path, plan), plan)
            data = encoded(with_metadata(image, DEFAULT_KEEP), encoding_for(target))
        except ImagingError:
            continue
        shown = reread(data)
        assert shown.size == (plan.width_px, plan.height_px), path.name
        assert shown.mode in ("L", "LA", "P", "RGB", "RGBA", "1"), path.name
        made += 1
    assert made > 5
