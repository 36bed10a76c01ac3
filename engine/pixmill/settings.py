"""How a run is carried out: what is walked, what may be overwritten, with how many workers.

Nothing here changes a pixel of any image; what does is in `recipe`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pixmill.address import DEFAULT_ACCESS, Access
from pixmill.errors import OptionError
from pixmill.model import DEFAULT_CAPS, Caps
from pixmill.recipe import KEEP_SOURCE_FORMAT
from pixmill.series import DEFAULT_TEMPLATE, UNSIZED_TEMPLATE, NameTemplate, parse_template
from pixmill.sharding import WHOLE, Shard
from pixmill.vocabulary import Corrupt, IfLarger

if TYPE_CHECKING:
    from pixmill.recipe import Recipe

__all__ = [
    "Durability",
    "ExecutorName",
    "IfExists",
    "MetadataDirective",
    "OnCollision",
    "Order",
    "Redo",
    "Sandbox",
    "Settings",
    "Symlinks",
    "check_in_place",
    "check_series",
    "template_for",
]


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


class ExecutorName(StrEnum):
    """Where workers are: processes of this machine, or of the machines of a Ray cluster."""

    LOCAL = "local"
    RAY = "ray"


class IfExists(StrEnum):
    """What happens where a file already stands at the destination."""

    SKIP = "skip"
    OVERWRITE = "overwrite"
    FAIL = "fail"


class Order(StrEnum):
    """In which order files are made: by path, or long ones before their turn."""

    AUTO = "auto"
    PATH = "path"


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


class MetadataDirective(StrEnum):
    """What becomes of an object's headers and user metadata, in the words of S3."""

    COPY = "copy"
    REPLACE = "replace"


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
        order: Whether a file may go before its turn by path. Default: one that would end last.
        timeout_s: Seconds a file may take. Default: 300.
        retries: Further attempts after a failure that may pass. Default: 2.
        dry_run: Whether everything is done except publishing. Default: false.
        sandbox: How workers are confined. Default: as far as the kernel allows.
        caps: How large an image may be. Default: see `Caps`.
        max_file_bytes: Largest source that is opened. Default: 2 GB.
        journal: Where the journal is; `None` for beside the output. Default: beside the output.
        redo: Which sources that the journal knows are made again. Default: changed or failed.
        durability: When results reach the disc. Default: full.
        checksum: Whether sources and results are known again by content, not by time.
            Default: false.
        verify: Whether each result is decoded again and checked before it has its name; always
            so in place. Default: false.
        in_place: Whether results replace their sources. Default: false.
        backup: Where replaced originals go; a must in place, or `no_backup`. Default: nowhere.
        no_backup: Whether replaced originals may be gone for good. Default: false.
        name_template: How the outputs of a source are named where there are several. Default:
            `{stem}-{width}.{ext}`, and `{stem}.{ext}` where formats alone are several.
        manifest: Where the list of all outputs is written where a source has several; `None` for
            beside the journal. Default: beside the journal.
        executor: Where workers are. Default: on this machine.
        ray_address: `HOST:PORT` of the head of a Ray cluster, or `auto` for the one that this
            machine is part of; `None` for what `RAY_ADDRESS` says, or a Ray that is started on
            this machine for the run. Default: `None`.
        shard: The share of the files that is made here, others being made by other runs into the
            same output. Default: all.
        access: How object stores are reached. Default: as the environment says.
        cache_control: `Cache-Control` of objects that are put. Default: the source's.
        metadata_directive: Whether objects keep what their sources say beside the type of their
            content, which is always their own. Default: copy.
        tagging: Tags that objects get which are put, S3's and Azure's alone. Default: none.

    Raises:
        OptionError: A value outside its range, or values that contradict each other.
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
    order: Order = Order.AUTO
    timeout_s: float = 300.0
    retries: int = 2
    dry_run: bool = False
    sandbox: Sandbox = Sandbox.AUTO
    caps: Caps = DEFAULT_CAPS
    max_file_bytes: int = 2_000_000_000
    journal: str | None = None
    redo: Redo = Redo.CHANGED
    durability: Durability = Durability.FULL
    checksum: bool = False
    verify: bool = False
    in_place: bool = False
    backup: str | None = None
    no_backup: bool = False
    name_template: str | None = None
    manifest: str | None = None
    executor: ExecutorName = ExecutorName.LOCAL
    ray_address: str | None = None
    shard: Shard = WHOLE
    access: Access = DEFAULT_ACCESS
    cache_control: str | None = None
    metadata_directive: MetadataDirective = MetadataDirective.COPY
    tagging: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse values outside their range, or against each other."""
        self._check_in_place()
        if self.manifest is not None and not self.shard.is_whole:
            message = "each shard would write its own over the others': give it to pixmill merge"
            raise OptionError(message, option="manifest")
        if self.name_template is not None:
            _parsed_template(self.name_template)
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

    def _check_in_place(self) -> None:
        has_backup = self.backup is not None
        if not self.in_place and (has_backup or self.no_backup):
            name = "backup" if has_backup else "no_backup"
            raise OptionError("it is about originals that are replaced: add in_place", option=name)
        if self.in_place and has_backup is self.no_backup:
            raise OptionError(
                "originals would be replaced: add --backup DIR to keep them, or --no-backup if "
                "they may be gone for good, and not both",
                option="in_place",
            )
        if not self.in_place:
            return
        for name, is_given in (
            ("copy_others", self.copy_others),
            ("if_exists", self.if_exists is not IfExists.SKIP),
            ("on_collision", self.on_collision is not OnCollision.SUFFIX),
            ("symlinks", self.symlinks is not Symlinks.SKIP),
        ):
            if is_given:
                raise OptionError("has no meaning in place: leave it out", option=name)


def template_for(recipe: Recipe, settings: Settings) -> NameTemplate | None:
    """Return how outputs are named where a source has several, `None` where it has one."""
    if not recipe.is_series:
        return None
    default = DEFAULT_TEMPLATE if recipe.widths else UNSIZED_TEMPLATE
    return _parsed_template(settings.name_template or default)


def check_series(recipe: Recipe, settings: Settings) -> None:
    """Refuse settings that several outputs of a source cannot have, or that are about them alone.

    Raises:
        OptionError: Results would replace their sources, or names would not tell widths apart.
    """
    if not recipe.is_series:
        for name in ("name_template", "manifest"):
            if getattr(settings, name) is not None:
                message = "it is about several outputs of a source: add widths or formats"
                raise OptionError(message, option=name)
        return
    if settings.in_place:
        name = "widths" if recipe.widths else "formats"
        message = "in place a file has one result: leave it out, or name an output"
        raise OptionError(message, option=name)
    template = template_for(recipe, settings)
    if recipe.widths and template is not None and not template.is_sized:
        message = f"expected {{width}} in it, such as {DEFAULT_TEMPLATE}, got {template.text!r}"
        raise OptionError(message, option="name_template")


def _parsed_template(text: str) -> NameTemplate:
    try:
        return parse_template(text)
    except OptionError as error:
        raise OptionError(str(error), option="name_template") from None


def check_in_place(recipe: Recipe, settings: Settings) -> None:
    """Refuse a recipe that cannot be carried out in place where the settings ask for that.

    Raises:
        OptionError: It would change formats, grow files, or put what was salvaged over damage.
    """
    if not settings.in_place:
        return
    for name, is_asked, why in (
        ("target_format", recipe.target_format != KEEP_SOURCE_FORMAT, "a file keeps its format"),
        ("if_larger", recipe.if_larger is IfLarger.WRITE, "only smaller results replace a file"),
        ("corrupt", recipe.corrupt is Corrupt.SALVAGE, "a damaged original is not replaced"),
    ):
        if is_asked:
            raise OptionError(f"in place {why}: leave it out, or name an output", option=name)
