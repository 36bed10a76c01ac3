"""HEIC and other HEIF stills coded as HEVC: read by pi-heif, never written."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import isobmff
from pixmill.codecs.costs import whole
from pixmill.codecs.spec import CodecSpec, Library, Scan
from pixmill.header import Metadata

if TYPE_CHECKING:
    from pixmill.header import Header

__all__ = ["SPEC"]

_HEVC_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
)
_STRUCTURAL_BRANDS: Final = frozenset({b"mif1", b"mif2", b"msf1"})
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})


def _recognises(head: bytes) -> bool:
    """Take HEVC brands, and the structural ones that name no codec unless AVIF stands beside."""
    if head[4:8] != b"ftyp":
        return False
    brands = isobmff.brands(head)
    if not _AVIF_BRANDS.isdisjoint(brands):
        return False
    return brands[0] in _STRUCTURAL_BRANDS or not _HEVC_BRANDS.isdisjoint(brands)


def _scan(file: BinaryIO, size_bytes: int) -> Scan:
    return Scan(
        is_lossless=False,
        is_progressive=False,
        has_gain_map=isobmff.has_gain_map(file, size_bytes),
        defect=isobmff.cut_off(file, size_bytes),
    )


def _decode_cost(header: Header, _shrink: int) -> int:
    # Taken to be AVIF's 19 B/px, and Pillow's copy of the pixels on top; not measured.
    return whole(header, bytes_per_px=19 + 4)


SPEC: Final = CodecSpec(
    name="heic",
    title="HEIC",
    suffixes=(".heic", ".heif", ".hif", ".heics", ".heifs"),
    reader=Library.PI_HEIF,
    recognises=_recognises,
    pillow_format="HEIF",
    fallback="jpg",
    supports_lossy=True,
    supports_metadata=frozenset({Metadata.EXIF, Metadata.XMP, Metadata.ICC}),
    scan=_scan,
    decode_cost=_decode_cost,
)
