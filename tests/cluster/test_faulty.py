"""The proxy spoils what it says that it spoils: tests behind it would else prove nothing."""

from __future__ import annotations

import http.client
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from cluster.faulty import PASSING, Fault, Proxy
from cluster.servers import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b"0123456789" * 1000


class _Origin(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__((HOST, 0), _Echo)
        self.taken: list[bytes] = []


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent, or with `BODY`."""

    server: _Origin

    def do_PUT(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if len(sent) < int(self.headers.get("Content-Length", 0)):
            return
        self.server.taken.append(sent)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(sent or BODY)))
        self.send_header("X-Host", self.headers["Host"])
        self.end_headers()
        self.wfile.write(sent or BODY)

    do_GET = do_PUT  # noqa: N815 - the library's name

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[_Origin]:
    """Return a server that is never at fault."""
    with _Origin() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def answered(port: int, method: str, sent: bytes | None = None) -> tuple[int, bytes, str | None]:
    """Return status, body and the host that the origin was told of one request."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request(method, "/some/key", sent)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("X-Host")
    finally:
        connection.close()


def test_what_is_not_spoiled_passes(origin: _Origin) -> None:
    """Both bodies pass byte for byte, and so does the name that signatures cover."""
    with Proxy(origin.server_address[1], share=0) as proxy:
        assert answered(proxy.port, "PUT", b"some") == (200, b"some", f"{HOST}:{proxy.port}")
        assert answered(proxy.port, "GET")[1] == BODY
    assert origin.taken == [b"some", b""]


@pytest.mark.parametrize(
    ("fault", "method", "told", "taken"),
    [
        (Fault.UNAVAILABLE, "PUT", HTTPStatus.SERVICE_UNAVAILABLE, 0),
        (Fault.THROTTLED, "PUT", HTTPStatus.TOO_MANY_REQUESTS, 0),
        (Fault.RESET, "PUT", ConnectionResetError, 0),
        (Fault.LOST, "PUT", ConnectionResetError, 1),
        (Fault.CUT, "PUT", ConnectionResetError, 0),
        (Fault.CUT, "GET", (http.client.IncompleteRead, ConnectionResetError), 1),
        (Fault.SLOW, "GET", HTTPStatus.OK, 1),
    ],
)
def test_each_fault_is_what_it_says(
    origin: _Origin,
    fault: Fault,
    method: str,
    told: int | type[Exception] | tuple[type[Exception], ...],
    taken: int,
) -> None:
    """The client is told what the fault says, and the server has taken whole bodies or none."""
    sent = BODY if method == "PUT" else None
    with Proxy(origin.server_address[1], (fault,), share=1) as proxy:
        if isinstance(told, int):
            assert answered(proxy.port, method, sent)[0] == told
        else:
            with pytest.raises(told):
                answered(proxy.port, method, sent)
    assert proxy.counts == {fault: 1}
    assert [len(each) for each in origin.taken] == [len(sent or b"")] * taken


def test_the_share_is_kept_and_the_seed_decides(origin: _Origin) -> None:
    """About 15 % of requests are spoiled, the same ones for the same seed."""
    drawn = []
    for _ in range(2):
        with Proxy(origin.server_address[1], seed=3) as proxy:
            drawn.append([proxy.drawn("GET") for _ in range(2000)])
        assert 240 < proxy.counts.total() < 360
        assert set(proxy.counts) == set(PASSING)
    assert drawn[0] == drawn[1]
