"""From a strategy's name to the strategy, and the order among what it made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pixmill.strategies import adaptive, fixed, lossless
from pixmill.vocabulary import StrategyName

if TYPE_CHECKING:
    from pixmill.codecs.spec import Encoding
    from pixmill.strategies.brief import Brief

__all__ = ["Strategy", "strategy"]


class Strategy(Protocol):
    """How encodings are chosen; a module is one."""

    NEEDS_CONTENT: bool

    def candidates(self, brief: Brief) -> tuple[Encoding, ...]:
        """Return encodings to try; the smallest good one wins, the earlier one a tie."""


_STRATEGIES: dict[StrategyName, Strategy] = {
    StrategyName.ADAPTIVE: adaptive,
    StrategyName.FIXED: fixed,
    StrategyName.LOSSLESS: lossless,
}


def strategy(name: StrategyName) -> Strategy:
    """Return the strategy of this name."""
    return _STRATEGIES[name]
