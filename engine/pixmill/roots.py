"""The folders that a run reads and writes, checked against each other before anything is made.

Must not make or list any of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import OptionError
from pixmill.registry import suffix_owner

if TYPE_CHECKING:
    from pixmill.ends import Ends
    from pixmill.settings import Settings

__all__ = ["Roots", "roots_of"]


@dataclass(frozen=True, slots=True)
class Roots:
    """Where a run reads and writes, as absolute paths that were checked against each other."""

    source: str
    destination: str
    only: str
    excluded: str
    protected: str
    backup: str = ""

    @classmethod
    def in_place(cls, source: str | os.PathLike[str], backup: str | None) -> Roots:
        """Return where files are that are replaced."""
        named = _existing(source)
        root, only = (named, "") if os.path.isdir(named) else os.path.split(named)
        kept = "" if backup is None else os.path.abspath(backup)
        real_root, real_kept = os.path.realpath(root), os.path.realpath(kept) if kept else ""
        if kept and (real_kept == real_root or _is_inside(real_root, real_kept)):
            raise OptionError(
                f"the originals would be kept among themselves: choose a folder beside {root}",
                option="backup",
            )
        return cls(
            source=root,
            destination=root,
            only=only,
            excluded=real_kept if kept and _is_inside(real_kept, real_root) else "",
            protected="",
            backup=kept,
        )

    @classmethod
    def shipped(
        cls,
        source: str | os.PathLike[str],
        destination: str | os.PathLike[str],
        *,
        ends: Ends,
        staging: str,
    ) -> Roots:
        """Return where files are while a bucket is at one end, or at both."""
        named = f"{staging}/in" if ends.source is not None else _existing(source)
        is_file = ends.source is None and not os.path.isdir(named)
        root, only = os.path.split(named) if is_file else (named, "")
        target = f"{staging}/out" if ends.destination is not None else os.path.abspath(destination)
        if ends.destination is None:
            _check_folder(destination)
        return cls(
            source=root,
            destination=target,
            only=only,
            excluded="",
            protected=ends.protected,
        )

    @classmethod
    def of(cls, source: str | os.PathLike[str], destination: str | os.PathLike[str]) -> Roots:
        """Return where files are between two folders, or from a file to a folder."""
        named, target = _existing(source), os.path.abspath(destination)
        _check_folder(destination)
        is_file = not os.path.isdir(named)
        if is_file and suffix_owner(os.path.splitext(target)[1]) and not os.path.isdir(target):
            raise OptionError(
                f"the output {os.fspath(destination)} is taken for a folder and looks like a "
                f"file: name a folder, or - to have the one image on stdout",
                option="output",
            )
        root, only = os.path.split(named) if is_file else (named, "")
        real_root, real_target = os.path.realpath(root), os.path.realpath(target)
        if real_root == real_target:
            raise OptionError(
                "input and output are one folder: choose another output, or --in-place with a "
                "--backup",
                option="output",
            )
        return cls(
            source=root,
            destination=target,
            only=only,
            excluded=real_target if _is_inside(real_target, real_root) else "",
            protected=os.path.relpath(real_root, real_target).replace(os.sep, "/")
            if _is_inside(real_root, real_target)
            else "",
        )


def _check_folder(destination: str | os.PathLike[str]) -> None:
    if os.path.exists(destination) and not os.path.isdir(destination):
        raise OptionError(
            f"the output {os.fspath(destination)} is a file: name a folder", option="output"
        )


def roots_of(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str] | None,
    settings: Settings,
    *,
    ends: Ends,
    staging: str,
) -> Roots:
    """Return where a run reads and writes.

    Args:
        source: What the user named.
        destination: Likewise; `None` where files are replaced in place.
        settings: Whether they are.
        ends: Which of the two is a bucket.
        staging: Folder that objects pass through.

    Raises:
        OptionError: The two do not go together, or there is no such input.
    """
    if not settings.in_place:
        if destination is None:
            raise OptionError("missing: name a folder, or work in place", option="output")
        if not ends.are_local:
            return Roots.shipped(source, destination, ends=ends, staging=staging)
        return Roots.of(source, destination)
    if destination is not None:
        raise OptionError("has no meaning in place: leave it out", option="output")
    return Roots.in_place(source, settings.backup)


def _existing(source: str | os.PathLike[str]) -> str:
    named = os.path.abspath(source)
    if not os.path.exists(named):
        raise OptionError(f"the input {os.fspath(source)} does not exist", option="input")
    return named


def _is_inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
