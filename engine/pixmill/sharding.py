"""Which of several runs over one archive makes a source: its share, by the hash of its path.

Pure. The same on every machine and in every release: an archive may be half done when a share is
taken up elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from pixmill.errors import OptionError

__all__ = ["MAX_SHARDS", "WHOLE", "Shard", "parse_shard"]

MAX_SHARDS: Final = 10_000
"""The walk passes as many files of others for one of its own, at 3.5 us each, and looks up 256 of
its own at once: 9 s in which nobody hears workers or the user."""
_HASH_BYTES: Final = 8
_SHARD: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """One share of an archive.

    Attributes:
        index: Which one, from 0.
        count: How many there are.

    Raises:
        OptionError: There is no such share.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 1 <= self.count <= MAX_SHARDS:
            raise OptionError(
                f"expected 1 to {MAX_SHARDS} shards, got {self.count}", option="shard"
            )
        if not 0 <= self.index < self.count:
            raise OptionError(
                f"shards are numbered from 0: expected one of 0/{self.count} to "
                f"{self.count - 1}/{self.count}, got {self}",
                option="shard",
            )

    def __str__(self) -> str:
        """Spell the share as the user types it."""
        return f"{self.index}/{self.count}"

    @property
    def is_whole(self) -> bool:
        """Whether this is the only share."""
        return self.count == 1

    def holds(self, path: str) -> bool:
        """Return whether a source is in this share, by its path relative to the root.

        BLAKE2b and not CRC-32, which is linear: of names that differ in a few digits, a power of
        two of shards could get very unequal shares. 0.6 us a path.
        """
        if self.count == 1:
            return True
        digest = blake2b(path.encode("utf-8", "surrogateescape"), digest_size=_HASH_BYTES)
        return int.from_bytes(digest.digest()) % self.count == self.index


WHOLE: Final = Shard(0, 1)
"""Everything: what a run takes that was not told otherwise."""


def parse_shard(text: str) -> Shard:
    """Return the share that `I/N` spells, I from 0.

    Raises:
        OptionError: It spells none.
    """
    found = _SHARD.fullmatch(text.strip())
    if found is None:
        raise OptionError(f"expected I/N with I from 0, such as 0/16, got {text!r}", option="shard")
    return Shard(int(found[1]), int(found[2]))
