"""Single images in the caller's process, without containment: made, inspected, compared.

Loads pyvips when it is first asked for something; what crashes a codec crashes the caller.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from pixmill.errors import ImageError, OptionError
from pixmill.machine import available_memory_bytes
from pixmill.model import Failed, FailureKind, Stage
from pixmill.recipe import Recipe
from pixmill.registry import check_codec_options, codec, recognised
from pixmill.storage.local import HEAD_BYTES, Destination, read_head, write_all

if TYPE_CHECKING:
    from pixmill.header import Header
    from pixmill.product import Product
    from pixmill.storage.local import Head

__all__ = ["compare", "decode_cost", "inspect", "optimize_bytes", "optimize_file"]


def optimize_bytes(content: bytes, recipe: Recipe | None = None) -> bytes:
    """Make one image in this process, without containment.

    Args:
        content: An encoded image.
        recipe: What is wanted. Default: compress, metadata reduced.

    Returns:
        The encoded result; the content itself where nothing smaller was found.

    Raises:
        ImageError: It cannot be made.
    """
    product = _milled(content, recipe or Recipe())
    return content if product.content is None else _read_out(product)


def optimize_file(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    recipe: Recipe | None = None,
) -> int:
    """Make one image file in this process, without containment, and publish it atomically.

    Args:
        source: The image.
        destination: The file to write; one that stands there is replaced.
        recipe: What is wanted; its target format decides, not the destination's suffix.

    Returns:
        Bytes written.

    Raises:
        ImageError: It cannot be made.
        OptionError: Source and destination are one file.
        OSError: The source cannot be read or the destination not written.
    """
    target = os.path.abspath(destination)
    if os.path.realpath(source) == os.path.realpath(target):
        raise OptionError("source and destination are one file: choose another destination")
    with open(source, "rb") as stream:
        content = stream.read()
        mtime_ns = os.fstat(stream.fileno()).st_mtime_ns
    result = optimize_bytes(content, recipe)
    folder, name = os.path.split(target)
    return Destination(folder).publish(
        name,
        lambda descriptor: write_all(descriptor, result),
        mtime_ns=mtime_ns,
        can_replace=True,
    )


def inspect(path: str | os.PathLike[str]) -> Header:
    """Return what a file's header says, in this process, without containment.

    Raises:
        ImageError: It is no image that pixmill knows, or its header is broken.
        OSError: It cannot be opened.
    """
    from pixmill.imaging.errors import ImagingError  # noqa: PLC0415 - loads pyvips
    from pixmill.imaging.probe import probe  # noqa: PLC0415 - loads pyvips

    head = read_head(os.fspath(path), can_follow=True)
    name = _codec_of(head)
    try:
        return probe(os.fspath(path), name)
    except ImagingError as error:
        raise ImageError(error.failure) from error


def compare(reference: str | os.PathLike[str], candidate: str | os.PathLike[str]) -> float:
    """Return how like its reference an image looks, in this process, without containment.

    The first page or frame of each is decoded, turned upright and converted to eight-bit sRGB;
    transparency is put on black and on white, and the worse score counts.

    Args:
        reference: The image as it should look.
        candidate: Another of the same size.

    Returns:
        The SSIMULACRA2 score: 100 for equal images, 90 visually lossless, 80 very high, 70 high,
        50 medium quality; it can fall below 0.

    Raises:
        ImageError: One of them cannot be decoded, or their sizes differ.
        OSError: One of them cannot be opened.
        RunError: There is neither a compiled kernel nor numpy.
    """
    from pixmill.imaging.errors import ImagingError  # noqa: PLC0415 - loads pyvips
    from pixmill.imaging.score import Side, scored  # noqa: PLC0415 - loads pyvips

    sides = []
    for named in (reference, candidate):
        path = os.fspath(named)
        try:
            name = _codec_of(read_head(path, can_follow=True))
        except ImageError as error:
            message = f"{path}: {error.failure.message}"
            raise ImageError(replace(error.failure, message=message)) from error
        sides.append(Side(path, name, path))
    try:
        return scored(*sides)
    except ImagingError as error:
        raise ImageError(error.failure) from error


def decode_cost(header: Header) -> int:
    """Return the bytes of memory that decoding an image at full size holds."""
    spec = codec(header.codec)
    return spec.decode_cost(header, 1) if spec.decode_cost else 0


def _codec_of(head: Head) -> str:
    if not head.is_regular:
        message = "expected a file, got a folder, a pipe or a device"
        raise ImageError(Failed(FailureKind.UNSUPPORTED, Stage.READ, message))
    return _recognised(head.content)


def _recognised(content: bytes) -> str:
    name = recognised(content)
    if not name:
        message = "its content is no image that pixmill knows" if content else "it is empty"
        raise ImageError(Failed(FailureKind.UNSUPPORTED, Stage.READ, message))
    return name


def _milled(content: bytes, recipe: Recipe) -> Product:
    from pixmill.milling import mill  # noqa: PLC0415 - loads pyvips
    from pixmill.planning import Limits  # noqa: PLC0415 - beside the mill it is for

    check_codec_options(recipe.codec_options)
    if recipe.is_series:
        message = "several outputs go to a folder, by optimize: leave it out"
        raise OptionError(message, option="widths" if recipe.widths else "formats")
    name = _recognised(content[:HEAD_BYTES])
    limits = Limits(available_memory_bytes(), is_enforced=False)
    product = mill(content, name, recipe, limits, lease=lambda _cost_bytes: None)
    if isinstance(product, Failed):
        raise ImageError(product)
    return product


def _read_out(product: Product) -> bytes:
    if isinstance(product.content, bytes) or product.content is None:
        return product.content or b""
    with product.content as spool:
        spool.seek(0)
        return spool.read()
