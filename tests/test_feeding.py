"""What the walk meets becomes a job, or an outcome that says why not."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pixmill.feeding import Feeder
from pixmill.model import FailureKind, Job, Outcome, SkipReason, Stage, Status
from pixmill.recall import Recall
from pixmill.recipe import Recipe
from pixmill.settings import IfExists, OnCollision, Settings, Symlinks
from pixmill.storage.local import Destination
from pixmill.vocabulary import Operation
from pixmill.walking import Walker

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 17
JPG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"\0" * 20
PSD = b"8BPS\0\1" + b"\0" * 40
TO_WEBP = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}), target_format="webp"
)


def _grow(root: Path, **contents: bytes) -> None:
    for name, content in contents.items():
        file = root / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _feeder(root: Path, recipe: Recipe = TO_WEBP, **settings: object) -> Feeder:
    chosen = replace(Settings(), **settings)  # type: ignore[arg-type]  # checked by the dataclass
    destination = Destination(str(root / "out"))
    walker = Walker(str(root / "in"), chosen)
    return Feeder(walker, recipe, chosen, destination, Recall(None, chosen, destination, ""))


def _fed(feeder: Feeder) -> dict[str, Job | Outcome]:
    fed = list(feeder.jobs())
    found = {each.source.path if isinstance(each, Job) else each.path: each for each in fed}
    assert len(found) == len(fed)
    return found


def _skipped(fed: Job | Outcome) -> SkipReason | None:
    assert isinstance(fed, Outcome)
    assert fed.status is Status.SKIPPED
    return fed.reason


def _failed(fed: Job | Outcome) -> tuple[FailureKind, Stage]:
    assert isinstance(fed, Outcome)
    assert fed.failure is not None
    return fed.failure.kind, fed.failure.stage


def test_images_become_jobs_with_a_number_and_a_destination(tmp_path: Path) -> None:
    """Jobs are numbered in order, know their source's size and time, and keep the folder tree."""
    _grow(tmp_path / "in", a_png=PNG, deep__b_jpg=JPG)
    os.utime(tmp_path / "in" / "a.png", ns=(5, 1_234_567_890))
    first, second = _feeder(tmp_path).jobs()
    assert isinstance(first, Job)
    assert isinstance(second, Job)
    assert (first.number, second.number) == (0, 1)
    assert (first.source.size_bytes, first.source.mtime_ns) == (len(PNG), 1_234_567_890)
    assert (first.source.codec, second.source.codec) == ("png", "jpg")
    assert (first.destination, second.destination) == ("a.webp", "deep/b.webp")


def test_content_tells_the_format_and_a_wrong_suffix_is_noted(tmp_path: Path) -> None:
    """A JPEG named .png is a JPEG, and the user hears of it; no suffix claims nothing."""
    _grow(tmp_path / "in", a_png=JPG, b=JPG)
    fed = _fed(_feeder(tmp_path))
    named = fed["a.png"]
    assert isinstance(named, Job)
    assert named.source.codec == "jpg"
    assert named.notes == ("named .png, and its content is JPEG",)
    bare = fed["b"]
    assert isinstance(bare, Job)
    assert (bare.destination, bare.notes) == ("b.webp", ())


def test_what_claims_to_be_an_image_and_is_none_has_failed(tmp_path: Path) -> None:
    """Noise or nothing under an image's suffix is corrupt; anything else is skipped."""
    _grow(tmp_path / "in", a_jpg=b"noise", b_png=b"", c_txt=b"words")
    fed = _fed(_feeder(tmp_path))
    for name in ("a.jpg", "b.png"):
        assert _failed(fed[name]) == (FailureKind.CORRUPT, Stage.READ)
    assert _skipped(fed["c.txt"]) is SkipReason.NOT_AN_IMAGE


def test_other_files_are_copied_when_asked_for(tmp_path: Path) -> None:
    """With copy_others what is no image is a job without a codec, under its own name."""
    _grow(tmp_path / "in", c_txt=b"words", a_jpg=b"noise")
    fed = _fed(_feeder(tmp_path, copy_others=True))
    other = fed["c.txt"]
    assert isinstance(other, Job)
    assert (other.source.codec, other.destination) == ("", "c.txt")
    assert _failed(fed["a.jpg"])[0] is FailureKind.CORRUPT


def test_formats_that_are_not_wanted_are_skipped(tmp_path: Path) -> None:
    """Only formats in supported_formats are taken, told by content; the rest is no failure."""
    _grow(tmp_path / "in", a_png=PNG, b_jpg=JPG, c_png=JPG, d_png=b"noise")
    fed = _fed(_feeder(tmp_path, supported_formats=frozenset({"jpg"})))
    assert _skipped(fed["a.png"]) is SkipReason.FORMAT
    assert isinstance(fed["b.jpg"], Job)
    assert isinstance(fed["c.png"], Job)
    assert _skipped(fed["d.png"]) is SkipReason.NOT_AN_IMAGE


@pytest.mark.parametrize("folder", ["", "deep/"])
def test_a_file_at_the_destination_is_skipped_refused_or_replaced(
    tmp_path: Path, folder: str
) -> None:
    """Whatever stands there counts, a dangling link too; skipping is the default."""
    _grow(tmp_path / "in", a_png=PNG, deep__a_png=PNG)
    target = tmp_path / "out" / folder / "a.webp"
    target.parent.mkdir(parents=True)
    target.symlink_to("nowhere")
    name = f"{folder}a.png"
    assert _skipped(_fed(_feeder(tmp_path))[name]) is SkipReason.EXISTS
    refused = _fed(_feeder(tmp_path, if_exists=IfExists.FAIL))[name]
    assert _failed(refused) == (FailureKind.EXISTS, Stage.PLAN)
    assert isinstance(_fed(_feeder(tmp_path, if_exists=IfExists.OVERWRITE))[name], Job)


def test_a_collision_is_noted_or_refused(tmp_path: Path) -> None:
    """The second source for one name gets its suffix into it, or fails before anything is made."""
    _grow(tmp_path / "in", a_jpg=JPG, a_png=PNG)
    renamed = _fed(_feeder(tmp_path))["a.png"]
    assert isinstance(renamed, Job)
    assert renamed.destination == "a.png.webp"
    assert renamed.notes == ("its name was taken by a.jpg",)
    fed = _fed(_feeder(tmp_path, on_collision=OnCollision.FAIL))
    assert isinstance(fed["a.jpg"], Job)
    assert _failed(fed["a.png"]) == (FailureKind.COLLISION, Stage.PLAN)


def test_sources_are_protected_from_results(tmp_path: Path) -> None:
    """Where the sources lie inside the destination, no result may land among them."""
    _grow(tmp_path / "in", a_png=PNG, photos__b_png=PNG, Photos2__c_png=PNG)
    feeder = replace(_feeder(tmp_path), protected="Photos")
    fed = _fed(feeder)
    assert isinstance(fed["a.png"], Job)
    assert _failed(fed["photos/b.png"]) == (FailureKind.REFUSED, Stage.PLAN)
    assert isinstance(fed["Photos2/c.png"], Job)


def test_one_file_can_be_all(tmp_path: Path) -> None:
    """A source that is a file is fed alone, even through a link that the user named."""
    _grow(tmp_path / "in", a_png=PNG, b_png=PNG)
    (tmp_path / "in" / "link.png").symlink_to("a.png")
    fed = _fed(replace(_feeder(tmp_path), only="b.png"))
    assert list(fed) == ["b.png"]
    linked = _fed(replace(_feeder(tmp_path), only="link.png"))["link.png"]
    assert isinstance(linked, Job)


def test_every_file_that_is_met_has_its_reason(tmp_path: Path) -> None:
    """Hidden, excluded, linked and special files are skipped, each with its own reason."""
    root = tmp_path / "in"
    _grow(root, a_png=PNG, _h_png=PNG, x_gif=PNG)
    (root / "link.png").symlink_to("a.png")
    os.mkfifo(root / "fifo.png")
    fed = _fed(_feeder(tmp_path, exclude=("*.gif",)))
    reasons = {path: _skipped(each) for path, each in fed.items() if path != "a.png"}
    assert reasons == {
        ".h.png": SkipReason.HIDDEN,
        "x.gif": SkipReason.EXCLUDED,
        "link.png": SkipReason.SYMLINK,
        "fifo.png": SkipReason.SPECIAL,
    }
    followed = _fed(_feeder(tmp_path, symlinks=Symlinks.INSIDE))
    assert isinstance(followed["link.png"], Job)


def test_a_file_that_vanishes_between_walk_and_look_has_failed(tmp_path: Path) -> None:
    """What was listed and is gone is recorded as vanished, and the rest goes on."""
    _grow(tmp_path / "in", a_png=PNG, b_png=PNG)
    fed = _feeder(tmp_path).jobs()
    assert isinstance(next(fed), Job)
    (tmp_path / "in" / "b.png").unlink()
    assert _failed(next(fed)) == (FailureKind.VANISHED, Stage.READ)


def test_a_root_that_cannot_be_listed_is_one_failure(tmp_path: Path) -> None:
    """A folder that cannot be read is an outcome of its own."""
    fed = _fed(_feeder(tmp_path))
    assert _failed(fed["."]) == (FailureKind.VANISHED, Stage.WALK)


def test_a_recognised_format_that_nobody_reads_is_unsupported(tmp_path: Path) -> None:
    """A format that this release cannot read fails with its name, before a worker sees it."""
    _grow(tmp_path / "in", a_fits=b"SIMPLE  =                    T" + b" " * 50)
    outcome = _fed(_feeder(tmp_path))["a.fits"]
    assert _failed(outcome) == (FailureKind.UNSUPPORTED, Stage.READ)


def test_temporary_files_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    """Feeding a folder removes what an earlier run left there; a dry run touches nothing."""
    _grow(tmp_path / "in", a_png=PNG, deep__b_png=PNG)
    _grow(tmp_path / "out", deep__c_webp=b"x")
    left = tmp_path / "out" / "deep" / ".pixmill-0123456789abcdef.tmp"
    left.write_bytes(b"half")
    _fed(_feeder(tmp_path, dry_run=True))
    assert left.exists()
    _fed(_feeder(tmp_path))
    assert not left.exists()
