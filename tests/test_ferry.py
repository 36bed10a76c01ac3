"""What a run asks its ferry for, and what the ferry makes of it; the store is a folder."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pixmill.address import Access, Address, ObjectFacts
from pixmill.executors.ferry import Ferry
from pixmill.feeding import Feeder
from pixmill.freight import (
    Batch,
    Catalogued,
    Delivered,
    Fetch,
    Fetched,
    Listed,
    More,
    Parcel,
    Publish,
    Voyage,
)
from pixmill.incoming import Incoming
from pixmill.model import FailureKind, Job, Outcome, SourceRef, Status
from pixmill.naming import stem_key
from pixmill.outgoing import Outgoing
from pixmill.recall import Recall
from pixmill.recipe import Recipe
from pixmill.remote import RemoteSources
from pixmill.settings import IfExists, Settings
from pixmill.staging import Staging
from pixmill.stats import Ahead
from pixmill.storage.local import Destination
from pixmill.walking import Met, Sort
from runs import until

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.freight import Reply, Request


def _listed(key: str, size_bytes: int) -> tuple[tuple[str, ...], tuple[Listed, ...]]:
    met = Met(stem_key(key), key, Sort.FILE)
    return (), (Listed(met, ObjectFacts(key, size_bytes, 0, '"tag"')),)


def test_only_what_may_be_an_image_is_fetched_whole(tmp_path: Path) -> None:
    """Of a film the first bytes come, of an empty object nothing, of a photograph all."""
    asked: list[Request] = []
    settings, results = Settings(), Destination(str(tmp_path / "out"))
    recall = Recall(None, settings, results, "")
    feeder = Feeder(RemoteSources(), Recipe(), settings, results, recall)
    staging = Staging(str(tmp_path), is_source_staged=True, is_result_staged=False)
    incoming = Incoming(feeder, staging, asked.append, 10**9, Ahead(), 8)
    listed = (_listed("a.jpg", 5000), _listed("empty.jpg", 0), _listed("film.mp4", 10**9))
    incoming.hear(Batch(listed, has_ended=True))
    next(incoming.found())
    fetches = {one.facts.key: one.opening_bytes for one in asked if isinstance(one, Fetch)}
    assert fetches == {"a.jpg": 0, "film.mp4": 4096}
    assert staging.held_bytes == 5000


def _outgoing(staging: Staging, settings: Settings, asked: list[Request]) -> Outgoing:
    return Outgoing(staging, settings, asked.append, 10**9)


def _made(staging: Staging, number: int, *, can_replace: bool = False) -> Outcome:
    path = f"{number}.jpg"
    staging.jobs[path] = Job(number, SourceRef(path, 9, 1, "jpg"), path, can_replace=can_replace)
    return Outcome(
        path=path, status=Status.OPTIMIZED, destination=path, target="jpg", bytes_written=5
    )


def test_a_full_hold_takes_nothing_new(tmp_path: Path) -> None:
    """With so many results under way nothing is begun until one has landed."""
    asked: list[Request] = []
    staging = Staging(str(tmp_path), is_source_staged=False, is_result_staged=True)
    outgoing = _outgoing(staging, Settings(), asked)
    number = 0
    while not outgoing.is_full:
        number += 1
        assert outgoing.takes(_made(staging, number))
        assert number < 1000
    assert not outgoing.landed()
    outgoing.hear(Delivered(1, ('"tag"',)))
    assert not outgoing.is_full
    (landed,) = outgoing.landed()
    assert (landed.path, landed.tag) == ("1.jpg", '"tag"')


@pytest.mark.parametrize(
    ("is_own", "if_exists", "expected"),
    [
        (False, IfExists.SKIP, False),
        (True, IfExists.SKIP, True),
        (False, IfExists.OVERWRITE, True),
    ],
)
def test_who_may_be_replaced(
    tmp_path: Path, if_exists: IfExists, *, is_own: bool, expected: bool
) -> None:
    """Only pixmill's own objects are put over, unless the user said that others may be."""
    asked: list[Request] = []
    staging = Staging(str(tmp_path), is_source_staged=False, is_result_staged=True)
    outgoing = _outgoing(staging, Settings(if_exists=if_exists), asked)
    assert outgoing.takes(_made(staging, 1, can_replace=is_own))
    (publish,) = asked
    assert isinstance(publish, Publish)
    assert [parcel.can_replace for parcel in publish.parcels] == [expected]


def _fetching(tmp_path: Path, source: Path) -> Ferry:
    (tmp_path / "staging" / "in").mkdir(parents=True)
    voyage = Voyage(
        source=Address.parsed(f"file://{source}"),
        destination=None,
        access=Access(),
        settings=Settings(),
        staging=str(tmp_path / "staging"),
    )
    return Ferry(voyage)


def _struck(ferry: Ferry) -> None:
    """Kill a ferry that has said everything."""
    (pid,) = ferry.processes()
    os.kill(pid, signal.SIGKILL)


def _answer(ferry: Ferry) -> Reply:
    """Wait for the next reply."""
    replies: list[Reply] = []

    def has_come() -> bool:
        replies.extend(each for each in ferry.heard() if not isinstance(each, Catalogued))
        return bool(replies)

    until(has_come)
    (reply,) = replies
    return reply


def test_a_listing_goes_on_behind_a_ferry_that_died(tmp_path: Path) -> None:
    """Each object is told of once, in order, though the next ferry lists all of them again."""
    bucket = tmp_path / "bucket"
    keys = [f"{number % 3}/{number:03}.jpg" for number in range(600)]
    for key in keys:
        (bucket / key).parent.mkdir(parents=True, exist_ok=True)
        (bucket / key).touch()
    found = []
    has_ended = False
    with closing(_fetching(tmp_path, bucket)) as ferry:
        while not has_ended:
            ferry.send(More())
            batch = _answer(ferry)
            assert isinstance(batch, Batch)
            found += [one.facts.key for _, listed in batch.groups for one in listed]
            has_ended = batch.has_ended
            _struck(ferry)
    assert found == sorted(keys)
    assert len(ferry.remarks) == 2


def test_one_object_is_found_again_behind_a_ferry_that_died(tmp_path: Path) -> None:
    """The next ferry knows that the address names an object, and where its key begins."""
    bucket = tmp_path / "bucket"
    (bucket / "deep").mkdir(parents=True)
    (bucket / "deep" / "a.jpg").write_bytes(b"picture")
    with closing(_fetching(tmp_path, bucket / "deep" / "a.jpg")) as ferry:
        ferry.send(More())
        batch = _answer(ferry)
        assert isinstance(batch, Batch)
        ((_, (listed,)),) = batch.groups
        _struck(ferry)
        ferry.send(Fetch(1, listed.facts))
        answer = _answer(ferry)
    assert isinstance(answer, Fetched)
    assert answer.failure is None
    assert (tmp_path / "staging" / "in" / "1").read_bytes() == b"picture"


def test_a_ferry_puts_over_nothing_that_it_may_not(tmp_path: Path) -> None:
    """What has come to stand at a destination since it was looked at stays, and is told of."""
    staged, bucket = tmp_path / "staging" / "out", tmp_path / "bucket"
    for folder in (staged, bucket):
        folder.mkdir(parents=True)
    (staged / "1.jpg").write_bytes(b"mine")
    (bucket / "a.jpg").write_bytes(b"yours")
    address = Address.parsed(f"file://{bucket}")
    voyage = Voyage(
        source=None,
        destination=address,
        access=Access(),
        settings=Settings(),
        staging=str(staged.parent),
    )
    ferry = Ferry(voyage)
    replies: list[Reply] = []

    def have(count: int) -> bool:
        replies.extend(ferry.heard())
        return len(replies) == count

    try:
        for number, can_replace in enumerate((False, True)):
            ferry.send(Publish(number, (Parcel("1.jpg", "a.jpg", (), can_replace),)))
            until(partial(have, number + 1))
            standing = (bucket / "a.jpg").read_bytes()
            assert standing == (b"mine" if can_replace else b"yours")
    finally:
        ferry.close()
    first, second = replies
    assert isinstance(first, Delivered)
    assert first.failure is not None
    assert first.failure.kind is FailureKind.EXISTS
    assert isinstance(second, Delivered)
    assert second.failure is None
