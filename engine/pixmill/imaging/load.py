"""Open a source as a libvips pipeline, the way its plan says.

Must not resize beyond what a decoder does by itself, nor convert colours: `steps` does.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.codecs.icc_profiles import CLIPPED_NAME
from pixmill.codecs.png_chunks import chunks
from pixmill.codecs.spec import Library
from pixmill.imaging import icc
from pixmill.imaging.complaints import complaints_of_pillow
from pixmill.imaging.errors import translating
from pixmill.imaging.exif import exif_bytes, with_exif, with_orientation
from pixmill.imaging.notes import noted
from pixmill.imaging.patch import patched
from pixmill.imaging.pillow import lenient, loaded, opened_by_pillow
from pixmill.imaging.preview import previewed
from pixmill.imaging.sources import Source, reading, vips_source
from pixmill.imaging.trim import trimmed
from pixmill.model import Stage
from pixmill.plan import Load
from pixmill.registry import codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixmill.codecs.spec import CodecSpec
    from pixmill.header import Header
    from pixmill.plan import Plan

__all__ = [
    "implied_profile",
    "is_oriented_by_loader",
    "is_through_pillow",
    "opened",
    "opened_whole",
    "pinned",
    "png_exif",
    "reopened",
    "vips_opened",
]

_ROLLING: Final = frozenset({"gifload", "webpload"})
"""Loaders that compose the frames of an animation; the others see its first frame at most."""

_PAGED: Final = frozenset({"gifload", "webpload", "tiffload"})
_PICKING: Final = _PAGED | {"heifload"}
"""Loaders that open any one page; a frame is composed of those before it."""

_OF_ANIMATIONS: Final = ("n-pages", "page-height", "delay", "gif-delay", "loop", "gif-loop")
_TURNING: Final = frozenset({"heifload"})
_TURNING_LIBRARIES: Final = frozenset({Library.PI_HEIF, Library.PYLIBJXL})
_BLIND_TO_EXIF: Final = frozenset({"pngload"})
_PROFILE: Final = "icc-profile-data"
_MAX_EXIF_BYTES: Final = 1 << 20
_CHUNK_HEAD_BYTES: Final = 8


def opened(source: Source, plan: Plan) -> pyvips.Image:
    """Return the source as an image that decodes when it is asked for pixels.

    Args:
        source: A path, or the file's bytes.
        plan: Says at which scale, and how many pages.

    Returns:
        Pages stacked, with `page-height`, where the plan loads several. Read it once, from top to
        bottom: it may be sequential.

    Raises:
        ImagingError: The source cannot be decoded.
    """
    spec = codec(plan.header.codec)
    with translating(Stage.DECODE):
        is_salvaged = bool(plan.header.damage)
        header = plan.header
        source = patched(previewed(source, spec), header.patches)
        source = trimmed(source, spec, header.oversized)
        if header.is_beyond_loader or is_through_pillow(spec, is_animated=header.is_animated):
            with lenient() if is_salvaged else contextlib.nullcontext():
                return _replayed(_through_pillow(source, spec, plan.load), header.plays)
        options: dict[str, int | float | str] = {"fail_on": "none"} if is_salvaged else {}
        if plan.load.shrink > 1 and spec.has_shrink_on_load:
            options["shrink"] = plan.load.shrink
        if plan.load.scale != 1.0 and spec.has_scale_on_load:
            options["scale"] = plan.load.scale
        if plan.load.pages > 1 and spec.loader in _PAGED:
            options["n"] = -1
        if plan.load.page is not None and spec.loader in _PICKING:
            options["page"] = plan.load.page
            return _stilled(_completed(vips_opened(source, spec, options), source, spec))
        return _completed(vips_opened(source, spec, options), source, spec)


def pinned(image: pyvips.Image) -> pyvips.Image:
    """Compute an image into memory, so that it can be read often and in any order.

    Raises:
        ImagingError: Its source cannot be decoded, or does not fit.
    """
    with translating(Stage.PROCESS):
        return image.copy_memory()


def opened_whole(source: Source, header: Header) -> pyvips.Image:
    """Return a file's every page stacked, as its next reader sees it: to look at a result.

    Args:
        source: A path, or the file's bytes.
        header: What was read of it.
    """
    spec = codec(header.codec)
    if is_through_pillow(spec, is_animated=header.is_animated):
        return _through_pillow(source, spec, Load(pages=header.pages))
    every_page = {"n": -1} if header.pages > 1 and spec.loader in _PAGED else {}
    return vips_opened(source, spec, every_page)


def reopened(encoded: bytes, codec_name: str) -> pyvips.Image:
    """Return what was encoded as pixels in memory, all pages stacked: to judge an encoding.

    Raises:
        ImagingError: It cannot be decoded.
    """
    spec = codec(codec_name)
    every_page = {"n": -1} if spec.loader in _PAGED else {}
    with translating(Stage.DECODE):
        if spec.reader is not Library.VIPS:
            return _through_pillow(encoded, spec, Load())
        return vips_opened(encoded, spec, every_page).copy_memory()


def vips_opened(
    source: Source, spec: CodecSpec, options: Mapping[str, int | float | str]
) -> pyvips.Image:
    """Open with the codec's own libvips loader; decoding stops at errors, not at warnings.

    `fail_on="warning"` would refuse the harmless oddities of Samsung cameras (libvips#2309).
    """
    stream = vips_source(source, spec.loader)
    how = {"access": "sequential", "fail_on": "error", **options}
    image = with_orientation(pyvips.Operation.call(f"{spec.loader}_source", stream, **how))
    # what a source reads from lives as long as the source, which only an image can keep alive
    image._references.append(stream)  # noqa: SLF001 - as pyvips.Image.new_from_source does
    return image


def is_through_pillow(spec: CodecSpec, *, is_animated: bool) -> bool:
    """Return whether Pillow or alike decodes it: libvips cannot, or not as an animation."""
    if spec.reader is not Library.VIPS:
        return True
    return is_animated and spec.loader not in _ROLLING and bool(spec.pillow_format)


def is_oriented_by_loader(spec: CodecSpec) -> bool:
    """Return whether decoding turns the pixels upright, which makes an EXIF orientation void."""
    return spec.loader in _TURNING or spec.reader in _TURNING_LIBRARIES


def png_exif(source: Source, spec: CodecSpec) -> bytes:
    """Return the EXIF block of a file whose libvips loader does not look for one.

    ImageMagick writes its chunk after the pixels, where Pillow too finds it only by decoding; the
    older spelling, a compressed text, is left to Pillow.
    """
    if spec.loader not in _BLIND_TO_EXIF:
        return b""
    with contextlib.suppress(Exception), reading(source) as file:  # none, if it cannot be walked
        for chunk in chunks(file):
            if chunk.kind == b"eXIf" and chunk.size_bytes <= _MAX_EXIF_BYTES:
                file.seek(chunk.offset + _CHUNK_HEAD_BYTES)
                return b"Exif\0\0" + file.read(chunk.size_bytes)
        file.seek(0)
        with complaints_of_pillow(), opened_by_pillow(file, spec) as image:
            return exif_bytes(image)
    return b""


def implied_profile(source: Source, spec: CodecSpec) -> bytes:
    """Return a profile for what a file says of its colours where its loader does not look."""
    if spec.implied_profile is not None:
        with contextlib.suppress(ValueError, OSError), reading(source) as file:
            return spec.implied_profile(file)  # none, if it says nothing sensible
    return b""


def _stilled(image: pyvips.Image) -> pyvips.Image:
    """Drop what tells of the pages that were left behind: one frame has no delay and no loop."""
    still = image.copy()
    for field in _OF_ANIMATIONS:
        still.remove(field)
    return still


def _through_pillow(source: Source, spec: CodecSpec, load: Load) -> pyvips.Image:
    with (
        complaints_of_pillow() as complaints,
        reading(source) as file,
        opened_by_pillow(file, spec) as image,
    ):
        pixels = _upright(loaded(image, load.pages, page=load.page), spec)
    for note in complaints.notes:
        pixels = noted(pixels, note)
    return _told_of_hdr(pixels)


def _replayed(image: pyvips.Image, plays: int) -> pyvips.Image:
    """Say how often frames are played, where a codec's parser alone has found it."""
    if not plays or not image.get_typeof("loop"):
        return image
    replayed = image.copy()
    replayed.set_type(pyvips.GValue.gint_type, "loop", plays)
    return replayed


def _completed(image: pyvips.Image, source: Source, spec: CodecSpec) -> pyvips.Image:
    """Drop what the loader has made void, and add what it has not looked for."""
    exif = png_exif(source, spec)
    known = with_exif(image, exif) if exif else image
    if profile := b"" if known.get_typeof(_PROFILE) else implied_profile(source, spec):
        known = known.copy()
        known.set_type(pyvips.GValue.blob_type, _PROFILE, profile)
    return _upright(_told_of_hdr(known), spec)


def _told_of_hdr(image: pyvips.Image) -> pyvips.Image:
    profile = bytes(image.get(_PROFILE)) if image.get_typeof(_PROFILE) else b""
    is_clipped = profile and icc.description(profile) == CLIPPED_NAME
    return (
        noted(image, "it is HDR: what is brighter than white is clipped") if is_clipped else image
    )


def _upright(image: pyvips.Image, spec: CodecSpec) -> pyvips.Image:
    if not is_oriented_by_loader(spec):
        return image
    upright = image.copy()
    for field in ("orientation", "exif-ifd0-Orientation"):
        upright.remove(field)
    return upright
