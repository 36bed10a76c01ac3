"""Object stores on loopback: real servers, each a process of its own on a free port, ended by pid.

Nothing here may leave loopback: without credentials a client would ask the address at which clouds
keep those of their machines, so every server's environment holds some.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["AZURITE", "GCS", "HOST", "MOTO", "RCLONE", "SECRETS", "Kind", "Server", "started"]

HOST: Final = "127.0.0.1"
BUCKET: Final = "pixmill"  # moto knows no bucket of Google's with a character that is escaped
KEY: Final = "pixmill-test-key"  # rclone refuses short ones such as "ak"
SECRET: Final = "pixmill-test-secret"  # noqa: S105 - lets in to loopback alone
BEARER: Final = "pixmill-test-bearer"
ACCOUNT: Final = "devstoreaccount1"
ACCOUNT_KEY: Final = base64.b64encode(b"pixmill-test-account-key").decode()
SECRETS: Final = (SECRET, BEARER, ACCOUNT_KEY)
_AZURITE: Final = Path(__file__).parents[2] / ".azurite/node_modules/azurite/dist/src/blob/main.js"
_AZURE_VERSION: Final = "2021-08-06"
_PATIENCE_S: Final = 60.0
_FAREWELL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of server.

    Attributes:
        name: What tests call it.
        scheme: What its addresses begin with.
        command: Returns what starts it on a port, with a folder of its own, or why it cannot be.
        environ: What lets a client in, as the cloud's own tools spell it.
        endpoint: The variable that holds the endpoint.
        make_bucket: Makes `BUCKET`.
        path: What follows the port in the endpoint.
    """

    name: str
    scheme: str
    command: Callable[[int, Path], list[str] | str]
    environ: dict[str, str]
    endpoint: str
    make_bucket: Callable[[Server], None]
    path: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens.

    Attributes:
        kind: Which.
        port: Where.
        pid: Its process.
        folder: Its own folder.
    """

    kind: Kind
    port: int
    pid: int
    folder: Path

    def address(self, prefix: str) -> str:
        """Return the address of a prefix in its only bucket."""
        return f"{self.kind.scheme}://{BUCKET}/{prefix}"

    def environ(self, port: int | None = None) -> dict[str, str]:
        """Return what lets a client in, through another port where a proxy listens."""
        return self.kind.environ | {self.kind.endpoint: self.url(port)}

    def url(self, port: int | None = None) -> str:
        """Return the endpoint."""
        return f"http://{HOST}:{port or self.port}{self.kind.path}"

    def asked(self, method: str, path: str, headers: dict[str, str] | None = None) -> bytes:
        """Send a request without a body, and return the answer's."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_PATIENCE_S)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status < http.HTTPStatus.MULTIPLE_CHOICES, content
            return content
        finally:
            connection.close()


@contextmanager
def started(kind: Kind, folder: Path) -> Iterator[Server | str]:
    """Start a server, and end it by its pid; yield why where it cannot be had here."""
    port = _free_port()
    command = kind.command(port, folder)
    if isinstance(command, str):
        yield command
        return
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as process,
    ):
        try:
            _await(process, port, folder / "log")
            server = Server(kind, port, process.pid, folder)
            kind.make_bucket(server)
            yield server
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_FAREWELL_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, f"nobody listens: {log.read_text()}"
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _moto(port: int, _folder: Path) -> list[str]:
    return [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]


def _rclone(port: int, folder: Path) -> list[str]:
    program = str(Path(sysconfig.get_path("scripts")) / "rclone")
    # what is made later behind its back would be unknown to it for five minutes
    (folder / "buckets" / BUCKET).mkdir(parents=True)
    config = ["--config", str(folder / "none.conf"), "--cache-dir", str(folder / "cache")]
    keys = ["--auth-key", f"{KEY},{SECRET}"]
    return [program, "serve", "s3", *config, *keys, "--addr", f"{HOST}:{port}", f"{folder}/buckets"]


def _azurite(port: int, _folder: Path) -> list[str] | str:
    node = shutil.which("node")
    if node is None or not _AZURITE.exists():
        return "azurite is not installed: .ci/azurite does it where npm is"
    # a client newer than the server is none of a test's concern
    options = ["--skipApiVersionCheck", "--disableTelemetry", "--silent", "--inMemoryPersistence"]
    where = ["--blobHost", HOST, "--blobPort", str(port)]
    return [
        "env",
        f"AZURITE_ACCOUNTS={ACCOUNT}:{ACCOUNT_KEY}",
        node,
        str(_AZURITE),
        *options,
        *where,
    ]


def _put_bucket(server: Server) -> None:
    server.asked("PUT", f"/{BUCKET}")


def _found_bucket(server: Server) -> None:
    assert (server.folder / "buckets" / BUCKET).is_dir()


def _put_container(server: Server) -> None:
    """Make a container, which takes a signature: of the request line and the headers."""
    stamp = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _AZURE_VERSION}
    told = "".join(f"{key}:{value}\n" for key, value in stamp.items())
    text = "PUT" + "\n" * 12 + f"{told}/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
    digest = hmac.digest(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256)
    signature = base64.b64encode(digest).decode()
    headers = stamp | {"Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"}
    server.asked("PUT", f"/{ACCOUNT}/{BUCKET}?restype=container", headers)


_AWS: Final = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_REGION": "us-east-1",
}
# Keeps its objects in memory: 441 MB after 6,000. The best likeness of S3; checks no signature.
MOTO: Final = Kind("moto", "s3", _moto, _AWS, "AWS_ENDPOINT_URL", _put_bucket)
# Checks signatures.
RCLONE: Final = Kind("rclone", "s3", _rclone, _AWS, "AWS_ENDPOINT_URL", _found_bucket)
AZURITE: Final = Kind(
    "azurite",
    "az",
    _azurite,
    {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
    },
    "AZURE_STORAGE_ENDPOINT",
    _put_container,
    path=f"/{ACCOUNT}",
)
# Google's stores are spoken to by an API like S3's, which moto answers; never a real copy there.
GCS: Final = Kind(
    "gcs-through-moto",
    "gs",
    _moto,
    {"GOOGLE_BEARER_TOKEN": BEARER},
    "GOOGLE_BASE_URL",
    _put_bucket,
)
