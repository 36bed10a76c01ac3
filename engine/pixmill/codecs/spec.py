"""The record that says what one codec can do, and the pure functions that know its bytes.

Generic code asks the record and never compares codec names. Must not import pyvips or Pillow:
a record names loaders and savers, `imaging` calls them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.header import MAX_METADATA_BYTES, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pixmill.codecs.light import Light
    from pixmill.codecs.raw_preview import Preview
    from pixmill.header import GainMap, Header, Patch
    from pixmill.recipe import CodecOption
    from pixmill.vocabulary import Effort

__all__ = [
    "OPENING_BYTES",
    "CodecSpec",
    "Coded",
    "Draft",
    "Encoding",
    "Frame",
    "Library",
    "Packing",
    "Planes",
    "RowFilter",
    "SaveValue",
    "Scan",
    "Tunable",
    "oversized",
]

OPENING_BYTES = 32
"""How much of a result a codec may amend after its saver."""

SaveValue = int | float | bool | str
_BOUNDED = frozenset({Metadata.EXIF, Metadata.XMP, Metadata.IPTC, Metadata.COMMENT})
"""What decoders read and pixels do not depend on."""


class Library(StrEnum):
    """Who decodes, encodes or packs a format."""

    VIPS = "libvips"
    PILLOW = "Pillow"
    PI_HEIF = "pi-heif"
    OXIPNG = "oxipng"
    PILLOW_HEIF = "pillow-heif"
    PYLIBJXL = "pylibjxl"
    IMAGECODECS = "imagecodecs"
    NONE = "none"

    @property
    def module(self) -> str:
        """Name under which Python imports it."""
        return _MODULES[self]

    @property
    def extra(self) -> str:
        """Name of pixmill's extra that brings it, empty where pixmill itself does."""
        return _EXTRAS.get(self, "")


_MODULES: Final = {
    Library.VIPS: "pyvips",
    Library.PILLOW: "PIL",
    Library.PI_HEIF: "pi_heif",
    Library.PILLOW_HEIF: "pillow_heif",
    Library.PYLIBJXL: "pylibjxl",
    Library.IMAGECODECS: "imagecodecs",
    Library.OXIPNG: "oxipng",
    Library.NONE: "",
}
_EXTRAS: Final = {
    Library.PILLOW_HEIF: "heic",
    Library.PYLIBJXL: "jxl",
    Library.IMAGECODECS: "jxl",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """One way to encode an image: a candidate.

    Attributes:
        codec: Name of the codec.
        quality: 1 to 100, or `None` for a lossless encoding.
        effort: CPU spent on smaller files.
        is_palette: Whether colours are reduced to a palette (PNG), which is lossy above 256.
        is_flat: Whether large areas repeat, as in what is drawn, so that row filters (PNG) would do
            harm, and trellis (JPEG) is worth its time.
        is_full_chroma: Whether chroma keeps full resolution (4:4:4).
        is_subsampled: Whether chroma must be halved; both false leaves it to the codec.
        is_near_lossless: Whether the quality is one of the record's `near_lossless`: pixels are
            rounded to what a lossless coding stores in fewer bytes.
        has_hidden: Whether colours stay that full transparency hides, which costs bytes.
        is_lean: Whether the encoder must stream instead of holding the image whole.
        is_frugal: Whether the encoder makes no copy for speed: the same bytes for less memory.
        is_moving: Whether there are frames, or pages, to be stored.
        pixels: How many are to be stored; 0 where nobody has counted.
        tables: Family of quantisation tables that the source was made with, where its own pixels
            are stored again at its own quality; `None` for the codec's choice.
        tuned: What the user set on this codec's own scales.
    """

    codec: str
    quality: int | None
    effort: Effort
    is_palette: bool = False
    is_flat: bool = False
    is_full_chroma: bool = False
    is_subsampled: bool = False
    is_near_lossless: bool = False
    has_hidden: bool = False
    is_lean: bool = False
    is_frugal: bool = False
    is_moving: bool = False
    pixels: int = 0
    tables: int | None = None
    tuned: tuple[CodecOption, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """How luma and chroma of an image are encoded apart, each as a grey image.

    Attributes:
        luma: Of luma.
        chroma: Of either plane of chroma.
        is_halved: Whether chroma has half the edges of luma, rounded up.
    """

    luma: Encoding
    chroma: Encoding
    is_halved: bool


@dataclass(frozen=True, slots=True)
class Coded:
    """Symbols of a scan under Huffman codes, as ITU-T T.81 writes them.

    Attributes:
        scan: The symbols, and the bits behind each.
        tables: Four of DC and four of AC: the number of codes of each length from 1 to 16, and room
            for 256 symbols.
        layout: The numbers of the DC and of the AC table, from 0 to 7, of each block of a unit.
        units: How many of them there are.
    """

    scan: bytes
    tables: bytes
    layout: bytes
    units: int


@dataclass(frozen=True, slots=True)
class Draft:
    """How a saver's result is had for less: from a quicker one, to the same byte.

    Attributes:
        options: Saver options of the quicker one.
        finished: Returns the result that is meant, by what gives symbols the shortest codes; `None`
            where that cannot be made of it.
    """

    options: Mapping[str, SaveValue]
    finished: Callable[[bytes, Callable[[Coded], Coded | None]], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunable:
    """An option on a codec's own scale that a user may set.

    Attributes:
        name: As the user types it.
        about: What it does.
        saver_option: What its saver calls it.
        least: Lowest value.
        most: Highest value.
        is_final: Whether a result is not packed again once it is set, which would undo it.
    """

    name: str
    about: str
    saver_option: str
    least: int
    most: int
    is_final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handing:
    """How a still is handed to Pillow, whose build of the same library makes the same bytes faster.

    Attributes:
        plugin: Module of Pillow's that knows the format.
        options: What its `save` takes.
    """

    plugin: str
    options: Mapping[str, object]


class RowFilter(StrEnum):
    """How oxipng foretells rows of a PNG, by its own names; all but the first choose row by row."""

    NONE = "NoOp"
    LEAST_SUM = "MinSum"
    BIGRAMS = "Bigrams"


@dataclass(frozen=True, slots=True)
class Packing:
    """One try of oxipng.

    Attributes:
        level: Its own, from 0 to 6, which stands for all that follows where that is left out.
        filters: Those that are tried, to keep the one that is best.
        deflate: Level of libdeflate, from 1 to 12.
        is_estimated: Whether filters are compared by a quicker deflate. While others do that, the
            thread that waits turns in circles: of small images, three quarters of the CPU.
    """

    level: int
    filters: tuple[RowFilter, ...] = ()
    deflate: int | None = None
    is_estimated: bool = True


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of a frame that differs from the one before, encoded as a still of its format.

    Attributes:
        content: The still; of the first frame, all of it.
        left_px: Where it lies on the canvas.
        top_px: Likewise.
        delay_ms: How long the frame is shown.
    """

    content: bytes
    left_px: int
    top_px: int
    delay_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a codec's own parser finds in a file that its decoding library does not tell.

    `None` means the parser did not look or could not tell; the decoding library is asked.

    Attributes:
        width_px: Stored width.
        height_px: Stored height.
        pages: Frames.
        quality: Estimated quality of a lossy JPEG.
        tables: Number of the family of quantisation tables it was made with, where it is known.
        is_lossless: Whether the coding lost nothing.
        is_progressive: Progressive JPEG or interlaced PNG.
        is_subsampled: Whether chroma is subsampled.
        samples_per_px: Samples of all bands together, 0 where the parser does not tell.
        is_animated: Whether frames are an animation.
        plays: How often an animation is played, 0 for ever.
        has_alpha: Whether there is an alpha channel.
        metadata: Kinds of metadata found.
        oversized: Those that are too large, inflated, to be read.
        has_gain_map: Whether an Ultra HDR gain map is attached, or said to be.
        gain_map: That map; `None` where none is found that can be read.
        lines_at_once: Lines that decoding makes at a time: a strip, or two rows of tiles.
        is_beyond_loader: Whether libvips is known to refuse what Pillow reads well.
        patches: What the decoding library must see instead of some bytes, in order.
        unsupported: Why the decoding library would fail on a sound file or show it wrongly, or
            empty.
        defect: Why the structure shows the file to be damaged, or empty.
    """

    width_px: int | None = None
    height_px: int | None = None
    pages: int | None = None
    quality: int | None = None
    tables: int | None = None
    is_lossless: bool | None = None
    is_progressive: bool | None = None
    is_subsampled: bool | None = None
    samples_per_px: float = 0.0
    is_animated: bool | None = None
    plays: int | None = None
    has_alpha: bool | None = None
    metadata: frozenset[Metadata] | None = None
    oversized: frozenset[Metadata] = frozenset()
    has_gain_map: bool = False
    lines_at_once: int = 1
    gain_map: GainMap | None = None
    is_beyond_loader: bool = False
    patches: tuple[Patch, ...] = ()
    unsupported: str = ""
    defect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecSpec:
    """What one format is and what can be done with it on paper; `imaging` knows what is installed.

    Attributes:
        name: As the user types it: `jpg`, `png`, `webp`.
        title: As a person reads it: `JPEG`.
        media_type: What MIME calls it; asked of what is published alone.
        suffixes: File name suffixes with their dot, lower case; the first is canonical.
        reader: Library that decodes it, or `none`.
        writer: Library that encodes it, or `none`.
        animator: Library that encodes its animations, where that is not the writer.
        recognises: Whether the first 4096 bytes of a file (fewer in a shorter one) are this format.
        loader: libvips operation that decodes a file (`jpegload`), or empty.
        saver: libvips operation that encodes to a buffer (`jpegsave_buffer`), or empty.
        pillow_format: Name that Pillow gives the format (`BMP`), or empty.
        fallback: Codec that `keep` writes when this one cannot be written.
        is_on_request: Whether it is written where it is named alone: `keep` takes its fallback,
            since browsers do not show it, or the fallback is smaller at no loss.
        is_candidate: Whether `auto` tries it for stills unasked, since every browser shows it.
        is_moving_candidate: Likewise for animations.
        is_vector: Whether it has no pixels of its own (SVG).
        supports_alpha: Whether it stores alpha.
        supports_animation: Whether it stores animations.
        supports_pages: Whether it stores unrelated pages.
        supports_lossy: Whether it has a quality.
        supports_lossless: Whether it can store pixels exactly.
        is_lossy_in_motion: Whether its animations are stored with loss alone.
        max_colours: Most colours that its lossless form stores, so that a promise of no loss is
            checked; 0 for as many as there are.
        supports_palette: Whether its lossless form may also reduce colours to a palette.
        has_lossy_palette: Whether, under a cap on size, fewer colours or a coarser match of them by
            a quality stand for the quality that it lacks; stills alone where it is `joined`.
        supports_cmyk: Whether it stores CMYK.
        supports_metadata: Kinds of metadata that it stores.
        max_xmp_bytes: Most XMP that its saver writes.
        max_bits: Deepest band it stores when pixmill writes it.
        max_edge_px: Longest edge it stores.
        default_quality: Quality where the user named none.
        has_shrink_on_load: Whether its loader takes an integer `shrink` of 2, 4 or 8.
        has_scale_on_load: Whether its loader takes a `scale` factor.
        size_curve: Mean natural logarithm of encoded size relative to quality 75, for the
            qualities of `strategies.curve`; seeds the search for a size.
        size_jitter: By how much a step in that logarithm may differ from a sample's, beyond what
            is in proportion to the step.
        sample_reach: How many qualities away what a sample tells still says more than another
            sample there would: a step of one quality is smaller than what samples err.
        score_curve: Mean score of photographs at the qualities of `strategies.curve`, with chroma
            halved where there is a choice; seeds the search for a score. Empty for none.
        full_score_curve: Likewise, with chroma at full resolution.
        palette_score_curve: Likewise, of drawings with fewer colours.
        sample_flattery: How much better a mosaic of squares of 64 px looks than the whole: the
            logarithm of what the whole lacks over what it lacks, a point that it lacks.
        halved_until: Highest quality at which halved chroma is worth it for a score: above it full
            chroma reaches as much in fewer bytes.
        can_try_chroma: Whether its encodes are cheap enough to choose a drawing's chroma by trying.
        lowest_alike: Returns the lowest quality that makes the same file as one does; `None` where
            every quality makes its own.
        near_lossless: Qualities of its nearly lossless coding, from the coarsest on.
        scan: Reads an open binary file of a given size from its start and returns a `Scan`;
            raises `ValueError` with a message when the structure cannot be what it claims.
        implied_profile: Returns an ICC profile for what an open file says of its colours by other
            means that its loader overlooks, or nothing; raises `ValueError` where it says nonsense.
        preview: Where the picture lies that stands for a file which no library here decodes;
            `None` where a format is its own picture. Loader and scan are then that picture's.
        can_stream: Whether a file with this header is decoded in strips; `None` for never.
        decode_cost: Bytes of memory that decoding holds beyond the worker's base, for a header
            and a shrink-on-load factor.
        scaled_lines: Lines of the decoded image that wait beside that while it is scaled down, as
            floats too if it has alpha: 880 to 950 of RGB TIFFs and PNGs (12,000 to 40,000 px
            wide), 780 to 950 of RGBA PNGs (2,000 to 8,000 px).
        encode_cost: Bytes that encoding holds, for an encoding, pixels (all pages) and bands.
        save_options: libvips saver options for an encoding.
        handed: How an eight-bit still in RGB, of so many pixels, is handed to Pillow under an
            encoding; `None` where libvips encodes it, which holds less.
        between: Other ways to encode a still of so many pixels, the best first, whose scores fall
            between those of an encoding's qualities, which may lie far apart. None where that
            would take too long.
        tunables: Those of them that a user may set.
        planes: How an opaque image in RGB is encoded plane by plane under an encoding; `None` where
            its saver does better with the whole.
        draft: How what saver options make of so many pixels is had for less; `None` where it is
            not.
        light: How stills too small to be worth a pipeline pass through Pillow; `None` for not at
            all.
        woven: Returns one file of luma and blue and red chroma as JFIF has them, each encoded
            alone, with an ICC profile or an empty one.
        packings: Tries of oxipng to pack a still again without touching a pixel, for an effort, a
            number of pixels and the bytes that they take; the smallest result is taken. None where
            it would take too long.
        pack_cost: Bytes that packing holds, for an effort and the bytes of the pixels.
        rewrapped: Returns the file with no metadata but the given kinds, its coded pixels
            untouched; `None` where that cannot be done.
        joined: Yields an animation of so many frames, played so often, piece by piece; `None`
            where the saver takes frames stacked, or the format has none.
        amended: Returns the first `OPENING_BYTES` of an animation whose image has alpha as they
            should be, as many; `None` where its saver gets them right.
        settled: Returns an animation that says how often it is played, 0 for ever, and not when it
            was made; `None` where its saver is told, and writes no time.
        mended: Returns a file that is cut off in a shape that its decoder takes, without what is
            missing; `None` where that cannot be done.
        transform_cost: Bytes that turning, cutting or packing coded pixels without decoding them
            holds, beside the file and the result; `None` where no library does so.
        with_gain_map: Returns a file of this format with a gain map attached: of an encoded image,
            the map encoded, and the map of the source, which says how it is to be applied; raises
            `ValueError` where that cannot be done. `None` where the format holds none.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    reader: Library
    recognises: Callable[[bytes], bool]
    writer: Library = Library.NONE
    animator: Library = Library.NONE
    loader: str = ""
    saver: str = ""
    pillow_format: str = ""
    media_type: str = ""
    fallback: str = "png"
    is_on_request: bool = False
    is_candidate: bool = False
    is_moving_candidate: bool = False
    is_vector: bool = False
    supports_alpha: bool = True
    supports_animation: bool = False
    supports_pages: bool = False
    supports_lossy: bool = False
    supports_lossless: bool = False
    is_lossy_in_motion: bool = False
    max_colours: int = 0
    supports_palette: bool = False
    has_lossy_palette: bool = False
    supports_cmyk: bool = False
    supports_metadata: frozenset[Metadata] = frozenset()
    max_xmp_bytes: int = MAX_METADATA_BYTES
    max_bits: int = 8
    max_edge_px: int = 1_000_000
    default_quality: int = 80
    has_shrink_on_load: bool = False
    has_scale_on_load: bool = False
    size_curve: tuple[float, ...] = ()
    size_jitter: float = 0.0
    sample_reach: int = 0
    score_curve: tuple[float, ...] = ()
    full_score_curve: tuple[float, ...] = ()
    palette_score_curve: tuple[float, ...] = ()
    sample_flattery: float = 0.0
    halved_until: int = 100
    can_try_chroma: bool = False
    lowest_alike: Callable[[int], int] | None = None
    near_lossless: tuple[int, ...] = ()
    scan: Callable[[BinaryIO, int], Scan] | None = None
    implied_profile: Callable[[BinaryIO], bytes] | None = None
    preview: Callable[[BinaryIO, int], Preview | None] | None = None
    can_stream: Callable[[Header], bool] | None = None
    decode_cost: Callable[[Header, int], int] | None = None
    scaled_lines: int = 1000
    encode_cost: Callable[[Encoding, int, int], int] | None = None
    save_options: Callable[[Encoding], Mapping[str, SaveValue]] | None = None
    handed: Callable[[Encoding, int], Handing | None] | None = None
    between: Callable[[Encoding, int], tuple[Encoding, ...]] | None = None
    tunables: tuple[Tunable, ...] = ()
    draft: Callable[[Mapping[str, SaveValue], int], Draft | None] | None = None
    light: Light | None = None
    planes: Callable[[Encoding], Planes | None] | None = None
    woven: Callable[[Sequence[bytes], bytes], bytes] | None = None
    packings: Callable[[Effort, int, int], tuple[Packing, ...]] | None = None
    pack_cost: Callable[[Effort, int], int] | None = None
    rewrapped: Callable[[bytes, frozenset[Metadata]], bytes | None] | None = None
    joined: Callable[[Iterator[Frame], int, int], Iterator[bytes]] | None = None
    amended: Callable[[bytes], bytes] | None = None
    settled: Callable[[bytes, int], bytes] | None = None
    mended: Callable[[bytes], bytes | None] | None = None
    transform_cost: Callable[[Header], int] | None = None
    with_gain_map: Callable[[bytes, bytes, bytes], bytes] | None = None

    def options(self, encoding: Encoding) -> dict[str, SaveValue]:
        """Return saver options for an encoding, with what the user set above what effort means."""
        chosen = dict(self.save_options(encoding)) if self.save_options else {}
        names = {tunable.name: tunable.saver_option for tunable in self.tunables}
        return chosen | {names[option.name]: option.value for option in encoding.tuned}

    @property
    def can_write(self) -> bool:
        """Whether pixmill writes this format."""
        return self.writer is not Library.NONE

    @property
    def can_read(self) -> bool:
        """Whether pixmill reads this format once its library is installed."""
        return self.reader is not Library.NONE

    @property
    def is_exact(self) -> bool:
        """Whether its lossless form holds any picture, which a palette alone does not."""
        return self.supports_lossless and (self.supports_palette or not self.has_lossy_palette)

    def holding(self, pages: int) -> CodecSpec:
        """Return the record of what it can where it holds so many pages or frames."""
        if pages == 1 or not self.is_lossy_in_motion:
            return self
        return replace(self, supports_lossless=False)


def oversized(held_bytes: Mapping[Metadata, int]) -> frozenset[Metadata]:
    """Return the kinds of metadata that are too large to be read, by the bytes that each holds."""
    return _BOUNDED & {kind for kind, held in held_bytes.items() if held > MAX_METADATA_BYTES}
