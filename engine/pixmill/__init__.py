"""pixmill: any archive of images in, web-ready images out, inside the memory it was given.

import pixmill

with pixmill.optimize("photos", "web", pixmill.Recipe(quality=82)) as run:
    for outcome in run:
        print(outcome.path, outcome.status, outcome.bytes_written)
"""

from pixmill.api import Run, optimize, optimize_bytes, optimize_file
from pixmill.errors import ImageError, OptionError, PixmillError, RunError
from pixmill.model import Failed, FailureKind, Outcome, SkipReason, Stage, Status
from pixmill.recipe import Recipe
from pixmill.settings import Settings

__all__ = [
    "Failed",
    "FailureKind",
    "ImageError",
    "OptionError",
    "Outcome",
    "PixmillError",
    "Recipe",
    "Run",
    "RunError",
    "Settings",
    "SkipReason",
    "Stage",
    "Status",
    "optimize",
    "optimize_bytes",
    "optimize_file",
]
