"""Each strategy offers the encodings that its promise allows, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pixmill.content import ContentClass
from pixmill.header import Header
from pixmill.recipe import Recipe
from pixmill.registry import codec, writable_names
from pixmill.strategies.brief import Brief
from pixmill.strategies.choice import strategy
from pixmill.units import Geometry
from pixmill.vocabulary import Effort, Operation, StrategyName

if TYPE_CHECKING:
    from pixmill.codecs.spec import Encoding

PHOTO = Header(codec="jpg", width_px=100, height_px=100, quality=70)
DRAWING = Header(codec="png", width_px=100, height_px=100, is_lossless=True)
DRAWN = [ContentClass.GRAPHIC, ContentClass.TEXT]


def _brief(
    target: str,
    header: Header = PHOTO,
    recipe: Recipe | None = None,
    content: ContentClass | None = ContentClass.PHOTOGRAPH,
) -> Brief:
    return Brief(header, recipe or Recipe(), codec(target), content, is_lean=False)


def _candidates(name: StrategyName, brief: Brief) -> tuple[Encoding, ...]:
    return strategy(name).candidates(brief)


@pytest.mark.parametrize("target", writable_names())
@pytest.mark.parametrize("name", StrategyName)
@pytest.mark.parametrize("content", [*ContentClass, None])
def test_candidates_are_what_the_target_can_do(
    name: StrategyName, target: str, content: ContentClass | None
) -> None:
    """Every candidate is in the target's codec, at the recipe's effort, lossy only where it can."""
    recipe = Recipe(effort=Effort.BEST, strategy=name)
    spec = codec(target)
    candidates = _candidates(name, _brief(target, DRAWING, recipe, content))
    assert candidates or (name is StrategyName.LOSSLESS and not spec.supports_lossless)
    for each in candidates:
        assert (each.codec, each.effort) == (target, Effort.BEST)
        assert each.quality is None or spec.supports_lossy or each.is_palette
        assert each.quality is not None or spec.supports_lossless
        assert not each.is_palette or spec.supports_palette


@pytest.mark.parametrize("target", writable_names())
@pytest.mark.parametrize("content", [*ContentClass, None])
def test_a_lossless_recipe_leaves_no_choice(target: str, content: ContentClass | None) -> None:
    """Under --lossless or the lossless strategy nothing lossy is ever offered."""
    for recipe in (Recipe(lossless=True), Recipe(strategy=StrategyName.LOSSLESS)):
        for name in (StrategyName.ADAPTIVE, StrategyName.LOSSLESS):
            brief = _brief(target, DRAWING, recipe, content)
            for each in _candidates(name, brief):
                assert each.quality is None
                assert not each.is_palette


def test_without_memory_for_it_no_colours_are_matched() -> None:
    """A drawing whose colours cannot be counted keeps them all."""
    brief = _brief("png", DRAWING, content=ContentClass.GRAPHIC)
    assert any(each.is_palette for each in _candidates(StrategyName.ADAPTIVE, brief))
    short = replace(brief, has_palettes=False)
    assert not any(each.is_palette for each in _candidates(StrategyName.ADAPTIVE, short))


def test_fixed_does_as_told() -> None:
    """One candidate at the quality asked for, whatever the source's own."""
    (each,) = _candidates(StrategyName.FIXED, _brief("jpg", recipe=Recipe(quality=95)))
    assert each.quality == 95
    (each,) = _candidates(StrategyName.FIXED, _brief("webp"))
    assert each.quality == codec("webp").default_quality
    (each,) = _candidates(StrategyName.FIXED, _brief("png"))
    assert each.quality is None


def test_adaptive_never_inflates_a_jpeg() -> None:
    """A photo goes no higher than it was stored at in the same codec; another codec is free."""
    recipe = Recipe(quality=95)
    (each,) = _candidates(StrategyName.ADAPTIVE, _brief("jpg", recipe=recipe))
    assert each.quality == 70
    (each,) = _candidates(StrategyName.ADAPTIVE, _brief("webp", recipe=recipe))
    assert each.quality == 95
    unknown = replace(PHOTO, quality=None)
    (each,) = _candidates(StrategyName.ADAPTIVE, _brief("jpg", unknown, recipe))
    assert each.quality == 95


def test_adaptive_stores_own_pixels_with_their_own_tables() -> None:
    """A JPEG that its own quality caps keeps its tables, unless resized, lowered or searched."""
    made = replace(PHOTO, tables=3)
    (same,) = _candidates(StrategyName.ADAPTIVE, _brief("jpg", made))
    assert same.tables == 3
    resized = Recipe(operations=frozenset({Operation.RESIZE}), resize=Geometry(width_px=50))
    for recipe in (resized, Recipe(quality=60), Recipe(max_size_bytes=9000)):
        (other,) = _candidates(StrategyName.ADAPTIVE, _brief("jpg", made, recipe))
        assert other.tables is None


@pytest.mark.parametrize("content", DRAWN)
def test_adaptive_keeps_edges_sharp(content: ContentClass) -> None:
    """Graphics and text get full chroma, and beside it a lossless form where none was lost yet."""
    exact, lossy = _candidates(StrategyName.ADAPTIVE, _brief("webp", DRAWING, content=content))
    assert exact.quality is None
    assert lossy.is_full_chroma
    (only,) = _candidates(StrategyName.ADAPTIVE, _brief("webp", PHOTO, content=content))
    assert only.is_full_chroma
    (photo,) = _candidates(StrategyName.ADAPTIVE, _brief("webp", DRAWING))
    assert not photo.is_full_chroma


def test_adaptive_offers_palettes_to_drawings() -> None:
    """A PNG may be reduced to a palette where the content bears it, or exactly where it had one."""
    (photo,) = _candidates(StrategyName.ADAPTIVE, _brief("png", DRAWING))
    assert not photo.is_palette
    exact, reduced = _candidates(
        StrategyName.ADAPTIVE, _brief("png", DRAWING, content=ContentClass.GRAPHIC)
    )
    assert (exact.is_palette, exact.is_flat) == (False, True)
    assert (reduced.is_palette, reduced.quality) == (True, codec("png").default_quality)
    indexed = replace(DRAWING, palette_bits=8)
    _, palette = _candidates(StrategyName.ADAPTIVE, _brief("png", indexed))
    assert (palette.is_palette, palette.quality) == (True, None)


@pytest.mark.parametrize("recipe", [Recipe(quality=80), Recipe(target_quality=70.0)])
def test_adaptive_offers_palettes_to_photographs_where_loss_is_named(recipe: Recipe) -> None:
    """A quality or a score says what a photograph may lose; frames and what is unseen stay."""
    exact, palette = _candidates(StrategyName.ADAPTIVE, _brief("png", DRAWING, recipe))
    assert not exact.is_palette
    assert (palette.is_palette, palette.is_flat, palette.quality) == (True, False, 100)
    (unseen,) = _candidates(StrategyName.ADAPTIVE, _brief("png", DRAWING, recipe, None))
    assert not unseen.is_palette
    moving = replace(_brief("png", DRAWING, recipe), is_moving=True)
    (framed,) = _candidates(StrategyName.ADAPTIVE, moving)
    assert not framed.is_palette


def test_without_compression_no_fidelity_is_spent() -> None:
    """A run that only resizes or converts keeps the source's quality, or one that shows no loss."""
    recipe = Recipe(operations=frozenset({Operation.CONVERT}), target_format="jpg")
    (each,) = _candidates(StrategyName.FIXED, _brief("jpg", recipe=recipe))
    assert each.quality == 70
    (each,) = _candidates(StrategyName.FIXED, _brief("jpg", DRAWING, recipe))
    assert each.quality is not None
    assert each.quality > 90
    (exact,) = _candidates(
        StrategyName.ADAPTIVE, _brief("png", DRAWING, recipe, ContentClass.GRAPHIC)
    )
    assert not exact.is_palette


def test_a_lean_brief_makes_lean_encodings() -> None:
    """Where memory is short every candidate streams."""
    for name in StrategyName:
        for target in writable_names():
            brief = replace(_brief(target, DRAWING, content=ContentClass.TEXT), is_lean=True)
            assert all(each.is_lean for each in _candidates(name, brief))
