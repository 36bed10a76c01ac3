"""System errors become failures that say what happened and whether to try again."""

from __future__ import annotations

import errno
import os

import pytest

from pixmill.failures import errno_failure, os_failure
from pixmill.model import FailureKind, Stage


@pytest.mark.parametrize(
    ("number", "kind", "is_retryable"),
    [
        (errno.EIO, FailureKind.IO, True),
        (errno.ESTALE, FailureKind.IO, True),
        (errno.EBUSY, FailureKind.IO, True),
        (errno.EMFILE, FailureKind.IO, True),
        (errno.EAGAIN, FailureKind.IO, True),
        (errno.EACCES, FailureKind.PERMISSION, False),
        (errno.EPERM, FailureKind.PERMISSION, False),
        (errno.EROFS, FailureKind.PERMISSION, False),
        (errno.ENOENT, FailureKind.VANISHED, False),
        (errno.ENOSPC, FailureKind.NO_SPACE, False),
        (errno.EDQUOT, FailureKind.NO_SPACE, False),
        (errno.ENOMEM, FailureKind.MEMORY, False),
        (errno.EEXIST, FailureKind.EXISTS, False),
        (errno.ENAMETOOLONG, FailureKind.IO, False),
    ],
)
def test_only_what_may_pass_is_tried_again(
    number: int, kind: FailureKind, *, is_retryable: bool
) -> None:
    """Busy and broken connections may pass; permission, absence and a full disc do not."""
    failure = errno_failure(number, Stage.READ)
    assert (failure.kind, failure.is_retryable) == (kind, is_retryable)
    assert failure.stage is Stage.READ
    assert failure.message == failure.message.lower() != ""


def test_a_system_error_is_told_by_its_number() -> None:
    """An `OSError` becomes the failure of its number, without the path that it names."""
    error = OSError(errno.EACCES, os.strerror(errno.EACCES), "/secret/path")
    failure = os_failure(error, Stage.PUBLISH)
    assert failure.kind is FailureKind.PERMISSION
    assert failure.message == "permission denied"


def test_a_system_error_without_a_number_keeps_its_words() -> None:
    """What has no number is an input or output failure in its own words."""
    failure = os_failure(OSError("Expected a folder"), Stage.PUBLISH)
    assert (failure.kind, failure.message) == (FailureKind.IO, "expected a folder")


def test_a_missing_destination_is_no_vanished_source() -> None:
    """While publishing, a folder that is not there is the destination's trouble."""
    assert errno_failure(errno.ENOENT, Stage.PUBLISH).kind is FailureKind.IO
    assert errno_failure(errno.ENOENT, Stage.READ).kind is FailureKind.VANISHED


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room where the output is"),
        (errno.EDQUOT, "ask for a larger quota"),
        (errno.EROFS, "make the output writable"),
        (errno.EIO, "look at it"),
        (errno.ENOTCONN, "bring it back"),
    ],
)
def test_a_disc_that_takes_nothing_is_every_files_trouble(number: int, advice: str) -> None:
    """While publishing it is fatal and the message says what to do; elsewhere it is one file's."""
    failure = errno_failure(number, Stage.PUBLISH)
    assert failure.is_fatal
    assert failure.message.startswith(os.strerror(number).lower())
    assert failure.message.endswith(f"{advice}, then run again")
    assert not errno_failure(number, Stage.READ).is_fatal


def test_a_folder_that_refuses_is_not_every_files_trouble() -> None:
    """One folder without permission, or with a file in its place, leaves the others."""
    for number in (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ESTALE):
        assert not errno_failure(number, Stage.PUBLISH).is_fatal
