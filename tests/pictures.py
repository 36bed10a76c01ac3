"""How far a result is from its source, as Pillow, littleCMS and numpy see the two.

A script of its own, which reads one JSON list a line from stdin, reference and result, and prints
one for each: the fields of `Likeness`. Must not import pixmill or pyvips.
"""

from __future__ import annotations

import io
import json
import math
import resource
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pi_heif
from PIL import Image, ImageChops, ImageCms, ImageOps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Likeness", "Pair", "delta_e", "lab_of", "likenesses"]

Pixels: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"

_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_PROFILED: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""The mode of Pillow's whose pixels a profile of this colour space is for."""

_STILL: Final = frozenset({"PSD", "TIFF", "MPO", "ICO", "ICNS"})
"""Formats whose further frames are pages or parts, of which pixmill takes the first."""

_XMP: Final = ("xmp", "XML:com.adobe.xmp")
"""Where Pillow alone looks for an orientation: browsers and CIPA DC-008 know EXIF's."""

_DATA_BYTES: Final = 3 << 30
_MOST_SAMPLES: Final = 250_000
"""Pixels of a picture whose colour difference is computed: every n-th of every row."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture that is right, and what is to be compared with it."""

    reference: Path
    result: Path


@dataclass(frozen=True, slots=True)
class Likeness:
    """How far a result is from its reference.

    Attributes:
        error: Why the reference cannot be decoded, or empty; nothing else is known then.
        sizes: Width and height of both, upright.
        frames: Frames of both.
        alphas: Whether something is transparent in each.
        psnr_db: Of colours weighted by alpha, the worst frame; infinite for equal ones.
        delta_e: Mean CIEDE2000 of the first frame on white.
        is_profiled: Whether the reference has a profile of its own colour space.
        mode: Pillow's mode of the reference.
    """

    error: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    frames: tuple[int, ...] = ()
    alphas: tuple[bool, ...] = ()
    psnr_db: float = 0.0
    delta_e: float = 0.0
    is_profiled: bool = False
    mode: str = ""


def likenesses(pairs: Sequence[Pair], processes: int = 2) -> list[Likeness]:
    """Return how far results are from their references, compared in so many processes."""
    shares = [pairs[first::processes] for first in range(processes)]
    with ThreadPoolExecutor(processes) as pool:
        told = [iter(lines) for lines in pool.map(_told_of, shares)]
    return [_likeness(next(told[number % processes])) for number in range(len(pairs))]


def delta_e(first: Pixels, second: Pixels) -> Pixels:
    """Return CIEDE2000 of Lab colours in the last axis, by Sharma, Wu and Dalal (2005)."""
    lightness_1, a_1, b_1 = np.moveaxis(first, -1, 0)
    lightness_2, a_2, b_2 = np.moveaxis(second, -1, 0)
    mean_chroma = (np.hypot(a_1, b_1) + np.hypot(a_2, b_2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    chroma_1, chroma_2 = np.hypot(a_1 * stretch, b_1), np.hypot(a_2 * stretch, b_2)
    hue_1 = np.degrees(np.arctan2(b_1, a_1 * stretch)) % 360
    hue_2 = np.degrees(np.arctan2(b_2, a_2 * stretch)) % 360
    is_grey = chroma_1 * chroma_2 == 0
    turn = np.where(is_grey, 0, (hue_2 - hue_1 + 180) % 360 - 180)
    hue = np.where(is_grey, hue_1 + hue_2, hue_1 + turn / 2)
    lightness, chroma = (lightness_1 + lightness_2) / 2 - 50, (chroma_1 + chroma_2) / 2
    weight_hue = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    apart_lightness = (lightness_2 - lightness_1) / (
        1 + 0.015 * lightness**2 / np.sqrt(20 + lightness**2)
    )
    apart_chroma = (chroma_2 - chroma_1) / (1 + 0.045 * chroma)
    apart_hue = 2 * np.sqrt(chroma_1 * chroma_2) * np.sin(np.radians(turn / 2))
    apart_hue = apart_hue / (1 + 0.015 * chroma * weight_hue)
    bend = 60 * np.exp(-((((hue % 360) - 275) / 25) ** 2))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(np.radians(bend))
    squared = (
        apart_lightness**2 + apart_chroma**2 + apart_hue**2 + rotation * apart_chroma * apart_hue
    )
    return np.sqrt(np.maximum(squared, 0))  # type: ignore[no-any-return]  # numpy's ufuncs


def _told_of(share: Sequence[Pair]) -> list[str]:
    asked = "".join(json.dumps([str(pair.reference), str(pair.result)]) + "\n" for pair in share)
    command = [sys.executable, __file__]
    ended = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, check=True)
    return ended.stdout.splitlines()


def _likeness(line: str) -> Likeness:
    told: dict[str, Any] = json.loads(line)
    return Likeness(
        **told
        | {
            "sizes": tuple(map(tuple, told["sizes"])),
            "frames": tuple(told["frames"]),
            "alphas": tuple(told["alphas"]),
        }
    )


def _frames_of(image: Image.Image) -> int:
    if image.format in _STILL:
        return 1
    frames = int(getattr(image, "n_frames", 1))
    return frames - 1 if getattr(image, "default_image", False) else frames


def _frames(image: Image.Image) -> Iterator[Image.Image]:
    count = _frames_of(image)
    first = 1 if getattr(image, "default_image", False) and count > 1 else 0
    for number in range(first, first + count):
        if count > 1:
            image.seek(number)
        image.load()
        for name in _XMP:
            image.info.pop(name, None)
        yield _in_srgb(ImageOps.exif_transpose(image))


def _later(image: Image.Image) -> Iterator[Image.Image]:
    """Return the frames after the first, without decoding a still picture again."""
    return islice(_frames(image), 1, None) if _frames_of(image) > 1 else iter(())


def _profile_of(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """Return an image's profile if it is one for these pixels."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info.get("icc_profile") or b""))
        space = profile.profile.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError):
        return None
    plain = {"LA": "L", "RGBA": "RGB", "P": "RGB", "I;16": "L", "1": "L"}.get(
        image.mode, image.mode
    )
    return profile if _PROFILED.get(space) == plain else None


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        return Image.fromarray((wide.clip(0, 65535) / 257).round().astype(np.uint8))
    return image


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return RGBA in sRGB, through littleCMS where there is a profile."""
    profile, shown = _profile_of(image), _eight_bits(image)
    if profile is None:
        return shown.convert("RGBA")
    has_alpha = shown.has_transparency_data
    alpha = shown.convert("RGBA").getchannel("A") if has_alpha else None
    wanted = "L" if shown.mode in ("L", "LA") else "CMYK" if shown.mode == "CMYK" else "RGB"
    try:
        converted = ImageCms.profileToProfile(
            shown.convert(wanted),
            profile,
            _SRGB,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError:  # a broken profile says nothing
        return shown.convert("RGBA")
    assert converted is not None
    if alpha is not None:
        converted.putalpha(alpha)
    return converted.convert("RGBA")


def _psnr_db(first: Image.Image, second: Image.Image) -> float:
    """Compare colours weighted by alpha, and alpha; all in C: numpy took 15 times as long."""
    has_alpha = _is_transparent(first) or _is_transparent(second)
    mode = "RGBa" if has_alpha else "RGB"
    counts = ImageChops.difference(first.convert(mode), second.convert(mode)).histogram()
    squares = sum(count * (place % 256) ** 2 for place, count in enumerate(counts))
    return math.inf if squares == 0 else 10 * math.log10(255**2 * sum(counts) / squares)


def _is_transparent(image: Image.Image) -> bool:
    lowest, _ = image.getchannel("A").getextrema()
    return bool(lowest < 255)  # type: ignore[operator]  # of one band, so a number


def _mean_delta_e(first: Image.Image, second: Image.Image) -> float:
    step = max(1, math.isqrt(first.width * first.height // _MOST_SAMPLES))
    return float(delta_e(lab_of(first, step), lab_of(second, step)).mean())


def lab_of(image: Image.Image, step: int) -> Pixels:
    """Return every so many pixels on white as CIE Lab under D65."""
    pixels = np.asarray(image)[::step, ::step].astype(np.float64) / 255
    shown = pixels[..., :3] * pixels[..., 3:] + 1 - pixels[..., 3:]
    light = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = light @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _compared(reference: str, result: str) -> Likeness:
    try:
        with Image.open(reference) as held:
            first = next(_frames(held))
            mode, is_profiled, frames = held.mode, _profile_of(held) is not None, _frames_of(held)
            with Image.open(result) as shown:
                second = next(_frames(shown))
                told = Likeness(
                    sizes=(first.size, second.size),
                    frames=(frames, _frames_of(shown)),
                    alphas=(_is_transparent(first), _is_transparent(second)),
                    is_profiled=is_profiled,
                    mode=mode,
                )
                if first.size != second.size:
                    return told
                both = zip(_later(held), _later(shown), strict=False)
                worst_db = min(_psnr_db(*pair) for pair in chain([(first, second)], both))
    except Exception as error:  # noqa: BLE001 - a crafted file can raise anything
        return Likeness(error=f"{type(error).__name__}: {error}"[:200])
    return replace(told, psnr_db=worst_db, delta_e=_mean_delta_e(first, second))


def main() -> None:
    """Compare the pairs named on stdin."""
    pi_heif.register_heif_opener()
    resource.setrlimit(resource.RLIMIT_DATA, (_DATA_BYTES, _DATA_BYTES))
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asdict(_compared(*json.loads(line)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
