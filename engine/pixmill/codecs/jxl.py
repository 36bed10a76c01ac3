"""JPEG XL: stills, read by pylibjxl and written by imagecodecs, which the extra `jxl` brings.

Two libraries, since each does one half badly. imagecodecs reads no profile. pylibjxl 0.5 writes
lossy files without XYB: a photo of 3 MP at a distance of 1.0 took 1,741 kB instead of 466, at 36.4
dB instead of 37.3. Written by request alone: not every browser shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import isobmff
from pixmill.codecs.costs import FIXED_BYTES
from pixmill.codecs.fields import read_up_to
from pixmill.codecs.icc_profiles import stand_in_profile
from pixmill.codecs.jxl_head import SIGNATURE, JxlHead, jxl_head
from pixmill.codecs.spec import CodecSpec, Encoding, Library, SaveValue, Scan
from pixmill.header import Header, Metadata
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC", "JxlFile", "boxed", "jxl_file", "said_profile"]

_CONTAINER: Final = b"\0\0\0\x0cJXL \r\n\x87\n"
_FILE_TYPE: Final = b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
_WHOLE, _PART, _PACKED, _JPEG = b"jxlc", b"jxlp", b"brob", b"jbrd"
_PART_NUMBER_BYTES = 4
_KINDS: Final = {b"Exif": Metadata.EXIF, b"xml ": Metadata.XMP}
_HEAD_BYTES: Final = 4096
_MAX_BITS: Final = 16
_IMPORT_BYTES: Final = 24 << 20
"""numpy and both libraries: 20 MB resident were measured, 44 MB of data set aside."""

_LOSSY_EFFORT: Final = {Effort.FAST: 3, Effort.BALANCED: 5, Effort.BEST: 7}
# CPU and bytes of a photo of 3 MP at a distance of 1.0: 1: 40 ms/MP 477 kB; 3: 39, 454; 5: 165,
# 462; 7: 474, 466, each nearer to the original than the one before.
_LOSSLESS_EFFORT: Final = {Effort.FAST: 1, Effort.BALANCED: 3, Effort.BEST: 4}
# Without loss: 1: 5 ms/MP 3,599 kB; 3: 133, 3,036; 4: 364, 3,010; 5: 881, 3,000; 7: 2,519, 2,887.


@dataclass(frozen=True, slots=True)
class JxlFile:
    """What a file says of itself before its pixels.

    Attributes:
        head: Of the codestream.
        metadata: Kinds of metadata in boxes around it.
        is_from_jpeg: Whether it is a JPEG coded anew without further loss.
    """

    head: JxlHead
    metadata: frozenset[Metadata] = frozenset()
    is_from_jpeg: bool = False


def jxl_file(file: BinaryIO, size_bytes: int) -> JxlFile:
    """Read a file's boxes and the head of its codestream.

    Raises:
        ValueError: There is no codestream, or it ends too early.
    """
    if read_up_to(file, 0, len(SIGNATURE)) == SIGNATURE:
        return JxlFile(jxl_head(read_up_to(file, 0, _HEAD_BYTES)))
    head, kinds, is_from_jpeg = None, set(), False
    for box in isobmff.boxes(file, 0, size_bytes):
        if box.kind in (_WHOLE, _PART) and head is None:
            skipped = _PART_NUMBER_BYTES if box.kind == _PART else 0
            head = jxl_head(read_up_to(file, box.start + skipped, _HEAD_BYTES))
        kind = read_up_to(file, box.start, 4) if box.kind == _PACKED else box.kind
        kinds.add(_KINDS.get(kind, Metadata.OTHER))
        is_from_jpeg |= kind == _JPEG
    if head is None:
        raise ValueError("expected a codestream among the boxes of a jpeg xl, found none")
    return JxlFile(head, frozenset(kinds) - {Metadata.OTHER}, is_from_jpeg)


def said_profile(head: JxlHead) -> bytes:
    """Return a profile for the colours that a head tells in numbers; empty for sRGB.

    An embedded one is coded in a way that decoding alone undoes. Until then another stands in for
    it, so that it is known that there is one.
    """
    if head.has_profile:
        return stand_in_profile(is_grey=head.is_grey)
    return head.colours.profile(is_grey=head.is_grey) if head.colours else b""


def boxed(codestream: bytes, *, exif: bytes, xmp: bytes) -> bytes:
    """Return a codestream with metadata in boxes around it, itself where there is none.

    Args:
        codestream: Bare.
        exif: Without the prefix that it has in JPEG.
        xmp: A packet.
    """
    if not exif and not xmp:
        return codestream
    boxes = [_CONTAINER, _FILE_TYPE]
    if exif:
        boxes.append(_box(b"Exif", bytes(4) + exif))
    if xmp:
        boxes.append(_box(b"xml ", xmp))
    return b"".join((*boxes, _box(_WHOLE, codestream)))


def _box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def _recognises(head: bytes) -> bool:
    return head.startswith((SIGNATURE, _CONTAINER))


def _scan(file: BinaryIO, size_bytes: int) -> Scan:
    found = jxl_file(file, size_bytes)
    is_bare = read_up_to(file, 0, len(SIGNATURE)) == SIGNATURE
    profile = {Metadata.ICC} if found.head.has_profile else set()
    return Scan(
        width_px=found.head.width_px,
        height_px=found.head.height_px,
        is_lossless=not found.head.is_lossy and not found.is_from_jpeg,
        is_progressive=False,
        metadata=found.metadata | profile,
        unsupported=_refusal(found.head),
        defect="" if is_bare else isobmff.cut_off(file, size_bytes),
    )


def _refusal(head: JxlHead) -> str:
    """Say what the library reads and gets wrong, by comparison with djxl; empty for the rest."""
    is_hdr = head.colours is not None and head.colours.is_hdr
    refused = {
        "animated JPEG XL": head.is_animated,  # its first frame alone could be read
        "JPEG XL of more than 16 bits": head.is_float or head.bits > _MAX_BITS,
        "JPEG XL with channels beside colours and alpha": head.has_other_channels,
        # libjxl without a colour engine then gives linear light, which 8 bits do not hold
        "lossy JPEG XL with a profile of its own": head.is_lossy and head.has_profile,
        "JPEG XL in PQ or HLG, whose light is beyond 8 bits,": is_hdr,
        "JPEG XL in custom colours": not head.has_profile and not _is_known(head),
    }
    return next((f"{what} is not supported" for what, is_so in refused.items() if is_so), "")


def _is_known(head: JxlHead) -> bool:
    return head.colours is not None and head.colours.is_known(is_grey=head.is_grey)


def _decode_cost(header: Header, _shrink: int) -> int:
    # Measured 13.8 B/px for a progressive photo of 11 MP, 7.4 for another, 2 to 8 for noise; the
    # file is held beside it, and libvips' pixels are the library's.
    return FIXED_BYTES + _IMPORT_BYTES + 24 * header.pixels + header.file_bytes


def _encode_cost(_encoding: Encoding, pixels: int, bands: int) -> int:
    # Measured for RGB 57 B/px with loss and without, whatever the effort.
    return FIXED_BYTES + _IMPORT_BYTES + pixels * (16 + 16 * bands)


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    if encoding.quality is None:
        return {"lossless": True, "effort": _LOSSLESS_EFFORT[encoding.effort]}
    return {
        "distance": _distance(encoding.quality),
        "effort": _LOSSY_EFFORT[encoding.effort],
    }


def _distance(quality: int) -> float:
    """Return the distance that a quality stands for, as JxlEncoderDistanceFromQuality has it.

    100 would be without loss there, which is another choice here.
    """
    if quality >= 30:  # noqa: PLR2004 - where libjxl bends
        return max(0.05, 0.1 + (100 - quality) * 0.09)
    return 53 / 3000 * quality**2 - 23 / 20 * quality + 25


SPEC: Final = CodecSpec(
    name="jxl",
    title="JPEG XL",
    suffixes=(".jxl",),
    media_type="image/jxl",
    reader=Library.PYLIBJXL,
    writer=Library.IMAGECODECS,
    recognises=_recognises,
    fallback="webp",
    is_on_request=True,
    supports_lossy=True,
    supports_lossless=True,
    supports_metadata=frozenset({Metadata.EXIF, Metadata.XMP}),
    max_edge_px=65_535,
    default_quality=80,
    # bench/size_curves.py: 8 photos of the tuning half, balanced.
    size_curve=(
        -1.614,
        -1.143,
        -0.834,
        -0.731,
        -0.581,
        -0.402,
        -0.150,
        0.000,
        0.180,
        0.384,
        0.549,
        0.595,
        0.750,
        0.882,
        1.078,
        1.341,
        1.627,
    ),
    size_jitter=0.03,
    scan=_scan,
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
)
