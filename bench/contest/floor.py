"""The codec floor of a job: the codec calls that it cannot do without.

Decode as far shrunken as pixmill's plan says, resize, encode, write. No profile is heeded, nothing
is checked, flushed, renamed or noted. `floor_loop.py` does what is listed here, so that its loop
need not know pixmill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pixmill.codecs.spec import Encoding
from pixmill.imaging.probe import probe
from pixmill.model import Failed
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.registry import codec, recognised, suffix_owner
from pixmill.units import Geometry
from pixmill.vocabulary import Operation

if TYPE_CHECKING:
    from pathlib import Path

    from contest.jobs import Job, Task
    from pixmill.codecs.spec import CodecSpec
    from pixmill.plan import Plan

__all__ = ["calls"]

_HEAD_BYTES: Final = 4096
_UNLIMITED: Final = Limits(1 << 40)
_TURNED: Final = range(5, 9)
"""Orientations that lie on their side."""


def calls(file: Path, job: Job) -> dict[str, Any]:
    """Return loader, size and saver for one file, as pixmill would choose them.

    Under a cap on size it is one encoding, at the format's own quality.
    """
    task, plan = job.task, _plan(file, job.task)
    source = codec(plan.header.codec)
    target = codec(suffix_owner(task.suffix)) if task.suffix else source
    return {
        "file": str(file),
        "loader": source.loader,
        "load": {"shrink": plan.load.shrink} if source.has_shrink_on_load else {},
        "size_px": _stored_px(plan),
        "orientation": plan.header.orientation,
        "saver": target.saver,
        "save": _save_options(target, job),
        "result": file.stem + (task.suffix or file.suffix),
    }


def _plan(file: Path, task: Task) -> Plan:
    with file.open("rb") as opened:
        name = recognised(opened.read(_HEAD_BYTES))
    recipe = Recipe()
    if task.edge_px:
        sized = frozenset({Operation.RESIZE, Operation.COMPRESS})
        recipe = Recipe(operations=sized, resize=Geometry(task.edge_px, task.edge_px))
    plan = planned(probe(str(file), name), recipe, _UNLIMITED)
    if isinstance(plan, Failed):
        raise TypeError(f"expected a plan for {file}, got: {plan.message}")
    return plan


def _stored_px(plan: Plan) -> tuple[int, int]:
    """Return the result's size as the source lies, which is turned after it is scaled."""
    is_turned = plan.header.orientation in _TURNED
    return (plan.height_px, plan.width_px) if is_turned else (plan.width_px, plan.height_px)


def _save_options(target: CodecSpec, job: Job) -> dict[str, Any]:
    task = job.task
    quality = target.default_quality if task.max_bytes else task.quality
    lossy = quality if target.supports_lossy else None
    encoding = Encoding(codec=target.name, quality=lossy, effort=job.effort)
    return dict(target.save_options(encoding)) if target.save_options else {}
