"""What a source has that a plan leaves behind, and in which words that is told.

Pure. Must not decide what is made: `planning` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.header import MAX_METADATA_BYTES
from pixmill.keeping import metadata_missed
from pixmill.plan import Pad
from pixmill.registry import codec
from pixmill.units import format_size
from pixmill.vocabulary import Colour

if TYPE_CHECKING:
    from pixmill.operations.context import Context
    from pixmill.plan import Load, Step

__all__ = ["loss_of_gain_map", "notes_on"]


def loss_of_gain_map(context: Context, steps: tuple[Step, ...]) -> str:
    """Return why the source's gain map cannot go along; empty where it can, or there is none."""
    header, target = context.header, context.target
    if not header.has_gain_map:
        return ""
    if target.with_gain_map is None:
        return f"{target.title} is written without"
    if header.gain_map is None or codec(header.codec).preview is not None or header.damage:
        return "it cannot be read"
    return "there is none for what is padded" if any(isinstance(s, Pad) for s in steps) else ""


def notes_on(context: Context, load: Load) -> tuple[str, ...]:
    """Return what a person should know of a result that is not all that its source is."""
    header = context.header
    notes = []
    word = "frame" if header.is_animated else "page"
    if load.page is not None:
        notes.append(f"{word} {load.page + 1} of {header.pages} was taken, the others dropped")
    elif header.pages > load.pages:
        notes.append(f"{context.target.title} takes the first of {header.pages} {word}s")
    if codec(header.codec).preview is not None:
        notes.append(f"made from the preview that the {codec(header.codec).title} file embeds")
    if header.damage:
        notes.append(f"salvaged: {header.damage}")
    if missed := metadata_missed(header, context.recipe):
        kinds = ", ".join(sorted(missed))
        most = format_size(MAX_METADATA_BYTES)
        notes.append(f"{kinds} metadata was dropped: more than {most} of a kind")
    if context.recipe.colour is Colour.P3 and not context.is_told:
        notes.append(f"{context.target.title} stores no profile: its colours are sRGB")
    if context.placement != context.asked:
        target = context.target
        notes.append(f"scaled to the {target.max_edge_px} px that {target.title} stores")
    return tuple(notes)
