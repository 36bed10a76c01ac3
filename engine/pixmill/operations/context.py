"""What every operation may decide from: header, recipe, target, and where the pixels go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pixmill.geometry import Placement, Size, cropped, fitted, oriented, placed
from pixmill.header import Metadata, Space
from pixmill.vocabulary import Colour, Fit, Kernel, Operation, Oversize

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec
    from pixmill.header import Header
    from pixmill.recipe import Recipe

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """The facts that operations share.

    What follows from them is worked out once: a plan asks for the size 24 times.

    Attributes:
        header: Facts of the source.
        recipe: What the user wants.
        target: Record of the codec that will be written.
    """

    header: Header
    recipe: Recipe
    target: CodecSpec

    @property
    def stored(self) -> Size:
        """The source's size as its file stores it."""
        return Size(self.header.width_px, self.header.height_px)

    @property
    def orientation(self) -> int:
        """The orientation that is to be applied to the pixels; 1 for none."""
        return self.header.orientation if self.recipe.auto_orient else 1

    @cached_property
    def displayed(self) -> Size:
        """The source's size once it stands upright."""
        return oriented(self.stored, self.orientation)

    @cached_property
    def placement(self) -> Placement:
        """Where the upright pixels go, made to fit the target format if that is wanted."""
        if self.recipe.oversize is Oversize.RESIZE:
            return fitted(self.asked, self.target.max_edge_px)
        return self.asked

    @cached_property
    def asked(self) -> Placement:
        """Where the upright pixels would go in a format without limits."""
        recipe = self.recipe
        if recipe.resize is None:
            return Placement(self.displayed, self.displayed)
        if Operation.RESIZE not in recipe.operations:
            return cropped(self.displayed, recipe.resize)
        fit = Fit.COVER if Operation.CROP in recipe.operations else recipe.fit
        return placed(self.displayed, recipe.resize, fit, can_enlarge=recipe.enlarge)

    @property
    def page(self) -> int | None:
        """Index of the one page that is to be picked out of several, `None` where none is."""
        wanted = self.recipe.pages
        return None if wanted is None or self.header.pages == 1 else wanted - 1

    @property
    def has_alpha(self) -> bool:
        """Whether the result carries alpha."""
        return self.header.has_alpha and self.target.supports_alpha

    @property
    def is_converted(self) -> bool:
        """Whether colours must be converted: wanted by the recipe, or not storable as they are."""
        header, target = self.header, self.target
        if header.bits > target.max_bits or header.space.is_exotic:
            return True
        if self.is_wide:
            return not header.is_p3
        return not header.is_srgb and (self.recipe.colour is not Colour.KEEP or not self.is_told)

    @property
    def is_linear(self) -> bool:
        """Whether pixels are averaged in linear light; the nearest one is no average."""
        return self.recipe.linear and self.recipe.kernel is not Kernel.NEAREST

    @property
    def is_told(self) -> bool:
        """Whether the result can say which colours it has."""
        return Metadata.ICC in self.target.supports_metadata

    @property
    def is_wide(self) -> bool:
        """Whether the result is to have Display P3: never grey, which is the same as sRGB's."""
        is_wanted = self.recipe.colour is Colour.P3 and self.is_told
        return is_wanted and self.header.space is not Space.GREY
