"""Encode finished pixels, into memory or straight into a file.

Must not choose an encoding nor a policy: the encoding comes from a strategy, and the image carries
just the metadata that `metadata.with_metadata` left on it.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.codecs.spec import OPENING_BYTES, Library
from pixmill.header import Metadata
from pixmill.imaging.errors import imaging_error, translating
from pixmill.imaging.frames import frames, plays
from pixmill.imaging.heif import encoded_heif
from pixmill.imaging.huffman import recoder
from pixmill.imaging.jxl import encoded_jxl
from pixmill.imaging.metadata import keep_flags, kinds_left
from pixmill.imaging.pages import page_count
from pixmill.imaging.pillow_write import encoded_by_handing, rolled_by_pillow, save_by_pillow
from pixmill.imaging.planes import encoded_by_planes
from pixmill.imaging.support import check_installed
from pixmill.model import FailureKind, Stage
from pixmill.registry import codec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.codecs.spec import CodecSpec, Encoding, SaveValue

__all__ = ["encode_to_file", "encoded"]

_BUFFER: Final = "_buffer"
_WHOLE: Final = {Library.PILLOW_HEIF: encoded_heif, Library.IMAGECODECS: encoded_jxl}
"""Libraries that encode an image as a whole, with the metadata that it carries."""

_RGB: Final = ("srgb", "rgb")

_NOTHING: Final = 0
"""`ForeignKeep` flags for no metadata."""


def encoded(image: pyvips.Image, encoding: Encoding) -> bytes:
    """Return the image encoded.

    Args:
        image: From `with_metadata`; pinned, since planes are read one by one.
        encoding: How.

    Raises:
        ImagingError: The source breaks off while it is decoded, or the format cannot hold it.
    """
    with translating(Stage.ENCODE):
        spec = _writable(encoding)
        if _is_rolled(image, spec):
            return rolled_by_pillow(image, spec, spec.options(encoding))
        if encoded_whole := _WHOLE.get(spec.writer):
            return encoded_whole(image, spec.options(encoding))
        if spec.writer is Library.PILLOW:
            held = io.BytesIO()
            save_by_pillow(image, spec, spec.options(encoding), held)
            return held.getvalue()
        if _is_joined(image, spec):
            return b"".join(_joined(image, spec, encoding))
        made = encoded_by_planes(image, spec, encoding) or _handed(image, spec, encoding)
        if made:
            return made
        data = _saved(image, spec, _options(spec, image, encoding))
        opening = _amended_opening(data[:OPENING_BYTES], image, spec)
        return data if data.startswith(opening) else opening + data[len(opening) :]


def encode_to_file(image: pyvips.Image, encoding: Encoding, descriptor: int) -> None:
    """Encode the image into an open file, for results too large to hold beside the pixels.

    Args:
        image: From `with_metadata`.
        encoding: How.
        descriptor: File open for reading and writing, at its start; it stays open, and holds part
            of the result after a failure.

    Raises:
        ImagingError: As `encoded`, or the file cannot be written.
    """
    with translating(Stage.ENCODE):
        spec = _writable(encoding)
        if _is_rolled(image, spec):
            held = image.copy_memory()
            _write(descriptor, rolled_by_pillow(held, spec, spec.options(encoding)))
            return
        if encoded_whole := _WHOLE.get(spec.writer):
            _write(descriptor, encoded_whole(image, spec.options(encoding)))
            return
        if spec.writer is Library.PILLOW:
            with open(descriptor, "wb", closefd=False) as file:
                save_by_pillow(image, spec, spec.options(encoding), file)
            return
        if _is_joined(image, spec):
            for piece in _joined(image.copy_memory(), spec, encoding):
                _write(descriptor, piece)
            return
        target = pyvips.Target.new_to_descriptor(descriptor)
        saver = spec.saver.removesuffix(_BUFFER) + "_target"
        pyvips.Operation.call(saver, image, target, **_options(spec, image, encoding))
        written = os.pread(descriptor, OPENING_BYTES, 0)
        os.pwrite(descriptor, _amended_opening(written, image, spec), 0)


def _writable(encoding: Encoding) -> CodecSpec:
    spec = codec(encoding.codec)
    if not spec.can_write:
        raise imaging_error(
            FailureKind.UNSUPPORTED, Stage.ENCODE, f"pixmill cannot write {spec.title}"
        )
    check_installed(spec.writer, Stage.ENCODE, f"writing {spec.title}")
    return spec


def _saved(image: pyvips.Image, spec: CodecSpec, options: dict[str, SaveValue]) -> bytes:
    recode, pixels = recoder(), image.width * image.height
    if recode and spec.draft and (draft := spec.draft(options, pixels)):
        made = draft.finished(
            bytes(pyvips.Operation.call(spec.saver, image, **draft.options)), recode
        )  # under no name of its own, or it would be held while the image is encoded once more
        if made is not None:
            return made
    return bytes(pyvips.Operation.call(spec.saver, image, **options))


def _amended_opening(opening: bytes, image: pyvips.Image, spec: CodecSpec) -> bytes:
    """Return the first bytes of a result with what its saver has left out."""
    if spec.amended is None or page_count(image) == 1 or not image.hasalpha():
        return opening
    return spec.amended(opening)


def _is_rolled(image: pyvips.Image, spec: CodecSpec) -> bool:
    """Return whether there are frames, and a library of their own for them."""
    return spec.animator is Library.PILLOW and page_count(image) > 1


def _is_joined(image: pyvips.Image, spec: CodecSpec) -> bool:
    """Return whether there are frames, and a saver that takes one of them at a time."""
    return spec.joined is not None and page_count(image) > 1


def _handed(image: pyvips.Image, spec: CodecSpec, encoding: Encoding) -> bytes | None:
    """Return a still encoded by Pillow, where its library is the faster one."""
    is_plain = image.format == "uchar" and image.interpretation in _RGB
    has_frames = page_count(image) > 1
    if spec.handed is None or not is_plain or has_frames or kinds_left(image) - {Metadata.ICC}:
        return None
    handing = spec.handed(encoding, image.width * image.height)
    return encoded_by_handing(image, spec, handing) if handing else None


def _joined(image: pyvips.Image, spec: CodecSpec, encoding: Encoding) -> Iterator[bytes]:
    options = _options(spec, image, encoding)

    def still(part: pyvips.Image, is_first: bool) -> bytes:  # noqa: FBT001 - as `frames` calls it
        kept = options if is_first else {**options, "keep": _NOTHING}
        return bytes(pyvips.Operation.call(spec.saver, part, **kept))

    if spec.joined is not None:
        yield from spec.joined(frames(image, still), page_count(image), plays(image))


def _write(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _options(spec: CodecSpec, image: pyvips.Image, encoding: Encoding) -> dict[str, SaveValue]:
    return {**spec.options(encoding), "keep": keep_flags(image)}
