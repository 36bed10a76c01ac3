"""`--pages` takes all, the first or the N-th of a file's frames and pages, as Pillow sees them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageChops

from pixmill.errors import OptionError
from pixmill.milling import Product, mill
from pixmill.model import Failed, FailureKind
from pixmill.options import Options, meant
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.registry import recognised

SIZES = ((40, 30), (40, 30), (40, 30))


def moving(form: str, *, sizes: tuple[tuple[int, int], ...] = SIZES, **options: object) -> bytes:
    """Return frames that each add a square to what the one before shows."""
    frames, colours = [], ("#ff0000", "#00ff00", "#0000ff")
    shown = Image.new("RGB", sizes[0], "#202020")
    for index, (size, colour) in enumerate(zip(sizes, colours, strict=True)):
        shown = shown.resize(size)
        shown.paste(colour, (index * 12, 4, index * 12 + 8, 12))
        frames.append(shown.copy())
    held = io.BytesIO()
    frames[0].save(held, form, save_all=True, append_images=frames[1:], **options)
    return held.getvalue()


ANIMATED: dict[str, Any] = {"duration": [50, 100, 150], "loop": 2}
FILES = {
    "gif": moving("GIF", **ANIMATED),
    "webp": moving("WEBP", lossless=True, **ANIMATED),
    "apng": moving("PNG", **ANIMATED),
    "tiff": moving("TIFF"),
    "unlike.tiff": moving("TIFF", sizes=((40, 30), (60, 20), (48, 50))),
}


def page_of(content: bytes, page: int) -> Image.Image:
    """Return one page, from 1, as Pillow composes it."""
    with Image.open(io.BytesIO(content)) as image:
        image.seek(page - 1)
        return image.convert("RGB")


def made(content: bytes, recipe: Recipe) -> Product | Failed:
    """Return what pixmill makes of a file."""
    name = recognised(content[:4096])
    return mill(content, name, recipe, Limits(1 << 30), lease=lambda _cost_bytes: None)


def of_options(**options: object) -> Recipe:
    """Return the recipe of options as they are typed."""
    return meant(Options(**options)).recipe  # type: ignore[arg-type]  # checked by what they mean


@pytest.mark.parametrize("target", ["keep", "png", "webp"])
@pytest.mark.parametrize(("pages", "page"), [("first", 1), ("1", 1), ("2", 2), ("3", 3)])
@pytest.mark.parametrize("name", FILES)
def test_one_page_is_taken(name: str, pages: str, page: int, target: str) -> None:
    """The page asked for is all that the result holds, composed, at its own size, and told."""
    recipe = of_options(pages=pages, target_format=target, lossless=True)
    product = made(FILES[name], recipe)
    assert isinstance(product, Product), product
    assert isinstance(product.content, bytes)
    with Image.open(io.BytesIO(product.content)) as image:
        assert getattr(image, "n_frames", 1) == 1
        assert not image.info.get("duration")
        found = image.convert("RGB")
    wanted = page_of(FILES[name], page)
    assert found.size == wanted.size
    assert ImageChops.difference(found, wanted).getbbox() is None
    assert any(f" {page} of 3 was taken" in note for note in product.notes)


@pytest.mark.parametrize("name", FILES)
def test_a_page_beyond_the_last_fails(name: str) -> None:
    """A file without the page that was asked for fails, and says how many it has."""
    failed = made(FILES[name], Recipe(pages=4))
    assert isinstance(failed, Failed)
    assert failed.kind is FailureKind.REFUSED
    assert failed.message == "has 3 pages, and page 4 was asked for: use --pages all or first"


def test_a_file_of_one_page_is_its_first() -> None:
    """`first` changes nothing for a file of one page; a second page it has not."""
    held = io.BytesIO()
    Image.linear_gradient("L").save(held, "PNG")
    first, all_ = (made(held.getvalue(), recipe) for recipe in (Recipe(pages=1), Recipe()))
    assert isinstance(first, Product)
    assert isinstance(all_, Product)
    assert (first.content, first.notes) == (all_.content, all_.notes)
    second = made(held.getvalue(), Recipe(pages=2))
    assert isinstance(second, Failed)
    assert "has 1 page," in second.message


def test_the_first_frame_is_no_default_image() -> None:
    """An APNG that shows browsers without animation another picture gives its first frame."""
    held = io.BytesIO()
    stand_in, one, two = (Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue"))
    frames = {"append_images": [one, two], "save_all": True, "default_image": True}
    stand_in.save(held, "PNG", **frames)
    product = made(held.getvalue(), Recipe(pages=1))
    assert isinstance(product, Product)
    assert isinstance(product.content, bytes)
    assert page_of(product.content, 1).getpixel((0, 0)) == (0, 255, 0)


def test_all_pages_is_the_recipe_that_it_was() -> None:
    """The default leaves the fingerprint as it was before the option came; a page changes it."""
    assert of_options(pages="all").fingerprint() == Recipe().fingerprint()
    assert of_options(pages="first") == Recipe(pages=1)
    assert Recipe(pages=1).fingerprint() != Recipe().fingerprint()


@pytest.mark.parametrize("pages", ["0", "-1", "last", "1-3", "²", ""])
def test_no_page_is_refused(pages: str) -> None:
    """What names no page is refused with the option's name."""
    with pytest.raises(OptionError, match="page") as told:
        of_options(pages=pages)
    assert told.value.option == "pages"
