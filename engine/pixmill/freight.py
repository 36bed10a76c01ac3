"""What the run and its ferry say to each other: requests down the pipe, replies up.

Pure values. The ferry is the process that speaks to object stores; see `executors.ferry`. None of
these holds a secret: each process takes those from its own environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.address import Access, Address, ObjectFacts
    from pixmill.model import Failed, Published
    from pixmill.settings import Settings
    from pixmill.stats import Ahead
    from pixmill.walking import Met

__all__ = [
    "PAUSE",
    "Batch",
    "Broken",
    "Catalogued",
    "Contact",
    "Delivered",
    "Fetch",
    "Fetched",
    "Listed",
    "Look",
    "Looked",
    "More",
    "Parcel",
    "Passed",
    "Pause",
    "Publish",
    "Reply",
    "Request",
    "Voyage",
    "passed",
]

Passed = tuple[tuple[str, ...], str]
"""How far the walk has got: folder and key of a group, as names are compared."""


class Pause(Enum):
    """What the walk says while it waits for a store: nothing yet, and it has not ended."""

    PAUSE = "pause"


PAUSE = Pause.PAUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Voyage:
    """What a ferry must know once.

    Attributes:
        source: Where sources are, or `None` where they are files of this machine.
        destination: Where results go, likewise.
        access: How stores are reached.
        settings: Which sources are met.
        staging: Absolute path of the folder that holds `in` and `out`.
        excluded: Prefixes below the source, with a slash at their ends, that are never met.
        crew: Requests of a kind that are under way at a time.
        is_shared: Whether nodes of a cluster have ferries of their own, which alone move bodies;
            what one has put no other replaces by the same.
        is_known: Whether the stores have answered this run before, so that they are waited for.
    """

    source: Address | None
    destination: Address | None
    access: Access
    settings: Settings
    staging: str
    excluded: tuple[str, ...] = ()
    crew: int = 8
    is_shared: bool = False
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as the walk meets it.

    Attributes:
        met: As a file would be met.
        facts: What the listing tells of it.
    """

    met: Met
    facts: ObjectFacts


@dataclass(frozen=True, slots=True)
class More:
    """Ask for the next objects of the walk; `Catalogued` comes before the first.

    Attributes:
        after: How far another ferry had got; heeded at the first.
    """

    after: Passed | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for an object.

    Attributes:
        number: Names the request.
        facts: The object as it was met.
        opening_bytes: How much of it is wanted; 0 for all, in the file `in/NUMBER`.
    """

    number: int
    facts: ObjectFacts
    opening_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """Ask what stands in the destination.

    Attributes:
        number: Names the request.
        names: Objects that are asked for.
        folder: Folder of keys of which all is asked for, in place of names; `None` for none.
    """

    number: int
    names: tuple[str, ...] = ()
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One file on its way out.

    Attributes:
        staged: Its name below `out`.
        key: What it will be, relative to the destination.
        attributes: Headers and user metadata.
        can_replace: Whether what stands there may be replaced.
    """

    staged: str
    key: str
    attributes: tuple[tuple[str, str], ...]
    can_replace: bool


@dataclass(frozen=True, slots=True)
class Publish:
    """Ask for all results of one source to be put, and for earlier ones to be removed then.

    Attributes:
        number: Names the request.
        parcels: The results.
        former: What an earlier run put under names that are not wanted any more; removed only
            where it still stands as it was put.
    """

    number: int
    parcels: tuple[Parcel, ...]
    former: tuple[Published, ...] = ()


Request = More | Fetch | Look | Publish


@dataclass(frozen=True, slots=True)
class Catalogued:
    """How far the listing has got.

    Attributes:
        ahead: What was counted, and whether that is all.
    """

    ahead: Ahead


@dataclass(frozen=True, slots=True)
class Batch:
    """The next objects of the walk.

    Attributes:
        groups: Each with the folder it is in, as names are compared, and objects that share a key.
        has_ended: Whether these are the last.
        source: Where they lie: where the voyage says, or above, if that names one object.
    """

    groups: tuple[tuple[tuple[str, ...], tuple[Listed, ...]], ...]
    has_ended: bool
    source: Address | None = None


def passed(group: tuple[tuple[str, ...], tuple[Listed, ...]]) -> Passed:
    """Return how far the walk has got with a group; what comes later compares greater."""
    folder, listed = group
    return folder, listed[0].met.key


@dataclass(frozen=True, slots=True)
class Broken:
    """The ferry cannot go on, or never could.

    Attributes:
        message: Why.
        option: The option that is to blame, or `None`.
    """

    message: str
    option: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """A store does not answer, so that requests wait, or answers again.

    Attributes:
        words: What a person is told.
        is_lost: Whether it does not.
        is_over: Whether it was waited for as long as it may be: nothing is answered any more.
        is_slow: Whether it has not failed either, and requests are no longer answered in time.
    """

    words: str
    is_lost: bool = False
    is_over: bool = False
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object is here, or will not be.

    Attributes:
        number: The request.
        failure: Why it is not here, or `None`.
        opening: Its first bytes, where those were asked for.
        mtime_ns: Modification time of its file, nanoseconds since the epoch.
        attributes: Headers and user metadata that it has in the store.
    """

    number: int
    failure: Failed | None = None
    opening: bytes = b""
    mtime_ns: int = 0
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """What stands in the destination.

    Attributes:
        number: The request.
        found: What was found of it, each by its key.
        failure: Why that cannot be told, or `None`.
    """

    number: int
    found: tuple[ObjectFacts, ...] = ()
    failure: Failed | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """Results of one source were put, or some of them could not be.

    Attributes:
        number: The request.
        tags: The ETag of each parcel, in order.
        failure: Why not, or `None`.
    """

    number: int
    tags: tuple[str, ...] = ()
    failure: Failed | None = None


Reply = Catalogued | Batch | Contact | Fetched | Looked | Delivered
