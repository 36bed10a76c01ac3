"""What to start from where the input is no image: options, profiles, messages of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import ImageCms

from pixmill.executors.hearing import spoken
from pixmill.model import Failed, FailureKind, Outcome, SkipReason, Stage, Status
from pixmill.options import entries, starter_config
from pixmill.options.schema import Syntax
from pixmill.protocol import CostKnown, JobEnded, WorkerReady

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["words_of"]

_SLOT: Final = 3
_UNITS: Final = (
    "1.5 MiB",
    "500kb",
    "200000",
    "800x600",
    "x600",
    "50%",
    "90",
    "250ms",
    "1h",
    "webp",
)
_NAMES: Final = ("a.jpg/a.png/A.JPG/a.jpg.webp", "ä.png/a\u0308.png/Ä.gif", "\udcff.png")
_PAIRS: Final = (
    "quality=80",
    "resize=800x600\nfit=cover\ngravity=attention\nbackground=#fff",
    'target_format=webp\nmax_size=500kb\nkeep=["exif", "icc"]\noperations=["compress"]',
    "lossless=true\nparallel=auto\nmemory=200MB\ntimeout=30s\nsupported_formats=jpg,png",
)


def words_of(target: str) -> Sequence[bytes]:
    """Return what a target that reads no images may start from; nothing for the others."""
    made = _WORDS.get(target)
    return made() if made else ()


def _each_option() -> list[bytes]:
    return [f"{entry.name}=1".encode() for entry in entries()]


def _configs() -> list[bytes]:
    started = [starter_config(syntax).encode() for syntax in Syntax]
    plain = [b'quality = 80\nkeep = ["icc"]\n', b'{"default_quality": 85, "keep": ["none"]}']
    return [bytes((choice,)) + text for text in (*started, *plain) for choice in range(3)]


def _reports() -> list[object]:
    skipped = Outcome(path="a", status=Status.SKIPPED, reason=SkipReason.LARGER, notes=("x",))
    failed = Outcome(
        path="\udcff", status=Status.FAILED, failure=Failed(FailureKind.IO, Stage.READ, "x")
    )
    return [
        WorkerReady(_SLOT, "Landlock"),
        CostKnown(_SLOT, 1, 10**9),
        JobEnded(_SLOT, 1, skipped, 5),
        JobEnded(_SLOT, 2, failed),
    ]


_WORDS: Final[dict[str, Callable[[], Sequence[bytes]]]] = {
    "units": lambda: [text.encode() for text in _UNITS],
    "options": lambda: [*(text.encode() for text in _PAIRS), *_each_option()],
    "config": _configs,
    "icc": lambda: [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()],
    "naming": lambda: [text.encode("utf-8", "surrogateescape") for text in _NAMES],
    "hearing": lambda: [spoken(report) for report in _reports()],
}
