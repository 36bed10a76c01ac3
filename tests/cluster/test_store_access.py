"""Every way that users are let into object stores, on servers that look at what they are shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cluster.servers import ACCOUNT, ACCOUNT_KEY, KEY, SECRET
from pixmill.address import Access, Address
from pixmill.errors import OptionError
from pixmill.storage.objects import ObjectStore
from pixmill.storage.profiles import profile_of
from pixmill_cli.exit_codes import ExitCode
from runs import archive

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.servers import Server

_ROLE: Final = "arn:aws:iam::123456789012:role/mill"
_numbers = count()


@pytest.fixture(autouse=True)
def _nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have nothing in the environment that gives access, and no machine asked for its own."""
    for name in [each for each in os.environ if each.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def _files(folder: Path, server: Server, config: str, credentials: str = "") -> None:
    """Write the files of AWS: what is common to the profiles of these tests, and this."""
    words = {"URL": server.url(), "KEY": KEY, "SECRET": SECRET, "ROLE": _ROLE}
    for name, text in (("config", config), ("credentials", credentials)):
        for word, value in words.items():
            text = text.replace(word, value)  # noqa: PLW2901 - a word at a time
        (folder / name).write_text(text)


def _lets_in(server: Server, access: Access) -> bool:
    store = ObjectStore.opened(Address.parsed(server.address(f"access-{next(_numbers)}")), access)
    store.put("a", b"x")
    return store.facts("a") is not None


@pytest.mark.parametrize(
    ("config", "credentials"),
    [
        (
            "[profile mine]\nregion = eu-west-3\nendpoint_url = URL\n",
            "[mine]\naws_access_key_id = KEY\naws_secret_access_key = SECRET\n",
        ),
        (
            (
                "[profile mine]\nservices = here\naws_access_key_id = KEY\n"
                "aws_secret_access_key = SECRET\n[services here]\ns3 =\n  endpoint_url = URL\n"
            ),
            "",
        ),
        (
            (
                "[profile mine]\nendpoint_url = URL\ncredential_process = /bin/echo "
                '\'{"Version": 1, "AccessKeyId": "KEY", "SecretAccessKey": "SECRET"}\'\n'
            ),
            "",
        ),
    ],
    ids=["keys", "services", "process"],
)
@pytest.mark.parametrize("how", ["named", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_profile_lets_in(
    rclone: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    credentials: str,
    how: str,
) -> None:
    """Keys, endpoints and programs of real files are what a server that checks signatures takes."""
    _files(tmp_path, rclone, config, credentials)
    if how != "named":
        monkeypatch.setenv(how, "mine")
    assert _lets_in(rclone, Access(profile="mine" if how == "named" else None))


def test_the_default_profile_lets_in(rclone: Server, tmp_path: Path) -> None:
    """Where nothing is named the default profile counts, as for AWS' own tools."""
    _files(
        tmp_path,
        rclone,
        "[default]\nendpoint_url = URL\n",
        "[default]\naws_access_key_id = KEY\naws_secret_access_key = SECRET\n",
    )
    assert _lets_in(rclone, Access())


def test_a_token_of_a_session_is_shown(rclone: Server, tmp_path: Path) -> None:
    """Keys that are good for a time come with their token, and are asked for again in time."""
    _files(
        tmp_path,
        rclone,
        "[profile mine]\nregion = eu-west-3\n",
        "[mine]\naws_access_key_id = K\naws_secret_access_key = S\naws_session_token = a-token\n",
    )
    profile = profile_of(Access(profile="mine"))
    assert profile is not None
    given = profile.provider()
    assert given.get("token") == "a-token"
    assert profile.region == "eu-west-3"
    expires = given.get("expires_at")
    assert expires is not None
    assert expires - datetime.now(UTC) < timedelta(minutes=10)


def test_a_role_lets_in(moto: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role is assumed by the keys of another profile."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.url())
    _files(
        tmp_path,
        moto,
        "[profile mine]\nrole_arn = ROLE\nsource_profile = keys\nregion = us-east-1\n"
        "endpoint_url = URL\n",
        "[keys]\naws_access_key_id = KEY\naws_secret_access_key = SECRET\n",
    )
    profile = profile_of(Access(profile="mine"))
    assert profile is not None
    assert profile.provider().get("token")
    assert _lets_in(moto, Access(profile="mine"))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[profile other]\n", r"config profile \(mine\) could not be found"),
        ("[profile mine]\n", "names no credentials"),
        ("[profile mine]\naws_access_key_id = KEY\n", "missing: aws_secret_access_key"),
        ("[profile mine]\nrole_arn = ROLE\nsource_profile = no\n", '"no" .* does not exist'),
        ("[profile mine]\nrole_arn = ROLE\n", "missing: source_profile"),
        ("[profile mine]\ncredential_process = /bin/sh -c 'echo SECRET >&2; false'\n", "failed"),
        (
            (
                "[profile mine]\nsso_start_url = https://mine.example/start\n"
                "sso_region = eu-west-3\nsso_account_id = 1\nsso_role_name = mill\n"
            ),
            "loading sso token",
        ),
        ("[profile mine\n", "parse"),
    ],
    ids=["missing", "empty", "half", "no source", "no source named", "program", "sso", "broken"],
)
def test_a_profile_that_is_no_use_is_told_so(
    rclone: Server, tmp_path: Path, config: str, words: str
) -> None:
    """What is missing, half or expired is one error that names the files and shows no secret."""
    _files(tmp_path, rclone, config)
    with pytest.raises(OptionError, match=f"(?i)the profile mine gives no .*{words}") as caught:
        profile_of(Access(profile="mine"))
    assert caught.value.option == "profile"
    assert str(tmp_path / "config") in str(caught.value)
    assert SECRET not in str(caught.value)


def _said(folder: Path, out: str, *options: str) -> tuple[int, list[bytes]]:
    """Run, and return the exit code and all that was written and said."""
    source, said = archive(folder / "in", "a.jpg"), folder / "said"
    said.mkdir(exist_ok=True)
    files = [f"--{name}={said / name}" for name in ("report", "events", "log-file", "journal")]
    command = [sys.executable, "-m", "pixmill_cli", "optimize", str(source), out, "-v"]
    ended = subprocess.run([*command, *options, *files], capture_output=True, check=False)
    texts = [ended.stdout, ended.stderr, *(each.read_bytes() for each in said.iterdir())]
    return ended.returncode, texts


@pytest.mark.parametrize(("before", "code"), [("", ExitCode.OK), ("not-", ExitCode.USAGE)])
def test_a_run_by_a_profile_shows_no_secret(
    rclone: Server, tmp_path: Path, before: str, code: ExitCode
) -> None:
    """What a file told is in nothing that a run writes or says, let in or not."""
    keys = f"aws_access_key_id = KEY\naws_secret_access_key = {before}{SECRET}\n"
    _files(tmp_path, rclone, "[profile mine]\nendpoint_url = URL\n", f"[mine]\n{keys}")
    out = rclone.address(f"access-{next(_numbers)}")
    returned, texts = _said(tmp_path, out, "--profile=mine")
    assert returned == code, texts[1]
    assert not any(SECRET.encode() in text for text in texts)


@pytest.mark.parametrize(("before", "code"), [("", ExitCode.OK), ("AAAA", ExitCode.USAGE)])
def test_a_run_by_a_connection_string_shows_no_secret(
    azurite: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, code: ExitCode
) -> None:
    """Nor is any part of a connection string."""
    given = f"AccountName={ACCOUNT};AccountKey={before}{ACCOUNT_KEY};BlobEndpoint={azurite.url()}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", given)
    returned, texts = _said(tmp_path, azurite.address(f"access-{next(_numbers)}"))
    assert returned == code, texts[1]
    assert not any(ACCOUNT_KEY.encode() in text for text in texts)


def _signature(**changes: str) -> str:
    """Return a signature that lets into a whole account of Azure for an hour."""
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = {"sp": "rwdlac", "ss": "b", "srt": "sco", "se": until, "sv": "2021-08-06"} | changes
    fields = [ACCOUNT, asked["sp"], asked["ss"], asked["srt"], "", asked["se"], "", "http,https"]
    text = "\n".join([*fields, asked["sv"], "", ""])
    digest = hmac.digest(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256)
    return urlencode(asked | {"spr": "http,https", "sig": base64.b64encode(digest).decode()})


@pytest.mark.parametrize(
    ("named", "given"),
    [
        (("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"), ACCOUNT_KEY),
        (("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY"), ACCOUNT_KEY),
        (("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_SAS_TOKEN"), ""),
        (("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_SAS_KEY"), ""),
    ],
    ids=lambda each: each[1] if isinstance(each, tuple) else "",
)
def test_azure_lets_in(
    azurite: Server, monkeypatch: pytest.MonkeyPatch, named: tuple[str, str], given: str
) -> None:
    """A key or a signature lets in, by the names of obstore and of Azure's command line."""
    account, secret = named
    monkeypatch.setenv(account, ACCOUNT)
    monkeypatch.setenv(secret, given or _signature())
    assert _lets_in(azurite, Access(endpoint_url=azurite.url()))


@pytest.mark.parametrize("kind", ["key", "signature"])
def test_a_connection_string_lets_in(
    azurite: Server, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """All that Azure's portal gives is in one variable."""
    given = f"AccountKey={ACCOUNT_KEY}"
    if kind == "signature":
        given = f"SharedAccessSignature={_signature()}"
    text = f"AccountName={ACCOUNT};{given};BlobEndpoint={azurite.url()};"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    assert _lets_in(azurite, Access())


def test_a_service_account_lets_in(
    gcs: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of a service account is read; requests are signed by it, without a token's server.

    moto looks at no token, so that this shows the reading, not that Google would let in.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    account = {"private_key": pem.decode(), "private_key_id": "1", "client_email": "mill@here"}
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account | {"type": "service_account"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert _lets_in(gcs, Access(endpoint_url=gcs.url()))
