"""In place: a file is replaced by a smaller, checked result alone, and its original comes back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

import pixmill
from faults.dying import MOMENT
from pixmill import api
from pixmill.model import FailureKind, Outcome, SkipReason, Status
from pixmill.recipe import Recipe
from pixmill.settings import Redo, Sandbox, Settings
from pixmill.units import parse_savings
from pixmill.vocabulary import Corrupt, IfLarger
from runs import HALVED, archive, by_path, digests, temporary_files

if TYPE_CHECKING:
    from pixmill.api import Undone

TESTS = Path(__file__).parent
NAMES = ("a.jpg", "deep/b.jpg", "deep/c d.jpg")


def settings(backup: Path | None = None, **others: object) -> Settings:
    """Return how a run in place is carried out; without a folder no backup is kept."""
    kept = None if backup is None else str(backup)
    return Settings(parallel=1, in_place=True, backup=kept, no_backup=backup is None, **others)  # type: ignore[arg-type]


def ran(
    folder: Path,
    how: Settings,
    recipe: Recipe | None = None,
    mill: str = "pixmill.milling:mill",
) -> dict[str, Outcome]:
    """Run in place and return the outcomes by path."""
    with pixmill.optimize(folder, None, recipe or Recipe(quality=60), settings=how, mill=mill) as r:
        return by_path(list(r))


def reasons(outcomes: dict[str, Outcome]) -> set[SkipReason | None]:
    """Return why the photographs were skipped, nothing for those that were not."""
    return {outcomes[name].reason for name in NAMES}


def undone(folder: Path, run: int | None = None) -> dict[str, Undone]:
    """Undo and return what became of each file."""
    return {each.path: each for each in api.undo(folder, run=run)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of three photographs with modes, times and attributes of their own."""
    root = archive(tmp_path / "photos", *NAMES, size_px=96)
    for number, name in enumerate(NAMES):
        (root / name).chmod(0o640)
        os.utime(root / name, ns=(10**18 + number, 10**18 + 7 * number))
        if _has_xattrs(root / name):
            os.setxattr(root / name, "user.tag", b"red")
    (root / "notes.txt").write_text("no image")
    return root


def _has_xattrs(path: Path) -> bool:
    try:
        os.setxattr(path, "user.probe", b"1")
        os.removexattr(path, "user.probe")
    except (OSError, AttributeError):
        return False
    return True


def state(root: Path) -> dict[str, tuple[object, ...]]:
    """Return bytes, times, mode and attributes of every file below a folder."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            status = path.stat()
            tag = os.getxattr(path, "user.tag") if _has_xattrs(path) and _tagged(path) else b""
            mode = stat.S_IMODE(status.st_mode)
            key = path.relative_to(root).as_posix()
            found[key] = (path.read_bytes(), status.st_mtime_ns, mode, tag)
    return found


def _tagged(path: Path) -> bool:
    return "user.tag" in os.listxattr(path)


def test_a_file_is_replaced_and_brought_back_exactly(folder: Path, tmp_path: Path) -> None:
    """Results take over time, mode and attributes; undo restores every byte and attribute."""
    before, backup = state(folder), tmp_path / "kept"
    outcomes = ran(folder, settings(backup))
    after = state(folder)
    for name in NAMES:
        assert outcomes[name].status is Status.OPTIMIZED
        assert len(after[name][0]) < len(before[name][0])  # type: ignore[arg-type]
        assert after[name][1:] == before[name][1:]
        assert outcomes[name].backup == name
        assert (backup / name).read_bytes() == before[name][0]
    assert after["notes.txt"] == before["notes.txt"]
    assert outcomes["notes.txt"].reason is SkipReason.NOT_AN_IMAGE
    assert temporary_files(tmp_path) == []
    assert {each.ending for each in undone(folder).values()} == {api.Undoing.RESTORED}
    assert state(folder) == before
    assert list(backup.rglob("*")) == []


def test_the_second_run_does_nothing_and_undo_forgets(folder: Path, tmp_path: Path) -> None:
    """What was replaced is not encoded again; what was brought back is."""
    how = settings(tmp_path / "kept")
    ran(folder, how)
    once = state(folder)
    assert reasons(ran(folder, how)) == {SkipReason.DONE}
    assert state(folder) == once
    undone(folder)
    assert reasons(ran(folder, how)) == {None}
    assert state(folder) == once


def test_a_copy_serves_where_no_link_can(folder: Path) -> None:
    """On another file system originals are copied with all that they carry, and come back."""
    before = state(folder)
    with tempfile.TemporaryDirectory(dir=_other_disk(folder)) as place:
        other = Path(place, "kept")
        ran(folder, settings(other))
        assert (other / "a.jpg").read_bytes() == before["a.jpg"][0]
        copied = (other / "a.jpg").stat()
        assert copied.st_mtime_ns == before["a.jpg"][1]
        assert stat.S_IMODE(copied.st_mode) == before["a.jpg"][2]
        has_tags = _has_xattrs(other / "a.jpg")
        assert {each.ending for each in undone(folder).values()} == {api.Undoing.RESTORED}
        assert list(other.rglob("*")) == []
    keys = slice(None) if has_tags else slice(3)
    restored = {name: facts[keys] for name, facts in state(folder).items()}
    assert restored == {name: facts[keys] for name, facts in before.items()}


def _other_disk(folder: Path) -> Path:
    other = Path("/dev/shm")  # noqa: S108 - another file system than the usual temporary one
    if not other.is_dir() or other.stat().st_dev == folder.stat().st_dev:
        pytest.skip("needs a second file system, such as /dev/shm")
    return other


def test_what_is_not_smaller_is_not_touched(folder: Path, tmp_path: Path) -> None:
    """A saving below the least one asked for leaves the file as it is, to the inode."""
    inodes = {name: (folder / name).stat().st_ino for name in NAMES}
    recipe = Recipe(quality=60, min_savings=parse_savings("99%"))
    outcomes = ran(folder, settings(tmp_path / "kept"), recipe)
    assert {outcomes[name].status for name in NAMES} == {Status.KEPT}
    assert {name: (folder / name).stat().st_ino for name in NAMES} == inodes
    assert list((tmp_path / "kept").rglob("*")) == []
    assert reasons(ran(folder, settings(tmp_path / "kept"), recipe)) == {SkipReason.DONE}


def test_without_backup_it_must_be_said(folder: Path) -> None:
    """In place asks for a backup or for the words that there is none, and not for both."""
    for backup, no_backup in ((None, False), ("kept", True)):
        with pytest.raises(pixmill.OptionError, match="--backup"):
            Settings(in_place=True, backup=backup, no_backup=no_backup)
    outcomes = ran(folder, settings())
    assert outcomes["a.jpg"].status is Status.OPTIMIZED
    refused = undone(folder)["a.jpg"]
    assert refused.ending is api.Undoing.REFUSED
    assert "not kept" in refused.message


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (Recipe(if_larger=IfLarger.WRITE), "if_larger"),
        (Recipe(corrupt=Corrupt.SALVAGE), "corrupt"),
    ],
)
def test_what_has_no_meaning_in_place_is_refused(
    folder: Path, tmp_path: Path, recipe: Recipe, name: str
) -> None:
    """Options that would grow a file or put damage over an original are errors."""
    before = state(folder)
    with pytest.raises(pixmill.OptionError) as caught:
        ran(folder, settings(tmp_path / "kept"), recipe)
    assert caught.value.option == name
    assert state(folder) == before


def test_a_format_without_writer_is_left_alone(tmp_path: Path) -> None:
    """A BMP would become a PNG, so in place it is skipped; a wrong suffix stays as it is."""
    root = tmp_path / "photos"
    root.mkdir()
    Image.new("RGB", (64, 64), "teal").save(root / "a.bmp")
    Image.new("RGB", (64, 64), "teal").save(root / "b.jpg", "PNG", compress_level=0)
    outcomes = ran(root, settings(tmp_path / "kept"))
    assert outcomes["a.bmp"].reason is SkipReason.NO_WRITER
    assert outcomes["b.jpg"].status is Status.OPTIMIZED
    assert sorted(path.name for path in root.iterdir()) == ["a.bmp", "b.jpg"]
    with Image.open(root / "b.jpg") as image:
        assert image.format == "PNG"


def test_backups_inside_the_folder_are_not_walked(folder: Path) -> None:
    """A backup folder among the sources is left out of every walk."""
    how = settings(folder / "originals")
    ran(folder, how)
    again = ran(folder, how)
    assert set(again) == {*NAMES, "notes.txt"}
    for wrong in (folder, folder.parent):
        with pytest.raises(pixmill.OptionError, match="among themselves"):
            ran(folder, settings(wrong))


def test_kept_originals_are_no_sources_of_a_run_that_keeps_them_elsewhere(
    folder: Path, tmp_path: Path
) -> None:
    """A folder of backups among the sources is left out as long as originals are in it."""
    before = digests(folder)
    ran(folder, settings(folder / "originals"))
    for later in (settings(tmp_path / "kept"), settings(dry_run=True), settings()):
        assert set(ran(folder, later, Recipe(quality=30))) == {*NAMES, "notes.txt"}
    assert {digests(folder)[f"originals/{name}"] for name in NAMES} == {
        before[name] for name in NAMES
    }


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    """A link in the folder, or named itself, is left alone, and so is what it leads to."""
    before = (folder / "a.jpg").read_bytes()
    (folder / "link.jpg").symlink_to("a.jpg")
    how = settings(tmp_path / "kept", include=("link.jpg",))
    assert ran(folder, how)["link.jpg"].reason is SkipReason.SYMLINK
    assert ran(folder / "link.jpg", settings(tmp_path / "kept"))["link.jpg"].reason is (
        SkipReason.SYMLINK
    )
    assert (folder / "a.jpg").read_bytes() == before


def test_undo_waits_for_nobody(folder: Path, tmp_path: Path) -> None:
    """While a run works on a folder, undo is refused, with the run's process; so is the reverse."""
    ran(folder, settings(tmp_path / "kept"))
    undoing = api.undo(folder)
    next(undoing)
    with pytest.raises(pixmill.RunError, match=f"process {os.getpid()}"):
        ran(folder, settings(tmp_path / "kept"))
    list(undoing)
    with pixmill.optimize(folder, None, settings=settings(tmp_path / "kept")) as run:
        next(run)
        with pytest.raises(pixmill.RunError, match=f"process {os.getpid()}"):
            list(api.undo(folder))


def test_one_file_can_be_named(folder: Path, tmp_path: Path) -> None:
    """One file is replaced and brought back alone."""
    before = state(folder)
    outcomes = ran(folder / "a.jpg", settings(tmp_path / "kept"))
    assert list(outcomes) == ["a.jpg"]
    ran(folder / "deep" / "b.jpg", settings(tmp_path / "kept2"))
    assert list(undone(folder / "a.jpg")) == ["a.jpg"]
    assert state(folder)["a.jpg"] == before["a.jpg"]
    assert state(folder)["deep/b.jpg"] != before["deep/b.jpg"]


def test_the_first_original_comes_back_after_several_runs(folder: Path, tmp_path: Path) -> None:
    """Each run keeps what it found; undo goes back to the first, or takes back the last alone."""
    before, how = state(folder), settings(tmp_path / "kept")
    ran(folder, how, Recipe(quality=70))
    middle = state(folder)
    ran(folder, how, Recipe(quality=30))
    assert {each.ending for each in undone(folder, run=1).values()} == {api.Undoing.REFUSED}
    assert {each.ending for each in undone(folder, run=2).values()} == {api.Undoing.RESTORED}
    assert state(folder) == middle
    ran(folder, how, Recipe(quality=30))
    assert {each.ending for each in undone(folder).values()} == {api.Undoing.RESTORED}
    assert state(folder) == before
    assert list((tmp_path / "kept").rglob("*")) == []


def test_an_edit_between_two_runs_is_an_original(folder: Path, tmp_path: Path) -> None:
    """Undo goes back to where somebody last wrote to a file, and keeps what was there before."""
    how = settings(tmp_path / "kept")
    first = (folder / "a.jpg").read_bytes()
    ran(folder, how, Recipe(quality=70))
    shutil.copy(folder / "deep" / "b.jpg", folder / "a.jpg")
    with Image.open(folder / "a.jpg") as image:
        image.rotate(5).save(folder / "a.jpg", quality=97)
    edited = (folder / "a.jpg").read_bytes()
    ran(folder, how, Recipe(quality=30))
    undone(folder)
    assert (folder / "a.jpg").read_bytes() == edited
    assert (tmp_path / "kept" / "a.jpg").read_bytes() == first


def test_what_was_written_to_since_is_not_undone(folder: Path, tmp_path: Path) -> None:
    """A file changed after pixmill, or a backup that is not what was kept, is refused and named."""
    ran(folder, settings(tmp_path / "kept"))
    (folder / "a.jpg").write_bytes(b"precious work")
    (tmp_path / "kept" / "deep" / "b.jpg").write_bytes(b"spoilt")
    (folder / "deep" / "c d.jpg").unlink()
    results = undone(folder)
    assert {path: each.ending for path, each in results.items()} == {
        "a.jpg": api.Undoing.REFUSED,
        "deep/b.jpg": api.Undoing.REFUSED,
        "deep/c d.jpg": api.Undoing.RESTORED,
    }
    assert str(tmp_path / "kept" / "a.jpg") in results["a.jpg"].message
    assert (folder / "a.jpg").read_bytes() == b"precious work"
    assert (tmp_path / "kept" / "a.jpg").exists()
    assert (folder / "deep" / "c d.jpg").exists()


def test_what_is_back_already_is_told_and_tidied(folder: Path, tmp_path: Path) -> None:
    """Originals that are back leave no backups, but what somebody put among those stays."""
    before, kept = state(folder), tmp_path / "kept"
    ran(folder, settings(kept))
    for name in NAMES:
        (folder / name).write_bytes((kept / name).read_bytes())
    (kept / "a.jpg").unlink()
    (kept / "a.jpg").write_bytes(b"somebody's")
    assert {each.ending for each in undone(folder).values()} == {api.Undoing.ALREADY}
    assert {name: state(folder)[name][0] for name in NAMES} == {
        name: before[name][0] for name in NAMES
    }
    assert [path.name for path in kept.rglob("*")] == ["a.jpg"]
    assert (kept / "a.jpg").read_bytes() == b"somebody's"
    assert undone(folder) == {}


def test_backups_may_have_moved(folder: Path, tmp_path: Path) -> None:
    """Backups that were moved are found where the user says that they are."""
    before = state(folder)
    ran(folder, settings(tmp_path / "kept"))
    (tmp_path / "kept").rename(tmp_path / "moved")
    assert {each.ending for each in undone(folder).values()} == {api.Undoing.REFUSED}
    endings = {each.ending for each in api.undo(folder, backup=tmp_path / "moved")}
    assert endings == {api.Undoing.RESTORED}
    assert state(folder) == before


DYING = """
import sys, pixmill
from pixmill.settings import Sandbox
if __name__ == "__main__":
    kept = None if sys.argv[2] == "none" else sys.argv[2]
    settings = pixmill.Settings(
        parallel=1, in_place=True, backup=kept, no_backup=kept is None, sandbox=Sandbox.OFF
    )
    recipe = pixmill.Recipe(quality=60)
    mill = "faults.dying:mill"
    list(pixmill.optimize(sys.argv[1], None, recipe, settings=settings, mill=mill))
"""


@pytest.mark.parametrize(
    ("moment", "has_backup"), [("linked", True), ("renamed", True), ("renamed", False)]
)
def test_a_run_that_dies_while_it_replaces_loses_nothing(
    folder: Path, tmp_path: Path, moment: str, *, has_backup: bool
) -> None:
    """Killed between keeping and replacing, or before the journal knew, it is taken up again."""
    before, backup = state(folder), tmp_path / "kept" if has_backup else None
    process = subprocess.run(
        [sys.executable, "-c", DYING, str(folder), str(backup or "none")],
        env={**os.environ, MOMENT: moment, "PYTHONPATH": str(TESTS)},
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    replaced = [name for name in NAMES if state(folder)[name] != before[name]]
    assert len(replaced) == (moment == "renamed")
    outcomes = ran(folder, settings(backup))
    assert {outcomes[name].reason for name in replaced} <= {SkipReason.DONE}
    assert temporary_files(tmp_path) == []
    after = state(folder)
    assert all(len(after[name][0]) < len(before[name][0]) for name in NAMES)  # type: ignore[arg-type]
    assert reasons(ran(folder, settings(backup))) == {SkipReason.DONE}
    assert state(folder) == after
    if backup is not None:
        assert {each.ending for each in undone(folder).values()} == {api.Undoing.RESTORED}
        assert state(folder) == before


def test_a_worker_that_dies_after_it_replaced_has_replaced(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's death around replacing hides no original: the file counts as what it now is."""
    before = state(folder)
    monkeypatch.setenv(MOMENT, "renamed-worker")
    how = settings(tmp_path / "kept", sandbox=Sandbox.OFF)
    outcomes = ran(folder, how, mill="faults.dying:mill")
    for name in NAMES:
        assert outcomes[name].status is Status.OPTIMIZED, outcomes[name]
        assert "just after it had replaced it" in outcomes[name].notes[-1]
    assert reasons(ran(folder, how)) == {SkipReason.DONE}
    assert {each.ending for each in undone(folder).values()} == {api.Undoing.RESTORED}
    assert state(folder) == before


def test_undo_alone_settles_what_a_dead_run_left(folder: Path, tmp_path: Path) -> None:
    """A file whose replacement the journal never heard of is brought back all the same."""
    before = state(folder)
    subprocess.run(
        [sys.executable, "-c", DYING, str(folder), str(tmp_path / "kept")],
        env={**os.environ, MOMENT: "renamed", "PYTHONPATH": str(TESTS)},
        check=False,
    )
    assert state(folder) != before
    assert [each.ending for each in undone(folder).values()] == [api.Undoing.RESTORED]
    assert state(folder) == before


@pytest.mark.parametrize("how", ["in-place", "verify"])
def test_a_result_that_is_not_what_was_meant_is_not_published(tmp_path: Path, how: str) -> None:
    """Half a file, another size, a turn or lost alpha are found out by decoding again."""
    names = ("half.jpg", "small.jpg", "turned.jpg", "sound.jpg")
    root = archive(tmp_path / "photos", *names, size_px=96)
    Image.linear_gradient("L").convert("LA").convert("RGBA").save(root / "opaque.png")
    with Image.open(root / "opaque.png") as image:
        image.putalpha(Image.linear_gradient("L"))
        image.save(root / "opaque.png", compress_level=0)
    before, mill = digests(root), "faults.garbling:mill"
    if how == "in-place":
        outcomes = ran(root, settings(tmp_path / "out"), mill=mill)
    else:
        verified = Settings(parallel=1, verify=True)
        with pixmill.optimize(
            root, tmp_path / "out", Recipe(quality=60), settings=verified, mill=mill
        ) as run:
            outcomes = by_path(list(run))
    assert outcomes.pop("sound.jpg").status is Status.OPTIMIZED
    kinds = {name: each.failure and each.failure.kind for name, each in outcomes.items()}
    assert kinds == dict.fromkeys(outcomes, FailureKind.UNVERIFIED)
    messages = {name: each.failure.message for name, each in outcomes.items() if each.failure}
    assert "does not decode" in messages["half.jpg"]
    assert "expected pixels 96x98, found 8x8" in messages["small.jpg"] or (
        "found 8x8" in messages["small.jpg"]
    )
    assert "orientation" in messages["turned.jpg"]
    assert "alpha" in messages["opaque.png"]
    assert temporary_files(tmp_path) == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sound.jpg"]
    if how == "in-place":
        del before["sound.jpg"]
        after = digests(root)
        del after["sound.jpg"]
        assert after == before


def test_a_source_that_changes_meanwhile_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    """What somebody writes while a result is made stays, and the file fails as changed."""
    for name in ("grown.jpg", "touched.jpg", "replaced.jpg"):
        shutil.copy(folder / "a.jpg", folder / name)
    how = settings(tmp_path / "kept", sandbox=Sandbox.OFF)
    outcomes = ran(folder, how, mill="faults.changing:mill")
    for name in ("grown.jpg", "touched.jpg", "replaced.jpg"):
        failure = outcomes[name].failure
        assert failure is not None, name
        assert failure.kind is FailureKind.CHANGED, failure
        assert not (tmp_path / "kept" / name).exists()
    assert (folder / "grown.jpg").read_bytes().endswith(b"more")


def test_a_dry_run_changes_nothing(folder: Path, tmp_path: Path) -> None:
    """Neither a dry run nor a dry undo touches a file or makes a folder."""
    before = state(folder)
    outcomes = ran(folder, settings(tmp_path / "kept", dry_run=True))
    assert outcomes["a.jpg"].bytes_written < outcomes["a.jpg"].bytes_read
    assert state(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]
    ran(folder, settings(tmp_path / "kept"))
    after = state(folder)
    dry = {each.ending for each in api.undo(folder, is_dry_run=True)}
    assert dry == {api.Undoing.RESTORED}
    assert state(folder) == after


def test_force_and_resize_work_in_place(folder: Path, tmp_path: Path) -> None:
    """A size makes results smaller in place; force makes them again from what is there."""
    before, how = state(folder), settings(tmp_path / "kept")
    ran(folder, how, HALVED)
    with Image.open(folder / "a.jpg") as image:
        assert image.size == (48, 48)
    forced = settings(tmp_path / "kept", redo=Redo.ALL)
    assert ran(folder, forced, HALVED)["a.jpg"].status is Status.OPTIMIZED
    undone(folder)
    assert state(folder) == before


def test_the_command_line_works_in_place_and_undoes(folder: Path, tmp_path: Path) -> None:
    """`optimize --in-place --backup` and `undo` do as the help says, with their exit codes."""
    before = digests(folder)
    kept = str(tmp_path / "kept")
    assert command("optimize", str(folder), "--in-place").returncode == 2
    assert command("optimize", str(folder)).returncode == 2
    both = command("optimize", str(folder), kept, "--in-place", "--backup", kept)
    assert both.returncode == 2
    done = command("optimize", str(folder), "--in-place", "--backup", kept, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]["backup"] == kept
    assert digests(folder) != before
    listed = command("runs", str(folder)).stdout
    assert f"in place, originals in {kept}" in listed
    told = command("undo", str(folder), "--dry-run")
    assert "3 originals would be restored" in told.stdout
    undone_ = command("undo", str(folder), "--json")
    assert json.loads(undone_.stdout)["totals"] == {"restored": 3, "already": 0, "refused": 0}
    assert digests(folder) == before
    assert command("undo", str(tmp_path / "kept")).returncode == 3


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a pixmill command."""
    return subprocess.run(
        [sys.executable, "-m", "pixmill_cli", *words], check=False, capture_output=True, text=True
    )
