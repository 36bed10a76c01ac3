"""The walk meets every file once, in one order, and enters nothing that it should not."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from pixmill import sorting
from pixmill.settings import Settings, Symlinks
from pixmill.walking import Sort, Walker

if TYPE_CHECKING:
    from pathlib import Path

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def _grow(root: Path, *paths: str) -> None:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"content")


def _met(root: Path, settings: Settings | None = None, excluded: str = "") -> list[tuple[str, str]]:
    walker = Walker(str(root), settings or Settings(), frozenset({excluded}))
    return [
        (met.path, str(met.sort))
        for folder in walker.folders()
        for group in folder.groups
        for met in group
    ]


def _files(root: Path, settings: Settings | None = None, excluded: str = "") -> list[str]:
    return [path for path, sort in _met(root, settings, excluded) if sort == Sort.FILE]


def test_the_order_is_the_names_not_the_file_systems(tmp_path: Path) -> None:
    """Files come by stem without regard to case, parents before children, siblings in order."""
    paths = ["b.png", "B.jpg", "a.png", "c/2.png", "c/10.png", "c/d/x.png", "Ca/y.png", "a.jpg"]
    expected = ["a.jpg", "a.png", "B.jpg", "b.png"]
    expected += ["c/10.png", "c/2.png", "c/d/x.png", "Ca/y.png"]
    for turn, order in enumerate((paths, paths[::-1], sorted(paths))):
        _grow(tmp_path / str(turn), *order)
        assert _files(tmp_path / str(turn)) == expected


def test_sources_that_can_want_one_name_come_together(tmp_path: Path) -> None:
    """A group holds all that share a stem, under case folding and Unicode normal form."""
    _grow(tmp_path, "a.jpg", "A.png", "é.jpg", "e\u0301.png", "b.gif")
    groups = [
        sorted(met.path for met in group)
        for folder in Walker(str(tmp_path), Settings()).folders()
        for group in folder.groups
    ]
    assert groups == [["A.png", "a.jpg"], ["b.gif"], ["e\u0301.png", "é.jpg"]]


def test_folders_inside_are_left_when_they_are_not_wanted(tmp_path: Path) -> None:
    """Without recursion the root's own files are all."""
    _grow(tmp_path, "a.png", "in/b.png")
    assert _files(tmp_path, Settings(recursive=False)) == ["a.png"]


def test_hidden_names_are_told_or_taken(tmp_path: Path) -> None:
    """A hidden file is met as hidden, a hidden folder not entered, unless they are wanted."""
    _grow(tmp_path, ".a.png", ".in/b.png", "c.png")
    assert _met(tmp_path) == [(".a.png", "hidden"), ("c.png", "file")]
    assert _files(tmp_path, Settings(hidden=True)) == [".a.png", "c.png", ".in/b.png"]


@pytest.mark.parametrize(
    ("include", "exclude", "files"),
    [
        ((), (), ["a.jpg", "b.png", "raw/c.jpg", "raw/deep/d.png", "web/raw/e.jpg"]),
        (("*.jpg",), (), ["a.jpg", "raw/c.jpg", "web/raw/e.jpg"]),
        (("/*.jpg",), (), ["a.jpg"]),
        (("raw/deep/",), (), ["raw/deep/d.png"]),
        ((), ("/raw/",), ["a.jpg", "b.png", "web/raw/e.jpg"]),
        ((), ("raw/",), ["a.jpg", "b.png"]),
        ((), ("**/deep/*.png",), ["a.jpg", "b.png", "raw/c.jpg", "web/raw/e.jpg"]),
        (("*.jpg",), ("raw/",), ["a.jpg"]),
        ((), ("*.jpg", "!a.jpg"), ["a.jpg", "b.png", "raw/deep/d.png"]),
    ],
)
def test_globs_mean_what_gitignore_lines_mean(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], files: list[str]
) -> None:
    """Globs match anywhere unless anchored, folders with all they hold, and may be negated."""
    _grow(tmp_path, "a.jpg", "b.png", "raw/c.jpg", "raw/deep/d.png", "web/raw/e.jpg")
    assert _files(tmp_path, Settings(include=include, exclude=exclude)) == files


def test_files_that_globs_leave_out_are_told(tmp_path: Path) -> None:
    """An excluded file is met as excluded, so that it can be counted."""
    _grow(tmp_path, "a.jpg", "b.png")
    met = _met(tmp_path, Settings(exclude=("*.png",)))
    assert met == [("a.jpg", "file"), ("b.png", "excluded")]


def test_links_are_followed_as_far_as_the_policy_goes(tmp_path: Path) -> None:
    """None, those that stay inside, or all: a link that is not followed is met as a link."""
    root = tmp_path / "root"
    _grow(tmp_path, "root/a.png", "root/in/b.png", "outside/c.png", "root/z.png")
    (root / "file-in").symlink_to(root / "a.png")
    (root / "file-out").symlink_to(tmp_path / "outside" / "c.png")
    (root / "folder-out").symlink_to(tmp_path / "outside")
    (root / "gone").symlink_to(root / "nothing")
    links = [(name, "symlink") for name in ("file-in", "file-out", "folder-out", "gone")]
    assert [each for each in _met(root) if each[1] == "symlink"] == links
    inside = _met(root, Settings(symlinks=Symlinks.INSIDE))
    assert ("file-in", "file") in inside
    assert [each for each in inside if each[1] == "symlink"] == links[1:]
    follow = _files(root, Settings(symlinks=Symlinks.FOLLOW))
    assert follow == ["a.png", "file-in", "file-out", "z.png", "folder-out/c.png", "in/b.png"]


def test_a_followed_file_link_says_so(tmp_path: Path) -> None:
    """What is opened later must know whether its name may be a link."""
    _grow(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to("a.png")
    walker = Walker(str(tmp_path), Settings(symlinks=Symlinks.INSIDE))
    met = {
        each.path: each for folder in walker.folders() for group in folder.groups for each in group
    }
    assert not met["a.png"].is_link
    assert met["b.png"].is_link


def test_link_loops_end(tmp_path: Path) -> None:
    """A link to a folder above itself, or into a folder that links back, is entered no more."""
    _grow(tmp_path, "a/b/c.png", "d/e.png")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "b" / "root").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to("self")
    (tmp_path / "d" / "over").symlink_to(tmp_path / "a")
    files = _files(tmp_path, Settings(symlinks=Symlinks.FOLLOW))
    assert files.count("a/b/c.png") == 1
    assert "d/over/b/c.png" in files
    assert len(files) < 10


def test_what_is_no_regular_file_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FIFO and a socket are met as special, and nothing waits for them."""
    _grow(tmp_path, "a.png")
    os.mkfifo(tmp_path / "fifo.png")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        listener.bind("socket.png")
        met = _met(tmp_path)
    assert met == [("a.png", "file"), ("fifo.png", "special"), ("socket.png", "special")]


@pytest.mark.skipif(IS_ROOT, reason="root may read every folder")
def test_an_unreadable_folder_is_trouble_and_no_end(tmp_path: Path) -> None:
    """A folder that cannot be listed is told, and the walk goes on."""
    _grow(tmp_path, "a/b.png", "c/d.png")
    (tmp_path / "a").chmod(0)
    try:
        assert _files(tmp_path) == ["c/d.png"]
        folders = list(Walker(str(tmp_path), Settings()).folders())
    finally:
        (tmp_path / "a").chmod(0o700)
    assert [trouble.path for folder in folders for trouble in folder.troubles] == ["a"]


def test_a_root_that_is_not_there_is_trouble(tmp_path: Path) -> None:
    """A walk of nothing yields one folder with its trouble."""
    (folder,) = Walker(str(tmp_path / "none"), Settings()).folders()
    assert [trouble.path for trouble in folder.troubles] == [""]
    assert list(folder.groups) == []


def test_an_output_folder_inside_the_input_is_not_entered(tmp_path: Path) -> None:
    """The destination is left out, by its own name and through a link to it."""
    _grow(tmp_path, "a.png", "in/out/b.png", "in/outer/c.png")
    (tmp_path / "link").symlink_to(tmp_path / "in" / "out")
    excluded = os.path.realpath(tmp_path / "in" / "out")
    assert _files(tmp_path, excluded=excluded) == ["a.png", "in/outer/c.png"]
    follow = Settings(symlinks=Symlinks.FOLLOW)
    assert _files(tmp_path, follow, excluded) == ["a.png", "in/outer/c.png"]


def test_the_state_of_an_output_is_no_source(tmp_path: Path) -> None:
    """Journals of outputs below the input are not met, whatever else is taken."""
    _grow(tmp_path, "a.png", "out.pixmill/journal-0.sqlite", "in/.pixmill/lock-0", "in/b.pixmill")
    assert _files(tmp_path, Settings(hidden=True)) == ["a.png", "in/b.pixmill"]


def test_a_folder_larger_than_a_chunk_is_sorted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorted in runs on disc, a folder comes in the same order and with the same groups."""
    _grow(tmp_path, *(f"{number % 37:02}-{number}.png" for number in range(200)))
    _grow(tmp_path, *(f"{number % 37:02}-{number}.JPG" for number in range(0, 200, 3)))
    _grow(tmp_path, ".hidden", "é.png", "e\u0301.gif")
    whole = _met(tmp_path)
    groups = [
        len(group)
        for folder in Walker(str(tmp_path), Settings()).folders()
        for group in folder.groups
    ]
    monkeypatch.setattr(sorting, "_CHUNK", 7)
    monkeypatch.setattr(sorting, "_SPILLED", 3)
    assert _met(tmp_path) == whole
    assert groups == [
        len(group)
        for folder in Walker(str(tmp_path), Settings()).folders()
        for group in folder.groups
    ]


def test_names_that_are_no_text_are_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is no UTF-8 comes through, from memory and from disc, and matches globs."""
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"content")
    _grow(tmp_path, "b.png")
    expected = ["b.png", os.fsdecode(b"caf\xe9.png")]
    assert _files(tmp_path, Settings(include=("*.png",))) == expected
    monkeypatch.setattr(sorting, "_CHUNK", 1)
    assert _files(tmp_path) == expected


def test_folders_that_differ_in_case_alone_are_walked_as_one(tmp_path: Path) -> None:
    """Files of sibling folders that a careless file system would merge are named together."""
    _grow(tmp_path, "In/a.jpg", "in/a.png", "in/deep/b.jpg", "IN/Deep/b.png", "other/c.png")
    walker = Walker(str(tmp_path), Settings())
    folders = {
        folder.paths: [[met.path for met in group] for group in folder.groups]
        for folder in walker.folders()
    }
    assert folders == {
        ("",): [],
        ("IN", "In", "in"): [["In/a.jpg", "in/a.png"]],
        ("IN/Deep", "in/deep"): [["IN/Deep/b.png", "in/deep/b.jpg"]],
        ("other",): [["other/c.png"]],
    }


def test_a_folder_knows_the_names_of_folders_inside(tmp_path: Path) -> None:
    """No file may take the name of a folder beside it."""
    _grow(tmp_path, "A.webp/x.png", "b/y.png", "a.png")
    first = next(Walker(str(tmp_path), Settings()).folders())
    assert first.names == frozenset({"a.webp", "b"})
