"""GIF, WebP and APNG turn into each other with every frame, delay and loop, as Pillow sees them."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import pyvips
from PIL import Image, ImageChops, ImageCms

from imaging_cases import encoding_for
from pixmill.codecs.spec import Frame
from pixmill.imaging.encode import encode_to_file, encoded
from pixmill.imaging.verify import difference
from pixmill.milling import Product, mill
from pixmill.model import Failed, FailureKind, Status
from pixmill.planning import Limits
from pixmill.recipe import KEEP_SOURCE_FORMAT, Recipe
from pixmill.registry import codec, recognised
from pixmill.units import Geometry
from pixmill.vocabulary import IfLarger, Keep, Operation, StrategyName

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (48, 32)
DELAYS_MS = [50, 120, 300, 40]
FORMS = {"gif": "GIF", "webp": "WEBP", "png": "PNG"}


@dataclass(frozen=True)
class Shown:
    """What a viewer shows of an animation: composed frames, their times, and how often."""

    frames: list[Image.Image]
    delays_ms: list[int]
    plays: int


def drawn() -> list[Image.Image]:
    """Return frames of clear ground: a square that moves, one that comes and goes, and a hole."""
    frames = []
    for index in range(len(DELAYS_MS)):
        frame = Image.new("RGBA", SIZE, (0, 0, 0, 0))
        frame.paste((20, 90, 200, 255), (0, 20, 48, 32))
        frame.paste((255, 0, 0, 255), (index * 10, 2, index * 10 + 9, 12))
        if index % 2:
            frame.paste((0, 0, 0, 0), (8, 22, 30, 30))
        frames.append(frame)
    return frames


def animation(name: str, *, plays: int = 3, **options: Any) -> bytes:
    """Return the drawn frames as Pillow writes them; GIF counts the times after the first."""
    first, *rest = drawn()
    held = io.BytesIO()
    loop: dict[str, Any] = {"loop": plays - 1 if name == "gif" and plays else plays}
    loop = {} if name == "gif" and plays == 1 else loop
    how = {"lossless": True, "exact": True} if name == "webp" else {}
    first.save(
        held,
        FORMS[name],
        save_all=True,
        append_images=rest,
        duration=DELAYS_MS,
        disposal=2 if name == "gif" else 0,
        **loop,
        **how,
        **options,
    )
    return held.getvalue()


def shown(content: bytes) -> Shown:
    """Return what Pillow shows."""
    with Image.open(io.BytesIO(content)) as image:
        frames, delays_ms = [], []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            image.load()
            frames.append(image.convert("RGBA"))
            delays_ms.append(round(image.info.get("duration", 0)))
        loop = image.info.get("loop")
        if image.format == "GIF":
            return Shown(frames, delays_ms, 1 if loop is None else loop and loop + 1)
        return Shown(frames, delays_ms, int(loop or 0))


def seen(frame: Image.Image) -> Image.Image:
    """Return a frame on two grounds at once, so that what is clear has no colour."""
    clear = Image.new("RGBA", frame.size, (90, 90, 90, 255))
    return Image.alpha_composite(clear, frame).convert("RGB")


def made(content: bytes, recipe: Recipe, limits: Limits | None = None) -> Product | Failed:
    """Return what pixmill makes of an animation."""
    name = recognised(content[:4096])
    return mill(content, name, recipe, limits or Limits(1 << 30), lease=lambda _cost_bytes: None)


def converting(target: str, **options: Any) -> Recipe:
    """Return a recipe that writes this format without loss, whatever its size."""
    operations = frozenset({Operation.CONVERT, Operation.COMPRESS})
    recipe = Recipe(operations=operations, target_format=target, lossless=True)
    return replace(recipe, **options)


def written(product: Product | Failed) -> bytes:
    """Return the bytes of a result, which must be what was meant by pixmill's own check."""
    assert isinstance(product, Product), product
    assert product.content is not None
    content = product.content
    data = content if isinstance(content, bytes) else _read(content)
    assert product.expected is not None
    assert difference(data, product.target, product.expected) == ""
    return data


def _read(file: Any) -> bytes:
    with file:
        file.seek(0)
        return bytes(file.read())


@pytest.mark.parametrize("plays", [0, 1, 3])
@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("source", FORMS)
def test_animations_turn_into_each_other(source: str, target: str, plays: int) -> None:
    """Frames, their pixels, delays and the number of plays are the same in every direction."""
    content = animation(source, plays=plays)
    recipe = converting(target, if_larger=IfLarger.WRITE)
    found, wanted = shown(written(made(content, recipe))), shown(content)
    assert (found.delays_ms, found.plays) == (DELAYS_MS, plays) == (wanted.delays_ms, wanted.plays)
    for one, other in zip(found.frames, wanted.frames, strict=True):
        assert ImageChops.difference(seen(one), seen(other)).getbbox() is None


@pytest.mark.parametrize("plays", [0, 1, 3])
@pytest.mark.parametrize("source", FORMS)
def test_animations_turn_into_avif(source: str, plays: int) -> None:
    """Frames, delays and the number of plays live on in AVIF, and the pixels as its quality has."""
    content = animation(source, plays=plays)
    recipe = converting("avif", lossless=False, quality=95, if_larger=IfLarger.WRITE)
    data = written(made(content, recipe))
    found, wanted = shown(data), shown(content)
    assert (found.delays_ms, scanned_plays(data)) == (DELAYS_MS, plays)
    for one, other in zip(found.frames, wanted.frames, strict=True):
        assert worst(seen(one), seen(other)) < 40
        assert one.getchannel("A").getextrema() == other.getchannel("A").getextrema()


@pytest.mark.parametrize("plays", [0, 3])
def test_avif_turns_into_animations(plays: int) -> None:
    """A sequence is read with its frames, its delays and how often it is played, also by itself."""
    recipe = converting("avif", lossless=False, quality=95, if_larger=IfLarger.WRITE)
    content = written(made(animation("webp", plays=plays), recipe))
    found = shown(written(made(content, converting("webp", if_larger=IfLarger.WRITE))))
    assert (found.delays_ms, found.plays) == (DELAYS_MS, plays)
    for one, other in zip(found.frames, shown(content).frames, strict=True):
        assert ImageChops.difference(seen(one), seen(other)).getbbox() is None
    smaller = replace(
        recipe,
        operations=frozenset({Operation.RESIZE, Operation.COMPRESS}),
        resize=Geometry(scale=0.5),
        target_format=KEEP_SOURCE_FORMAT,
    )
    again = written(made(content, smaller))
    assert (shown(again).frames[0].size, scanned_plays(again)) == ((24, 16), plays)


def test_a_sequence_does_not_tell_when_it_was_made() -> None:
    """The same animation gives the same bytes a second later: libavif writes the time thrice."""
    content = animation("gif")
    recipe = converting("avif", lossless=False, if_larger=IfLarger.WRITE)
    before = written(made(content, recipe))
    time.sleep(1.1)
    assert written(made(content, recipe)) == before


def test_frames_in_avif_are_never_called_lossless() -> None:
    """Asked for no loss, an animation is refused as AVIF, whatever the strategy."""
    for strategy in StrategyName:
        recipe = converting("avif", strategy=strategy, if_larger=IfLarger.WRITE)
        failed = made(animation("gif"), recipe)
        assert isinstance(failed, Failed), strategy
        assert failed.kind is FailureKind.UNSUPPORTED
        assert "lossless" in failed.message


def test_metadata_of_frames_is_what_was_left_of_it() -> None:
    """A profile and EXIF live on in an AVIF sequence where they are kept, and no place does."""
    exif = Image.Exif()
    exif[0x8298] = "(c) Somebody"
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = animation("webp", exif=exif.tobytes(), icc_profile=profile)
    recipe = converting("avif", lossless=False, if_larger=IfLarger.WRITE)
    for keep, kinds in (
        (Keep.NONE, (False, False)),
        (Keep.NO_GPS, (True, False)),
        (Keep.ALL, (True, True)),
    ):
        data = written(made(content, replace(recipe, keep=frozenset({keep}))))
        with Image.open(io.BytesIO(data)) as image:
            left = image.getexif()
            place = bool(left.get_ifd(0x8825))
            assert (0x8298 in left, place) == kinds, keep
            assert keep is not Keep.ALL or image.info["icc_profile"] == profile


def scanned_plays(content: bytes) -> int | None:
    """Return how often pixmill's scanner finds an AVIF to be played."""
    scan = codec("avif").scan
    assert scan is not None
    return scan(io.BytesIO(content), len(content)).plays


def worst(one: Image.Image, other: Image.Image) -> int:
    """Return how far the two pixels are apart that are farthest."""
    return max(ImageChops.difference(one, other).tobytes())


def test_a_clear_canvas_stays_clear_in_webp() -> None:
    """What no frame covers is transparent for readers that go by the flag in the file's header."""
    frames = []
    for left in (5, 20):
        frame = Image.new("RGBA", SIZE, (0, 0, 0, 0))
        frame.paste((200, 10, 10, 255), (left, 5, left + 10, 20))
        frames.append(frame)
    held = io.BytesIO()
    frames[0].save(held, "PNG", save_all=True, append_images=frames[1:], duration=80)
    found = shown(written(made(held.getvalue(), converting("webp", if_larger=IfLarger.WRITE))))
    assert [frame.getpixel((0, 0)) for frame in found.frames] == [(0, 0, 0, 0)] * 2
    for one, other in zip(found.frames, frames, strict=True):
        assert ImageChops.difference(seen(one), seen(other)).getbbox() is None


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_amended_is_the_same_in_a_file(count: int, tmp_path: Path) -> None:
    """An encode into a file gives the same bytes; equal frames, one still, stay as they are."""
    left, right = (pyvips.Image.black(30, 20, bands=4).copy(interpretation="srgb"),) * 2
    left = left.draw_rect([200, 10, 10, 255], 2, 2, 9, 9, fill=True)
    right = right.draw_rect([10, 10, 200, 255], 9, 9, 9, 9, fill=True) if count > 1 else left
    stack = pyvips.Image.arrayjoin([left, right], across=1).copy_memory()
    stack.set_type(pyvips.GValue.gint_type, "page-height", 20)
    data = encoded(stack, encoding_for("webp"))
    with (tmp_path / "out").open("w+b") as file:
        encode_to_file(stack, encoding_for("webp"), file.fileno())
    assert (tmp_path / "out").read_bytes() == data
    found = shown(data).frames
    assert len(found) == count
    assert found[0].getpixel((0, 0)) == (0, 0, 0, 0)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffmpeg_reads_the_frames_too(tmp_path: Path) -> None:
    """A second reader counts the frames of a written APNG, and how often it is played."""
    path = tmp_path / "a.png"
    path.write_bytes(written(made(animation("gif"), converting("png", if_larger=IfLarger.WRITE))))
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)],
        capture_output=True,
        check=True,
    )
    stream = json.loads(told.stdout)["streams"][0]
    assert (stream["codec_name"], stream["nb_read_frames"]) == ("apng", str(len(DELAYS_MS)))


def test_an_animated_png_is_made_smaller() -> None:
    """Under `keep` an APNG stays one, recoded without loss, also where it is resized."""
    content = animation("png", compress_level=0)
    product = made(content, Recipe())
    data = written(product)
    assert len(data) < len(content)
    found, wanted = shown(data), shown(content)
    assert (found.delays_ms, found.plays) == (wanted.delays_ms, wanted.plays)
    for one, other in zip(found.frames, wanted.frames, strict=True):
        assert ImageChops.difference(seen(one), seen(other)).getbbox() is None


def test_equal_frames_stay_frames() -> None:
    """A frame that shows nothing new keeps its place and its time."""
    still = drawn()[0]
    held = io.BytesIO()
    frames = {"save_all": True, "append_images": [still, drawn()[1]], "duration": [70, 80, 90]}
    still.save(held, "WEBP", lossless=True, minimize_size=False, allow_mixed=False, **frames)
    source = shown(held.getvalue())
    data = written(made(held.getvalue(), converting("png", if_larger=IfLarger.WRITE)))
    assert sum(shown(data).delays_ms) == sum(source.delays_ms) == 240
    assert len(shown(data).frames) == len(source.frames)


def test_frames_that_cannot_be_held_twice_go_into_a_file() -> None:
    """Where memory allows one encode alone, it goes into a file: with the very same bytes."""
    frames = [frame.resize((400, 300)) for frame in drawn() * 8]
    held = io.BytesIO()
    more = {"save_all": True, "append_images": frames[1:], "duration": 50, "loop": 0}
    frames[0].save(held, "GIF", disposal=2, **more)
    recipe = converting("png", if_larger=IfLarger.WRITE)
    costs: list[int] = []
    whole = mill(held.getvalue(), "gif", recipe, Limits(1 << 30), lease=costs.append)
    spooled = made(held.getvalue(), recipe, Limits(costs[0] - 1))
    assert isinstance(spooled, Product), spooled
    assert not isinstance(spooled.content, bytes)
    assert written(spooled) == written(whole)


def test_a_size_that_frames_cannot_have_is_unreachable() -> None:
    """APNG has no quality to search: the failure says what it takes, and what to try."""
    recipe = replace(converting("png"), lossless=False, max_size_bytes=100)
    failed = made(animation("gif"), recipe)
    assert isinstance(failed, Failed)
    assert failed.kind is FailureKind.UNREACHABLE
    assert "webp" in failed.message


def test_wrong_frames_are_told() -> None:
    """A result with a frame less, other times or a lost end is not what was meant."""
    product = made(animation("gif"), converting("png", if_larger=IfLarger.WRITE))
    data = written(product)
    assert isinstance(product, Product)
    assert product.expected is not None
    fewer = replace(product.expected, pages=3)
    longer = replace(product.expected, duration_ms=sum(DELAYS_MS) + 200)
    assert "expected 3 pages" in difference(data, "png", fewer)
    assert f"expected {longer.duration_ms} ms" in difference(data, "png", longer)
    assert "does not decode" in difference(data[:-60], "png", product.expected)


@pytest.mark.parametrize(
    ("delay_ms", "told_ms"),
    [(0, 0), (1, 1), (65_535, 65_535), (70_000, 70_000), (700_001, 700_000), (-5, 0)],
)
def test_delays_are_fractions_that_fit(delay_ms: int, told_ms: int) -> None:
    """Any delay is written in 16 bits: exactly where that can be, else the nearest."""
    held = io.BytesIO()
    Image.new("RGB", (4, 4)).save(held, "PNG")
    join = codec("png").joined
    assert join is not None
    frames = [Frame(held.getvalue(), 0, 0, each) for each in (delay_ms, 10)]
    content = b"".join(join(iter(frames), 2, 0))
    assert shown(content).delays_ms == [told_ms, 10]


def test_an_animation_is_kept_where_nothing_is_smaller() -> None:
    """A tight APNG is published as it is, all its frames with it."""
    tight = written(made(animation("png", compress_level=0), Recipe()))
    again = made(tight, Recipe())
    assert isinstance(again, Product)
    assert again.status is Status.KEPT
