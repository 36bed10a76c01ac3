"""Every option as it is typed: the one list that flags, config keys and the schema come from.

Pure. Must not interpret a value: what an option means is `options.meaning`'s part. Longer than
other modules because it is that one list, which every reader wants in one place.
"""

import types
from dataclasses import KW_ONLY, dataclass, fields
from enum import StrEnum
from typing import Annotated, Final, get_args, get_origin, get_type_hints

from pixmill.recipe import DEFAULT_KEEP, Recipe
from pixmill.settings import (
    Durability,
    ExecutorName,
    IfExists,
    MetadataDirective,
    OnCollision,
    Order,
    Sandbox,
    Settings,
    Symlinks,
)
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
    "ALIASES",
    "DEFAULT_MAX_DIMENSION_PX",
    "About",
    "Entry",
    "Group",
    "Options",
    "ProgressStyle",
    "entries",
    "spelling",
]

DEFAULT_MAX_DIMENSION_PX: Final = 1920

ALIASES: Final = {
    "default_quality": "quality",
    "compression_strategy": "strategy",
    "parallel_workers": "parallel",
}
"""Config keys that are another name of an option."""

_RECIPE = Recipe()
_SETTINGS = Settings()


class Group(StrEnum):
    """A heading in the help and in the starter config."""

    WORK = "What is done"
    SIZE = "Size"
    ENCODING = "Format and quality"
    LOOK = "Colour and metadata"
    INPUT = "Which files are taken"
    LIMITS = "Limits on what is read"
    OUTPUT = "What is written"
    IN_PLACE = "In place"
    STORES = "Object stores"
    REPEAT = "Running again"
    MACHINE = "Machine"
    SCREEN = "Progress and reports"


class ProgressStyle(StrEnum):
    """How progress is shown while a run lasts."""

    AUTO = "auto"
    BAR = "bar"
    PLAIN = "plain"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class About:
    """What the help, the schema and the starter config say of one option.

    Attributes:
        group: Heading it stands under.
        text: What it does, without its default.
        default: Its default as a config file would spell it; `None` where there is no one value.
        default_text: What stands for the default in the help where there is no one value.
        metavar: Placeholder of its value in the help.
        short: Short flag, such as `-v`.
        words: Words that a list may hold.
        is_comma_list: Whether one string may name several members, separated by commas.
        is_number_too: Whether a config file may hold a number instead of a string.
        can_negate: Whether there is a `--no-` flag, to overrule a config file.
        minimum: Lowest number allowed.
        maximum: Highest number allowed.
    """

    group: Group
    text: str
    _: KW_ONLY
    default: bool | int | str | tuple[str, ...] | None = None
    default_text: str = ""
    metavar: str | None = None
    short: str = ""
    words: type[StrEnum] | None = None
    is_comma_list: bool = False
    is_number_too: bool = False
    can_negate: bool = False
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One option: its name, the bare type of its value, and what is said about it."""

    name: str
    type: type[object]
    about: About


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed, by flag or in a config file; `None` is what was not given.

    Each field is described by the `About` in its annotation, which is why this module does not
    defer annotations; see `entries`.
    """

    operations: Annotated[
        tuple[str, ...] | None,
        About(
            Group.WORK,
            "Kinds of work: a comma list of resize, crop, convert, compress, run in a fixed order",
            default_text="compress, resize when a size is given, convert when a format is",
            metavar="LIST",
            words=Operation,
            is_comma_list=True,
        ),
    ] = None
    dry_run: Annotated[
        bool | None,
        About(
            Group.WORK,
            "Do everything but publish, so that the sizes shown are real",
            default=_SETTINGS.dry_run,
            short="-n",
        ),
    ] = None
    resize: Annotated[
        str | None,
        About(
            Group.SIZE,
            "Box or factor to resize to: 800x600, 800 (wide), x600 (high) or 50%",
            metavar="SIZE",
            is_number_too=True,
        ),
    ] = None
    max_dimension: Annotated[
        int | None,
        About(
            Group.SIZE,
            "Longest edge in pixels where operations name resize and no size is given",
            default=DEFAULT_MAX_DIMENSION_PX,
            metavar="PX",
            minimum=1,
        ),
    ] = None
    fit: Annotated[
        Fit | None,
        About(
            Group.SIZE,
            "How the image meets the box (cover crops, contain pads, fill stretches)",
            default=str(_RECIPE.fit),
        ),
    ] = None
    gravity: Annotated[
        Gravity | None,
        About(
            Group.SIZE,
            "Which part stays when cropped, or where the image sits when padded",
            default=str(_RECIPE.gravity),
        ),
    ] = None
    kernel: Annotated[
        Kernel | None,
        About(Group.SIZE, "Resampling kernel", default=str(_RECIPE.kernel)),
    ] = None
    linear: Annotated[
        bool | None,
        About(
            Group.SIZE,
            "Resize in linear light: fine contrasts keep their brightness, for more CPU and memory",
            default=_RECIPE.linear,
            can_negate=True,
        ),
    ] = None
    enlarge: Annotated[
        bool | None,
        About(Group.SIZE, "May scale images up", default=_RECIPE.enlarge, can_negate=True),
    ] = None
    background: Annotated[
        str | None,
        About(
            Group.SIZE,
            "Colour of padding, and under transparency where the target format has none",
            default_text="white, and transparent padding where there is alpha",
            metavar="#RRGGBB",
        ),
    ] = None
    widths: Annotated[
        tuple[str, ...] | None,
        About(
            Group.SIZE,
            "Widths of which each image gets an output, from one decode, such as 320,640,1280; "
            "what is narrower keeps its own",
            default_text="one output",
            metavar="LIST",
            is_comma_list=True,
            is_number_too=True,
        ),
    ] = None
    pages: Annotated[
        str | None,
        About(
            Group.SIZE,
            "Frames of an animation and pages of a file: all, the first, or the one of this number",
            default="all",
            metavar="all|first|N",
            is_number_too=True,
        ),
    ] = None
    target_format: Annotated[
        str | None,
        About(
            Group.ENCODING,
            "Format to write: jpg, png, webp, avif, tiff, gif, bmp, jp2, keep the source's own, "
            "or auto for the smallest at equal looks",
            default=_RECIPE.target_format,
            metavar="FORMAT",
        ),
    ] = None
    candidates: Annotated[
        tuple[str, ...] | None,
        About(
            Group.ENCODING,
            "Formats that --target-format auto chooses from, a comma list, the first to win a tie",
            default_text="those that the content deserves of avif, webp, jpg, png and gif",
            metavar="LIST",
            is_comma_list=True,
        ),
    ] = None
    formats: Annotated[
        tuple[str, ...] | None,
        About(
            Group.ENCODING,
            "Formats in each of which every output is made, such as avif,webp,jpg",
            default_text="one, by --target-format",
            metavar="LIST",
            is_comma_list=True,
        ),
    ] = None
    quality: Annotated[
        int | None,
        About(
            Group.ENCODING,
            "Quality of lossy encoding, 1 to 100",
            default_text="each format's own; see pixmill formats",
            metavar="N",
            minimum=1,
            maximum=100,
        ),
    ] = None
    lossless: Annotated[
        bool | None,
        About(
            Group.ENCODING,
            "Encode every pixel exactly as it is",
            default=_RECIPE.lossless,
            can_negate=True,
        ),
    ] = None
    effort: Annotated[
        Effort | None,
        About(Group.ENCODING, "CPU time spent on smaller files", default=str(_RECIPE.effort)),
    ] = None
    codec_option: Annotated[
        tuple[str, ...] | None,
        About(
            Group.ENCODING,
            "A value on a codec's own scale, above what effort means; may be given again",
            default_text="what effort maps to",
            metavar="CODEC.OPTION=NUMBER",
        ),
    ] = None
    max_size: Annotated[
        str | None,
        About(
            Group.ENCODING,
            "Cap on each file: the best quality that fits is used. 1 kB is 1000, 1 KiB is 1024",
            default_text="no cap",
            metavar="SIZE",
            is_number_too=True,
        ),
    ] = None
    target_quality: Annotated[
        str | None,
        About(
            Group.ENCODING,
            "Look that each file keeps, in the fewest bytes, as an SSIMULACRA2 score of 1 to 100: "
            "visually-lossless (90), very-high (80), high (70), medium (50) or low (30); "
            "--quality is the highest quality tried then, and --max-size wins",
            default_text="no target",
            metavar="SCORE",
            is_number_too=True,
        ),
    ] = None
    min_quality: Annotated[
        int | None,
        About(
            Group.ENCODING,
            "Lowest quality that the search for --max-size or --target-quality may use",
            default_text="40 for a size, 5 for a score",
            metavar="N",
            minimum=1,
            maximum=100,
        ),
    ] = None
    allow_downscale: Annotated[
        bool | None,
        About(
            Group.ENCODING,
            "Scale down what exceeds --max-size at the lowest quality, to a quarter of each edge",
            default=_RECIPE.allow_downscale,
            can_negate=True,
        ),
    ] = None
    strategy: Annotated[
        StrategyName | None,
        About(
            Group.ENCODING,
            "How encodings are chosen, by what the image shows, as told, or without loss",
            default=str(_RECIPE.strategy),
        ),
    ] = None
    keep: Annotated[
        tuple[str, ...] | None,
        About(
            Group.LOOK,
            "Metadata to keep, a comma list of exif, xmp, iptc, icc and copyright; "
            "or none, no-gps or all alone",
            default=tuple(str(word) for word in Keep if word in DEFAULT_KEEP),
            metavar="LIST",
            words=Keep,
            is_comma_list=True,
        ),
    ] = None
    colour: Annotated[
        Colour | None,
        About(
            Group.LOOK,
            "Convert colours to sRGB or Display P3, or keep them with the embedded profile",
            default=str(_RECIPE.colour),
        ),
    ] = None
    auto_orient: Annotated[
        bool | None,
        About(
            Group.LOOK,
            "Turn the pixels as EXIF orientation says",
            default=_RECIPE.auto_orient,
            can_negate=True,
        ),
    ] = None
    recursive: Annotated[
        bool | None,
        About(Group.INPUT, "Walk the folders inside", default=_SETTINGS.recursive, can_negate=True),
    ] = None
    include: Annotated[
        tuple[str, ...] | None,
        About(
            Group.INPUT,
            "Take only files whose relative path matches this glob; may be given again",
            default_text="everything",
            metavar="GLOB",
        ),
    ] = None
    exclude: Annotated[
        tuple[str, ...] | None,
        About(
            Group.INPUT,
            "Leave out files and whole folders that match this glob; may be given again",
            default_text="nothing",
            metavar="GLOB",
        ),
    ] = None
    hidden: Annotated[
        bool | None,
        About(
            Group.INPUT,
            "Take names that start with a dot",
            default=_SETTINGS.hidden,
            can_negate=True,
        ),
    ] = None
    symlinks: Annotated[
        Symlinks | None,
        About(
            Group.INPUT,
            "Which symbolic links are followed (inside: those that stay inside the input)",
            default=str(_SETTINGS.symlinks),
        ),
    ] = None
    supported_formats: Annotated[
        tuple[str, ...] | None,
        About(
            Group.INPUT,
            "Input formats to take, a comma list such as jpg,png; the others are skipped",
            default_text="all",
            metavar="LIST",
            is_comma_list=True,
        ),
    ] = None
    corrupt: Annotated[
        Corrupt | None,
        About(
            Group.LIMITS,
            "A damaged image fails, or what can be decoded of it is published with a note",
            default=str(_RECIPE.corrupt),
        ),
    ] = None
    oversize: Annotated[
        Oversize | None,
        About(
            Group.LIMITS,
            "An image longer than the target format stores (WebP 16383 px, AVIF 16384, JPEG 65500)",
            default=str(_RECIPE.oversize),
        ),
    ] = None
    max_pixels: Annotated[
        int | None,
        About(
            Group.LIMITS,
            "Pixels, of all frames together, of an image that must be decoded whole",
            default=_SETTINGS.caps.whole_px,
            metavar="N",
            minimum=1,
        ),
    ] = None
    max_stream_pixels: Annotated[
        int | None,
        About(
            Group.LIMITS,
            "Pixels of an image that is decoded in strips: baseline JPEG, PNG, TIFF",
            default=_SETTINGS.caps.stream_px,
            metavar="N",
            minimum=1,
        ),
    ] = None
    max_frames: Annotated[
        int | None,
        About(
            Group.LIMITS,
            "Frames or pages that one image may have",
            default=_SETTINGS.caps.frames,
            metavar="N",
            minimum=1,
        ),
    ] = None
    max_file_size: Annotated[
        str | None,
        About(
            Group.LIMITS,
            "Size of the largest file that is opened",
            default="2GB",
            metavar="SIZE",
            is_number_too=True,
        ),
    ] = None
    copy_others: Annotated[
        bool | None,
        About(
            Group.OUTPUT,
            "Copy files that are no images",
            default=_SETTINGS.copy_others,
            can_negate=True,
        ),
    ] = None
    if_exists: Annotated[
        IfExists | None,
        About(
            Group.OUTPUT,
            "Where a file already stands",
            default=str(_SETTINGS.if_exists),
            metavar="POLICY",
        ),
    ] = None
    if_larger: Annotated[
        IfLarger | None,
        About(
            Group.OUTPUT,
            "Where the result is not smaller and no other change was asked (keep: copy the source)",
            default=str(_RECIPE.if_larger),
            metavar="POLICY",
        ),
    ] = None
    min_savings: Annotated[
        str | None,
        About(
            Group.OUTPUT,
            "Take a result for smaller only if it saves this much: 5% or 10kb",
            default_text="one byte",
            metavar="N%|SIZE",
            is_number_too=True,
        ),
    ] = None
    verify: Annotated[
        bool | None,
        About(
            Group.OUTPUT,
            "Decode each result again and check it before it has its name; always so in place",
            default=_SETTINGS.verify,
            can_negate=True,
        ),
    ] = None
    on_collision: Annotated[
        OnCollision | None,
        About(
            Group.OUTPUT,
            "Where two sources want one name, the second becomes a.jpg.webp or fails",
            default=str(_SETTINGS.on_collision),
            metavar="POLICY",
        ),
    ] = None
    name_template: Annotated[
        str | None,
        About(
            Group.OUTPUT,
            "How the outputs of --widths and --formats are named",
            default_text="{stem}-{width}.{ext}, for formats alone {stem}.{ext}",
            metavar="TEMPLATE",
        ),
    ] = None
    manifest: Annotated[
        str | None,
        About(
            Group.OUTPUT,
            "Where the JSON is written that lists the outputs of every source, to fill srcset",
            default_text="srcset.json in OUTPUT.pixmill, beside the output",
            metavar="FILE",
        ),
    ] = None
    in_place: Annotated[
        bool | None,
        About(
            Group.IN_PLACE,
            "Replace each file by its smaller result; give no OUTPUT, and --backup or --no-backup",
            default=_SETTINGS.in_place,
        ),
    ] = None
    backup: Annotated[
        str | None,
        About(
            Group.IN_PLACE,
            "Where the originals go, in their tree; pixmill undo brings them back",
            metavar="DIR",
        ),
    ] = None
    no_backup: Annotated[
        bool | None,
        About(
            Group.IN_PLACE,
            "Keep no originals: nothing brings them back",
            default=_SETTINGS.no_backup,
        ),
    ] = None
    force: Annotated[
        bool | None,
        About(
            Group.REPEAT,
            "Make everything again, whatever the journal says is done",
            default=False,
        ),
    ] = None
    retry_failed: Annotated[
        bool | None,
        About(
            Group.REPEAT,
            "Take only what failed in an earlier run",
            default=False,
        ),
    ] = None
    journal: Annotated[
        str | None,
        About(
            Group.REPEAT,
            "Where the journal of what is done is kept",
            default_text="journal-0.sqlite in OUTPUT.pixmill, beside the output",
            metavar="FILE",
        ),
    ] = None
    checksum: Annotated[
        bool | None,
        About(
            Group.REPEAT,
            "Know files again by their content, not by their time, as a fresh checkout needs it",
            default=_SETTINGS.checksum,
            can_negate=True,
        ),
    ] = None
    durability: Annotated[
        Durability | None,
        About(
            Group.REPEAT,
            "When results reach the disc: each before it has its name, with each batch of the "
            "journal, or whenever the system likes",
            default=str(_SETTINGS.durability),
            metavar="WHEN",
        ),
    ] = None
    parallel: Annotated[
        str | None,
        About(
            Group.MACHINE,
            "Worker processes",
            default="auto",
            default_text="auto: the CPUs this process may use",
            metavar="N|auto",
            is_number_too=True,
        ),
    ] = None
    memory: Annotated[
        str | None,
        About(
            Group.MACHINE,
            "Cap on the memory of all processes together",
            default="auto",
            default_text="auto: half of what is available",
            metavar="SIZE|auto",
            is_number_too=True,
        ),
    ] = None
    shard: Annotated[
        str | None,
        About(
            Group.MACHINE,
            "Make one of N shares of the files, I from 0, while others make theirs into the same "
            "OUTPUT, on other machines too; pixmill merge joins what they note",
            default="0/1",
            metavar="I/N",
        ),
    ] = None
    order: Annotated[
        Order | None,
        About(
            Group.MACHINE,
            "In which order files are made: by path, or auto, by path but for those that would "
            "keep one worker busy when all others have nothing left to do",
            default=str(_SETTINGS.order),
        ),
    ] = None
    timeout: Annotated[
        str | None,
        About(
            Group.MACHINE,
            "Time one file may take: 90, 30s, 5m",
            default=f"{_SETTINGS.timeout_s:g}s",
            metavar="TIME",
            is_number_too=True,
        ),
    ] = None
    retries: Annotated[
        int | None,
        About(
            Group.MACHINE,
            "Further attempts after trouble that may pass, such as a busy disk",
            default=_SETTINGS.retries,
            metavar="N",
            minimum=0,
        ),
    ] = None
    sandbox: Annotated[
        Sandbox | None,
        About(
            Group.MACHINE,
            "Keep workers from every file but input and output, from programs and the network",
            default=_SETTINGS.sandbox,
        ),
    ] = None
    executor: Annotated[
        ExecutorName | None,
        About(
            Group.MACHINE,
            "Where workers are: processes of this machine, or of a Ray cluster's machines, which "
            "must all have input and output under the same paths",
            default=str(_SETTINGS.executor),
        ),
    ] = None
    ray_address: Annotated[
        str | None,
        About(
            Group.MACHINE,
            "Where the head of the Ray cluster is; auto is the cluster this machine is part of",
            default_text="RAY_ADDRESS, or a Ray that is started here for the run",
            metavar="HOST:PORT|auto",
        ),
    ] = None
    endpoint_url: Annotated[
        str | None,
        About(
            Group.STORES,
            "Where the store's server is, in place of the provider's own",
            default_text="as AWS_ENDPOINT_URL and its like say",
            metavar="URL",
        ),
    ] = None
    region: Annotated[
        str | None,
        About(
            Group.STORES,
            "Region of the buckets",
            default_text="as AWS_REGION or the profile says",
            metavar="NAME",
        ),
    ] = None
    profile: Annotated[
        str | None,
        About(
            Group.STORES,
            "Profile of the AWS configuration files that gives access; needs boto3",
            default_text="AWS_PROFILE where no keys are in the environment",
            metavar="NAME",
        ),
    ] = None
    store_patience: Annotated[
        str | None,
        About(
            Group.STORES,
            "How long a store that has stopped answering is waited for before the run is given up",
            default=f"{_SETTINGS.access.patience_s:g}s",
            metavar="TIME",
            is_number_too=True,
        ),
    ] = None
    anonymous: Annotated[
        bool | None,
        About(Group.STORES, "Sign no request, as public buckets allow", default=False),
    ] = None
    cache_control: Annotated[
        str | None,
        About(
            Group.STORES,
            "Cache-Control of objects that are written, such as max-age=31536000",
            default_text="the source's",
            metavar="TEXT",
        ),
    ] = None
    metadata_directive: Annotated[
        MetadataDirective | None,
        About(
            Group.STORES,
            "Whether objects take over their sources' headers and user metadata; the type is "
            "always their own",
            default=str(_SETTINGS.metadata_directive),
            metavar="DIRECTIVE",
        ),
    ] = None
    tagging: Annotated[
        str | None,
        About(
            Group.STORES,
            "Tags of objects that are written to S3 or Azure, such as 'team=web&kind=thumbnail'",
            default_text="none: sources' tags are not carried",
            metavar="TAGS",
        ),
    ] = None
    json: Annotated[
        bool | None,
        About(Group.SCREEN, "Print the report as JSON on stdout at the end", default=False),
    ] = None
    events: Annotated[
        str | None,
        About(
            Group.SCREEN,
            "Write one JSON object a line as things happen, to a file or to - for stdout",
            metavar="FILE|-",
        ),
    ] = None
    report: Annotated[
        str | None,
        About(Group.SCREEN, "Write the report as JSON to a file at the end", metavar="FILE"),
    ] = None
    progress: Annotated[
        ProgressStyle | None,
        About(
            Group.SCREEN,
            "How progress is shown (auto is a bar on a terminal and plain lines elsewhere)",
            default=str(ProgressStyle.AUTO),
        ),
    ] = None
    log_file: Annotated[
        str | None,
        About(Group.SCREEN, "Append one line a file, with the time", metavar="FILE"),
    ] = None
    verbose: Annotated[
        bool | None,
        About(
            Group.SCREEN,
            "Show one line a file, the slowest and the largest",
            default=False,
            short="-v",
        ),
    ] = None
    quiet: Annotated[
        bool | None,
        About(Group.SCREEN, "Show nothing but errors", default=False, short="-q"),
    ] = None


def entries() -> tuple[Entry, ...]:
    """Return every option with the bare type of its value (`bool`, `str`, `tuple`, an enum)."""
    hints = get_type_hints(Options, include_extras=True)
    return tuple(_entry(one.name, hints[one.name]) for one in fields(Options))


def spelling(name: str) -> str:
    """Return the flag of an option: `max_size` is `--max-size`."""
    return "--" + name.replace("_", "-")


def _entry(name: str, hint: object) -> Entry:
    """Take `Annotated[X | None, About(...)]` apart."""
    value, about = get_args(hint)
    return Entry(name, _bare(value), about)


def _bare(hint: object) -> type[object]:
    """Return `X` of `X | None`, and `tuple` of `tuple[str, ...]`."""
    inner = next(member for member in get_args(hint) if member is not types.NoneType)
    found = get_origin(inner) or inner
    if not isinstance(found, type):
        raise TypeError(f"expected an option of a plain type, got {found!r}")
    return found
