"""Jobs reach workers whole, and what workers say of them is held against them."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace

import pytest

from pixmill.model import Job, Outcome, Published, SourceRef, Status
from pixmill.series import Series

JOB = Job(
    7,
    SourceRef("a/b.png", 70, 5, "png", 11, '"tag"'),
    "a/b.*",
    attempt=2,
    crashes=1,
    can_replace=True,
    backup="a/b.png",
    notes=("a note",),
    choices=("a/b.png", "a/b.webp"),
    former=(Published("a/b.png", 60, 5),),
    series=Series("a/b-", "", (".png",)),
)
TRUE = Outcome(
    path="a/b.png",
    status=Status.OPTIMIZED,
    codec="png",
    bytes_read=70,
    mtime_ns=5,
    destination="a/b.webp",
    attempts=2,
    backup="a/b.png",
)


def test_a_job_is_pickled_whole() -> None:
    """Every field arrives, whatever fields there are."""
    plain = Job(0, SourceRef("", 0, 0, ""), "")
    assert all(getattr(JOB, each.name) != getattr(plain, each.name) for each in fields(Job))
    assert pickle.loads(pickle.dumps(JOB)) == JOB  # noqa: S301 - our own, as the pipe does


def test_a_true_word_is_taken_as_it_is() -> None:
    """What a worker says of a job as it is meant is not copied."""
    assert JOB.vouched(TRUE) is TRUE
    unpublished = replace(TRUE, destination=None, backup="")
    assert JOB.vouched(unpublished) is unpublished


@pytest.mark.parametrize(
    "lie",
    [
        {"path": "c.png"},
        {"codec": "jpg"},
        {"bytes_read": 1},
        {"mtime_ns": 1},
        {"attempts": 1},
        {"backup": "elsewhere"},
    ],
    ids=str,
)
def test_a_worker_cannot_rename_what_it_was_told(lie: dict[str, str | int]) -> None:
    """What the coordinator knows of a job is kept, whatever a worker says."""
    assert JOB.vouched(replace(TRUE, **lie)) == TRUE  # type: ignore[arg-type]  # each its own


def test_a_worker_cannot_publish_elsewhere() -> None:
    """A destination that no job has is told as the one that was meant."""
    assert JOB.vouched(replace(TRUE, destination="/etc/passwd")).destination == "a/b.*"
