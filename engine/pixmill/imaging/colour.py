"""Convert colours and depths: to sRGB or Display P3, to grey that stays grey, to eight bits.

Must not resample, nor decide whether a conversion is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import pyvips

from pixmill.imaging import icc
from pixmill.imaging.notes import noted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CONVERTED",
    "background_of",
    "in_p3",
    "in_srgb",
    "opaque",
    "ready_for_background",
    "to_eight_bits",
    "to_storable",
]

CONVERTED: Final = "pixmill-converted"
"""Field on an image whose colours were converted, so that its profile says nothing of the source"""

_PROFILE: Final = "icc-profile-data"
_SRGB: Final = "srgb"
_P3: Final = "p3"
"""Profiles that libvips carries, 480 bytes each: saucecontrol's compact ones, CC0."""

_FLOATS: Final = ("float", "double")
_GREYS: Final = ("b-w", "grey16")
_TELLING: Final = ("lab", "labs", "lch", "xyz", "scrgb", "cmc", "yxy", "hsv")
"""Interpretations that only a loader which means them sets."""

_LABS: Final = ("lab", "labs", "lch")
_GREY_BANDS: Final = 2
_WHITE: Final = [255]
_CMYK_BANDS: Final = 4


def in_srgb(image: pyvips.Image) -> pyvips.Image:
    """Return the image in eight-bit sRGB, grey staying grey.

    The embedded profile is used where it fits the image, else the default of its colour space:
    libvips' own CMYK profile, sRGB for RGB. Relative colorimetric with black point compensation,
    as browsers and Photoshop do.
    """
    named = _named(image)
    is_grey = named.interpretation in _GREYS
    converted = _through_profile(named, _SRGB)
    if is_grey:
        converted = _to_grey(converted)
    converted = to_eight_bits(converted).copy()
    converted.set_type(pyvips.GValue.gint_type, CONVERTED, 1)
    if not converted.get_typeof(_PROFILE):
        return converted
    if is_grey or not image.get_typeof(_PROFILE):
        converted.remove(_PROFILE)
    return converted


def in_p3(image: pyvips.Image) -> pyvips.Image:
    """Return the image in eight-bit Display P3 under a profile that says so; grey becomes RGB.

    By the same rules as `in_srgb`. The profile stays, whatever metadata is kept: what shows the
    pixels needs it.
    """
    return to_eight_bits(_through_profile(_named(image), _P3))


def to_eight_bits(image: pyvips.Image) -> pyvips.Image:
    """Return the image with eight-bit sRGB, grey or CMYK bands, whatever it held."""
    named = _named(image)
    if named.interpretation == "cmyk":
        return named if named.format == "uchar" else _narrowed(named, "cmyk")
    wanted = "b-w" if named.interpretation in _GREYS else "srgb"
    if named.format == "ushort" and named.interpretation in ("rgb16", "grey16"):
        return named.colourspace(wanted)
    shown = named if named.interpretation == wanted else named.colourspace(wanted)
    return shown if shown.format == "uchar" else shown.cast("uchar")


def opaque(image: pyvips.Image) -> pyvips.Image:
    """Return an image on white in eight bits, in memory; the same one where it is so already."""
    if not image.hasalpha() and image.format == "uchar":
        return image
    eight = to_eight_bits(image)
    return (eight.flatten(background=_WHITE) if eight.hasalpha() else eight).copy_memory()


def to_storable(image: pyvips.Image, max_bits: int) -> pyvips.Image:
    """Return the image in a depth that a format of so many bits a band stores."""
    named = _named(image)
    is_deep = named.format == "ushort" and named.interpretation in ("rgb16", "grey16")
    return named if is_deep and max_bits > 8 else to_eight_bits(named)  # noqa: PLR2004 - a byte


def ready_for_background(image: pyvips.Image, background: str) -> pyvips.Image:
    """Return the image able to show the background: grey turns to RGB for a coloured one."""
    red, green, blue = _rgb(background)
    if red == green == blue or image.interpretation not in _GREYS:
        return image
    if image.get_typeof(_PROFILE):
        image = in_srgb(image)  # as RGB it would stand under a profile that is for grey
    return image.colourspace("rgb16" if image.interpretation == "grey16" else "srgb")


def background_of(image: pyvips.Image, background: str) -> list[float]:
    """Return a background's value for every colour band of the image, alpha left out.

    It is named in sRGB, and shows as that colour under the image's own profile.
    """
    red, green, blue = _rgb(background)
    scale = 257.0 if image.format == "ushort" else 1.0
    if image.interpretation in _GREYS:
        return [red * scale]
    if image.interpretation == "cmyk":
        key = 255 - max(red, green, blue)
        return [(255 - band - key) * scale for band in (red, green, blue)] + [key * scale]
    return [value * scale for value in _under_profile(image, (red, green, blue))]


def _rgb(background: str) -> tuple[int, int, int]:
    digits = background.removeprefix("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _under_profile(image: pyvips.Image, rgb: tuple[int, int, int]) -> Sequence[float]:
    """Return what shows as an sRGB colour under an RGB image's profile; itself if there is none."""
    profile = bytes(image.get(_PROFILE)) if image.get_typeof(_PROFILE) else b""
    if icc.colour_space(profile) != "RGB" or icc.is_srgb(profile):
        return rgb
    pixel = pyvips.Image.new_from_array([list(rgb)]).bandfold().cast("uchar")
    try:
        lab = pixel.copy(interpretation="srgb").icc_import(input_profile=_SRGB, intent="relative")
        lab = lab.copy()
        lab.set_type(pyvips.GValue.blob_type, _PROFILE, profile)
        return cast("Sequence[float]", lab.icc_export(intent="relative", depth=8).getpoint(0, 0))
    except pyvips.Error:  # a broken profile says nothing
        return rgb


def _named(image: pyvips.Image) -> pyvips.Image:
    """Return the image with an interpretation that its bands and format bear out.

    TIFF brings 32-bit integers called sRGB, floating grey called `b-w` and extra bands.
    """
    if image.coding != "none":
        return image.colourspace("srgb")
    if image.interpretation in _TELLING:
        return image
    if image.format in _FLOATS:
        return _float_named(image)
    return _integer_named(_unsigned(image))


def _unsigned(image: pyvips.Image) -> pyvips.Image:
    match image.format:
        case "uint" | "int":
            return image.cast("uint").cast("ushort", shift=True)
        case "short":
            return image.cast("ushort")
        case "char":
            # Pillow too reads the bits as they are: a cast turned every tone above 127 black
            return image.copy(format="uchar")
        case _:
            return image


def _integer_named(image: pyvips.Image) -> pyvips.Image:
    is_deep = image.format == "ushort"
    if image.interpretation == "cmyk" and image.bands >= _CMYK_BANDS:
        return image
    if image.bands <= _GREY_BANDS:
        return _interpreted(image, "grey16" if is_deep else "b-w")
    kept = image if image.bands <= _CMYK_BANDS else image.extract_band(0, n=_CMYK_BANDS)
    return _interpreted(kept, "rgb16" if is_deep else "srgb")


def _interpreted(image: pyvips.Image, wanted: str) -> pyvips.Image:
    return image if image.interpretation == wanted else image.copy(interpretation=wanted)


def _float_named(image: pyvips.Image) -> pyvips.Image:
    """Read floating bands as linear light from 0 to 1, as TIFF and libvips do for three."""
    if image.bands <= _GREY_BANDS:
        grey = image.extract_band(0)
        alpha = [image.extract_band(1) * 255.0] if image.bands == _GREY_BANDS else []
        linear = grey.bandjoin([grey, grey]).copy(interpretation="scrgb")
        shown = linear.colourspace("srgb").extract_band(0)
        return shown.bandjoin(alpha).cast("uchar").copy(interpretation="b-w")
    return image.copy(interpretation="scrgb")


def _through_profile(image: pyvips.Image, gamut: str) -> pyvips.Image:
    if not image.get_typeof(_PROFILE) and image.interpretation != "cmyk":
        return _without_profile(image, gamut)
    try:
        return _transformed(image, gamut)
    except pyvips.Error:
        plain = image.copy()
        plain.remove(_PROFILE)
        shown = _without_profile(plain, gamut)
        return noted(shown, "the embedded colour profile is unusable and was ignored")


def _transformed(image: pyvips.Image, gamut: str) -> pyvips.Image:
    return image.icc_transform(
        gamut,
        embedded=True,
        input_profile="cmyk" if image.interpretation == "cmyk" else _SRGB,
        intent="relative",
        black_point_compensation=True,
        depth=8,
    )


def _without_profile(image: pyvips.Image, gamut: str) -> pyvips.Image:
    if image.interpretation in _LABS:
        # D50, as in TIFF and ICC; `colourspace` takes it for D65, up to 6.5 dE2000 off littleCMS
        lab = image.colourspace("lab")
        return lab.icc_export(output_profile=gamut, intent="relative", depth=8)
    if gamut == _SRGB:
        return image if image.interpretation in _GREYS else image.colourspace("srgb")
    return _transformed(image if image.format == "ushort" else to_eight_bits(image), gamut)


def _to_grey(image: pyvips.Image) -> pyvips.Image:
    """Return grey that a transform made RGB: its bands are equal, so one of them will do."""
    if image.interpretation in _GREYS:
        return image
    grey = image.extract_band(1)
    shown = grey.bandjoin(image.extract_band(image.bands - 1)) if image.hasalpha() else grey
    return shown.copy(interpretation="b-w")


def _narrowed(image: pyvips.Image, interpretation: str) -> pyvips.Image:
    narrow = image.cast("uchar", shift=True) if image.format == "ushort" else image.cast("uchar")
    return narrow.copy(interpretation=interpretation)
