"""An SVG draws what it holds and nothing else: no file, no script, no multiplying entity."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from pixmill.milling import Product, mill
from pixmill.model import Failed, FailureKind
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.vocabulary import Operation

if TYPE_CHECKING:
    from pathlib import Path

_RECIPE = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
    target_format="png",
    lossless=True,
)
_OPENING = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:xi="http://www.w3.org/2001/XInclude" width="40" height="40">'
)
_REACHING_OUT = {
    "image": '<image xlink:href="{url}/red.png" width="40" height="40"/>',
    "path": '<image href="{path}/red.png" width="40" height="40"/>',
    "relative": '<image href="red.png" width="40" height="40"/>',
    "import": '<style>@import url("{url}/red.css");</style><rect width="40" height="40"/>',
    "use": '<use xlink:href="{url}/red.svg#a"/>',
    "include": '<xi:include href="{url}/part.svg"/>',
}


def _drawn(source: Path) -> Product | Failed:
    return mill(str(source), "svg", _RECIPE, Limits(10**8), lease=lambda _cost: None)


def _centre(product: Product | Failed) -> tuple[int, ...]:
    assert isinstance(product, Product), product
    assert isinstance(product.content, bytes)
    with Image.open(io.BytesIO(product.content)) as image:
        found = image.convert("RGBA").getpixel((20, 20))
    assert isinstance(found, tuple)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with red things that an SVG beside them might draw."""
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    (tmp_path / "red.css").write_text("rect { fill: red !important }")
    rect = '<rect xmlns="http://www.w3.org/2000/svg" id="a" width="40" height="40" fill="red"/>'
    (tmp_path / "part.svg").write_text(rect)
    (tmp_path / "red.svg").write_text(f"{_OPENING}{rect}</svg>")
    return tmp_path


@pytest.mark.parametrize("name", _REACHING_OUT)
def test_a_drawing_reaches_no_file(folder: Path, name: str) -> None:
    """Whatever points at a file draws nothing of it."""
    body = _REACHING_OUT[name].format(url=folder.as_uri(), path=folder)
    (folder / "case.svg").write_text(f"{_OPENING}{body}</svg>")
    assert _centre(_drawn(folder / "case.svg"))[0] == 0


def test_an_external_entity_is_not_fetched(folder: Path) -> None:
    """A document type that names a file makes the drawing fail."""
    entity = f'<!DOCTYPE svg [<!ENTITY x SYSTEM "{(folder / "part.svg").as_uri()}">]>'
    (folder / "case.svg").write_text(f"{entity}{_OPENING}&x;</svg>")
    failure = _drawn(folder / "case.svg")
    assert isinstance(failure, Failed)
    assert failure.kind in {FailureKind.CORRUPT, FailureKind.UNSUPPORTED}


def test_a_script_does_not_run(folder: Path) -> None:
    """An endless loop ends nothing."""
    body = '<script>while (true) {}</script><rect width="40" height="40" fill="#f00"/>'
    (folder / "case.svg").write_text(f"{_OPENING}{body}</svg>")
    assert _centre(_drawn(folder / "case.svg")) == (255, 0, 0, 255)


@pytest.mark.parametrize("seed", ["lol ", "<g/>"])
def test_entities_do_not_multiply(folder: Path, seed: str) -> None:
    """A billion laughs, in text or in elements, are refused before they are parsed."""
    lines = [f'<!ENTITY a0 "{seed * 10}">']
    lines += [f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 9)]
    document = f"<!DOCTYPE svg [{''.join(lines)}]>{_OPENING}&a8;</svg>"
    (folder / "case.svg").write_text(document)
    failure = _drawn(folder / "case.svg")
    assert isinstance(failure, Failed)
    assert failure.kind is FailureKind.UNSUPPORTED
    assert "entities" in failure.message


def test_a_plain_entity_is_a_name(folder: Path) -> None:
    """Illustrator declares its namespaces so, and such files are drawn."""
    entity = '<!DOCTYPE svg [<!ENTITY shade "#f00">]>'
    rect = '<rect width="40" height="40" fill="&shade;"/>'
    (folder / "case.svg").write_text(f"{entity}{_OPENING}{rect}</svg>")
    assert _centre(_drawn(folder / "case.svg")) == (255, 0, 0, 255)
