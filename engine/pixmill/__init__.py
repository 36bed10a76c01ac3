"""pixmill: any archive of images in, web-ready images out, inside the memory it was given.

    import pixmill

    with pixmill.optimize("photos", "web", pixmill.Recipe(quality=82)) as run:
        for outcome in run:
            print(outcome.path, outcome.status, outcome.bytes_written)

Names are loaded when they are first used, so that `pixmill --help` need not load the engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.api import Run, compare, optimize, optimize_bytes, optimize_file
    from pixmill.errors import ImageError, OptionError, PixmillError, RunError
    from pixmill.model import Failed, FailureKind, Outcome, SkipReason, Stage, Status
    from pixmill.recipe import Recipe
    from pixmill.settings import Settings
    from pixmill.sharding import Shard
    from pixmill.vocabulary import (
        Colour,
        Corrupt,
        Effort,
        Fit,
        Gravity,
        IfLarger,
        Keep,
        Kernel,
        Operation,
        Oversize,
        StrategyName,
    )

__all__ = [
    "Colour",
    "Corrupt",
    "Effort",
    "Failed",
    "FailureKind",
    "Fit",
    "Gravity",
    "IfLarger",
    "ImageError",
    "Keep",
    "Kernel",
    "Operation",
    "OptionError",
    "Outcome",
    "Oversize",
    "PixmillError",
    "Recipe",
    "Run",
    "RunError",
    "Settings",
    "Shard",
    "SkipReason",
    "Stage",
    "Status",
    "StrategyName",
    "compare",
    "optimize",
    "optimize_bytes",
    "optimize_file",
]

_HOMES = ("model", "errors", "vocabulary", "recipe", "settings", "sharding", "api")


def __getattr__(name: str) -> object:
    """Load a public name from its module, once."""
    if name in __all__:
        for home in _HOMES:
            module = importlib.import_module(f"pixmill.{home}")
            if name in module.__all__:
                value: object = getattr(module, name)
                globals()[name] = value
                return value
    raise AttributeError(f"module 'pixmill' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
