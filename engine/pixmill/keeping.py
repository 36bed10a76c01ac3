"""Which kinds of a source's metadata stay, are too large to stay, or must go.

Pure. Must not read or change metadata; `imaging.metadata` and the codecs do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pixmill.header import Metadata
from pixmill.vocabulary import Keep

if TYPE_CHECKING:
    from pixmill.header import Header
    from pixmill.recipe import Recipe

__all__ = ["metadata_kept", "metadata_missed", "metadata_unwanted"]

_WHOLE_KINDS = {
    Keep.EXIF: Metadata.EXIF,
    Keep.XMP: Metadata.XMP,
    Keep.IPTC: Metadata.IPTC,
}
_PRIVATE = frozenset({Metadata.XMP, Metadata.IPTC, Metadata.COMMENT})
"""What `no-gps` keeps where it tells no place."""


def metadata_kept(header: Header, recipe: Recipe) -> frozenset[Metadata]:
    """Return the kinds of metadata that stay as they are where nothing else changes.

    A profile stays unless it says no more than untagged pixels do, which is sRGB. `copyright` and
    `no-gps` keep parts of a kind, which needs a rewrite, so they allow none.
    """
    if Keep.ALL in recipe.keep:
        return frozenset(Metadata) - header.oversized
    whole = {_WHOLE_KINDS[keep] for keep in recipe.keep if keep in _WHOLE_KINDS}
    kept = whole if header.is_srgb else {*whole, Metadata.ICC}
    return frozenset(kept) - header.oversized


def metadata_missed(header: Header, recipe: Recipe) -> frozenset[Metadata]:
    """Return the kinds that are too large, of those that would be kept, in part or whole."""
    in_part = {Metadata.EXIF} if recipe.keep & {Keep.COPYRIGHT, Keep.NO_GPS} else set()
    whole = metadata_kept(replace(header, oversized=frozenset()), recipe)
    return header.oversized & (
        whole | in_part | (_PRIVATE if Keep.NO_GPS in recipe.keep else set())
    )


def metadata_unwanted(header: Header, recipe: Recipe) -> frozenset[Metadata]:
    """Return the kinds of metadata that must go; an sRGB profile may go, and need not."""
    may_stay = {Metadata.ICC} if recipe.keep & {Keep.ICC, Keep.NO_GPS} else set()
    return header.metadata - metadata_kept(header, recipe) - may_stay
