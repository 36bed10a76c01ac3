"""What the frames of a GIF leave bare is clear, as browsers show it."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from pixmill.milling import Product, mill
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.registry import codec
from pixmill.vocabulary import IfLarger, Operation

if TYPE_CHECKING:
    from pixmill.codecs.spec import Scan

WIDTH_PX, HEIGHT_PX = 12, 8
WHOLE = (0, 0, WIDTH_PX, HEIGHT_PX)
CORNER = (0, 0, 4, 4)
_STANDS, _TO_BACKGROUND = 1, 2
_CLEAR = (0, 0, 0, 0)
_COLOURS = ((250, 0, 0, 255), (0, 250, 0, 255), (0, 0, 250, 255))


@dataclass(frozen=True)
class Drawn:
    """A frame of one colour: where it lies, what becomes of it, and its colour's index."""

    area: tuple[int, int, int, int]
    index: int
    disposal: int = _STANDS
    has_control: bool = True


def gif_of(*frames: Drawn, colours: int = 4) -> bytes:
    """Return a GIF without a transparent colour, of these frames and a palette of this size."""
    palette = b"".join(bytes(colour[:3]) for colour in _COLOURS).ljust(3 * colours, b"\7")
    bits = colours.bit_length() - 1
    screen = struct.pack("<HHBBB", WIDTH_PX, HEIGHT_PX, 0x80 | bits - 1, 2, 0)
    pieces = [b"GIF89a", screen, palette]
    for frame in frames:
        if frame.has_control:
            pieces += [b"!\xf9\4", struct.pack("<BHBB", frame.disposal << 2, 8, 0, 0)]
        pieces += [b",", struct.pack("<HHHHB", *frame.area, 0), _coded(frame, bits)]
    return b"".join((*pieces, b";"))


def _coded(frame: Drawn, bits: int) -> bytes:
    """Return the pixels in GIF's LZW, begun anew at each so that its codes never grow."""
    clear, end = 1 << bits, (1 << bits) + 1
    codes = [code for _ in range(frame.area[2] * frame.area[3]) for code in (clear, frame.index)]
    packed = sum(code << (bits + 1) * place for place, code in enumerate((*codes, end)))
    body = packed.to_bytes((bits + 1) * (len(codes) + 1) // 8 + 1, "little")
    blocks = (body[at : at + 255] for at in range(0, len(body), 255))
    return bytes((bits,)) + b"".join(bytes((len(one),)) + one for one in blocks) + b"\0"


def shown(content: bytes) -> list[Image.Image]:
    """Return the frames that pixmill makes of a GIF, as Pillow composes them from lossless WebP."""
    recipe = Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
        target_format="webp",
        lossless=True,
        if_larger=IfLarger.WRITE,
    )
    product = mill(content, "gif", recipe, Limits(1 << 30), lease=lambda _cost_bytes: None)
    assert isinstance(product, Product), product
    assert isinstance(product.content, bytes)
    frames = []
    with Image.open(io.BytesIO(product.content)) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append(image.convert("RGBA"))
    return frames


def scanned(content: bytes) -> Scan:
    """Return what the scanner finds."""
    scan = codec("gif").scan
    assert scan is not None
    return scan(io.BytesIO(content), len(content))


def pixels(frames: list[Image.Image], *at: tuple[int, int]) -> list[Any]:
    """Return the pixels at some places, frame after frame."""
    return [frame.getpixel(place) for frame in frames for place in at]


@pytest.mark.parametrize("has_control", [True, False])
def test_a_short_first_frame_leaves_the_rest_clear(has_control: bool) -> None:  # noqa: FBT001
    """Where no frame was ever drawn nothing is seen, whatever the background colour says."""
    content = gif_of(
        Drawn(CORNER, 0, has_control=has_control), Drawn((6, 0, 4, 4), 1, has_control=has_control)
    )
    frames = shown(content)
    assert pixels(frames, (1, 1), (7, 1), (11, 7)) == [
        *(_COLOURS[0], _CLEAR, _CLEAR),
        *(_COLOURS[0], _COLOURS[1], _CLEAR),
    ]


def test_a_frame_taken_away_leaves_its_place_clear() -> None:
    """Disposal to the background clears, and does not paint the background colour."""
    content = gif_of(
        Drawn(WHOLE, 0), Drawn(CORNER, 1, disposal=_TO_BACKGROUND), Drawn((6, 0, 4, 4), 2)
    )
    assert pixels(shown(content), (1, 1), (11, 7)) == [
        *(_COLOURS[0], _COLOURS[0]),
        *(_COLOURS[1], _COLOURS[0]),
        *(_CLEAR, _COLOURS[0]),
    ]


def test_what_is_covered_again_needs_no_alpha() -> None:
    """A GIF whose canvas is never bare is decoded as it is, without an alpha band."""
    content = gif_of(Drawn(WHOLE, 0, disposal=_TO_BACKGROUND), Drawn(WHOLE, 1), Drawn(CORNER, 2))
    assert scanned(content).patches == ()


def test_a_full_palette_is_left_alone() -> None:
    """Where every index may be a colour none can be made transparent."""
    assert scanned(gif_of(Drawn(CORNER, 0), colours=256)).patches == ()


def test_countless_frames_do_not_fill_memory() -> None:
    """Patches are bounded, whatever a file of tiny frames asks for."""
    tiny = [Drawn((index % 2 * 2, 0, 1, 1), 0, disposal=_TO_BACKGROUND) for index in range(10)]
    content = gif_of(*tiny)
    body = content[content.index(b"!\xf9") : -1]
    many = content[: -1 - len(body)] + body * 4000 + b";"
    assert 10_000 < len(scanned(many).patches) < 25_000
