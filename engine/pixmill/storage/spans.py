"""An object's bytes into a file: by ranges where it is large, and on from where they were cut.

Must not know of prefixes; keys here are whole.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import obstore

from pixmill.model import Failed, FailureKind, Stage
from pixmill.storage.answers import CHANGED, StoreError, telling
from pixmill.storage.drafts import write_all

if TYPE_CHECKING:
    from obstore import GetOptions

    from pixmill.address import ObjectFacts
    from pixmill.storage.clients import Client

__all__ = ["NO_SPANS", "fetched", "quoted"]

# A request's time is that of its body, and obstore resumes none that has taken three minutes: of
# 2 GB at 10 MB/s nothing would be left. In 5 minutes this comes at 220 kB/s.
_SPAN_BYTES: Final = 64 * 1024 * 1024
NO_SPANS: Final = "non-partial response"  # rclone's answer to a range, as obstore tells of it
_CHUNK_BYTES: Final = 1024 * 1024


def fetched(client: Client, key: str, descriptor: int, expected: ObjectFacts) -> dict[str, str]:
    """Write an object to a file; return its attributes. See `objects.ObjectStore.fetch`."""
    span_bytes = _SPAN_BYTES
    while True:
        before_bytes = _position(descriptor)
        try:
            attributes = _span(client, key, descriptor, expected, span_bytes)
        except StoreError as error:
            has_grown = _position(descriptor) > before_bytes
            if span_bytes and NO_SPANS in error.failure.message:
                span_bytes = 0
            elif not (has_grown and error.failure.is_retryable):
                raise
        else:
            if _position(descriptor) == expected.size_bytes:
                return attributes


def _span(
    client: Client, key: str, descriptor: int, expected: ObjectFacts, span_bytes: int
) -> dict[str, str]:
    """Write the next so many bytes, or all from the beginning if 0; return the attributes."""
    start, size_bytes = _position(descriptor), expected.size_bytes
    if start >= size_bytes or not span_bytes:
        start = os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
    end = min(start + (span_bytes or size_bytes), size_bytes)
    options: GetOptions = {"if_match": expected.tag} if expected.tag else {}
    if (start, end) != (0, size_bytes):
        options["range"] = (start, end)
    with telling(Stage.READ):
        answer = obstore.get(client, key, options=options)
        chunks = iter(answer.stream(min_chunk_size=_CHUNK_BYTES))
    if expected.tag and quoted(answer.meta["e_tag"]) not in {expected.tag, ""}:
        # there are servers that know no condition, rclone's for one
        raise StoreError(Failed(FailureKind.CHANGED, Stage.READ, CHANGED))
    while True:
        with telling(Stage.READ):
            chunk = next(chunks, None)
        if chunk is None:
            break
        write_all(descriptor, memoryview(chunk))
    if (arrived_bytes := _position(descriptor)) != end:
        message = f"{arrived_bytes} of {size_bytes} bytes arrived: run again"
        failure = Failed(FailureKind.IO, Stage.READ, message, is_retryable=arrived_bytes < end)
        raise StoreError(failure)
    return dict(answer.attributes)


def _position(descriptor: int) -> int:
    return os.lseek(descriptor, 0, os.SEEK_CUR)


def quoted(tag: str | None) -> str:
    """Return a tag as S3 spells it: listings of Azure, and of others, leave out the quotes."""
    return f'"{tag}"' if tag and not tag.endswith('"') else tag or ""
