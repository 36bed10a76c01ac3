"""A proxy on loopback that spoils a share of the requests that pass: what networks and clouds do.

Must not spoil anything else: what is not spoiled passes byte for byte, the host's name included,
for signatures cover it.
"""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum, auto
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Self

from cluster.servers import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PASSING", "Fault", "Proxy"]

_PATIENCE_S: Final = 60.0
_PIECES: Final = 8
_PAUSE_S: Final = 0.02
# A socket closed with this says nothing of what it still holds, but resets the connection.
_AT_ONCE: Final = struct.pack("ii", 1, 0)


class Fault(StrEnum):
    """What becomes of a request."""

    UNAVAILABLE = auto()
    """503, and nothing is done."""
    THROTTLED = auto()
    """429, and nothing is done."""
    RESET = auto()
    """The connection is reset before anything is done."""
    LOST = auto()
    """It is done, and the connection reset before that is told."""
    CUT = auto()
    """Half of the body comes: of what is sent, if anything is, else of the answer."""
    SLOW = auto()
    """The answer's body comes in pieces, with pauses."""
    FORBIDDEN = auto()
    """403, and nothing is done."""


PASSING: Final = tuple(fault for fault in Fault if fault is not Fault.FORBIDDEN)
"""What costs time and nothing else."""


@dataclass(slots=True)
class Proxy:
    """A proxy before a server, open as a context.

    Args:
        origin: The server's port.
        faults: What happens, one at random.
        share: To which share of the requests; may be set meanwhile.
        methods: To requests of which methods, all of them if empty.
        seed: Decides which, given their order.
        counts: What has happened, for tests that would prove nothing had it not.
    """

    origin: int
    faults: tuple[Fault, ...] = PASSING
    share: float = 0.15
    methods: tuple[str, ...] = ()
    seed: int = 7
    counts: Counter[Fault] = field(default_factory=Counter)
    _rng: random.Random = field(init=False)
    _server: _Server = field(init=False)
    _thread: threading.Thread = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._rng = random.Random(self.seed)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.end()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def drawn(self, method: str) -> Fault | None:
        """Return what is to happen to the next request."""
        with self._lock:
            if self.methods and method not in self.methods:
                return None
            if self._rng.random() >= self.share:
                return None
            fault = self._rng.choice(self.faults)
            self.counts[fault] += 1
            return fault


class _Server(ThreadingHTTPServer):
    """Listens, and knows the connections that are open."""

    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: Proxy) -> None:
        super().__init__((HOST, 0), _Request)
        self.proxy = proxy
        self.connections: set[socket.socket] = set()

    def end(self) -> None:
        """Close everything."""
        self.server_close()
        for each in list(self.connections):
            with suppress(OSError):  # its own thread was quicker
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that leave in the middle: they are meant to."""


class _Request(BaseHTTPRequestHandler):
    """One connection: request after request, until one is spoiled beyond an answer."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """Open the connection's other half."""
        super().setup()
        self.server.connections.add(self.connection)
        self.origin = http.client.HTTPConnection(
            HOST, self.server.proxy.origin, timeout=_PATIENCE_S
        )

    def finish(self) -> None:
        """Close both halves."""
        self.origin.close()
        self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""

    def relay(self) -> None:
        """Pass one request, or spoil it."""
        fault = self.server.proxy.drawn(self.command)
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match fault:
            case Fault.UNAVAILABLE:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            case Fault.THROTTLED:
                self._refuse(HTTPStatus.TOO_MANY_REQUESTS)
            case Fault.FORBIDDEN:
                self._refuse(HTTPStatus.FORBIDDEN)
            case Fault.RESET:
                self._reset()
            case Fault.CUT if sent:
                self._ask(sent[: len(sent) // 2])
                self._reset()
            case _:
                self._ask(sent)
                self._answer(self.origin.getresponse(), fault)

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = relay  # noqa: N815 - the library's names

    def _refuse(self, status: HTTPStatus) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _reset(self) -> None:
        self.close_connection = True
        self.origin.close()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        # the library would end it in good order, which a reset is not
        self.server.connections.discard(self.connection)
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    def _ask(self, sent: bytes) -> None:
        self.origin.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            self.origin.putheader(name, value)
        self.origin.endheaders(sent or None)

    def _answer(self, told: http.client.HTTPResponse, fault: Fault | None) -> None:
        content = told.read()
        if fault is Fault.LOST:
            self._reset()
            return
        self.send_response_only(told.status, told.reason)
        for name, value in told.getheaders():
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        told_bytes = told.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", told_bytes or str(len(content)))
        self.end_headers()
        for piece in _pieces(content, fault):
            self.wfile.write(piece)
        if fault is Fault.CUT:
            self._reset()


def _pieces(content: bytes, fault: Fault | None) -> Iterator[bytes]:
    match fault:
        case Fault.CUT:
            yield content[: len(content) // 2]
        case Fault.SLOW:
            size = len(content) // _PIECES + 1
            for start in range(0, len(content), size):
                time.sleep(_PAUSE_S)
                yield content[start : start + size]
        case _:
            yield content
