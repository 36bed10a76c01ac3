"""Promises of `imaging.resampling`: kernels as published, light as it adds up, edges in place.

Judged by a straightforward float64 implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import pytest
import pyvips

from kernels import KERNELS, reference
from pixmill.imaging.colour import in_p3
from pixmill.imaging.resampling import resampled
from pixmill.plan import Scale
from pixmill.vocabulary import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[np.float64]"

_EDGE_PX: Final = 400
_PROFILE: Final = "icc-profile-data"


def _zone_plate() -> Array:
    """Return rings whose frequency grows to what the pixels can just hold, 0 to 255."""
    y, x = np.mgrid[:_EDGE_PX, :_EDGE_PX] - _EDGE_PX / 2
    rings: Array = np.round(127.5 + 127.5 * np.cos(np.pi * (x**2 + y**2) / _EDGE_PX))
    return rings


def _image(pixels: Array) -> pyvips.Image:
    space = "b-w" if pixels.ndim == 2 else "srgb"
    return pyvips.Image.new_from_array(pixels.astype(np.uint8)).copy(interpretation=space)


def _scaled(image: pyvips.Image, size: tuple[int, int], **how: object) -> Array:
    step = Scale(*size, how.pop("kernel", Kernel.LANCZOS3), **how)  # type: ignore[arg-type]  # as told
    return np.asarray(resampled(image, step).numpy(), np.float64)


def _to_light(shown: Array) -> Array:
    part = shown / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def _from_light(light: Array) -> Array:
    light = light.clip(0, 1)
    part = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return part * 255


@pytest.mark.parametrize("edge_px", [317, 200, 150, 61, 30])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_zone_plate_is_what_the_kernel_makes_of_it(kernel: Kernel, edge_px: int) -> None:
    """Each kernel agrees with its formula in float64: libvips places pixels to a 64th."""
    plate, size = _zone_plate(), (edge_px, edge_px)
    expected = reference(plate, size, kernel).clip(0, 255)
    apart = np.abs(_scaled(_image(plate), size, kernel=kernel) - expected)
    assert apart.mean() < 0.8
    assert apart.max() < 4


@pytest.mark.parametrize("edge_px", [317, 200, 61, 30])
def test_a_zone_plate_in_linear_light_adds_up(edge_px: int) -> None:
    """The same in linear light, through sRGB's curve and back, which is steep near black."""
    plate, size = _zone_plate(), (edge_px, edge_px)
    expected = reference(_to_light(plate), size, Kernel.LANCZOS3).clip(0, 1)
    found = _scaled(_image(plate), size, is_linear=True)
    assert np.abs(found - _from_light(expected)).mean() < 0.75
    assert np.abs(_to_light(found) - expected).max() < 0.02


@pytest.mark.parametrize("kernel", [Kernel.CUBIC, Kernel.LANCZOS2, Kernel.LANCZOS3])
def test_what_is_too_fine_becomes_an_even_tone(kernel: Kernel) -> None:
    """Rings far beyond what the result can hold leave their mean, and no moire."""
    edge_px = 150
    found = _scaled(_image(_zone_plate()), (edge_px, edge_px), kernel=kernel)
    y, x = np.abs(np.mgrid[:edge_px, :edge_px] - edge_px / 2 + 0.5)
    farthest = np.maximum(x, y) / edge_px
    finest = found[(farthest > 0.36) & (farthest < 0.44)]
    assert finest.mean() == pytest.approx(127.5, abs=1.5)
    assert finest.std() < 4


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("space", ["stored", "rgb16", "own"])
def test_linear_light_leaves_flat_colours_alone(bands: int, space: str) -> None:
    """Every even tone stays what it is, whatever depth, alpha and profile, to a rounding or two."""
    for tone in (0, 1, 7, 60, 128, 254, 255):
        pixels = np.full((40, 40, bands), tone, np.uint8)
        if bands in {2, 4}:
            pixels[..., -1] = max(tone, 60)
        image = pyvips.Image.new_from_array(pixels)
        image = image.copy(interpretation="b-w" if bands < 3 else "srgb")
        if space == "rgb16":
            image = image.colourspace("grey16" if bands < 3 else "rgb16")
        if space == "own" and bands > 2:
            image = image.copy()
            image.set_type(pyvips.GValue.blob_type, _PROFILE, _gamma_profile(1.8))
        found = resampled(image, Scale(13, 17, Kernel.LANCZOS3, is_linear=True))
        assert (found.format, found.bands) == (image.format, image.bands)
        most = 2 if image.format == "uchar" else 8
        assert (found - image.crop(0, 0, 13, 17)).abs().max() <= most


def test_linear_light_rounds_alpha() -> None:
    """A mean of 200.75 becomes 201, and one of 200.25 becomes 200: libvips alone cuts it off."""
    for odd, even, expected in ((200, 201, 201), (201, 200, 200)):
        pixels = np.full((40, 40, 4), even, np.uint8)
        pixels[::2, ::2] = odd
        image = pyvips.Image.new_from_array(pixels).copy(interpretation="srgb")
        assert _scaled(image, (20, 20), is_linear=True)[10, 10, 3] == expected


@pytest.mark.parametrize("make", [in_p3, lambda image: image], ids=["p3", "srgb"])
def test_a_fine_check_keeps_its_light(make: Callable[[pyvips.Image], pyvips.Image]) -> None:
    """Black and white in turns are as bright as grey 188, half the light, and not as grey 128."""
    check = np.indices((64, 64)).sum(axis=0) % 2 * 255.0
    image = make(_image(np.repeat(check[..., None], 3, axis=-1)))
    assert _scaled(image, (16, 16), is_linear=True).mean() == pytest.approx(188, abs=1)
    assert _scaled(image, (16, 16)).mean() == pytest.approx(128, abs=1)


def test_a_profile_that_stays_tells_what_light_is() -> None:
    """Under a gamma of 1.8 half the light is 255 times a half to 1/1.8, and not sRGB's 188."""
    check = np.indices((64, 64)).sum(axis=0) % 2 * 255.0
    image = _image(np.repeat(check[..., None], 3, axis=-1)).copy()
    image.set_type(pyvips.GValue.blob_type, _PROFILE, _gamma_profile(1.8))
    found = _scaled(image, (16, 16), is_linear=True)
    assert found.mean() == pytest.approx(255 * 0.5 ** (1 / 1.8), abs=1)


def test_a_broken_profile_stops_no_resizing() -> None:
    """A profile that cannot be read is as good as none."""
    image = _image(np.repeat(_zone_plate()[..., None], 3, axis=-1)).copy()
    expected = _scaled(image, (50, 50), is_linear=True)
    image.set_type(pyvips.GValue.blob_type, _PROFILE, _gamma_profile(1.8)[:210])
    assert np.abs(_scaled(image, (50, 50), is_linear=True) - expected).max() <= 1


@pytest.mark.parametrize("is_linear", [False, True])
def test_no_fringe_in_either_light(is_linear: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Red beside transparent black stays red wherever it can be seen, and alpha is its cover."""
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[:, :31] = (255, 0, 0, 255)
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="srgb")
    found = _scaled(image, (20, 20), is_linear=is_linear)
    seen = found[found[..., 3] > 16]
    assert seen[:, 0].min() >= 250
    assert seen[:, 1:3].max() <= 13
    assert found[10, 10, 3] == pytest.approx(255 / 3, abs=25)


def _gamma_profile(gamma: float) -> bytes:
    """Return Display P3 with its curves exchanged for a power."""
    profile = bytes(pyvips.Image.profile_load("p3"))
    at = profile.index(b"para\0\0\0\0\0\3")
    power = int(gamma * 65536).to_bytes(4, "big")
    return profile[:at] + b"para\0\0\0\0\0\0\0\0" + power + profile[at + 16 :]
