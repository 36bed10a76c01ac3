"""What a strategy may decide from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixmill.codecs.spec import Encoding

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec
    from pixmill.content import ContentClass
    from pixmill.header import Header
    from pixmill.recipe import CodecOption, Recipe

__all__ = ["Brief"]


@dataclass(frozen=True, slots=True)
class Brief:
    """The facts a strategy chooses encodings from.

    Attributes:
        header: Facts of the source.
        recipe: What the user wants.
        target: Record of the codec to write.
        content: What the pixels show, or `None` where nobody looked.
        is_lean: Whether the encoder must stream.
        is_moving: Whether the result has frames or pages.
        pixels: Of the result; 0 where nobody has counted.
        has_palettes: Whether there is memory to put colours into a palette.
        is_frugal: Whether the encoder makes no copy for speed.
    """

    header: Header
    recipe: Recipe
    target: CodecSpec
    content: ContentClass | None
    is_lean: bool
    is_moving: bool = False
    pixels: int = 0
    has_palettes: bool = True
    is_frugal: bool = False

    @property
    def quality(self) -> int:
        """The quality asked for.

        Where compression is none of the operations, fidelity may not be spent: the source's own
        quality or, where that is unknown, one at which a photograph shows no difference.
        """
        if self.recipe.has_compression:
            return self.recipe.quality or self.target.default_quality
        return self.header.quality or _TRANSPARENT_QUALITY

    @property
    def _tuned(self) -> tuple[CodecOption, ...]:
        options = (one for one in self.recipe.codec_options if one.codec == self.target.name)
        return tuple(sorted(options))

    def lossy(self, quality: int, *, is_full_chroma: bool = False) -> Encoding:
        """Return an encoding at a quality."""
        return Encoding(
            codec=self.target.name,
            quality=quality,
            effort=self.recipe.effort,
            is_full_chroma=is_full_chroma,
            is_lean=self.is_lean,
            is_frugal=self.is_frugal,
            is_moving=self.is_moving,
            pixels=self.pixels,
            tuned=self._tuned,
        )

    def lossless(self, *, is_flat: bool = False) -> Encoding:
        """Return an encoding without a quality."""
        return Encoding(
            codec=self.target.name,
            quality=None,
            effort=self.recipe.effort,
            is_flat=is_flat,
            has_hidden=self.recipe.is_lossless,
            is_lean=self.is_lean,
            is_frugal=self.is_frugal,
            is_moving=self.is_moving,
            pixels=self.pixels,
            tuned=self._tuned,
        )

    def palette(self, quality: int | None, *, is_flat: bool = False) -> Encoding:
        """Return an encoding with a palette: exact for 256 colours, or at a quality."""
        return replace(self.lossless(is_flat=is_flat), quality=quality, is_palette=True)


_TRANSPARENT_QUALITY = 92
