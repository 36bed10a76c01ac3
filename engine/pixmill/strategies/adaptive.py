"""Encode by content: photographs lossily, graphics and text without smearing their edges."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pixmill.content import ContentClass
from pixmill.strategies import lossless

if TYPE_CHECKING:
    from pixmill.codecs.spec import Encoding
    from pixmill.strategies.brief import Brief

__all__ = ["NEEDS_CONTENT", "candidates"]

NEEDS_CONTENT = True
_CLOSEST: Final = 100


def candidates(brief: Brief) -> tuple[Encoding, ...]:
    """Return what this content deserves, in order of preference at equal size.

    - A lossless recipe leaves no choice.
    - Photographs and unknown content: lossy where the target can, never at a higher quality than
      a source of the same codec was stored at, since that only adds bytes.
    - Graphics and text: chroma at full resolution, unless the source's is halved; beside it, where
      nothing was lost yet, the lossless encoding, and a palette where the target has one.
    """
    if brief.recipe.is_lossless:
        return lossless.candidates(brief)
    if not brief.target.supports_lossy:
        return _palettes(brief)
    is_drawn = brief.content in {ContentClass.GRAPHIC, ContentClass.TEXT}
    lossy = _lossy(brief, is_drawn=is_drawn)
    if is_drawn and brief.target.supports_lossless and brief.header.is_lossless:
        return (brief.lossless(), lossy)
    return (lossy,)


def _palettes(brief: Brief) -> tuple[Encoding, ...]:
    """Return lossless forms; a palette beside them where the content may do with few colours.

    Photographs may where a quality or a score was named, which says what they may lose. Theirs
    holds as many colours as there are: they run out before the match comes near to any quality.

    Frames share one palette, which each would have to be fitted to: they get none.
    """
    is_drawn = brief.content in {ContentClass.GRAPHIC, ContentClass.TEXT}
    was_palette = brief.header.palette_bits > 0
    exact = brief.lossless(is_flat=is_drawn)
    if brief.is_moving:
        return (exact,)
    if not (brief.target.supports_palette and brief.has_palettes):
        return (exact,)
    if was_palette:
        return (exact, brief.palette(None))
    if is_drawn and brief.recipe.has_compression:
        return (exact, brief.palette(brief.quality, is_flat=True))
    if brief.content is ContentClass.PHOTOGRAPH and brief.recipe.is_loss_named:
        return (exact, brief.palette(_CLOSEST))
    return (exact,)


def _lossy(brief: Brief, *, is_drawn: bool) -> Encoding:
    """Return the lossy encoding: at most at the source's own quality, and then with its tables.

    Other steps than the source's round anew what was rounded already: 8 photos stored again at
    their own 70 and 80 score 93 and 94 against themselves with their own tables, at 4 and 5 % fewer
    bytes, but 84 and 88 with pixmill's, at 10 and 8 %.
    """
    own = brief.header.quality if brief.header.codec == brief.target.name else None
    is_halved = brief.header.is_subsampled and brief.recipe.resize is None
    lossy = brief.lossy(brief.quality, is_full_chroma=is_drawn and not is_halved)
    lossy = replace(lossy, is_flat=is_drawn, is_subsampled=is_drawn and is_halved)
    if own is None or own > brief.quality:
        return lossy
    lossy = replace(lossy, quality=own)
    # A search moves the quality away from the source's, where its tables are good for nothing.
    is_same = brief.recipe.resize is None and not brief.recipe.is_searched
    return replace(lossy, tables=brief.header.tables) if is_same else lossy
