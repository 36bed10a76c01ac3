"""`--target-format auto`: the smallest format at equal looks, one result a source, told why."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw

from pixmill.candidacy import Subject, deserving, possible, yardstick_quality
from pixmill.content import ContentClass
from pixmill.errors import OptionError
from pixmill.imaging.judge import Judge
from pixmill.imaging.load import reopened
from pixmill.milling import mill
from pixmill.model import Failed, FailureKind, Job, SkipReason, SourceRef, Status
from pixmill.naming import Namer
from pixmill.options.fields import Options
from pixmill.options.meaning import meant
from pixmill.planning import Limits
from pixmill.product import Product
from pixmill.recipe import Recipe
from pixmill.registry import codec
from pixmill.storage.local import Destination, write_all
from pixmill.strategies.score_search import Aim, Hints, lowest_reaching
from pixmill.units import parse_geometry, parse_savings
from pixmill.vocabulary import Effort, Operation
from runs import archive, by_path, digests, ran

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixmill.model import Outcome

AUTO = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
    target_format="auto",
    effort=Effort.FAST,
)
SUBJECT = Subject(
    codec="png",
    shown=ContentClass.PHOTOGRAPH,
    has_alpha=False,
    is_moving=False,
    is_lossless=True,
)


def photograph(mode: str = "RGB", suffix: str = "PNG", edge_px: int = 300) -> bytes:
    """Return soft noise, with transparency on one side in a mode that has it."""
    coarse = random.Random(7).randbytes((edge_px // 6) ** 2 * 3)
    image = Image.frombytes("RGB", (edge_px // 6, edge_px // 6), coarse)
    image = image.resize((edge_px, edge_px), Image.Resampling.BICUBIC).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    return saved(image, suffix)


def drawing() -> bytes:
    """Return flat boxes with hard edges."""
    image = Image.new("RGB", (400, 300), "white")
    drawn = ImageDraw.Draw(image)
    for step in range(40):
        box = (step * 9, step * 7, step * 9 + 30, step * 7 + 12)
        drawn.rectangle(box, fill=(step * 6, 90, 200), outline="black")
    return saved(image, "PNG")


def uneven(edge_px: int = 640) -> bytes:
    """Return soft noise crossed by rough bars, which squares from all over it miss."""
    soft = Image.open(io.BytesIO(photograph(edge_px=edge_px)))
    coarse = random.Random(3).randbytes((edge_px // 2) ** 2 * 3)
    rough = Image.frombytes("RGB", (edge_px // 2, edge_px // 2), coarse)
    bars = Image.new("L", soft.size)
    drawn = ImageDraw.Draw(bars)
    for at_px in (190, 410):
        drawn.rectangle((at_px, 0, at_px + 40, edge_px), fill=255)
        drawn.rectangle((0, at_px, edge_px, at_px + 40), fill=255)
    return saved(
        Image.composite(rough.resize(soft.size, Image.Resampling.BICUBIC), soft, bars), "PNG"
    )


def moving() -> bytes:
    """Return an animation of three frames."""
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "lime", "blue")]
    held = io.BytesIO()
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return held.getvalue()


def saved(image: Image.Image, suffix: str) -> bytes:
    """Return an image encoded by Pillow."""
    held = io.BytesIO()
    image.save(held, suffix)
    return held.getvalue()


def milled(content: bytes, recipe: Recipe = AUTO, *, lease_bytes: int = 1 << 30) -> Product:
    """Make an image that can be made."""
    made = attempted(content, recipe, lease_bytes=lease_bytes)
    assert isinstance(made, Product), made
    return made


def attempted(content: bytes, recipe: Recipe, *, lease_bytes: int = 1 << 30) -> Product | Failed:
    """Make an image."""
    name = next(name for name in ("png", "jpg", "gif") if codec(name).recognises(content[:4096]))
    return mill(content, name, recipe, Limits(lease_bytes), lease=lambda _: None)


def reason(product: Product) -> str:
    """Return why its format was chosen."""
    return next(note for note in product.notes if note.startswith("format: "))


@pytest.mark.parametrize("quality", [50, 80])
@pytest.mark.parametrize("target", ["webp", "avif", "jpg"])
def test_a_candidate_looks_as_the_yardstick_does(quality: int, target: str) -> None:
    """Every format scores what JPEG at the quality asked for does, and hardly more."""
    content = photograph()
    judge = Judge(reopened(content, "png"))
    wanted = judge.score(saved(Image.open(io.BytesIO(content)), "PNG"), "png")
    assert wanted == pytest.approx(100)
    jpeg = milled(content, replace(AUTO, target_format="jpg", quality=quality))
    assert isinstance(jpeg.content, bytes)
    wanted = judge.score(jpeg.content, "jpg")
    # a candidate that never wins keeps the choice open
    made = milled(content, replace(AUTO, quality=quality, candidates=(target, "bmp")))
    assert isinstance(made.content, bytes)
    assert made.target == target
    assert wanted - 0.3 <= judge.score(made.content, target) <= wanted + 1.6


@pytest.mark.parametrize("target", ["webp", "avif"])
def test_what_a_sample_misjudges_is_mended(target: str) -> None:
    """Where the whole scores otherwise than its sample, another quality brings it to the looks."""
    content = uneven()
    judge = Judge(reopened(content, "png"))
    jpeg = milled(content, replace(AUTO, target_format="jpg", quality=80))
    wanted = judge.score(_bytes(jpeg), "jpg")
    made = milled(content, replace(AUTO, quality=80, candidates=(target, "bmp")))
    assert made.target == target
    assert wanted - 0.3 <= judge.score(_bytes(made), target) <= wanted + 1.6


def test_a_score_that_is_asked_for_is_the_yardstick() -> None:
    """Under `--target-quality` every format is searched for that score, and the smallest wins."""
    content = photograph(edge_px=600)
    judge = Judge(reopened(content, "png"))
    recipe = replace(AUTO, target_quality=70.0)
    made = milled(content, recipe)
    assert isinstance(made.content, bytes)
    assert judge.score(made.content, made.target) >= 70
    for name in ("avif", "webp", "jpg"):
        alone = milled(content, replace(recipe, target_format=name))
        assert made.content_bytes <= alone.content_bytes
        assert name in reason(made)


def test_the_smallest_wins_and_the_choice_is_told() -> None:
    """No candidate alone is smaller, and a note names every one with its size or estimate."""
    content = photograph(edge_px=600)
    made = milled(content)
    for name in ("avif", "webp", "jpg"):
        assert name in reason(made)
        alone = milled(content, replace(AUTO, candidates=(name, "bmp")))
        assert alone.target == name
        assert made.content_bytes <= alone.content_bytes * 1.02, reason(alone)
    assert reason(made).startswith(f"format: {made.target} ")
    assert codec(made.target).recognises(_bytes(made)[:4096])


def test_what_an_estimate_rules_out_is_not_encoded() -> None:
    """A format that a sample shows to be far too large costs no encode of the whole."""
    made = milled(photograph(edge_px=900), replace(AUTO, candidates=("jpg", "bmp", "png")))
    assert made.target == "jpg"
    assert "png not tried: estimate" in reason(made)
    assert "bmp not tried: estimate" in reason(made)
    assert made.encodes <= 3


def test_transparency_and_frames_are_not_lost() -> None:
    """What is transparent or moves becomes a format that holds it, though others were smaller."""
    clear = milled(photograph("RGBA"))
    assert Image.open(io.BytesIO(_bytes(clear))).getchannel("A").getextrema()[0] == 0
    made = milled(moving(), replace(AUTO, candidates=("jpg", "webp", "gif")))
    if made.status is Status.OPTIMIZED:
        assert getattr(Image.open(io.BytesIO(_bytes(made))), "n_frames", 1) == 3
    assert made.target in {"webp", "gif"}


def _bytes(product: Product) -> bytes:
    assert isinstance(product.content, bytes)
    return product.content


def test_nothing_is_lost_of_what_must_be_exact() -> None:
    """Under --lossless the smallest exact form wins, pixel for pixel."""
    content = drawing()
    made = milled(content, replace(AUTO, lossless=True))
    before, after = (
        Image.open(io.BytesIO(each)).convert("RGB") for each in (content, _bytes(made))
    )
    assert before.tobytes() == after.tobytes()
    assert made.content_bytes < len(content)


def test_a_source_that_no_candidate_beats_stands() -> None:
    """A source in one of the formats stays itself, byte for byte, where it is the smallest."""
    coarse = saved(Image.open(io.BytesIO(photograph())), "WEBP")
    source = mill(coarse, "webp", replace(AUTO, quality=99), Limits(1 << 30), lease=lambda _: None)
    assert isinstance(source, Product)
    assert (source.status, source.target, source.content) == (Status.KEPT, "webp", None)
    assert reason(source).startswith("format: webp ")
    assert reason(source).count("not tried: estimate") == 2, "what stands costs the others nothing"
    recipe = replace(AUTO, min_savings=parse_savings("90%"))
    modest = mill(coarse, "webp", recipe, Limits(1 << 30), lease=lambda _: None)
    assert isinstance(modest, Product)
    assert modest.status is Status.KEPT, "a result that saves little is no reason to change"


def test_a_source_that_is_small_is_weighed_by_its_own_size() -> None:
    """What a source takes as it is counts, not what it would take anew: nothing else is encoded."""
    held = io.BytesIO()
    Image.open(io.BytesIO(photograph(edge_px=600))).save(held, "WEBP", quality=5)
    recipe = replace(AUTO, quality=90)
    made = mill(held.getvalue(), "webp", recipe, Limits(1 << 30), lease=lambda _: None)
    assert isinstance(made, Product)
    assert made.status is Status.KEPT
    assert reason(made).count("not tried: estimate") == 2


def test_under_a_cap_another_format_is_the_last_step() -> None:
    """A cap that one candidate cannot meet is met by the next; none meets one of a byte."""
    content = photograph(edge_px=600)
    recipe = replace(AUTO, candidates=("png", "jpg"), min_quality=10)
    made = milled(content, replace(recipe, max_size_bytes=40_000))
    assert made.target == "jpg"
    assert made.content_bytes <= 40_000
    hopeless = attempted(content, replace(recipe, max_size_bytes=1))
    assert isinstance(hopeless, Failed)
    assert hopeless.kind is FailureKind.UNREACHABLE
    assert milled(content, replace(recipe, max_size_bytes=10**7)).status is Status.KEPT


def test_what_memory_cannot_weigh_is_made_all_the_same() -> None:
    """Where comparing takes too much, one format is taken unseen, and that is told."""
    content = photograph(edge_px=1200)
    made = milled(content, lease_bytes=60_000_000)
    assert "unseen" in reason(made)
    assert made.status is Status.OPTIMIZED


@pytest.mark.parametrize("kind", ["grey", "dot", "line", "clear", "noise"])
def test_odd_images_get_a_format(kind: str) -> None:
    """A monochrome, a single pixel, a 1 x 65,000, a transparent and a noise image are made."""
    noise = Image.effect_noise((160, 120), 90)
    image = {
        "grey": Image.linear_gradient("L"),
        "dot": Image.new("RGB", (1, 1), (9, 200, 77)),
        "line": Image.linear_gradient("L").resize((1, 65_000)),
        "clear": Image.new("RGBA", (200, 100), (255, 0, 0, 0)),
        "noise": Image.merge(
            "RGB", (noise, noise.rotate(180), noise.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
        ),
    }[kind]
    content = saved(image, "PNG")
    made = milled(content)
    assert made.content_bytes <= len(content)
    for cap_bytes in (1, 900, 10**6):
        capped = attempted(content, replace(AUTO, max_size_bytes=cap_bytes))
        is_left = isinstance(capped, Failed) and capped.kind is FailureKind.UNREACHABLE
        assert is_left or (isinstance(capped, Product) and capped.content_bytes <= cap_bytes)


def test_content_decides_what_is_deserved() -> None:
    """Photographs get lossy formats, drawings exact ones, the rest what holds it."""
    drawn = replace(SUBJECT, shown=ContentClass.GRAPHIC)
    assert set(deserving(replace(SUBJECT, codec="tiff"), AUTO)) == {"jpg", "webp", "avif"}
    assert set(deserving(drawn, AUTO)) == {"png", "webp", "avif"}
    assert set(deserving(replace(drawn, codec="jpg", is_lossless=False), AUTO)) == {
        *("jpg", "webp", "avif"),
    }
    assert "jpg" not in deserving(replace(SUBJECT, has_alpha=True), AUTO)
    assert set(deserving(replace(SUBJECT, codec="gif", is_moving=True), AUTO)) == {
        *("gif", "webp", "avif"),
    }
    named = replace(AUTO, candidates=("jpg", "webp"))
    assert deserving(drawn, named) == ("jpg", "webp")
    assert deserving(replace(SUBJECT, is_moving=True), named) == ("webp",)
    assert deserving(replace(SUBJECT, is_moving=True), replace(AUTO, candidates=("jpg",))) == (
        "jpg",
    )
    assert possible("svg", AUTO) == (codec("svg"),)
    sized = replace(
        AUTO, operations=AUTO.operations | {Operation.RESIZE}, resize=parse_geometry("9")
    )
    assert codec("svg") not in possible("svg", sized)


def test_the_yardstick_is_no_better_than_the_source() -> None:
    """The lower of the quality asked for, or the default, and of the source's own."""
    assert yardstick_quality(AUTO, None) == 80
    assert yardstick_quality(AUTO, 60) == 60
    assert yardstick_quality(replace(AUTO, quality=50), 60) == 50
    converted = replace(AUTO, operations=frozenset({Operation.CONVERT}))
    assert yardstick_quality(converted, None) == 92


@pytest.mark.parametrize(
    "curve",
    [lambda q: q, lambda q: 100 - 3000 / (q + 20), lambda q: 80.0 if q > 30 else 0.0],
)
@pytest.mark.parametrize("wanted", [1.0, 40.0, 79.9, 100.0])
def test_equal_looks_are_equal(curve: Callable[[int], float], wanted: float) -> None:
    """Within the narrow band that formats are compared in: the lowest quality, or 0.3 above."""
    hints = Hints(curve=codec("jpg").score_curve)
    found = lowest_reaching(curve, Aim(target=wanted, low=1, high=100, band=0.3), hints)
    assert found.encodes <= 13
    reaching = [quality for quality in range(1, 101) if curve(quality) >= wanted]
    if not reaching:
        assert found.quality is None
    else:
        assert found.quality == reaching[0] or wanted <= found.score <= wanted + 0.3


def test_a_job_takes_no_name_but_its_own() -> None:
    """What a worker says to have published counts where it is a choice, and nowhere else."""
    source = SourceRef("a.png", 1, 0, "png")
    job = Job(0, source, "a.*", choices=("a.jpg", "a.webp"))
    assert job.confirmed("a.webp") == "a.webp"
    assert job.confirmed("../etc/passwd") == "a.*"
    assert job.named(".webp") == "a.webp"


def test_two_sources_never_meet_and_a_rerun_does_nothing(tmp_path: Path) -> None:
    """Sources of one stem get results of their own, whatever their formats, once."""
    archive(tmp_path / "in", "a.jpg", "a.png", "b/a.webp", "b/c.png")
    first = by_path(ran(tmp_path / "in", tmp_path / "out", recipe=AUTO).outcomes)
    made = {outcome.destination for outcome in first.values()}
    assert len(made) == 4
    stood = digests(tmp_path / "out")
    assert set(stood) == made
    again = ran(tmp_path / "in", tmp_path / "out", recipe=AUTO)
    assert {one.reason for one in again.outcomes} == {SkipReason.DONE}
    assert digests(tmp_path / "out") == stood


def changed_to_transparent(root: Path, *, meddled: bool = False) -> tuple[Outcome, Outcome]:
    """Run over an opaque PNG, and again once it has become transparent; jpg or png may be chosen.

    Args:
        root: Folder for input and output.
        meddled: Whether somebody else writes to the first result in between.
    """
    recipe = replace(AUTO, candidates=("jpg", "png"))
    (root / "in").mkdir()
    outcomes = []
    for mode in ("RGB", "RGBA"):
        (root / "in" / "a.png").write_bytes(photograph(mode, edge_px=120 if mode == "RGB" else 60))
        outcomes += ran(root / "in", root / "out", recipe=recipe).outcomes
        if meddled and mode == "RGB":
            (root / "out" / "a.jpg").write_bytes(b"mine")
    first, second = outcomes
    assert (first.destination, second.destination) == ("a.jpg", "a.png")
    return first, second


def test_a_changed_choice_leaves_no_twin(tmp_path: Path) -> None:
    """A result that now has another format takes the place of the one before."""
    changed_to_transparent(tmp_path)
    assert digests(tmp_path / "out").keys() == {"a.png"}


def test_a_changed_twin_is_left_and_told(tmp_path: Path) -> None:
    """What somebody else wrote under an earlier choice is not removed, and is named."""
    _, second = changed_to_transparent(tmp_path, meddled=True)
    assert (tmp_path / "out" / "a.jpg").read_bytes() == b"mine"
    assert "a.jpg stands beside it" in second.notes


def test_every_name_that_may_be_chosen_is_claimed() -> None:
    """No file is copied to a name that its neighbour may get; a folder keeps its own."""
    image, text = SourceRef("in/a.png", 1, 0, "png"), SourceRef("in/a.webp", 1, 0, "")
    names = [
        name
        for named in Namer(AUTO).named([image, text])
        for name in (named.choices or (named.destination,))
    ]
    assert len(names) == len(set(names)) == 6
    (beside,) = Namer(AUTO, frozenset({"a.gif"})).named([image])
    assert "in/a.png.webp" in beside.choices
    assert beside.rival == "in/a.gif"


def test_only_what_was_published_is_withdrawn(tmp_path: Path) -> None:
    """A result is removed where its size and time are still its own, and not otherwise."""
    destination = Destination(str(tmp_path))
    destination.publish(
        "a.jpg",
        lambda descriptor: write_all(descriptor, b"abc"),
        mtime_ns=10**18,
        can_replace=False,
    )
    assert not destination.withdraw("a.jpg", 4, 10**18)
    assert not destination.withdraw("a.jpg", 3, 2 * 10**18)
    assert destination.exists("a.jpg")
    assert destination.withdraw("a.jpg", 3, 10**18)
    assert not destination.exists("a.jpg")
    assert not destination.withdraw("a.jpg", 3, 10**18)


def test_what_others_wrote_is_not_touched(tmp_path: Path) -> None:
    """A file that is not pixmill's at any of the names keeps the source from being made."""
    archive(tmp_path / "in", "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").write_bytes(b"mine")
    (outcome,) = ran(tmp_path / "in", tmp_path / "out", recipe=AUTO).outcomes
    assert outcome.reason is SkipReason.EXISTS
    assert digests(tmp_path / "out").keys() == {"a.jpg"}


def test_candidates_are_named_as_formats_are() -> None:
    """Aliases are understood; what cannot be written, repeats, or has no use is refused."""
    options = Options(target_format="auto", candidates=("avif", "jpeg"))
    assert meant(options).recipe.candidates == ("avif", "jpg")
    for wrong in (
        Options(target_format="auto", candidates=("psd",)),
        Options(target_format="auto", candidates=("jpg", "jpeg")),
        Options(target_format="webp", candidates=("jpg",)),
        Options(target_format="auto", candidates=("jpg", "webp"), lossless=True),
    ):
        with pytest.raises(OptionError):
            meant(wrong)
    with pytest.raises(OptionError):
        meant(Options(target_format="auto", in_place=True, no_backup=True))


def test_a_recipe_without_candidates_keeps_its_fingerprint() -> None:
    """Candidates count in a fingerprint, in their order, and their absence does not."""
    assert Recipe().fingerprint() == replace(Recipe(), candidates=()).fingerprint()
    one, other = (replace(AUTO, candidates=names) for names in (("jpg", "png"), ("png", "jpg")))
    assert len({AUTO.fingerprint(), one.fingerprint(), other.fingerprint()}) == 3
