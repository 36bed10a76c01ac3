"""What a second attempt at a damaged image needs: a source made whole, and the memory it has.

Must not decide whether a damaged image is salvaged: the recipe does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.imaging.errors import imaging_error
from pixmill.imaging.sources import reading
from pixmill.model import FailureKind, Stage
from pixmill.registry import codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.imaging.sources import Source

__all__ = ["OneLease", "mended"]

_MAX_BYTES: Final = 32_000_000


@dataclass(slots=True)
class OneLease:
    """A lease that is asked for once an image: a second attempt makes do with the first's.

    Args:
        ask: Returns once that many bytes may be held.
    """

    ask: Callable[[int], None]
    _held_bytes: int | None = None

    def take(self, cost_bytes: int) -> None:
        """Ask, or make sure that what is held is enough.

        Raises:
            ImagingError: It is not.
        """
        if self._held_bytes is None:
            self.ask(cost_bytes)
            self._held_bytes = cost_bytes
        elif cost_bytes > self._held_bytes:
            message = "salvaging it takes more memory than it was given"
            raise imaging_error(FailureKind.MEMORY, Stage.PLAN, message)


def mended(source: Source, codec_name: str) -> Source:
    """Return a source that its decoder takes although its end is missing, else the source."""
    mend = codec(codec_name).mended
    if mend is None:
        return source
    with reading(source) as file:
        content = file.read(_MAX_BYTES + 1)
    return (mend(content) if len(content) <= _MAX_BYTES else None) or source
