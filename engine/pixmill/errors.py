"""The exceptions a caller or a run can meet; one file's trouble is a `Failed` value instead.

Must not know how an error is shown or which exit code it maps to: that is the CLI's part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.model import Failed

__all__ = [
    "ImageError",
    "OptionError",
    "PixmillError",
    "RefusedError",
    "RunError",
    "UnansweredError",
]


class PixmillError(Exception):
    """Be the root of everything that pixmill raises on purpose."""


class OptionError(PixmillError):
    """Say that an option, a configuration key or an argument cannot be used.

    Args:
        message: What was expected, what arrived and what to try.
        option: The option's name as the API spells it (`max_size`), or `None`.
    """

    def __init__(self, message: str, *, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


class RunError(PixmillError):
    """Say that the run itself cannot start or go on: no workers, an unwritable destination."""


class UnansweredError(RunError):
    """Say that an object store did not answer, and may do so later."""


class RefusedError(RunError):
    """Say that a bucket is not there, or not for this user: whoever has named it can help."""


class ImageError(PixmillError):
    """Carry the failure of one image out of `optimize_bytes` or `optimize_file`.

    Args:
        failure: Kind, stage and message, as a run would have recorded them.
    """

    def __init__(self, failure: Failed) -> None:
        super().__init__(f"{failure.kind}: {failure.message}")
        self.failure = failure
