"""From sources to destinations: suffixes, and names that two sources would share.

Pure. Names are compared as the least careful file systems do, by Unicode normal form and without
regard to case, so that an output tree means the same wherever it is copied.
"""

from __future__ import annotations

import itertools
import posixpath
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pixmill.recipe import KEEP_SOURCE_FORMAT
from pixmill.registry import suffix_owner
from pixmill.targeting import targets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pixmill.model import SourceRef
    from pixmill.recipe import Recipe
    from pixmill.series import NameTemplate, Series

__all__ = ["STATE_SUFFIX", "Named", "Namer", "folded", "stem_key", "wrong_suffix"]

# Of the folder that holds the state of an output, after its name or by itself.
STATE_SUFFIX: Final = ".pixmill"

_ANY_SUFFIX = ".*"
_MANY_RENAMED = 1024


@dataclass(frozen=True, slots=True)
class Named:
    """A source and where it goes.

    Attributes:
        source: What is read.
        destination: Where it goes, relative to the destination root; under `auto` with `.*` for the
            suffix that only the result has, of several outputs the pattern of their names.
        rival: Path of the source that holds the name it would have had, or empty.
        choices: Every name that `auto` may give it; empty where the destination is one.
        series: The names of its outputs, where it has several.
    """

    source: SourceRef
    destination: str
    rival: str = ""
    choices: tuple[str, ...] = ()
    series: Series | None = None

    def is_met_by(self, name: str) -> bool:
        """Whether a name is one that the source may have."""
        return name == self.destination or name in self.choices


def folded(name: str) -> str:
    """Return what two names have in common that a careless file system cannot tell apart."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def stem_key(name: str) -> str:
    """Return the folded stem of a bare name: sources that can want one name have it in common."""
    return folded(_stem(name))


def wrong_suffix(source: SourceRef) -> str:
    """Return the suffix of a source that belongs to another format than its content, or empty."""
    name = source.path.rpartition("/")[2]
    suffix = name[len(_stem(name)) :]
    owner = suffix_owner(suffix)
    return suffix if source.codec and owner not in {"", source.codec} else ""


@dataclass(slots=True)
class Namer:
    """The names given in one folder, group by group, in the order of `stem_key`.

    Only names that were changed can meet a later group, so only those are remembered, and only
    until their turn has passed.

    Args:
        recipe: Decides the target format and so the suffix.
        folders: Folded names of the folders beside these files: no file may take one.
        template: How several outputs of one source are named, `None` where each has one.
    """

    recipe: Recipe
    folders: frozenset[str] = frozenset()
    template: NameTemplate | None = None
    _renamed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep series away from folders that are named like one of their outputs."""
        if self.template is not None:
            self.folders |= frozenset(filter(None, map(self.template.key_of, self.folders)))

    def named(self, group: Sequence[SourceRef]) -> list[Named]:
        """Return a destination for each source of a group that shares its `stem_key`.

        A source whose own name is the wanted one keeps it, else the first in order takes it; the
        others keep their source suffix inside the name: `a.jpg.webp`. Under `auto` a source holds
        all the names that it may get.
        """
        if len(self._renamed) > _MANY_RENAMED and self.template is None:
            self._forget_before(stem_key(posixpath.basename(group[0].path)))
        held: dict[str, str] = {}
        if len(group) == 1:
            return [self._claimed(group[0], self._wanted(group[0]), held)]
        wanted = [self._wanted(source) for source in group]
        order = sorted(
            range(len(group)), key=lambda at: posixpath.basename(group[at].path) not in wanted[at]
        )
        results: dict[int, Named] = {}
        for at in order:
            results[at] = self._claimed(group[at], wanted[at], held)
        return [results[at] for at in range(len(group))]

    def _claimed(self, source: SourceRef, wanted: tuple[str, ...], held: dict[str, str]) -> Named:
        """Claim the first set of names of which nobody has any."""
        above, slash, _ = source.path.rpartition("/")
        firsts = [folded(each) for each in wanted]
        if self._are_free(firsts, held):  # as nearly all are: 3 us instead of 8
            held |= dict.fromkeys(firsts, source.path)
            is_one = self.template is None or not source.codec
            offer = _Offer(wanted) if is_one else next(self._offers(source, wanted))
            return _named(source, offer, "")
        rival = next(filter(None, (held.get(key) or self._renamed.get(key) for key in firsts)), "")
        for offer in self._offers(source, wanted):
            keys = [folded(each) for each in offer.names]
            if not self._are_free(keys, held):
                continue
            held |= dict.fromkeys(keys, source.path)
            if offer.names != wanted:
                self._renamed |= dict.fromkeys(keys, source.path)
            taken = [each for each in wanted if folded(each) in self.folders]
            if not rival and taken:
                rival = f"{above}{slash}{taken[0]}"
            return _named(source, offer, rival)
        raise AssertionError("unreachable: candidates never end")  # pragma: no cover

    def _offers(self, source: SourceRef, wanted: tuple[str, ...]) -> Iterator[_Offer]:
        """Yield what a source may be named, the best first, without end."""
        name = posixpath.basename(source.path)
        if self.template is None or not source.codec:
            yield from (_Offer(names) for names in _candidates(name, wanted))
            return
        for stem in _stems(name):
            series = self.template.series(stem, self._suffixes(source))
            yield _Offer(series.keys, series)

    def _suffixes(self, source: SourceRef) -> tuple[str, ...]:
        return tuple(each.suffixes[0] for each in targets_of(source.codec, self.recipe))

    def _are_free(self, keys: list[str], held: dict[str, str]) -> bool:
        is_new = held.keys().isdisjoint(keys) and self._renamed.keys().isdisjoint(keys)
        return is_new and self.folders.isdisjoint(keys)

    def _wanted(self, source: SourceRef) -> tuple[str, ...]:
        """Return the bare name that a source wants, or every one that `auto` may give it.

        Of several outputs, the keys of their series.
        """
        name = source.path.rpartition("/")[2]
        if not source.codec:
            return (name,)
        stem = _stem(name)
        if self.template is not None:
            return self.template.series(stem, self._suffixes(source)).keys
        targets = targets_of(source.codec, self.recipe)
        is_kept = self.recipe.target_format == KEEP_SOURCE_FORMAT
        if is_kept and suffix_owner(name[len(stem) :]) == targets[0].name:
            return (name,)
        return tuple(stem + target.suffixes[0] for target in targets)

    def _forget_before(self, key: str) -> None:
        self._renamed = {
            name: path for name, path in self._renamed.items() if stem_key(name) >= key
        }


def _stem(name: str) -> str:
    """Return a bare name without its suffix, as `splitext` does: in 0.2 us instead of 0.8."""
    stem = name.rpartition(".")[0]
    return stem if stem.strip(".") else name


@dataclass(frozen=True, slots=True)
class _Offer:
    """Bare names that a source may have, or the keys of a series."""

    names: tuple[str, ...]
    series: Series | None = None


def _named(source: SourceRef, offer: _Offer, rival: str) -> Named:
    above, slash, _ = source.path.rpartition("/")
    if offer.series is not None:
        series = replace(offer.series, before=f"{above}{slash}{offer.series.before}")
        return Named(source, series.pattern, rival, series=series)
    names = tuple(f"{above}{slash}{name}" for name in offer.names)
    if len(names) == 1:
        return Named(source, names[0], rival)
    return Named(source, _stem(names[0]) + _ANY_SUFFIX, rival, names)


def _stems(name: str) -> Iterator[str]:
    yield _stem(name)
    yield name
    yield from (f"{name}-{count}" for count in itertools.count(2))


def _candidates(name: str, wanted: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    yield wanted
    suffixes = [each[len(_stem(each)) :] for each in wanted]
    yield tuple(name + suffix for suffix in suffixes)
    count = 2
    while True:
        yield tuple(f"{name}-{count}{suffix}" for suffix in suffixes)
        count += 1
