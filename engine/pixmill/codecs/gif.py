"""GIF: read by libvips with libnsgif, written with cgif; facts from its blocks.

libvips passes over a missing end in silence, so that only the scan here tells of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs.costs import FIXED_BYTES, palette_cost, whole
from pixmill.codecs.fields import MAX_STEPS, little, read_exact
from pixmill.codecs.gif_canvas import CONTROL_BYTES, Canvas
from pixmill.codecs.gif_rewrap import rewrapped, table_bytes
from pixmill.codecs.spec import CodecSpec, Encoding, Library, SaveValue, Scan, Tunable
from pixmill.header import Header, Metadata
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC"]

_SIGNATURES: Final = (b"GIF87a", b"GIF89a")
_COMMENT_LABEL, _APPLICATION_LABEL, _CONTROL_LABEL = b"\xfe", b"\xff", b"\xf9"
_DESCRIPTOR_BYTES = 9
_APPLICATIONS: Final = {
    b"XMP DataXMP": Metadata.XMP,
    b"ICCRGBG1012": Metadata.ICC,
    b"NETSCAPE2.0": None,
    b"ANIMEXTS1.0": None,
}
_CUT_OFF = "expected a trailer after the last block, found none: the file is cut off"

# CPU of an encode and bytes, 8 screenshots: 1: 189 ms/MP 556 kB; 4: 217, 591; 7: 321, 567.
# Below 4 some of 256 colours come back off by one or two.
_EFFORT: Final = {Effort.FAST: 4, Effort.BALANCED: 5, Effort.BEST: 7}


@dataclass(slots=True)
class _Found:
    """What a walk over the blocks has met so far."""

    canvas: Canvas
    frames: int = 0
    metadata: set[Metadata] = field(default_factory=set)
    defect: str = ""
    steps: int = 0
    first_frame: bytes = b""


def _recognises(head: bytes) -> bool:
    return head.startswith(_SIGNATURES)


def _scan(file: BinaryIO, _size_bytes: int) -> Scan:
    head = read_exact(file, 13, what="a gif header")
    if not _recognises(head):
        raise ValueError("expected a gif to begin with GIF87a or GIF89a")
    width_px, height_px = little(head, 6, 2), little(head, 8, 2)
    file.seek(table_bytes(head[10]), 1)
    found = _Found(Canvas(width_px, height_px))
    while not found.defect and _has_more(file, found):
        pass
    # Where the first frame differs from the screen, libnsgif may take the frame's size instead.
    is_sized = found.first_frame[:8] == bytes(4) + head[6:10]
    return Scan(
        width_px=width_px if is_sized else None,
        height_px=height_px if is_sized else None,
        pages=max(1, found.frames),
        is_lossless=True,
        is_progressive=False,
        is_subsampled=False,
        is_animated=found.frames > 1,
        metadata=frozenset(found.metadata),
        patches=found.canvas.patches,
        defect=found.defect,
    )


def _has_more(file: BinaryIO, found: _Found) -> bool:
    """Read one block into what was found, and tell whether another follows."""
    introducer = file.read(1)
    match introducer:
        case b",":
            _note_frame(file, found)
            found.defect = _skip_data(file, found)
            found.frames += not found.defect
        case b"!":
            _note_extension(file, found)
        case b";":
            if not found.frames:
                found.defect = "expected a frame before the trailer, found none"
            return False
        case b"\0":
            found.steps += 1  # padding that decoders pass over
        case b"":
            found.defect = _CUT_OFF
        case _:
            found.defect = (
                f"expected an image, an extension or the trailer, got byte {introducer.hex()}"
            )
    if found.steps > MAX_STEPS:
        found.defect = f"expected fewer than {MAX_STEPS} blocks"
    return True


def _note_frame(file: BinaryIO, found: _Found) -> None:
    at = file.tell() - 1
    descriptor = file.read(_DESCRIPTOR_BYTES)
    found.first_frame = found.first_frame or descriptor
    file.seek(table_bytes(descriptor[-1] if descriptor else 0), 1)
    code_bits = file.read(1)
    if len(descriptor) == _DESCRIPTOR_BYTES and code_bits:
        found.canvas.framed(at, descriptor, code_bits[0])


def _note_extension(file: BinaryIO, found: _Found) -> None:
    label = file.read(1)
    if label == _COMMENT_LABEL:
        found.metadata.add(Metadata.COMMENT)
    elif label == _CONTROL_LABEL:
        start = file.tell()
        found.canvas.controlled(start, file.read(CONTROL_BYTES))
        file.seek(start)
    elif label == _APPLICATION_LABEL:
        start = file.tell()
        name = file.read(12)[1:]
        kind = _APPLICATIONS.get(name, Metadata.OTHER)
        if kind:
            found.metadata.add(kind)
        file.seek(start)
    found.defect = _skip_data(file, found)


def _skip_data(file: BinaryIO, found: _Found) -> str:
    """Pass over sub-blocks up to the empty one, and return a defect where there is none."""
    while count := file.read(1):
        if count == b"\0":
            return ""
        found.steps += 1
        if found.steps > MAX_STEPS:
            return f"expected fewer than {MAX_STEPS} blocks"
        file.seek(count[0], 1)
    return _CUT_OFF


def _decode_cost(header: Header, _shrink: int) -> int:
    # libnsgif holds the canvas, the one to go back to and the previous frame; pages stream.
    # Measured 38 MB for 60 frames of 800 x 600 read and written.
    return whole(header, bytes_per_px=16)


_QUALITY_A_BIT = 12
_MOST_ERROR = 32
"""The most that gifsave's `interframe_maxerror` takes."""


def _encode_cost(encoding: Encoding, pixels: int, bands: int) -> int:
    # O(frame) in cgif; the stacked frames that reach it are counted, since pages are unknown here.
    frame_bytes = pixels * max(bands, 4)
    if encoding.is_moving:
        return FIXED_BYTES + frame_bytes
    return FIXED_BYTES + frame_bytes + palette_cost(pixels, has_few=encoding.quality is None)


def _save_options(encoding: Encoding) -> Mapping[str, SaveValue]:
    """Return gifsave options; the palette of a GIF source is used again where it still fits.

    With a quality, a bit of depth goes for every twelve that it lacks, and what changes less than
    that from frame to frame stands still.
    """
    options: dict[str, SaveValue] = {"effort": _EFFORT[encoding.effort], "dither": 1.0}
    if encoding.quality is None:
        return options | {"reuse": True}
    lacking = 100 - encoding.quality
    return options | {
        "bitdepth": max(1, 8 - lacking // _QUALITY_A_BIT),
        "interframe_maxerror": lacking * _MOST_ERROR / 100,
    }


SPEC: Final = CodecSpec(
    name="gif",
    title="GIF",
    suffixes=(".gif",),
    media_type="image/gif",
    reader=Library.VIPS,
    writer=Library.VIPS,
    recognises=_recognises,
    loader="gifload",
    saver="gifsave_buffer",
    pillow_format="GIF",
    is_moving_candidate=True,
    supports_animation=True,
    supports_lossless=True,
    max_colours=256,
    has_lossy_palette=True,
    max_edge_px=65_535,  # 16 bits an edge
    scan=_scan,
    decode_cost=_decode_cost,
    encode_cost=_encode_cost,
    save_options=_save_options,
    tunables=(
        Tunable(
            name="effort",
            about="CPU spent on a palette",
            saver_option="effort",
            least=1,
            most=10,
        ),
    ),
    rewrapped=rewrapped,
)
