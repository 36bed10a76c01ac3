"""Several outputs of one source, `--widths` and `--formats`: all under their names, or none."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faults.dying import MOMENT
from kernels import reference
from pixmill import api
from pixmill.errors import ImageError, OptionError, RunError
from pixmill.events import file_event
from pixmill.executors.hearing import _built, _flat
from pixmill.imaging.load import opened as opened_by_plan
from pixmill.imaging.probe import probe
from pixmill.imaging.steps import run_steps
from pixmill.manifest import Manifest
from pixmill.milling import mill
from pixmill.model import FailureKind, Job, Outcome, Output, SkipReason, SourceRef, Status
from pixmill.naming import Namer
from pixmill.options import from_mapping, meant, merged
from pixmill.options.fields import Options
from pixmill.planning import Limits
from pixmill.product import Product
from pixmill.recipe import Recipe
from pixmill.series import DEFAULT_TEMPLATE, UNSIZED_TEMPLATE, parse_template
from pixmill.series_making import SeriesMaker
from pixmill.series_planning import Member, SeriesPlan, series_planned
from pixmill.settings import IfExists, Sandbox, Settings
from pixmill.vocabulary import Effort, IfLarger, Kernel
from runs import TWO_WORKERS, archive, by_path, digests, ran, temporary_files

if TYPE_CHECKING:
    from pixmill.picture import Origin
    from pixmill.reporting import Summary

WIDE = Recipe(widths=(160, 40, 80), formats=("webp", "jpg"), effort=Effort.FAST)
BOTH = ("webp", "jpg")
COMMAND = str(Path(sys.executable).with_name("pixmill"))
TESTS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Made:
    """One run over an archive of oddities, which many tests look at."""

    source: Path
    out: Path
    outcomes: dict[str, Outcome]
    summary: Summary
    listed: dict[str, list[dict[str, Any]]]

    def image(self, name: str) -> Image.Image:
        """Return a result, open."""
        return opened(self.out / name)

    def outputs(self, path: str) -> set[str]:
        """Return the names of what a source became."""
        return {each.path for each in self.outcomes[path].outputs}


def _odd(root: Path) -> Path:
    """Write a photograph, one turned, a narrow one with alpha, an animation, and a pair."""
    archive(root, "photo.jpg", "pair.jpg", "pair.png", size_px=200)
    turned = opened(root / "photo.jpg").resize((200, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(root / "turned.jpg", exif=exif)
    narrow = Image.linear_gradient("L").resize((50, 60))
    Image.merge("RGBA", (narrow, narrow, narrow, narrow)).save(root / "narrow.png")
    frames = [Image.new("RGB", (100, 60), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(root / "moving.gif", save_all=True, append_images=frames[1:], duration=100)
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Run once."""
    root = tmp_path_factory.mktemp("series")
    source, out = _odd(root / "in"), root / "out"
    ended = ran(source, out, recipe=WIDE, settings=replace(TWO_WORKERS, verify=True))
    return Made(source, out, by_path(ended.outcomes), ended.summary, listed(out))


def opened(path: Path) -> Image.Image:
    """Return an image from memory, so that no file stays open."""
    return Image.open(io.BytesIO(path.read_bytes()))


def listed(out: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what the manifest of an output says."""
    document = json.loads(Path(f"{out}.pixmill", "srcset.json").read_text())
    assert document["schema"] == 1
    sources: dict[str, list[dict[str, Any]]] = document["sources"]
    return sources


def names(stem: str, *widths: int, formats: tuple[str, ...] = BOTH) -> set[str]:
    """Return the names of a set."""
    return {f"{stem}-{width}.{ext}" for width in widths for ext in formats}


def test_the_words_typed_give_files_a_list_and_nothing_to_do(tmp_path: Path) -> None:
    """Widths and formats typed give every file, a list to fill srcset, and are done once."""
    source = archive(tmp_path / "in", "a.jpg", size_px=100)
    where = tmp_path / "srcset.json"
    words = ["--widths", "40,80", "--formats", "webp,jpg", "--manifest", str(where), "--json"]
    ended = []
    for _ in range(2):
        process = subprocess.run(
            [COMMAND, "optimize", str(source), str(tmp_path / "web"), *words],
            capture_output=True,
            check=True,
        )
        ended.append(json.loads(process.stdout)["totals"])
    assert {path.name for path in (tmp_path / "web").iterdir()} == names("a", 40, 80)
    outputs = json.loads(where.read_text())["sources"]["a.jpg"]
    assert [(each["path"], each["type"]) for each in outputs] == [
        ("a-40.webp", "image/webp"),
        ("a-80.webp", "image/webp"),
        ("a-40.jpg", "image/jpeg"),
        ("a-80.jpg", "image/jpeg"),
    ]
    for each in outputs:
        path = tmp_path / "web" / each["path"]
        assert path.stat().st_size == each["bytes"]
        assert opened(path).size == (each["width"], each["height"])
    assert [(each["optimized"], each["skipped"]) for each in ended] == [(1, 0), (0, 1)]


def test_every_output_is_told_and_counted_once(made: Made) -> None:
    """A source is one outcome, with bytes and pixels of all outputs; the list says the same."""
    assert made.summary.optimized == len(made.outcomes) == 6
    assert made.summary.bytes_written == sum(path.stat().st_size for path in made.out.iterdir())
    assert {each["path"] for all_ in made.listed.values() for each in all_} == {
        path.name for path in made.out.iterdir()
    }
    photo = made.outcomes["photo.jpg"]
    assert photo.destination == "photo-*.*"
    assert photo.width_px == 160
    assert photo.bytes_written == sum(each.size_bytes for each in photo.outputs)
    event: Any = file_event(photo)
    told = [{key: each[key] for key in made.listed["photo.jpg"][0]} for each in event["outputs"]]
    assert told == made.listed["photo.jpg"]


def test_a_narrow_source_keeps_its_own_width_once(made: Made) -> None:
    """Nothing is enlarged: widths above the source's are its own, written once."""
    assert made.outputs("photo.jpg") == names("photo", 40, 80, 160)
    assert made.outputs("narrow.png") == names("narrow", 40, 50)


def test_a_turned_source_is_as_wide_as_it_is_seen(made: Made) -> None:
    """Widths are of the upright picture, whose orientation is in its pixels."""
    assert made.outputs("turned.jpg") == names("turned", 40, 80, 100)
    for width_px in (40, 80, 100):
        image = made.image(f"turned-{width_px}.jpg")
        assert image.size == (width_px, 2 * width_px)
        assert image.getexif().get(0x0112, 1) == 1


def test_each_format_gets_what_it_can_hold(made: Made) -> None:
    """Of one source WebP keeps alpha and frames, JPEG is put on white and takes the first."""
    alpha = made.image("narrow-40.webp").getchannel("A")
    assert np.asarray(alpha)[:2, 10:30].max() < 40
    on_white = made.image("narrow-40.jpg")
    assert np.asarray(on_white)[:2, 10:30].min() > 240
    moving = [made.image(f"moving-{width}.webp") for width in (40, 80, 100)]
    assert [getattr(image, "n_frames", 1) for image in moving] == [3, 3, 3]
    assert made.image("moving-80.jpg").size == (80, 48)


def test_two_sources_of_one_stem_do_not_meet(made: Made) -> None:
    """The second of two that want one series keeps its suffix in its names, and says so."""
    assert made.outputs("pair.jpg") == names("pair", 40, 80, 160)
    assert made.outputs("pair.png") == names("pair.png", 40, 80, 160)
    assert made.outcomes["pair.png"].notes[0] == "its name was taken by pair.jpg"


def test_a_set_is_done_when_all_of_it_is_there(made: Made) -> None:
    """One output that is missing or touched has the set made anew, to the byte; else it is done."""
    before = digests(made.out)
    (made.out / "photo-80.webp").unlink()
    (made.out / "turned-40.jpg").write_bytes(b"other")
    verified = replace(TWO_WORKERS, verify=True)
    again = by_path(ran(made.source, made.out, recipe=WIDE, settings=verified).outcomes)
    remade = {path for path, each in again.items() if each.status is Status.OPTIMIZED}
    assert remade == {"photo.jpg", "turned.jpg"}
    assert all(again[path].reason is SkipReason.DONE for path in again.keys() - remade)
    assert digests(made.out) == before
    assert listed(made.out) == made.listed


def test_other_widths_replace_the_set(tmp_path: Path) -> None:
    """A set under another recipe is made anew, and what it has no more is taken away."""
    source, out = archive(tmp_path / "in", "a.jpg", size_px=100), tmp_path / "out"
    ran(source, out, recipe=WIDE)
    (out / "a-40.txt").write_text("somebody's")
    outcomes = ran(source, out, recipe=replace(WIDE, widths=(40, 60), formats=("jpg",))).outcomes
    assert outcomes[0].destination == "a-*.jpg"
    assert set(digests(out)) == {"a-40.jpg", "a-60.jpg", "a-40.txt"}
    assert [each["path"] for each in listed(out)["a.jpg"]] == ["a-40.jpg", "a-60.jpg"]


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """What stands under any name of a set, the source's own width included, skips the source."""
    source, out = archive(tmp_path / "in", "a.jpg", size_px=100), tmp_path / "out"
    out.mkdir()
    (out / "a-100.webp").write_bytes(b"mine")
    for _ in range(2):
        assert ran(source, out, recipe=WIDE).outcomes[0].reason is SkipReason.EXISTS
        assert set(digests(out)) == {"a-100.webp"}
    overwriting = replace(TWO_WORKERS, if_exists=IfExists.OVERWRITE)
    ran(source, out, recipe=WIDE, settings=overwriting)
    assert set(digests(out)) == names("a", 40, 80, 100)
    assert (out / "a-100.webp").read_bytes() != b"mine"


DYING = """if __name__ == "__main__":
    import sys
    import pixmill
    from pixmill.settings import Sandbox, Settings
    settings = Settings(parallel=1, sandbox=Sandbox.OFF)
    recipe = pixmill.Recipe(widths=(40, 80), formats=("webp", "jpg"))
    mill = "faults.dying:mill"
    list(pixmill.optimize(sys.argv[1], sys.argv[2], recipe, settings=settings, mill=mill))
"""


def test_a_run_that_dies_between_two_outputs_is_taken_up_again(tmp_path: Path) -> None:
    """Killed with one output published, it is not done: the next run makes the set whole."""
    source, out = archive(tmp_path / "in", "a.jpg", size_px=100), tmp_path / "out"
    process = subprocess.run(
        [sys.executable, "-c", DYING, str(source), str(out)],
        env={**os.environ, MOMENT: "linked", "PYTHONPATH": str(TESTS)},
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    assert {path.name for path in out.iterdir()} - {path.name for path in temporary_files(out)} == {
        "a-40.webp"
    }
    ended = ran(source, out, recipe=replace(WIDE, widths=(40, 80), formats=("jpg", "webp")))
    assert ended.outcomes[0].status is Status.OPTIMIZED
    assert set(digests(out)) == names("a", 40, 80)


def test_one_output_that_cannot_be_made_fails_the_set(tmp_path: Path) -> None:
    """A cap that one output cannot keep publishes none of them, and names the one."""
    source, out = archive(tmp_path / "in", "a.jpg", size_px=100), tmp_path / "out"
    outcomes = ran(source, out, recipe=replace(WIDE, max_size_bytes=600)).outcomes
    failure = outcomes[0].failure
    assert failure is not None
    assert failure.kind is FailureKind.UNREACHABLE
    assert failure.message.startswith(("webp of ", "jpg of "))
    assert digests(out) == {}
    assert listed(out) == {}


def test_each_output_keeps_a_cap(tmp_path: Path) -> None:
    """A cap on size holds for every output by itself."""
    source, out = archive(tmp_path / "in", "a.jpg", size_px=100), tmp_path / "out"
    ran(source, out, recipe=replace(WIDE, max_size_bytes=2500))
    sizes = [path.stat().st_size for path in out.iterdir()]
    assert len(sizes) == 6
    assert max(sizes) <= 2500


def test_content_is_what_a_set_is_known_by(tmp_path: Path) -> None:
    """With checksums the list has each output's, and one that differs is made anew."""
    source, out = archive(tmp_path / "in", "a.jpg", size_px=50), tmp_path / "out"
    knowing = replace(TWO_WORKERS, checksum=True)
    ran(source, out, recipe=WIDE, settings=knowing)
    found = {each["path"]: each["sha256"] for each in listed(out)["a.jpg"]}
    assert found == digests(out)
    os.utime(source / "a.jpg")
    assert ran(source, out, recipe=WIDE, settings=knowing).outcomes[0].reason is SkipReason.DONE
    path = out / "a-40.jpg"
    path.write_bytes(path.read_bytes()[::-1])
    ran(source, out, recipe=WIDE, settings=knowing)
    assert digests(out) == found


def test_a_dry_run_tells_and_writes_nothing(tmp_path: Path) -> None:
    """A dry run names all outputs with their sizes, and leaves no file."""
    source, out = archive(tmp_path / "in", "a.jpg", size_px=50), tmp_path / "out"
    outcome = ran(source, out, recipe=WIDE, settings=replace(TWO_WORKERS, dry_run=True)).outcomes[0]
    assert {each.path for each in outcome.outputs} == names("a", 40, 50)
    assert all(each.size_bytes for each in outcome.outputs)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_formats_alone_keep_names_and_sizes(tmp_path: Path) -> None:
    """Without widths each format has the source's size and name; `keep` is the source's own."""
    source, out = archive(tmp_path / "in", "a.jpg", "b.png", size_px=48), tmp_path / "out"
    (source / "c.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><path d="M0 0h9v9"/></svg>'
    )
    ran(source, out, recipe=Recipe(formats=("keep", "webp"), effort=Effort.FAST))
    assert set(digests(out)) == {"a.jpg", "a.webp", "b.png", "b.webp", "c.svg", "c.webp"}
    assert [each["width"] for each in listed(out)["c.svg"]] == [30, 30]
    assert listed(out)["c.svg"][0]["type"] == "image/svg+xml"


def test_a_set_that_memory_lacks_for_is_made_one_by_one() -> None:
    """Where decoded pixels cannot be shared inside the lease each output is made as if alone."""
    content = _large()
    header = probe(content, "png")
    recipe = replace(WIDE, widths=(300, 900), formats=("webp", "jpg"))
    ample = Limits(1 << 30, is_enforced=False)
    plan = series_planned(header, recipe, ample)
    assert isinstance(plan, SeriesPlan)
    assert plan.is_shared
    scarce = replace(ample, lease_bytes=plan.cost_bytes - 1)
    alone = series_planned(header, recipe, scarce)
    assert isinstance(alone, SeriesPlan)
    assert not alone.is_shared
    assert alone.cost_bytes == max(each.plan.cost_bytes for each in alone.members)
    sizes = []
    for limits in (ample, scarce):
        costs: list[int] = []
        product = mill(content, "png", recipe, limits, lease=costs.append)
        assert isinstance(product, Product)
        sizes.append([(each.target, each.width_px) for each in product.members])
        assert costs[0] <= limits.lease_bytes
        assert all(_read(each) for each in product.members)
    assert sizes[0] == sizes[1] == [(name, width) for name in BOTH for width in (300, 900)]


def test_a_set_beyond_its_share_is_decoded_again_to_the_same_bytes() -> None:
    """Decoded pixels are held for several sizes only where other workers have memory left."""
    content = _large()
    header = probe(content, "png")
    recipe = replace(WIDE, widths=(600, 900), formats=("webp", "jpg"))
    ample = Limits(1 << 30, is_enforced=False)
    held = series_planned(header, recipe, ample)
    assert isinstance(held, SeriesPlan)
    shared = replace(ample, share_bytes=held.cost_bytes - 1)
    unheld = series_planned(header, recipe, shared)
    assert isinstance(unheld, SeriesPlan)
    assert (held.is_held, unheld.is_held) == (True, False)
    assert held.is_shared
    assert unheld.is_shared
    assert unheld.cost_bytes < held.cost_bytes
    made = [mill(content, "png", recipe, each, lease=lambda _: None) for each in (ample, shared)]
    contents = [[_read(each) for each in one.members] for one in made if isinstance(one, Product)]
    assert len(contents[0]) == 4
    assert contents[0] == contents[1]


def _read(product: Product) -> bytes:
    if product.content is None or isinstance(product.content, bytes):
        return product.content or b""
    with product.content as spool:
        spool.seek(0)
        return spool.read()


def _pixels_of(photo: Path, plan: SeriesPlan) -> dict[int, pyvips.Image]:
    """Return what every output of a photograph is encoded from."""
    found: dict[int, pyvips.Image] = {}

    def make(member: Member, origin: Origin | None) -> Product:
        assert origin is not None
        found[member.width_px] = origin.pixels
        return Product(status=Status.KEPT, target="png", width_px=1, height_px=1)

    SeriesMaker(str(photo), plan, make).made()
    return found


def test_a_size_made_of_another_is_as_near_to_the_original() -> None:
    """What shares a decode is no farther from a float64 reduction than what has its own."""
    apart_db = []
    for name in ("colosseum", "lake", "osprey"):
        photo = TESTS / "sample" / "travel" / f"{name}.jpg"
        recipe = Recipe(widths=(100, 200, 400, 500, 800), formats=("png",))
        plan = series_planned(probe(str(photo), "jpg"), recipe, Limits(1 << 30))
        assert isinstance(plan, SeriesPlan)
        assert plan.is_held
        whole = pyvips.Image.new_from_file(str(photo)).numpy().astype(np.float64)
        pixels = _pixels_of(photo, plan)
        for member in plan.members:
            size = (member.plan.width_px, member.plan.height_px)
            exact = reference(whole, size, Kernel.LANCZOS3).clip(0, 255)
            alone = run_steps(opened_by_plan(str(photo), member.plan), member.plan)
            errors = [
                np.mean((image.numpy() - exact) ** 2) for image in (alone, pixels[member.width_px])
            ]
            alone_db, shared_db = 20 * np.log10(255) - 10 * np.log10(errors)
            apart_db.append(alone_db - shared_db)
            assert shared_db > 45
    assert np.mean(apart_db) < 0.5


def _large() -> bytes:
    image = pyvips.Image.perlin(900, 700, cell_size=90, seed=1).cast("uchar")
    content: bytes = image.bandjoin([image, image]).copy(interpretation="srgb").pngsave_buffer()
    return content


def test_a_set_that_fails_is_listed_no_more(tmp_path: Path) -> None:
    """A source that has become damaged is not told of as made, though its outputs stand."""
    source, out = archive(tmp_path / "in", "a.jpg", size_px=50), tmp_path / "out"
    ran(source, out, recipe=WIDE)
    assert [*listed(out)] == ["a.jpg"]
    (source / "a.jpg").write_bytes((source / "a.jpg").read_bytes()[:300])
    assert ran(source, out, recipe=WIDE).outcomes[0].status is Status.FAILED
    assert set(digests(out)) == names("a", 40, 50)
    assert listed(out) == {}


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        ({"widths": ("320", "x")}, "widths"),
        ({"widths": ("0",)}, "widths"),
        ({"widths": ("320", "320")}, "widths"),
        ({"widths": tuple(map(str, range(1, 50)))}, "widths"),
        ({"widths": ("320",), "resize": "100"}, "resize"),
        ({"widths": ("320",), "allow_downscale": True}, "allow_downscale"),
        ({"widths": ("320",), "if_larger": IfLarger.SKIP}, "if_larger"),
        ({"widths": ("320",), "target_format": "auto"}, "target_format"),
        ({"widths": ("320",), "operations": ("compress",)}, "widths"),
        ({"formats": ("jpg", "webp"), "target_format": "auto"}, "target_format"),
        ({"formats": ("jpg", "webp"), "target_format": "png"}, "target_format"),
        ({"formats": ("jpg", "psd")}, "formats"),
        ({"formats": ("jpg",), "lossless": True}, "lossless"),
        ({"widths": ("320",), "name_template": "{stem}.{ext}"}, "name_template"),
        ({"name_template": DEFAULT_TEMPLATE}, "name_template"),
        ({"manifest": "a.json"}, "manifest"),
        ({"widths": ("320",), "in_place": True, "no_backup": True}, "widths"),
        ({"formats": ("keep",), "in_place": True, "no_backup": True}, "formats"),
    ],
)
def test_what_a_set_cannot_be_is_refused(typed: dict[str, Any], option: str) -> None:
    """Options that several outputs cannot have are refused by name, before anything is read."""
    with pytest.raises(OptionError) as refused:
        meant(Options(**typed))
    assert refused.value.option == option


def test_a_pipe_and_bytes_have_one_result(tmp_path: Path) -> None:
    """What hands on one result refuses to make several."""
    photo = archive(tmp_path, "a.jpg") / "a.jpg"
    with pytest.raises(OptionError, match="one image goes to a pipe"):
        api.check_piped(WIDE, Settings())
    with pytest.raises((OptionError, ImageError), match="by optimize"):
        api.optimize_bytes(photo.read_bytes(), WIDE)


def test_a_config_file_names_a_set_and_flags_overrule_it() -> None:
    """Widths are numbers in a file as well; a size or a format typed sets a filed set aside."""
    filed = from_mapping({"widths": [320, 640], "formats": ["webp", "jpeg"]})
    recipe = meant(filed).recipe
    assert (recipe.widths, recipe.formats) == ((320, 640), ("webp", "jpg"))
    assert not meant(merged(Options(resize="100", target_format="png"), filed)).recipe.is_series
    filed = from_mapping({"resize": "100", "target_format": "auto"})
    typed = Options(widths=("320",), formats=("jpg",))
    assert meant(merged(typed, filed)).recipe.widths == (320,)


@pytest.mark.parametrize(
    "text",
    [
        "{stem}{width}.{ext}",
        "{stem}1{width}.{ext}",
        "{width}2-{stem}.{ext}",
        "{width}{stem}.{ext}",
        "{stem}-{width}",
        "a-{width}.{ext}",
        "{width}/{stem}.{ext}",
        "{stem}-{size}.{ext}",
        "{stem}-{stem}-{width}.{ext}",
        "{stem}-{width}-{width}.{ext}",
    ],
)
def test_names_that_could_meet_are_refused(text: str) -> None:
    """A template must tell stems and widths apart, and stay in its folder."""
    with pytest.raises(OptionError):
        parse_template(text)


_TEMPLATES = [DEFAULT_TEMPLATE, UNSIZED_TEMPLATE, "{width}w_{stem}.{ext}", "x{stem}@{width}w.{ext}"]
_STEMS = st.text(alphabet="ab-@w_.12", min_size=1, max_size=6)


@given(st.sampled_from(_TEMPLATES), _STEMS, _STEMS, st.integers(1, 99_999), st.integers(1, 99_999))
def test_two_stems_never_share_a_name(
    text: str, first: str, second: str, width_px: int, other_px: int
) -> None:
    """Series of different stems have no name in common, and each knows its own."""
    template = parse_template(text)
    series = [template.series(stem, (".jpg", ".webp"), "d/") for stem in (first, second)]
    name = series[0].name(width_px, ".webp")
    assert series[0].has(name)
    assert template.key_of(name.removeprefix("d/")) == series[0].keys[1].removeprefix("d/")
    assert series[1].has(name) is (first == second)
    assert (series[1].name(other_px, ".webp") == name) <= (first == second)


def test_folders_and_other_files_take_no_name_of_a_set(tmp_path: Path) -> None:
    """A folder named like an output makes the set step aside; a text named so is refused."""
    (named,) = Namer(WIDE, frozenset({"a-80.webp"}), parse_template(DEFAULT_TEMPLATE)).named(
        [SourceRef("a.jpg", 1, 1, "jpg")]
    )
    assert named.destination == "a.jpg-*.*"
    source = archive(tmp_path / "in", "a.jpg", size_px=50)
    (source / "a-40.webp").write_text("no image")
    (source / "notes.txt").write_text("no image")
    copying = replace(TWO_WORKERS, copy_others=True, supported_formats=frozenset({"jpg"}))
    outcomes = by_path(ran(source, tmp_path / "out", recipe=WIDE, settings=copying).outcomes)
    failure = outcomes["a-40.webp"].failure
    assert failure is not None
    assert failure.kind is FailureKind.COLLISION
    assert set(digests(tmp_path / "out")) == names("a", 40, 50) | {"notes.txt"}


def test_a_worker_cannot_name_what_it_published() -> None:
    """Outputs cross the pipe by their declared types, and get their names from the job."""
    output = Output(
        path="../etc", suffix=".webp", target="webp", width_px=9, height_px=9, size_bytes=1
    )
    stray = replace(output, suffix="/../../x")
    spoken = json.loads(
        json.dumps(_flat(Outcome(path="a", status=Status.OPTIMIZED, outputs=(output, stray))))
    )
    heard: Outcome = _built(Outcome, spoken)
    assert heard.outputs == (output, stray)
    series = parse_template(DEFAULT_TEMPLATE).series("a", (".webp",))
    job = Job(0, SourceRef("a.jpg", 1, 1, "jpg"), series.pattern, series=series)
    assert [each.path for each in job.christened(heard.outputs)] == ["a-9.webp"]
    assert replace(job, series=None).christened(heard.outputs) == ()
    spoken[[each.name for each in fields(Outcome)].index("outputs")] = [["x"]]
    with pytest.raises(ValueError, match="zip"):
        _built(Outcome, spoken)


def test_a_list_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A list that says the same is left as it is; one that cannot be written ends the run."""
    manifest = Manifest(tmp_path / "srcset.json")
    manifest.write([("a\udcff.jpg", "[]"), ("b.jpg", '[{"path":"b-1.jpg"}]')])
    written = manifest.path.stat()
    assert [*json.loads(manifest.path.read_text())["sources"]] == ["a\udcff.jpg", "b.jpg"]
    manifest.write([("a\udcff.jpg", "[]"), ("b.jpg", '[{"path":"b-1.jpg"}]')])
    assert manifest.path.stat().st_ino == written.st_ino
    manifest.write([])
    assert json.loads(manifest.path.read_text()) == {"schema": 1, "sources": {}}
    assert [path.name for path in tmp_path.iterdir()] == ["srcset.json"]
    with pytest.raises(RunError, match="--manifest"):
        Manifest(manifest.path / "below" / "x.json").write([])


def test_a_run_says_so_where_its_list_cannot_be_written(tmp_path: Path) -> None:
    """Results stand, the run is fatal, and the next one writes the list."""
    source, out = archive(tmp_path / "in", "a.jpg", size_px=50), tmp_path / "out"
    settings = replace(TWO_WORKERS, manifest=str(source / "a.jpg" / "x.json"), sandbox=Sandbox.OFF)
    ended = ran(source, out, recipe=WIDE, settings=settings)
    assert "--manifest" in ended.summary.fatal
    assert set(digests(out)) == names("a", 40, 50)
    ran(source, out, recipe=WIDE)
    assert [*listed(out)] == ["a.jpg"]
