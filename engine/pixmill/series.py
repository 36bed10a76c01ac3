"""The names of one source's several outputs: a template, and the series it gives a source.

Pure. A template tells stem and width apart again, so that sources of different stems never meet.
Must not know which widths a source gets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from pixmill.errors import OptionError

__all__ = ["DEFAULT_TEMPLATE", "UNSIZED_TEMPLATE", "NameTemplate", "Series", "parse_template"]

DEFAULT_TEMPLATE: Final = "{stem}-{width}.{ext}"
UNSIZED_TEMPLATE: Final = "{stem}.{ext}"
"""What formats alone take, where every output has the same size."""

_ANY: Final = "*"
_ANY_SUFFIX: Final = ".*"
_EXTENSION: Final = ".{ext}"
_STEM: Final = "{stem}"
_WIDTH: Final = "{width}"
_OTHER: Final = re.compile(r"[{}/\\\x00]")
_NUMBER: Final = r"[1-9][0-9]{0,6}"


@dataclass(frozen=True, slots=True)
class Series:
    """The names of the outputs of one source.

    Attributes:
        before: What stands before the width, with the folder.
        after: What stands between the width and the suffix.
        suffixes: Suffixes that outputs may have, with their dots.
        is_sized: Whether the width is part of the name.
    """

    before: str
    after: str
    suffixes: tuple[str, ...]
    is_sized: bool = True

    def name(self, width_px: int, suffix: str) -> str:
        """Return the name of one output."""
        return f"{self.before}{width_px if self.is_sized else ''}{self.after}{suffix}"

    def has(self, name: str) -> bool:
        """Return whether a name is one that an output may have."""
        for suffix in self.suffixes:
            tail = self.after + suffix
            if name.startswith(self.before) and name.endswith(tail):
                middle = name[len(self.before) : len(name) - len(tail)]
                if re.fullmatch(_NUMBER, middle) if self.is_sized else not middle:
                    return len(name) >= len(self.before) + len(tail)
        return False

    def had(self, name: str, pattern: str) -> bool:
        """Return whether a name was one of these under an earlier pattern, of other formats."""
        head, _, wanted = pattern.rpartition(".")
        suffix = name.rpartition(".")[2]
        is_same = head == self.pattern.rpartition(".")[0] and wanted in {_ANY, suffix}
        return is_same and replace(self, suffixes=(f".{suffix}",)).has(name)

    @property
    def pattern(self) -> str:
        """Every name at once: `a-*.webp`, or `a-*.*` where there are several formats."""
        suffix = self.suffixes[0] if len(self.suffixes) == 1 else _ANY_SUFFIX
        return f"{self.before}{self._middle}{self.after}{suffix}"

    @property
    def keys(self) -> tuple[str, ...]:
        """One text a format that stands for its names at every width."""
        return tuple(f"{self.before}{self._middle}{self.after}{each}" for each in self.suffixes)

    @property
    def _middle(self) -> str:
        return _ANY if self.is_sized else ""


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """How the outputs of a source are named; `parse_template` makes one.

    Attributes:
        text: As the user wrote it.
    """

    text: str

    @property
    def is_sized(self) -> bool:
        """Whether names tell widths."""
        return _WIDTH in self.text

    def series(self, stem: str, suffixes: tuple[str, ...], folder: str = "") -> Series:
        """Return the names that a stem gives.

        Args:
            stem: Name of the source without its suffix.
            suffixes: Suffixes of the outputs, with their dots.
            folder: Where they go, with the slash at its end.
        """
        before, _, after = self.text.removesuffix(_EXTENSION).partition(_WIDTH)
        before, after = (part.replace(_STEM, stem) for part in (before, after))
        return Series(folder + before, after, suffixes, self.is_sized)

    def key_of(self, name: str) -> str:
        """Return the key of the series that a folded name belongs to; empty where it has none."""
        _, dot, suffix = name.rpartition(".")
        stem = self.stem_of(name)
        return self.series(stem, (dot + suffix,)).keys[0].lower() if stem else ""

    def stem_of(self, name: str) -> str:
        """Return the stem of the source that a folded name may be an output of, or nothing."""
        stem, dot, _ = name.rpartition(".")
        found = re.fullmatch(self._shape, stem)
        return "" if found is None or not dot else found["stem"]

    @property
    def _shape(self) -> str:
        text = re.escape(self.text.removesuffix(_EXTENSION).lower())
        shape = text.replace(re.escape(_STEM), "(?P<stem>.+)")
        return shape.replace(re.escape(_WIDTH), _NUMBER)


def parse_template(text: str) -> NameTemplate:
    """Return the template that a text is.

    Raises:
        OptionError: Names made by it could not be told apart, or are none.
    """
    if not text.endswith(_EXTENSION) or text.count(_STEM) != 1:
        raise OptionError(f"expected a template such as {DEFAULT_TEMPLATE}, got {text!r}")
    literal = text.removesuffix(_EXTENSION).replace(_STEM, "", 1).replace(_WIDTH, "", 1)
    if _OTHER.search(literal):
        raise OptionError(
            f"expected {_STEM} once, {_WIDTH} at most once, and no folders, got {text!r}"
        )
    if re.search(r"\{stem\}(.*[0-9])?\{width\}|\{width\}([0-9].*)?\{stem\}", text):
        raise OptionError(
            f"stem and width must be told apart: put a sign between them, as in "
            f"{DEFAULT_TEMPLATE}, got {text!r}"
        )
    return NameTemplate(text)
