"""Draw heats as bars in SVG: images a second, the best of each job as wide as the others' best.

Text is set in whatever sans-serif the reader has: a picture in a README must fetch nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contest.standings import Heat, Standing

__all__ = ["drawn"]

_WIDTH_PX: Final = 820
_NAMES_PX: Final = 200
_BARS_PX: Final = 430
_ROW_PX: Final = 22
_HEAD_PX: Final = 34
_MARGIN_PX: Final = 16
_OURS: Final = "#c2410c"
_FLOOR: Final = "#d4d4d4"
_THEIRS: Final = "#64748b"


def drawn(heats: Sequence[Heat], note: str) -> str:
    """Return the picture.

    Args:
        heats: A panel each.
        note: What stands below: machine and date.
    """
    parts, top_px = [], _MARGIN_PX
    for heat in heats:
        parts.append(_text(_MARGIN_PX, top_px + 16, heat.job.title, is_bold=True))
        top_px += _HEAD_PX
        shown = [each for each in heat.standings if each.has_figures]
        best = max(map(heat.images_per_s, shown), default=1.0)
        for standing in shown:
            parts += _bar(heat, standing, top_px, best)
            top_px += _ROW_PX
    parts.append(_text(_MARGIN_PX, top_px + 24, note))
    height_px = top_px + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH_PX}" height="{height_px}" '
        f'viewBox="0 0 {_WIDTH_PX} {height_px}" font-family="sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _bar(heat: Heat, standing: Standing, top_px: int, best: float) -> list[str]:
    rate = heat.images_per_s(standing)
    width_px = round(_BARS_PX * rate / best)
    left_px = _MARGIN_PX + _NAMES_PX
    figure = f"{rate:,.{1 if rate < 100 else 0}f} images/s"
    bar = (
        f'<rect x="{left_px}" y="{top_px}" width="{max(1, width_px)}" height="{_ROW_PX - 6}" '
        f'rx="2" fill="{_colour(heat, standing)}"/>'
    )
    name = _text(_MARGIN_PX, top_px + 12, standing.title)
    return [name, bar, _text(left_px + width_px + 8, top_px + 12, figure)]


def _colour(heat: Heat, standing: Standing) -> str:
    if standing is heat.ours:
        return _OURS
    return _FLOOR if standing is heat.floor else _THEIRS


def _text(x_px: int, y_px: int, words: str, *, is_bold: bool = False) -> str:
    weight = ' font-weight="bold"' if is_bold else ""
    return f'<text x="{x_px}" y="{y_px}" fill="#1f2937"{weight}>{escape(words)}</text>'
