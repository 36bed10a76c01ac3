"""What lets pixmill into object stores, as it is spelled in the environment; no server is asked.

What servers make of it is in `tests/cluster/test_store_access.py`.
"""

from __future__ import annotations

import pytest
from obstore import exceptions

from pixmill.address import Access, Address
from pixmill.errors import OptionError
from pixmill.model import FailureKind, Stage
from pixmill.storage.answers import failure_of
from pixmill.storage.azure import azure_access
from pixmill.storage.objects import ObjectStore
from pixmill.storage.secrets import hide, redacted

_KEY = "cGl4bWlsbC1zZWNyZXQta2V5"
_CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            (
                f"DefaultEndpointsProtocol=https;AccountName=me;AccountKey={_KEY}==;"
                "EndpointSuffix=core.windows.net"
            ),
            {"account_name": "me", "account_key": f"{_KEY}=="},
        ),
        (
            f"AccountName=me; AccountKey={_KEY}; EndpointSuffix=core.chinacloudapi.cn",
            {
                "account_name": "me",
                "account_key": _KEY,
                "endpoint": "https://me.blob.core.chinacloudapi.cn",
            },
        ),
        (
            "BlobEndpoint=https://me.blob.core.windows.net/;SharedAccessSignature=?sv=1&sig=abc%3D",
            {
                "account_name": "me",
                "sas_key": "sv=1&sig=abc%3D",
                "endpoint": "https://me.blob.core.windows.net",
            },
        ),
        ("UseDevelopmentStorage=true", {"use_emulator": True}),
    ],
    ids=["key", "another cloud", "signature", "emulator"],
)
def test_a_connection_string_is_read(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: dict[str, object]
) -> None:
    """Each form in which Azure's portal gives one names account, key or signature, and place."""
    monkeypatch.setenv(_CONNECTION, text)
    assert azure_access() == expected


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("AccountName=me", "AccountKey or SharedAccessSignature"),
        (f"AccountKey={_KEY}", "AccountName"),
        ("nonsense", "AccountName"),
    ],
)
def test_half_a_connection_string_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str, lacking: str
) -> None:
    """What lacks something is told by the variable's name, and shows nothing of it."""
    monkeypatch.setenv(_CONNECTION, text)
    with pytest.raises(OptionError, match=f"{_CONNECTION} has no {lacking}") as caught:
        ObjectStore.opened(Address.parsed("az://bucket/out"), Access())
    assert _KEY not in str(caught.value)


def test_a_file_of_credentials_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file of Google's that is missing, or none, is an error of usage that names it."""
    path = tmp_path_factory.mktemp("google") / "account.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    for words in (f"{path}: no such file", "unable to decode service account file"):
        with pytest.raises(OptionError, match=words):
            ObjectStore.opened(Address.parsed("gs://bucket/out"), Access())
        path.write_text("{")


def test_no_access_at_all_is_told_so() -> None:
    """Where the machine's own credentials were asked for, in vain, a person is told what to do."""
    error = exceptions.GenericError(
        "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 5s, "
        "after 5 retries, max_retries: 5, retry_timeout: 180s - HTTP error: error sending request"
    )
    failure = failure_of(error, Stage.PUBLISH)
    assert failure.message.startswith("no credentials are in the environment")
    assert "169.254" not in failure.message


@pytest.mark.parametrize(
    ("status", "code", "kind", "is_retryable", "is_fatal"),
    [
        ("400 Bad Request", "ExpiredToken", FailureKind.PERMISSION, False, True),
        ("403 Forbidden", "SignatureDoesNotMatch", FailureKind.PERMISSION, False, True),
        ("403 Forbidden", "AccessDenied", FailureKind.PERMISSION, False, False),
        ("400 Bad Request", "EntityTooLarge", FailureKind.IO, False, False),
        ("404 Not Found", "NoSuchBucket", FailureKind.IO, False, True),
        ("429 Too Many Requests", "SlowDown", FailureKind.IO, True, False),
        ("503 Service Unavailable", "SlowDown", FailureKind.IO, True, False),
        ("500 Internal Server Error", "InternalError", FailureKind.IO, True, False),
    ],
)
def test_what_passes_and_what_does_not(
    status: str, code: str, kind: FailureKind, *, is_retryable: bool, is_fatal: bool
) -> None:
    """Credentials and buckets are the run's trouble, busy stores pass, other refusals do not."""
    error = exceptions.GenericError(
        "Generic S3 error: Error performing PUT http://127.0.0.1:1/b/a in 1ms - Server returned "
        f"non-2xx status code: {status}: <Error><Code>{code}</Code><Message>No.</Message></Error>"
    )
    failure = failure_of(error, Stage.PUBLISH)
    assert (failure.kind, failure.is_retryable, failure.is_fatal) == (kind, is_retryable, is_fatal)


def test_what_was_read_from_a_file_is_hidden() -> None:
    """A secret that no variable holds is hidden as well, once it was read."""
    hide("s3cr3t-of-a-file")
    hide("")
    assert redacted("got s3cr3t-of-a-file.") == "got [hidden]."
