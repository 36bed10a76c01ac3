"""Camera raw: the largest JPEG that it embeds is read in its place; nothing here develops it.

Many raws are TIFFs. Those whose first directory carries a mark that no scanner or editor leaves
are claimed here; any doubt leaves a file to `tiff`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from pixmill.codecs.jpg import SPEC as JPG
from pixmill.codecs.raw_preview import MAX_PREVIEW_BYTES, largest_preview
from pixmill.codecs.spec import CodecSpec, Library
from pixmill.codecs.tiff_tags import SIGNATURES, directories

if TYPE_CHECKING:
    from pixmill.header import Header

__all__ = ["SPEC"]

_OPENINGS: Final = (
    b"FUJIFILMCCD-RAW",  # RAF
    b"II\x1a\0\0\0HEAPCCDR",  # CRW
    b"IIU\0",  # RW2
    *(b"IIRO", b"IIRS", b"MMOR"),  # ORF
    b"\0MRM",  # MRW
    b"FOVb",  # X3F
)
_CANON_CR2 = b"CR\x02"
_CANON_CR3 = b"ftypcrx "
_DNG_VERSION, _SONY_PRIVATE, _SUB_DIRECTORIES = 0xC612, 0xC634, 0x14A
_SUBFILE_TYPE, _MAKE = 0xFE, 0x10F
_REDUCED = 1
_MAKERS_OF_TIFF_RAWS: Final = (b"NIKON", b"SONY", b"PENTAX")


def _recognises(head: bytes) -> bool:
    if head.startswith(_OPENINGS) or head[8:11] == _CANON_CR2 or head[4:12] == _CANON_CR3:
        return True
    return head.startswith(SIGNATURES) and _is_raw_tiff(head)


def _is_raw_tiff(head: bytes) -> bool:
    """Look for a DNG's version, or a preview in front of sub-directories by a maker of raws."""
    try:
        first = next(directories(io.BytesIO(head)), {})
    except ValueError:
        return False  # the directory lies further on, where no raw puts it
    if _DNG_VERSION in first:
        return True
    is_preview = _SUBFILE_TYPE in first and first[_SUBFILE_TYPE].number == _REDUCED
    if not is_preview or not {_SUB_DIRECTORIES, _SONY_PRIVATE} & first.keys() or _MAKE not in first:
        return False
    make = head[first[_MAKE].offset : first[_MAKE].offset + 8].upper()
    return make.startswith(_MAKERS_OF_TIFF_RAWS)


def _decode_cost(header: Header, shrink: int) -> int:
    """Add the preview, which is held, to what its decoder takes."""
    own_bytes = JPG.decode_cost(header, shrink) if JPG.decode_cost else 0
    return own_bytes + min(header.file_bytes, MAX_PREVIEW_BYTES)


SPEC: Final = CodecSpec(
    name="raw",
    title="camera raw",
    suffixes=(
        *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".raf"),
        *(".rw2", ".orf", ".pef", ".mrw", ".x3f"),
    ),
    reader=Library.VIPS,
    recognises=_recognises,
    loader=JPG.loader,
    fallback="jpg",
    supports_lossy=True,
    has_shrink_on_load=True,
    scan=JPG.scan,
    preview=largest_preview,
    can_stream=JPG.can_stream,
    decode_cost=_decode_cost,
)
