"""PAM: lines of a word and its value, then samples; colour PFM is told apart and refused.

Pillow reads neither; `imaging.pam` hands it what is found here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.codecs.pillow_read import pillow_codec
from pixmill.codecs.spec import Scan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

__all__ = ["SPEC", "PamHeader", "pam_header"]

_PAM, _COLOUR_PFM = b"P7\n", b"PF\n"
_END: Final = b"ENDHDR"
_MAX_LINES: Final = 1000
_LINE_BYTES: Final = 4096
_DIGITS: Final = 10
_RAW_MODES: Final[Mapping[tuple[int, int], tuple[str, str]]] = {
    (1, 1): ("1", "1;8"),
    (1, 255): ("L", "L"),
    (1, 65535): ("I;16", "I;16B"),
    (2, 255): ("LA", "LA"),
    (3, 255): ("RGB", "RGB"),
    (4, 255): ("RGBA", "RGBA"),
}
"""Pillow's mode and raw mode by depth and greatest value; it has no others without a loss."""

_ALPHA_DEPTHS: Final = frozenset({2, 4})


@dataclass(frozen=True, slots=True)
class PamHeader:
    """What a PAM says of itself.

    Attributes:
        width_px: Width.
        height_px: Height.
        depth: Samples a pixel.
        peak: The sample that stands for white.
        kind: What the samples are: `RGB_ALPHA`, or empty.
        offset: Where the samples begin.
    """

    width_px: int
    height_px: int
    depth: int
    peak: int
    kind: str
    offset: int

    @property
    def pillow_modes(self) -> tuple[str, str] | None:
        """Pillow's mode and raw mode for such samples; `None` where it has none."""
        is_plain = self.kind.endswith("_ALPHA") == (self.depth in _ALPHA_DEPTHS)
        return _RAW_MODES.get((self.depth, self.peak)) if is_plain or not self.kind else None


def pam_header(file: BinaryIO) -> PamHeader:
    """Read the header of a PAM from its start.

    Raises:
        ValueError: It is none, or does not tell what a header must.
    """
    if file.read(len(_PAM)) != _PAM:
        raise ValueError("expected a pam to begin with P7")
    found: dict[bytes, bytes] = {}
    for _ in range(_MAX_LINES):
        word, _blank, value = file.readline(_LINE_BYTES).strip().partition(b" ")
        if word == _END:
            break
        found[word] = value.strip()
    else:
        raise ValueError(f"expected ENDHDR within {_MAX_LINES} lines of a pam, found none")
    return PamHeader(
        width_px=_number(found, b"WIDTH"),
        height_px=_number(found, b"HEIGHT"),
        depth=_number(found, b"DEPTH"),
        peak=_number(found, b"MAXVAL"),
        kind=found.get(b"TUPLTYPE", b"").decode("ascii", "replace"),
        offset=file.tell(),
    )


def _number(found: dict[bytes, bytes], word: bytes) -> int:
    value = found.get(word, b"")
    if not value.isdigit() or len(value) > _DIGITS:
        raise ValueError(f"expected a number after {word.decode()} in a pam, got none")
    return int(value)


def _recognises(head: bytes) -> bool:
    return head.startswith((_PAM, _COLOUR_PFM))


def _scan(file: BinaryIO, _size_bytes: int) -> Scan:
    if file.read(len(_COLOUR_PFM)) == _COLOUR_PFM:
        return Scan(unsupported="PFM in colour is not supported, only in grey")
    file.seek(0)
    header = pam_header(file)
    refusal = f"{header.depth} samples up to {header.peak} are not supported in PAM"
    return Scan(
        width_px=header.width_px or None,
        height_px=header.height_px or None,
        is_lossless=True,
        unsupported="" if header.pillow_modes else refusal,
    )


SPEC: Final = pillow_codec(
    name="pam",
    title="PAM",
    suffixes=(".pam",),
    pillow_format="PAM",
    recognises=_recognises,
    scan=_scan,
)
