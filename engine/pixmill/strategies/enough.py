"""When a source is good enough already, so that recoding it would cost looks and save little.

Must not encode: it is told what came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.vocabulary import IfLarger, StrategyName

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec
    from pixmill.header import Header
    from pixmill.recipe import Recipe

__all__ = ["is_good_enough"]

# Photographs stored by libjpeg at 50 to 80 and again at their own quality: 3 to 6 % fewer bytes, 0
# to 0.7 % where they were progressive, at 89 to 94 points against what they were (48 files).
_LEAST_SAVED: Final = 0.1


def is_good_enough(
    header: Header, recipe: Recipe, target: CodecSpec, *, own_bytes: int, result_bytes: int
) -> bool:
    """Return whether a source had better be left alone.

    It is, where nobody said what savings count, it was stored at no more than the quality asked
    for, and a second loss saves less than a tenth.

    Args:
        header: Facts of the source.
        recipe: What is wanted.
        target: Record of the codec that was written.
        own_bytes: What the source takes, without the metadata that must go.
        result_bytes: What the result takes.
    """
    is_free = recipe.min_savings is None and recipe.if_larger is not IfLarger.WRITE
    is_told = recipe.strategy is not StrategyName.ADAPTIVE or header.codec != target.name
    if not is_free or is_told or header.quality is None:
        return False
    asked = recipe.quality or target.default_quality
    return header.quality <= asked and result_bytes > own_bytes * (1 - _LEAST_SAVED)
