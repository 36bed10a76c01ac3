"""A codec's own scale is reached by name, within what its record declares, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import pyvips

import pixmill
from pixmill.codecs.spec import Encoding, Tunable
from pixmill.config import load
from pixmill.errors import OptionError
from pixmill.imaging.encode import encoded
from pixmill.options.fields import Options
from pixmill.options.meaning import meant
from pixmill.recipe import CodecOption, Recipe
from pixmill.registry import codec, codecs, writable_names
from pixmill.vocabulary import Effort, Operation

LAKE = Path(__file__).parent / "sample" / "travel" / "lake.jpg"
TUNED = [(spec.name, each) for spec in codecs() for each in spec.tunables]


def _meant(*words: str) -> Recipe:
    return meant(Options(codec_option=words)).recipe


def test_what_is_typed_is_what_is_meant() -> None:
    """Codecs go by any of their names, and the order does not count."""
    first = _meant("avif.effort=2", "JPEG.tables=3")
    assert first.codec_options == {
        CodecOption("avif", "effort", 2),
        CodecOption("jpg", "tables", 3),
    }
    assert first.fingerprint() == _meant("jpg.tables=3", "avif.effort=2").fingerprint()
    assert first.canonical()["codec_options"] == ["avif.effort=2", "jpg.tables=3"]
    assert Recipe().fingerprint() != first.fingerprint() != _meant("avif.effort=2").fingerprint()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("avif",), "expected CODEC.OPTION=NUMBER such as avif.effort=2, got 'avif'"),
        (("avif.effort=high",), "expected CODEC.OPTION=NUMBER"),
        (("avif.effort=2.5",), "expected CODEC.OPTION=NUMBER"),
        (("avif.effort=" + "9" * 5000,), "expected CODEC.OPTION=NUMBER"),
        (("wepb.effort=2",), "did you mean webp"),
        (("webp.speed=2",), "WebP has no option 'speed': it has effort"),
        (("bmp.effort=2",), "BMP has no option 'effort': it has none"),
        (("webp.effort=7",), "expected webp.effort from 0 to 6, got 7"),
        (("webp.effort=-1",), "expected webp.effort from 0 to 6, got -1"),
        (("webp.effort=2", "webp.effort=3"), "webp.effort is given 2 values: keep one"),
    ],
)
def test_what_no_record_declares_is_refused(words: tuple[str, ...], message: str) -> None:
    """A typing error never reaches an encoder: the message says what there is."""
    with pytest.raises(OptionError) as caught:
        _meant(*words)
    assert message in str(caught.value)
    assert caught.value.option == "codec_option"


def test_python_is_held_to_the_same(tmp_path: Path) -> None:
    """A recipe built in Python is refused before any file is touched."""
    recipe = Recipe(codec_options=frozenset({CodecOption("webp", "effort", 9)}))
    with pytest.raises(OptionError, match="from 0 to 6"):
        pixmill.optimize_bytes(LAKE.read_bytes(), recipe)
    with pytest.raises(OptionError, match="from 0 to 6"):
        pixmill.optimize(str(LAKE.parent), str(tmp_path / "out"), recipe)
    assert not (tmp_path / "out").exists()


def test_a_config_file_takes_a_list(tmp_path: Path) -> None:
    """The same words stand in a list in JSON."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"codec_option": ["avif.effort=2", "webp.effort=6"]}))
    assert meant(load(path)).recipe == _meant("webp.effort=6", "avif.effort=2")


@pytest.mark.parametrize(("name", "tunable"), TUNED, ids=str)
def test_both_ends_of_a_range_are_taken(name: str, tunable: Tunable) -> None:
    """The installed savers take the lowest and the highest value of every option declared."""
    shown = pyvips.Image.gaussnoise(40, 30, seed=5, mean=120).cast("uchar")
    image = shown.bandjoin([shown, shown]).copy(interpretation="srgb")
    quality = 60 if codec(name).supports_lossy else None
    for value in (tunable.least, tunable.most):
        option = CodecOption(name, tunable.name, value)
        encoding = Encoding(
            codec=name, quality=quality, effort=Effort.FAST, tuned=(option,), is_palette=True
        )
        assert encoded(image, encoding)


def test_an_option_overrides_what_effort_means() -> None:
    """The bytes are those of the scale's own value, for the codec that it names alone."""
    small = pyvips.Image.new_from_file(str(LAKE)).thumbnail_image(200).pngsave_buffer()

    def made(*options: CodecOption, effort: Effort = Effort.FAST) -> bytes:
        recipe = Recipe(
            operations=frozenset({Operation.COMPRESS, Operation.CONVERT}),
            target_format="webp",
            effort=effort,
            codec_options=frozenset(options),
        )
        return pixmill.optimize_bytes(small, recipe)

    assert made(CodecOption("webp", "effort", 6)) == made(effort=Effort.BEST)
    assert made(CodecOption("webp", "effort", 6)) != made()
    assert made(CodecOption("avif", "effort", 2)) == made()


def test_options_are_declared_for_what_is_written() -> None:
    """Only codecs that pixmill writes have options, each under a name of its own."""
    for spec in codecs():
        names = [each.name for each in spec.tunables]
        assert len(names) == len(set(names))
        assert not names or spec.name in writable_names()
        assert all(each.least < each.most for each in spec.tunables)


def test_a_chosen_level_of_deflate_is_the_result_s() -> None:
    """oxipng, whose levels are its own, does not pack what the user told how to be packed."""
    pixels = pyvips.Image.new_from_file(str(LAKE)).thumbnail_image(64)
    source = pixels.tiffsave_buffer()

    def made(*options: CodecOption) -> int:
        recipe = Recipe(
            operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
            target_format="png",
            codec_options=frozenset(options),
            lossless=True,
        )
        return len(pixmill.optimize_bytes(source, recipe))

    sizes = [made(CodecOption("png", "compression", level)) for level in (0, 1, 9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > pixels.width * pixels.height * 3  # nothing was deflated
    assert made() < sizes[-1]
