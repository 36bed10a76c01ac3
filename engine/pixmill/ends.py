"""Which ends of a run are buckets, checked against each other and against the settings.

Pure. Must not ask a store anything: what is not there is told by the walk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.address import TAGGED_SCHEMES, Address, is_address
from pixmill.errors import OptionError
from pixmill.extras import OBSTORE, how_to_install, is_installed
from pixmill.naming import STATE_SUFFIX
from pixmill.settings import MetadataDirective

if TYPE_CHECKING:
    from pixmill.settings import Settings

__all__ = ["LOCAL_ENDS", "Ends"]


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a run reads and writes, so far as that is in object stores.

    Attributes:
        source: Where sources are, `None` where they are files of this machine.
        destination: Where results go, likewise.
    """

    source: Address | None = None
    destination: Address | None = None

    @classmethod
    def of(
        cls,
        source: str | os.PathLike[str],
        destination: str | os.PathLike[str] | None,
        settings: Settings,
    ) -> Ends:
        """Return the ends of a run.

        Raises:
            OptionError: A URL is none, obstore is missing, or the two cannot be used so.
        """
        ends = cls(
            _address(source, option="input"),
            None if destination is None else _address(destination, option="output"),
        )
        ends._check_labels(settings)
        if ends.are_local:
            return ends
        if not is_installed(OBSTORE):
            raise OptionError(f"object stores need obstore: {how_to_install(OBSTORE)}")
        if ends.source is not None and ends.source == ends.destination:
            message = "input and output are one prefix of a bucket: choose another output"
            raise OptionError(message, option="output")
        ends._check(settings)
        return ends

    @property
    def are_local(self) -> bool:
        """Whether neither end is in a store."""
        return self.source is None and self.destination is None

    @property
    def excluded(self) -> tuple[str, ...]:
        """Prefixes below the source where results and their state are, with a slash at the end."""
        if self.source is None or self.destination is None:
            return ()
        return tuple(
            f"{_below(self.source, inner)}/"
            for inner in (self.destination, self.destination.beside(STATE_SUFFIX))
            if self.source.holds(inner)
        )

    @property
    def protected(self) -> str:
        """Prefix below the destination where sources are; empty where there is none."""
        if self.source is None or self.destination is None:
            return ""
        return _below(self.destination, self.source) if self.destination.holds(self.source) else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of what is not carried."""
        if self.source is None or self.destination is None:
            return ()
        return ("tags, access lists and storage classes of objects are not carried over",)

    def _check_labels(self, settings: Settings) -> None:
        """Refuse what only objects can be given where files, or stores without it, get it."""
        is_replaced = settings.metadata_directive is MetadataDirective.REPLACE
        for name, is_asked in (
            ("cache_control", settings.cache_control is not None),
            ("metadata_directive", is_replaced),
            ("tagging", bool(settings.tagging)),
        ):
            if is_asked and self.destination is None:
                raise OptionError("only objects have it: name a bucket as output", option=name)
        if settings.tagging and self.destination and self.destination.scheme not in TAGGED_SCHEMES:
            message = "objects of this store have no tags: leave them out"
            raise OptionError(message, option="tagging")

    def _check(self, settings: Settings) -> None:
        for name, is_asked, why in (
            ("in_place", settings.in_place, "objects are not replaced in place: name an output"),
            ("checksum", settings.checksum, "objects are known by their tags: leave it out"),
        ):
            if is_asked:
                raise OptionError(why, option=name)


LOCAL_ENDS: Final = Ends()


def _address(named: str | os.PathLike[str], *, option: str) -> Address | None:
    text = os.fspath(named)
    return Address.parsed(text, option=option) if is_address(text) else None


def _below(outer: Address, inner: Address) -> str:
    return inner.prefix.removeprefix(outer.prefix).strip("/")
