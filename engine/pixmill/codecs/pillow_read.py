"""The shape shared by formats that pixmill reads with Pillow; a record adds how it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.codecs.costs import pillow_cost
from pixmill.codecs.spec import CodecSpec, Library, Scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from pixmill.header import Header

__all__ = ["pillow_codec"]


def pillow_codec(  # noqa: PLR0913 - a record's fields, all by keyword
    *,
    name: str,
    title: str,
    suffixes: tuple[str, ...],
    pillow_format: str,
    recognises: Callable[[bytes], bool],
    is_lossless: bool | None = True,
    scan: Callable[[BinaryIO, int], Scan] | None = None,
    fallback: str = "png",
    supports_alpha: bool = True,
    decode_cost: Callable[[Header, int], int] = pillow_cost,
) -> CodecSpec:
    """Return the record of a format that Pillow decodes.

    Args:
        name: As the user types it.
        title: As a person reads it.
        suffixes: File name suffixes, the first canonical.
        pillow_format: Name that Pillow gives the format.
        recognises: Whether the first bytes of a file are this format.
        is_lossless: Whether its coding loses nothing; `None` where only decoding could tell.
        scan: Its own parser, where it has one.
        fallback: Codec that `keep` writes instead.
        supports_alpha: Whether it stores alpha.
        decode_cost: As in the record.
    """

    def told(_file: BinaryIO, _size_bytes: int) -> Scan:
        return Scan(is_lossless=is_lossless)

    return CodecSpec(
        name=name,
        title=title,
        suffixes=suffixes,
        reader=Library.PILLOW,
        recognises=recognises,
        pillow_format=pillow_format,
        fallback=fallback,
        supports_alpha=supports_alpha,
        supports_lossy=not is_lossless,
        supports_lossless=is_lossless is not False,
        scan=scan or told,
        decode_cost=decode_cost,
    )
