"""HEIC and other HEIF stills coded as HEVC: read by pi-heif, written by the extra `heic`.

pillow-heif, which writes, bundles x265 under the GPL: only an extra brings it. Written by request
alone, since one browser shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import isobmff
from pixmill.codecs.costs import FIXED_BYTES, whole
from pixmill.codecs.spec import CodecSpec, Encoding, Library, SaveValue, Scan
from pixmill.header import Metadata
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixmill.header import Header

__all__ = ["SPEC"]

_HEVC_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
)
_STRUCTURAL_BRANDS: Final = frozenset({b"mif1", b"mif2", b"msf1"})
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_BT601 = 6
_FULL_CHROMA_QUALITY = 90
_PRESETS: Final = {Effort.FAST: "ultrafast", Effort.BALANCED: "medium", Effort.BEST: "slow"}
# CPU and bytes of a photo of 3 MP at Q60: ultrafast 159 ms/MP 524 kB; veryfast 588, 509; medium
# 623, 508; slow 1217, 481.


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


def _encode_cost(_encoding: Encoding, pixels: int, bands: int) -> int:
    # Measured beside the pixels: 20 B/px for RGB with loss, 40 with alpha, 62 without loss for
    # noise, whose file counts in; x265 sets 4 MB aside by itself.
    return 2 * FIXED_BYTES + pixels * (12 + 18 * bands)


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    """Return what `imaging.heif` hands on: quality -1 and no matrix are exact in 4:4:4."""
    preset = _PRESETS[encoding.effort]
    if encoding.quality is None:
        return {"quality": -1, "preset": preset, "chroma": "444", "matrix_coefficients": 0}
    is_halved = not encoding.is_full_chroma and (
        encoding.is_subsampled or encoding.quality < _FULL_CHROMA_QUALITY
    )
    return {
        "quality": encoding.quality,
        "preset": preset,
        "chroma": "420" if is_halved else "444",
        "matrix_coefficients": _BT601,
    }


SPEC: Final = CodecSpec(
    name="heic",
    title="HEIC",
    suffixes=(".heic", ".heif", ".hif", ".heics", ".heifs"),
    media_type="image/heic",
    reader=Library.PI_HEIF,
    recognises=_recognises,
    pillow_format="HEIF",
    fallback="jpg",
    writer=Library.PILLOW_HEIF,
    is_on_request=True,
    supports_lossy=True,
    supports_lossless=True,
    max_edge_px=16_384,  # of what its own reader opens without being told otherwise
    default_quality=60,
    # bench/size_curves.py: 6 photos of the tuning half, balanced.
    size_curve=(
        -3.211,
        -2.578,
        -1.939,
        -1.318,
        -0.836,
        -0.477,
        -0.181,
        0.000,
        0.131,
        0.331,
        0.450,
        0.466,
        0.568,
        0.572,
        0.572,
        0.572,
        0.572,
    ),
    size_jitter=0.03,
    supports_metadata=frozenset({Metadata.EXIF, Metadata.XMP, Metadata.ICC}),
    scan=_scan,
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
)
