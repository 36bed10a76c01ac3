"""How a run is carried out: what is walked, what may be overwritten, with how many workers.

Nothing here changes a pixel of any image; what does is in `recipe`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pixmill.errors import OptionError
from pixmill.model import DEFAULT_CAPS, Caps

__all__ = ["Durability", "IfExists", "OnCollision", "Redo", "Sandbox", "Settings", "Symlinks"]


class Durability(StrEnum):
    """When results reach the disc: each before it has its name, with each batch, or whenever."""

    FULL = "full"
    BATCH = "batch"
    NONE = "none"


class Redo(StrEnum):
    """What is made of what the journal knows: what changed or failed, failures alone, all."""

    CHANGED = "changed"
    FAILED = "failed"
    ALL = "all"


class IfExists(StrEnum):
    """What happens where a file already stands at the destination."""

    SKIP = "skip"
    OVERWRITE = "overwrite"
    FAIL = "fail"


class Sandbox(StrEnum):
    """How workers are confined: as far as the kernel allows, wholly or no run, not at all."""

    AUTO = "auto"
    REQUIRE = "require"
    OFF = "off"


class OnCollision(StrEnum):
    """What happens to the second of two sources that want one name."""

    SUFFIX = "suffix"
    FAIL = "fail"


class Symlinks(StrEnum):
    """Which symbolic links are followed: none, those that stay inside the source, or all."""

    SKIP = "skip"
    INSIDE = "inside"
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run is carried out.

    Attributes:
        recursive: Whether folders inside the source are walked. Default: true.
        include: Globs on relative paths; a file must match one. Default: everything.
        exclude: Globs on relative paths; a match is left out, a folder with all it holds.
        hidden: Whether names that start with a dot are taken. Default: false.
        symlinks: Which symbolic links are followed. Default: skip.
        supported_formats: Codec names to take, empty for all. Default: all.
        copy_others: Whether files that are no images are copied. Default: false.
        if_exists: What happens where a file already stands. Default: skip.
        on_collision: What happens to the second of two sources for one name. Default: suffix.
        parallel: Worker processes, `None` for as many as this process may use CPUs.
        memory_bytes: Cap on the memory of the whole process tree, `None` for half of what is
            available.
        timeout_s: Seconds a file may take. Default: 300.
        retries: Further attempts after a failure that may pass. Default: 2.
        dry_run: Whether everything is done except publishing. Default: false.
        sandbox: How workers are confined. Default: as far as the kernel allows.
        caps: How large an image may be. Default: see `Caps`.
        max_file_bytes: Largest source that is opened. Default: 2 GB.
        journal: Where the journal is; `None` for beside the output. Default: beside the output.
        redo: Which sources that the journal knows are made again. Default: changed or failed.
        durability: When results reach the disc. Default: full.

    Raises:
        OptionError: A value outside its range.
    """

    recursive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    symlinks: Symlinks = Symlinks.SKIP
    supported_formats: frozenset[str] = frozenset()
    copy_others: bool = False
    if_exists: IfExists = IfExists.SKIP
    on_collision: OnCollision = OnCollision.SUFFIX
    parallel: int | None = None
    memory_bytes: int | None = None
    timeout_s: float = 300.0
    retries: int = 2
    dry_run: bool = False
    sandbox: Sandbox = Sandbox.AUTO
    caps: Caps = DEFAULT_CAPS
    max_file_bytes: int = 2_000_000_000
    journal: str | None = None
    redo: Redo = Redo.CHANGED
    durability: Durability = Durability.FULL

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        if self.parallel is not None and self.parallel < 1:
            raise OptionError(
                f"expected at least one worker, got {self.parallel}", option="parallel"
            )
        if self.timeout_s <= 0:
            raise OptionError(
                f"expected a timeout above 0 s, got {self.timeout_s:g}", option="timeout"
            )
        for name, value in (
            ("max_pixels", self.caps.whole_px),
            ("max_stream_pixels", self.caps.stream_px),
            ("max_frames", self.caps.frames),
            ("max_file_size", self.max_file_bytes),
        ):
            if value < 1:
                raise OptionError(f"expected a limit above 0, got {value}", option=name)
        if self.retries < 0:
            raise OptionError(f"expected 0 or more retries, got {self.retries}", option="retries")
