"""A recipe is valid, canonical, and its fingerprint changes exactly when it does."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pixmill
from pixmill import vocabulary
from pixmill.errors import OptionError
from pixmill.recipe import CodecOption, Recipe
from pixmill.units import Geometry
from pixmill.vocabulary import (
    Colour,
    Corrupt,
    Effort,
    Fit,
    Gravity,
    IfLarger,
    Keep,
    Kernel,
    Operation,
    Oversize,
    StrategyName,
)

BOX = Geometry(width_px=800, height_px=600)
CHANGES: dict[str, Any] = {
    "fit": Fit.COVER,
    "gravity": Gravity.NORTH,
    "kernel": Kernel.CUBIC,
    "linear": True,
    "enlarge": True,
    "background": "#000000",
    "quality": 80,
    "lossless": True,
    "effort": Effort.BEST,
    "codec_options": frozenset({CodecOption("avif", "effort", 2)}),
    "max_size_bytes": 500_000,
    "min_quality": 41,
    "allow_downscale": True,
    "strategy": StrategyName.FIXED,
    "keep": frozenset({Keep.NONE}),
    "colour": Colour.KEEP,
    "auto_orient": False,
    "if_larger": IfLarger.WRITE,
    "oversize": Oversize.RESIZE,
    "corrupt": Corrupt.SALVAGE,
}


def test_the_default_recipe_compresses() -> None:
    """A recipe of nothing but defaults spends fidelity on bytes and changes nothing else."""
    recipe = Recipe()
    assert recipe.has_compression
    assert not recipe.is_lossless
    assert recipe.resize is None


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_counts_in_the_fingerprint(name: str) -> None:
    """Changing any one field changes the fingerprint."""
    changed = dataclasses.replace(Recipe(), **{name: CHANGES[name]})
    assert changed.fingerprint() != Recipe().fingerprint()


def test_size_and_format_count_in_the_fingerprint() -> None:
    """A size, another size and a format each make another recipe."""
    work = frozenset({Operation.RESIZE, Operation.CONVERT})
    recipes = [
        Recipe(operations=work, resize=BOX, target_format="webp"),
        Recipe(operations=work, resize=BOX, target_format="avif"),
        Recipe(operations=work, resize=Geometry(scale=0.5), target_format="webp"),
        Recipe(operations=work, resize=Geometry(width_px=800), target_format="webp"),
    ]
    assert len({recipe.fingerprint() for recipe in recipes}) == len(recipes)


@given(st.sets(st.sampled_from([Keep.EXIF, Keep.XMP, Keep.IPTC, Keep.ICC]), min_size=1))
def test_order_does_not_count(kinds: set[Keep]) -> None:
    """Sets that were built in another order have one canonical form."""
    backwards = frozenset(sorted(kinds, reverse=True))
    one, two = Recipe(keep=frozenset(kinds)), Recipe(keep=backwards)
    assert one.canonical() == two.canonical()
    assert one.fingerprint() == two.fingerprint()


def test_the_fingerprint_is_stable() -> None:
    """The fingerprint of the default recipe is the same in every process and version."""
    assert Recipe().fingerprint() == Recipe().fingerprint()
    assert len(Recipe().fingerprint()) == 16
    assert int(Recipe().fingerprint(), 16) >= 0


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ({"operations": frozenset()}, "operations"),
        ({"operations": frozenset({Operation.RESIZE})}, "resize"),
        ({"operations": frozenset({Operation.CROP})}, "resize"),
        ({"resize": BOX}, "operations"),
        (
            {"operations": frozenset({Operation.CROP}), "resize": Geometry(width_px=800)},
            "resize",
        ),
        ({"operations": frozenset({Operation.CROP}), "resize": Geometry(scale=0.5)}, "resize"),
        ({"target_format": "webp"}, "operations"),
        ({"quality": 0}, "quality"),
        ({"quality": 101}, "quality"),
        ({"min_quality": 0}, "min_quality"),
        ({"quality": 30, "max_size_bytes": 1000}, "min_quality"),
        (
            {"operations": frozenset({Operation.RESIZE}), "resize": BOX, "quality": 80},
            "quality",
        ),
        (
            {"operations": frozenset({Operation.RESIZE}), "resize": BOX, "max_size_bytes": 9},
            "max_size",
        ),
        ({"keep": frozenset()}, "keep"),
        ({"keep": frozenset({Keep.NONE, Keep.ICC})}, "keep"),
        ({"keep": frozenset({Keep.ALL, Keep.EXIF})}, "keep"),
        ({"keep": frozenset({Keep.NO_GPS, Keep.EXIF})}, "keep"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], option: str) -> None:
    """What contradicts itself is refused by the name of the option to change."""
    with pytest.raises(OptionError) as caught:
        Recipe(**fields)
    assert caught.value.option == option


@pytest.mark.parametrize(
    "fields", [{"lossless": True}, {"strategy": StrategyName.LOSSLESS}], ids=["flag", "strategy"]
)
def test_both_ways_to_lossless_count(fields: dict[str, Any]) -> None:
    """Lossless by flag and by strategy are the same demand."""
    assert Recipe(**fields).is_lossless


def test_the_words_of_a_recipe_are_the_package_s() -> None:
    """Whoever imports pixmill has every word that a recipe may be told in."""
    assert set(vocabulary.__all__) <= set(pixmill.__all__)
    assert pixmill.Recipe(effort=pixmill.Effort.BEST).effort is vocabulary.Effort.BEST
