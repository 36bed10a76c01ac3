"""What the imaging tests share: plans made by hand, and a sweep from file to bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pi_heif
from PIL import Image

from pixmill.codecs.spec import Encoding
from pixmill.imaging.encode import encoded
from pixmill.imaging.load import opened
from pixmill.imaging.metadata import with_metadata
from pixmill.imaging.probe import probe
from pixmill.imaging.steps import run_steps
from pixmill.plan import Load, Orient, Plan, ToSrgb
from pixmill.recipe import DEFAULT_KEEP
from pixmill.registry import recognised
from pixmill.vocabulary import Effort, Keep

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.header import Header
    from pixmill.plan import Step

__all__ = ["animated_png", "codec_of", "encoding_for", "made", "plan_for", "reread"]


def animated_png() -> bytes:
    """Return an APNG of three frames: a red square that moves over transparency."""
    frames = []
    for left in (0, 10, 20):
        frame = Image.new("RGBA", (30, 10), (0, 0, 0, 0))
        frame.paste((255, 0, 0, 255), (left, 0, left + 10, 10))
        frames.append(frame)
    held = io.BytesIO()
    frames[0].save(
        held, "PNG", save_all=True, append_images=frames[1:], duration=[50, 100, 150], loop=2
    )
    return held.getvalue()


def codec_of(path: Path) -> str:
    """Return the name of the codec that a file's first bytes are recognised as, or nothing."""
    with path.open("rb") as file:
        return recognised(file.read(4096))


def encoding_for(target: str) -> Encoding:
    """Return a fast encoding."""
    is_lossy = target not in ("png", "gif", "tiff", "bmp", "jp2")
    return Encoding(codec=target, quality=90 if is_lossy else None, effort=Effort.FAST)


def plan_for(
    header: Header,
    target: str,
    *steps: Step,
    size: tuple[int, int] | None = None,
    load: Load | None = None,
) -> Plan:
    """Return a plan of these steps; the size defaults to the header's, orientation minded."""
    is_turned = any(isinstance(step, Orient) and step.orientation >= 5 for step in steps)
    stored = (header.width_px, header.height_px)
    width_px, height_px = size or (stored[::-1] if is_turned else stored)
    load = load or Load()
    return Plan(
        header=header,
        target=target,
        load=load,
        steps=steps,
        width_px=width_px,
        height_px=height_px,
        has_alpha=header.has_alpha,
        pages=load.pages,
        is_demanded=True,
        is_rewrap_demanded=False,
        is_pinned=False,
        is_lean=False,
        is_packed=False,
        cost_bytes=0,
    )


def made(path: Path, target: str, keep: frozenset[Keep] = DEFAULT_KEEP) -> bytes:
    """Return a file as another format, upright and in sRGB."""
    header = probe(path, codec_of(path))
    turns = (Orient(header.orientation),) if header.orientation != 1 else ()
    plan = plan_for(header, target, *turns, ToSrgb())
    image = run_steps(opened(path, plan), plan)
    return encoded(with_metadata(image, keep), encoding_for(target))


def reread(data: bytes) -> Image.Image:
    """Return encoded bytes as Pillow reads them, HEIC by its plug-in of pi-heif."""
    pi_heif.register_heif_opener()
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
