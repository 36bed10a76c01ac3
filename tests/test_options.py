"""What was typed becomes what is meant, or an error that names the option."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.errors import OptionError
from pixmill.options import (
    ALIASES,
    Options,
    Syntax,
    entries,
    from_mapping,
    meant,
    merged,
    schema,
    starter_config,
    uses_max_dimension,
)
from pixmill.recipe import Recipe
from pixmill.registry import codec, writable_names
from pixmill.settings import Settings
from pixmill.units import Geometry
from pixmill.vocabulary import Fit, Keep, Operation, StrategyName

ISSUE_CONFIG: dict[str, object] = {
    "default_quality": 85,
    "max_dimension": 1920,
    "supported_formats": ["jpg", "png", "webp"],
    "compression_strategy": "adaptive",
    "parallel_workers": "auto",
}


def refused(options: Options) -> OptionError:
    """Return the error that these options raise."""
    with pytest.raises(OptionError) as caught:
        meant(options)
    return caught.value


def test_nothing_typed_means_the_defaults() -> None:
    """No option at all means the default recipe and the default settings."""
    request = meant(Options())
    assert request.recipe == Recipe()
    assert request.settings == Settings()


@pytest.mark.parametrize(
    ("options", "operations"),
    [
        (Options(), {Operation.COMPRESS}),
        (Options(resize="800x600"), {Operation.COMPRESS, Operation.RESIZE}),
        (Options(target_format="webp"), {Operation.COMPRESS, Operation.CONVERT}),
        (Options(target_format="keep"), {Operation.COMPRESS}),
        (Options(resize="50%", fit=Fit.INSIDE), {Operation.COMPRESS, Operation.RESIZE}),
        (Options(max_dimension=100), {Operation.COMPRESS}),
    ],
)
def test_operations_follow_from_the_rest(options: Options, operations: set[Operation]) -> None:
    """Operations that were not named are those that the other options need."""
    assert meant(options).recipe.operations == operations


@given(st.permutations(["resize", "compress", "convert"]))
def test_operations_are_a_set(words: list[str]) -> None:
    """The order in which operations are named changes nothing."""
    options = Options(operations=tuple(words), resize="800", target_format="png")
    assert meant(options).recipe.operations == {
        Operation.RESIZE,
        Operation.COMPRESS,
        Operation.CONVERT,
    }


def test_resize_without_a_size_uses_the_longest_edge() -> None:
    """Resize without a size fits a square box, 1920 px unless another edge was given."""
    bare = meant(Options(operations=("resize",))).recipe
    assert bare.resize == Geometry(width_px=1920, height_px=1920)
    assert bare.fit is Fit.INSIDE
    other = meant(Options(operations=("resize", "compress"), max_dimension=800)).recipe
    assert other.resize == Geometry(width_px=800, height_px=800)


def test_the_longest_edge_applies_nowhere_else() -> None:
    """The longest edge has no effect beside a size, nor where resize was not named."""
    sized = Options(operations=("resize",), resize="50%", max_dimension=800)
    assert meant(sized).recipe.resize == Geometry(scale=0.5)
    assert not uses_max_dimension(sized)
    assert meant(Options(max_dimension=800)).recipe.resize is None


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (Options(operations=()), "operations"),
        (Options(operations=("blur",)), "operations"),
        (Options(operations=("compress",), resize="800"), "operations"),
        (Options(operations=("crop",)), "resize"),
        (Options(operations=("resize", "crop")), "resize"),
        (Options(operations=("crop",), resize="800"), "resize"),
        (Options(operations=("compress",), target_format="webp"), "operations"),
        (Options(operations=("convert",)), "target_format"),
        (Options(operations=("convert",), target_format="keep"), "target_format"),
        (Options(operations=("resize",), quality=80), "quality"),
        (Options(operations=("resize",), max_size="1MB"), "max_size"),
        (Options(resize="big"), "resize"),
        (Options(max_dimension=0), "max_dimension"),
        (Options(max_size="lots"), "max_size"),
        (Options(memory="lots"), "memory"),
        (Options(timeout="soon"), "timeout"),
        (Options(parallel="many"), "parallel"),
        (Options(parallel="0"), "parallel"),
        (Options(parallel="-2"), "parallel"),
        (Options(retries=-1), "retries"),
        (Options(quality=101), "quality"),
        (Options(min_quality=0), "min_quality"),
        (Options(max_size="1MB", quality=30), "min_quality"),
        (Options(target_quality="high", min_quality=50, quality=40), "min_quality"),
        (Options(target_quality="superb"), "target_quality"),
        (Options(target_quality="0.5"), "target_quality"),
        (Options(target_quality="101"), "target_quality"),
        (Options(operations=("resize",), target_quality="high"), "target_quality"),
        (Options(lossless=True, target_quality="high"), "target_quality"),
        (Options(background="#12345"), "background"),
        (Options(keep=("gps",)), "keep"),
        (Options(keep=("none", "icc")), "keep"),
        (Options(target_format="docx"), "target_format"),
        (Options(target_format="svg"), "target_format"),
        (Options(supported_formats=()), "supported_formats"),
        (Options(supported_formats=("jgp",)), "supported_formats"),
        (Options(lossless=True, quality=80), "quality"),
        (Options(strategy=StrategyName.LOSSLESS, quality=80), "quality"),
        (Options(lossless=True, max_size="1MB"), "max_size"),
        (Options(lossless=True, target_format="jpg"), "lossless"),
    ],
)
def test_what_cannot_be_meant_names_its_option(options: Options, option: str) -> None:
    """An option that cannot be used is refused by name, in words that start in lower case."""
    error = refused(options)
    assert error.option == option
    assert str(error)[0].islower() or str(error)[0] == "-"
    assert not str(error).endswith(".")


def test_lossless_names_the_formats_that_can() -> None:
    """Asking for a lossless JPEG lists the formats that do have a lossless mode."""
    message = str(refused(Options(lossless=True, target_format="jpg")))
    assert all(name in message for name in ("png", "webp"))


@pytest.mark.parametrize("name", ["png", "webp"])
def test_lossless_targets_are_taken(name: str) -> None:
    """A target with a lossless mode may be asked for without loss."""
    assert meant(Options(lossless=True, target_format=name)).recipe.is_lossless


@pytest.mark.parametrize(("typed", "name"), [("jpeg", "jpg"), (".JPG", "jpg"), ("tif", "tiff")])
def test_formats_have_other_names(typed: str, name: str) -> None:
    """A format is understood by its usual suffixes in any case."""
    request = meant(Options(target_format=typed, supported_formats=(typed,)))
    assert request.recipe.target_format == name
    assert request.settings.supported_formats == {name}


def test_every_writable_format_is_a_target() -> None:
    """Whatever the registry says can be written can be asked for."""
    for name in writable_names():
        assert codec(meant(Options(target_format=name)).recipe.target_format).can_write


@pytest.mark.parametrize(
    ("typed", "colour"),
    [("#FFF", "#ffffff"), ("a0b", "#aa00bb"), ("#102030", "#102030"), ("white", "#ffffff")],
)
def test_colours_have_one_spelling(typed: str, colour: str) -> None:
    """A background is the same recipe however its colour was spelled."""
    assert meant(Options(background=typed)).recipe.background == colour


@pytest.mark.parametrize(
    ("text", "score"),
    [("visually-lossless", 90), ("High", 70), ("medium", 50), ("low", 30), ("82.5", 82.5)],
)
def test_a_look_is_a_word_or_a_score(text: str, score: float) -> None:
    """The words are those of the metric's scale; a number is the score itself."""
    assert meant(Options(target_quality=text)).recipe.target_quality == score


def test_everything_typed_arrives() -> None:
    """Every option ends in the recipe or the settings."""
    request = meant(
        Options(
            max_size="500kb",
            min_quality=50,
            keep=("exif", "icc"),
            parallel="3",
            memory="200MB",
            timeout="2m",
            retries=0,
            include=("*.jpg",),
            dry_run=True,
        )
    )
    assert request.recipe.max_size_bytes == 500_000
    assert request.recipe.min_quality == 50
    assert request.recipe.keep == {Keep.EXIF, Keep.ICC}
    assert request.settings.parallel == 3
    assert request.settings.memory_bytes == 200_000_000
    assert request.settings.timeout_s == 120
    assert request.settings.retries == 0
    assert request.settings.include == ("*.jpg",)
    assert request.settings.dry_run


def test_auto_leaves_the_machine_to_decide() -> None:
    """Auto workers and memory are left for the run to find out."""
    settings = meant(Options(parallel="auto", memory="AUTO")).settings
    assert settings.parallel is None
    assert settings.memory_bytes is None


def test_the_config_of_the_issue_is_understood() -> None:
    """The documented config file means what its keys say."""
    request = meant(from_mapping(ISSUE_CONFIG))
    assert request.recipe.quality == 85
    assert request.recipe.resize is None
    assert request.recipe.strategy is StrategyName.ADAPTIVE
    assert request.settings.supported_formats == {"jpg", "png", "webp"}
    assert request.settings.parallel is None


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("qualty", "quality"), ("max-sise", "max_size"), ("default_qualty", "default_quality")],
)
def test_unknown_keys_name_the_nearest(key: str, nearest: str) -> None:
    """A key that is none is refused with the one that was probably meant."""
    with pytest.raises(OptionError, match=f"did you mean '{nearest}'"):
        from_mapping({key: 80})


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_one_option_has_one_value(alias: str, name: str) -> None:
    """An option that is given under both its names is refused."""
    value: object = 85 if name == "quality" else "adaptive" if name == "strategy" else 2
    assert from_mapping({alias: value}) == from_mapping({name: value})
    with pytest.raises(OptionError, match=f"{alias} and {name}"):
        from_mapping({alias: value, name: value})


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"quality": "high"}, "a whole number"),
        ({"quality": True}, "a whole number"),
        ({"quality": 80.5}, "a whole number"),
        ({"hidden": 1}, "true or false"),
        ({"hidden": None}, "true or false, got null"),
        ({"resize": True}, "a string or a number"),
        ({"resize": [800, 600]}, "a string or a number, got a list"),
        ({"report": 3}, "a string, got 3"),
        ({"include": {"a": 1}}, "a list of strings, got a table"),
        ({"include": [1]}, "a list of strings"),
        ({"fit": 3}, "one of inside"),
        ({"fit": "covr"}, "did you mean 'cover'"),
    ],
)
def test_wrong_types_say_what_was_expected(mapping: dict[str, object], expected: str) -> None:
    """A value of the wrong type is refused with the type that would do, and the key."""
    with pytest.raises(OptionError, match=expected) as caught:
        from_mapping(mapping)
    assert caught.value.option in mapping


def test_numbers_and_lists_may_be_spelled_either_way() -> None:
    """A config file may use numbers for sizes and one string for a comma list."""
    options = from_mapping(
        {"resize": 800, "max_size": 500_000, "timeout": 1.5, "keep": "exif, icc", "exclude": "a,b"}
    )
    assert options.keep == ("exif", "icc")
    assert options.exclude == ("a,b",)
    assert meant(options).recipe.max_size_bytes == 500_000
    assert meant(options).settings.timeout_s == 1.5


def test_a_flag_wins() -> None:
    """What both give comes from the flag, what one gives comes from that one."""
    both = merged(Options(quality=70, hidden=False), Options(quality=90, hidden=True, retries=5))
    assert both == Options(quality=70, hidden=False, retries=5)


@pytest.mark.parametrize(
    ("flags", "config"),
    [
        (Options(lossless=True), Options(quality=85, max_size="1MB")),
        (Options(strategy=StrategyName.LOSSLESS), Options(quality=85)),
        (Options(quality=70), Options(lossless=True)),
        (Options(max_size="1MB"), Options(strategy=StrategyName.LOSSLESS)),
        (Options(operations=("compress",)), Options(resize="800", target_format="webp")),
        (Options(operations=("resize",)), Options(quality=85, max_size="1MB")),
    ],
)
def test_a_flag_sets_aside_what_contradicts_it(flags: Options, config: Options) -> None:
    """A config file never makes a flag that is fine on its own an error."""
    meant(flags)
    meant(config)
    meant(merged(flags, config))


@pytest.mark.parametrize(
    ("flags", "config"),
    [
        (Options(quiet=True), Options(verbose=True)),
        (Options(verbose=True), Options(quiet=True)),
        (Options(json=True), Options(events="-")),
        (Options(events="-"), Options(json=True)),
    ],
)
def test_a_flag_sets_aside_its_opposite_on_screen(flags: Options, config: Options) -> None:
    """Of two ways to use the screen, the one on the command line stays."""
    assert merged(flags, config) == flags


def test_every_option_is_described_once() -> None:
    """Every field of the options has a place and a text in the help, and no two share a flag."""
    known = entries()
    assert [entry.name for entry in known] == [one.name for one in dataclasses.fields(Options)]
    assert all(entry.about.text and not entry.about.text.endswith(".") for entry in known)
    short = [entry.about.short for entry in known if entry.about.short]
    assert len(short) == len(set(short))


def test_the_schema_knows_every_key() -> None:
    """The schema lists every option and alias, refuses others and is plain JSON."""
    found: dict[str, Any] = json.loads(json.dumps(schema()))
    names = {entry.name for entry in entries()} | set(ALIASES) | {"$schema"}
    assert set(found["properties"]) == names
    assert found["additionalProperties"] is False
    assert found["properties"]["fit"]["enum"] == [str(fit) for fit in Fit]
    assert found["properties"]["fit"]["default"] == "inside"
    assert found["properties"]["quality"]["maximum"] == 100


def test_the_defaults_of_the_schema_are_the_defaults() -> None:
    """Giving every default that the schema names changes nothing."""
    found: dict[str, Any] = json.loads(json.dumps(schema()))
    defaults = {
        name: one["default"] for name, one in found["properties"].items() if "default" in one
    }
    assert meant(from_mapping(defaults)) == meant(Options())


def test_the_starter_is_a_valid_config() -> None:
    """Both starter files hold the five keys of the documentation and are understood."""
    found = tomllib.loads(starter_config(Syntax.TOML))
    assert found == json.loads(starter_config(Syntax.JSON)) == ISSUE_CONFIG
    meant(from_mapping(found))


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_every_line_of_the_starter_can_be_used(entry: Any) -> None:
    """Each commented line of the starter is a valid line once its comment sign is gone."""
    lines = [
        line.removeprefix("# ")
        for line in starter_config().splitlines()
        if line.startswith(f"# {entry.name} = ")
    ]
    assert "null" not in starter_config()
    for line in lines:
        options = from_mapping(tomllib.loads(line))
        assert getattr(options, entry.name) is not None
