"""Read the facts of one image from its header.

Must not decode pixels, nor let a library set memory aside for them: a WebP header opened by libvips
takes four bytes a pixel, so it is opened at the smallest scale and measured by the codec's parser.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from pixmill.codecs.spec import Scan
from pixmill.header import Header, Metadata, Space
from pixmill.imaging import icc
from pixmill.imaging.complaints import complaints_of_pillow
from pixmill.imaging.errors import ImagingError, imaging_error, parsing_failure, translating
from pixmill.imaging.exif import exif_bytes, exif_orientation
from pixmill.imaging.light import form_seen
from pixmill.imaging.load import (
    implied_profile,
    is_oriented_by_loader,
    is_through_pillow,
    png_exif,
    vips_opened,
)
from pixmill.imaging.patch import patched
from pixmill.imaging.pillow import form_of, opened_by_pillow
from pixmill.imaging.preview import previewed
from pixmill.imaging.sources import Source, reading, size_of
from pixmill.imaging.support import check_installed
from pixmill.imaging.trim import trimmed
from pixmill.model import FailureKind, Stage
from pixmill.registry import codec

if TYPE_CHECKING:
    import pyvips
    from PIL import Image

    from pixmill.codecs.spec import CodecSpec
    from pixmill.imaging.pillow import Form

__all__ = ["probe"]

_Value = TypeVar("_Value")

_TINY_EDGE_PX: Final = 4
_GREEDY: Final = frozenset({"webpload"})
"""Loaders that set a whole canvas aside when they read a header."""

_UNLIKE: Final = frozenset({"tiffload", "heifload"})
"""Loaders of files whose pages are images of their own, each with its size and form."""

_UNDECODABLE: Final = frozenset({"hevc", "avc", "jpeg", "jpeg2000", "vvc"})
"""Codings inside HEIF that the bundled libheif opens and cannot decode: all but AV1."""

_SPACES: Final = {
    "srgb": Space.RGB,
    "rgb": Space.RGB,
    "rgb16": Space.RGB,
    "scrgb": Space.RGB,
    "b-w": Space.GREY,
    "grey16": Space.GREY,
    "cmyk": Space.CMYK,
    "lab": Space.LAB,
    "labs": Space.LAB,
    "labq": Space.LAB,
    "lch": Space.LAB,
}
_BITS: Final = {"uchar": 8, "char": 8, "ushort": 16, "short": 16}
_FIELDS: Final = {
    "xmp-data": Metadata.XMP,
    "iptc-data": Metadata.IPTC,
    "icc-profile-data": Metadata.ICC,
}
_MAX_EDGE_PX: Final = 1_000_000


def probe(source: Source, codec_name: str, *, damage: str = "", page: int | None = None) -> Header:
    """Return the facts of one image.

    Args:
        source: A path, or the file's bytes.
        codec_name: Codec that its content was recognised as.
        damage: Why it failed before, where it is to be salvaged: no damage is refused then.
        page: Number of the page whose size and form are told, from 1, where it has that many.
            Default: the one that the file itself puts first.

    Raises:
        ImagingError: The header is damaged, cannot be read, or asks for what is not installed.
    """
    spec = codec(codec_name)
    with translating(Stage.READ):
        if not spec.can_read:
            raise imaging_error(
                FailureKind.UNSUPPORTED, Stage.READ, f"pixmill cannot read {spec.title}"
            )
        check_installed(spec.reader, Stage.READ, f"reading {spec.title}")
        with reading(source) as file:
            file_bytes = size_of(file)
        source = previewed(source, spec)
        with reading(source) as file:
            scan = _scanned(spec, file, size_of(file), can_fail=not damage)
        if scan.unsupported:
            raise imaging_error(FailureKind.UNSUPPORTED, Stage.READ, scan.unsupported)
        source = trimmed(patched(source, scan.patches), spec, scan.oversized)
        is_beyond = scan.is_beyond_loader
        if not damage and (form := form_seen(source, spec, scan)) is not None:
            header = _plain(form, spec, scan, file_bytes)
        elif is_beyond or is_through_pillow(spec, is_animated=bool(scan.is_animated)):
            header = _from_pillow(source, spec, scan, file_bytes)
        else:
            fail_on = "none" if damage else "error"
            header = _from_vips(source, spec, scan, file_bytes, fail_on=fail_on, page=page or 1)
    _check_size(header)
    if header.is_plain:
        return header
    return replace(
        header,
        oversized=scan.oversized,
        patches=scan.patches,
        plays=scan.plays or 0,
        damage=damage,
    )


def _scanned(spec: CodecSpec, file: object, file_bytes: int, *, can_fail: bool) -> Scan:
    if spec.scan is None:
        return Scan()
    try:
        scan = spec.scan(file, file_bytes)  # type: ignore[arg-type]  # a binary file, from reading
    except ValueError as error:
        if not can_fail:
            return Scan()
        raise ImagingError(parsing_failure(error)) from error
    if scan.defect and can_fail:
        raise imaging_error(FailureKind.CORRUPT, Stage.READ, scan.defect)
    return scan


def _from_vips(
    source: Source, spec: CodecSpec, scan: Scan, file_bytes: int, *, fail_on: str, page: int
) -> Header:
    edge_px = min(scan.width_px or 0, scan.height_px or 0)
    is_tiny = edge_px > 0 and spec.loader in _GREEDY
    scale = min(1.0, _TINY_EDGE_PX / edge_px) if is_tiny else 1.0
    scaled = {"scale": scale} if is_tiny else {}
    image = vips_opened(source, spec, {"fail_on": fail_on, **scaled})
    coding = _field(image, "heif-compression", "")
    if coding in _UNDECODABLE:
        raise imaging_error(
            FailureKind.UNSUPPORTED, Stage.READ, f"{coding} inside {spec.title} is not supported"
        )
    pages = int(_field(image, "n-pages", 1))
    if 1 < page <= pages and spec.loader in _UNLIKE:
        image = vips_opened(source, spec, {"fail_on": fail_on, "page": page - 1})
    exif = png_exif(source, spec)
    orientation = exif_orientation(exif) if exif else int(_field(image, "orientation", 1))
    profile = _field(image, "icc-profile-data", b"") or implied_profile(source, spec)
    space = _SPACES.get(image.interpretation, Space.OTHER)
    return Header(
        codec=spec.name,
        width_px=scan.width_px if is_tiny and scan.width_px else image.width,
        height_px=scan.height_px if is_tiny and scan.height_px else image.height,
        bands=image.bands,
        bits=_BITS.get(image.format, 32),
        has_alpha=bool(image.hasalpha()),
        space=space,
        pages=max(1, pages),
        is_animated=_is_animated(scan, spec, pages),
        orientation=1 if is_oriented_by_loader(spec) else orientation,
        file_bytes=file_bytes,
        metadata=_found(image, exif) if scan.metadata is None else scan.metadata,
        is_srgb=_has_srgb_colours(profile, space),
        is_p3=_has_p3_colours(profile, space),
        has_profile=bool(profile),
        profile=icc.description(profile),
        quality=scan.quality,
        tables=scan.tables,
        is_lossless=_is_lossless(scan, spec),
        is_progressive=_told(scan.is_progressive, bool(_field(image, "interlaced", 0))),
        is_subsampled=_told(scan.is_subsampled, _is_subsampled(image)),
        samples_per_px=scan.samples_per_px,
        palette_bits=_palette_bits(image),
        has_gain_map=scan.has_gain_map,
        lines_at_once=scan.lines_at_once,
        gain_map=scan.gain_map,
    )


def _from_pillow(source: Source, spec: CodecSpec, scan: Scan, file_bytes: int) -> Header:
    with (
        complaints_of_pillow(),
        reading(source) as file,
        opened_by_pillow(file, spec) as image,
    ):
        form = form_of(image)
        width_px, height_px = image.size
        pages = _pillow_pages(image, scan)
        exif = exif_bytes(image)
        profile = image.info.get("icc_profile") or b""
        return Header(
            codec=spec.name,
            width_px=width_px,
            height_px=height_px,
            bands=form.bands,
            bits=form.bits,
            has_alpha=form.has_alpha,
            space=form.space,
            pages=pages,
            is_animated=pages > 1,
            orientation=1 if is_oriented_by_loader(spec) else exif_orientation(exif),
            file_bytes=file_bytes,
            metadata=_found_by_pillow(image, exif) if scan.metadata is None else scan.metadata,
            is_srgb=_has_srgb_colours(profile, form.space),
            is_p3=_has_p3_colours(profile, form.space),
            has_profile=bool(profile),
            profile=icc.description(profile),
            is_lossless=_is_lossless(scan, spec),
            is_progressive=bool(scan.is_progressive),
            is_subsampled=bool(scan.is_subsampled),
            has_gain_map=scan.has_gain_map,
            is_beyond_loader=scan.is_beyond_loader,
        )


def _plain(form: Form, spec: CodecSpec, scan: Scan, file_bytes: int) -> Header:
    """Return the header of a file that says nothing but its size and its pixels."""
    return Header(
        codec=spec.name,
        width_px=scan.width_px or 0,
        height_px=scan.height_px or 0,
        bands=form.bands,
        has_alpha=form.has_alpha,
        space=form.space,
        file_bytes=file_bytes,
        quality=scan.quality,
        tables=scan.tables,
        is_lossless=_is_lossless(scan, spec),
        is_progressive=bool(scan.is_progressive),
        is_subsampled=bool(scan.is_subsampled),
        samples_per_px=scan.samples_per_px,
        is_plain=True,
    )


def _pillow_pages(image: Image.Image, scan: Scan) -> int:
    """Return the frames of an animation; icons and layers count as one picture."""
    if not scan.is_animated:
        return 1
    frames = int(getattr(image, "n_frames", 1))
    return max(1, frames - 1 if getattr(image, "default_image", False) else frames)


def _check_size(header: Header) -> None:
    edge_px = max(header.width_px, header.height_px)
    if min(header.width_px, header.height_px) < 1:
        raise imaging_error(FailureKind.CORRUPT, Stage.READ, "the header tells of no pixels")
    if edge_px > _MAX_EDGE_PX:
        raise imaging_error(
            FailureKind.TOO_LARGE,
            Stage.READ,
            f"an edge of {edge_px} px is beyond the {_MAX_EDGE_PX} px that pixmill takes",
        )


def _has_srgb_colours(profile: bytes, space: Space) -> bool:
    if space not in (Space.RGB, Space.GREY):
        return False
    if not profile:
        return True
    wanted = "RGB" if space is Space.RGB else "GRAY"
    # libvips ignores a profile of another space, and so does everything after it
    return icc.colour_space(profile) != wanted or icc.is_srgb(profile)


def _has_p3_colours(profile: bytes, space: Space) -> bool:
    return space is Space.RGB and icc.is_p3(profile)


def _is_animated(scan: Scan, spec: CodecSpec, pages: int) -> bool:
    return pages > 1 and _told(scan.is_animated, spec.supports_animation)


def _is_lossless(scan: Scan, spec: CodecSpec) -> bool:
    return _told(scan.is_lossless, not spec.supports_lossy)


def _is_subsampled(image: pyvips.Image) -> bool:
    return "4:2:" in str(_field(image, "jpeg-chroma-subsample", ""))


def _palette_bits(image: pyvips.Image) -> int:
    is_palette = bool(_field(image, "palette", 0))
    return int(_field(image, "bits-per-sample", 8)) if is_palette else 0


def _found(image: pyvips.Image, exif: bytes) -> frozenset[Metadata]:
    fields = image.get_fields()
    found = {kind for field, kind in _FIELDS.items() if field in fields}
    if exif or any(field.startswith("exif-") for field in fields):
        found.add(Metadata.EXIF)
    if any("comment" in field for field in fields):
        found.add(Metadata.COMMENT)
    return frozenset(found)


def _found_by_pillow(image: Image.Image, exif: bytes) -> frozenset[Metadata]:
    kinds = {
        Metadata.EXIF: bool(exif),
        Metadata.ICC: bool(image.info.get("icc_profile")),
        Metadata.XMP: bool(image.info.get("xmp")),
        Metadata.COMMENT: bool(image.info.get("comment")),
    }
    return frozenset(kind for kind, is_found in kinds.items() if is_found)


def _told(told: bool | None, otherwise: bool) -> bool:  # noqa: FBT001 - both are answers, not flags
    return otherwise if told is None else told


def _field(image: pyvips.Image, name: str, otherwise: _Value) -> _Value:
    """Return a header field, or the value that stands for its absence."""
    return image.get(name) if image.get_typeof(name) else otherwise
