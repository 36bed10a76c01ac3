"""The only door to Ray: a process beside the coordinator that hands tasks in and their words out.

Run as `python -m pixmill.executors.gateway DESCRIPTOR ADDRESS`. A process of its own, since Ray's
driver holds 60 MB, takes signals for itself, and ends its process where the cluster does not
answer for a minute. Decides nothing: `chunks` does. When its pipe closes, it lets every task end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

from pixmill.executors.orders import Breakage, Fell, Order, Recall
from pixmill.executors.outpost import Brief, UnfitError, chunk_made
from pixmill.executors.quay import FerryLostError
from pixmill.executors.tidings import Berth, Broken, Joined, Node, Over, Refused, Said, Unfit
from pixmill.executors.vigil import BEAT_S, Alive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.model import Job

__all__ = ["main"]

_ANSWER_S: Final = 10.0
_TURN_S: Final = 0.05
_REPLY_S: Final = 0.005
"""What a report of a chunk's end brings, the next chunk, comes within a millisecond."""
_END_S: Final = 8.0
_LOOPBACK: Final = "127."
_NODE_LABEL: Final = "ray.io/node-id"
"""Which Ray gives every node."""


@dataclass(frozen=True, slots=True)
class _Recalled:
    """A task that was told to end."""

    copy: int
    stream: Any
    at_s: float


@dataclass(slots=True)
class _Gateway:
    """Tasks by the copies that they are.

    Args:
        words: The coordinator's pipe.
        ray: The library.
    """

    words: Connection[Any, Any]
    ray: Any
    _brief: Brief = field(init=False)
    _task: Any = field(init=False)
    _feller: Any = field(init=False)
    _streams: dict[int, Any] = field(default_factory=dict)
    _berths: dict[int, Berth] = field(default_factory=dict)
    _recalled: deque[_Recalled] = field(default_factory=deque)
    _beat_s: float = 0.0

    def __post_init__(self) -> None:
        """Declare the tasks: Ray tries none again, since it would not say so, nor ever end."""
        self._task = self.ray.remote(num_cpus=1, max_retries=0, name="pixmill")(_task)
        self._feller = self.ray.remote(num_cpus=0, max_retries=0, name="pixmill-feller")(_felled)

    def run(self) -> None:
        """Serve until the coordinator hangs up, then let every task end."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                patience_s = _REPLY_S if self._streams else _TURN_S
                while self.words.poll(patience_s):
                    self._obey(self.words.recv())
                    patience_s = 0.0
                for message in self._heard():
                    self.words.send(message)
                self._beat()
        self._end()

    def _beat(self) -> None:
        """Say that it lives: from here and no thread, since Ray may be what stands still."""
        if time.monotonic() >= self._beat_s:
            self.words.send(Alive())
            self._beat_s = time.monotonic() + BEAT_S

    def _end(self) -> None:
        """Have every task end its worker, so that nothing is half-written behind the run's back."""
        self._streams |= {each.copy: each.stream for each in self._lately_recalled()}
        for stream in self._streams.values():
            self._cancel(stream)
        deadline_s = time.monotonic() + _END_S
        while self._streams and time.monotonic() < deadline_s:
            for _ in self._heard():
                pass

    def _obey(self, message: object) -> None:
        match message:
            case Brief():
                self._brief = message
            case Order(copy, jobs, grant_bytes, shunned):
                others = {_NODE_LABEL: f"!in({','.join(shunned)})"} if shunned else {}
                selected = {"label_selector": others} if others else {}
                memory_bytes = self._brief.afield_bytes + grant_bytes
                task = self._task.options(memory=memory_bytes, **selected)
                self._streams[copy] = task.remote(self._brief, jobs, grant_bytes, _comm(copy))
            case Fell(copy):
                if (berth := self._berths.get(copy)) is not None:
                    there = self._feller.options(label_selector={_NODE_LABEL: berth.node})
                    there.remote(berth.pid, _comm(copy))
            case Recall(copy):
                self._berths.pop(copy, None)
                self._recall(copy)

    def _recall(self, copy: int) -> None:
        """Have a task end, and keep it for as long as its end is worth to be waited for."""
        if (stream := self._streams.pop(copy, None)) is not None:
            self._recalled = self._lately_recalled()
            self._recalled.append(_Recalled(copy, stream, time.monotonic()))
            self._cancel(stream)

    def _lately_recalled(self) -> deque[_Recalled]:
        """Leave out what has ended since, or stands still."""
        since_s = time.monotonic() - _END_S
        return deque(each for each in self._recalled if each.at_s > since_s)

    def _cancel(self, stream: Any) -> None:
        with contextlib.suppress(self.ray.exceptions.RayError):
            self.ray.cancel(stream)

    def _heard(self) -> Iterator[Said | Over | Broken | Unfit]:
        if not self._streams:
            return
        streams = list(self._streams.values())
        ready, _ = self.ray.wait(streams, timeout=_TURN_S)
        if ready:  # and whoever else is
            ready, _ = self.ray.wait(streams, num_returns=len(streams), timeout=0)
        for copy in [copy for copy, stream in self._streams.items() if stream in ready]:
            message = self._word(copy)
            if not isinstance(message, Said):
                del self._streams[copy]
                self._berths.pop(copy, None)
            yield message

    def _word(self, copy: int) -> Said | Over | Broken | Unfit:
        """Take what a task has said, or how it ended."""
        try:
            word = self.ray.get(next(self._streams[copy]))
        except StopIteration:
            return Over(copy)
        except self.ray.exceptions.RayError as error:
            return self._end_of(copy, error)
        if isinstance(word, Berth):
            self._berths[copy] = word
            return Said(copy, (), word.node)
        return Said(copy, word)

    def _end_of(self, copy: int, error: Exception) -> Broken | Unfit:
        """Tell what took a task; what the task raised itself, it would raise on any such node."""
        errors = self.ray.exceptions
        if isinstance(error, errors.RayTaskError):
            if isinstance(error.cause, FerryLostError):
                return Broken(copy, Breakage.WORKER, str(error.cause))
            return Unfit(_said(error.cause if isinstance(error.cause, UnfitError) else error))
        for kind, by, reason in (
            (errors.OutOfMemoryError, Breakage.MEMORY, "Ray, for want of memory on its node"),
            (errors.WorkerCrashedError, Breakage.WORKER, "the end of its Ray worker"),
            (errors.NodeDiedError, Breakage.NODE, "the loss of its node"),
        ):
            if isinstance(error, kind):
                return Broken(copy, by, reason)
        return Broken(copy, Breakage.NODE, f"trouble of the cluster: {_said(error)}")


def _task(brief: Brief, jobs: tuple[Job, ...], grant_bytes: int, comm: str) -> Iterator[object]:
    """Say where this is, then make a chunk there.

    Args:
        brief: What every node is told.
        jobs: The chunk.
        grant_bytes: What each may hold.
        comm: What the process is called meanwhile, by which `_felled` knows it.
    """
    import ray  # noqa: PLC0415 - on the node, which has it loaded

    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as own:  # noqa: PTH123 - Linux
        own.write(comm)
    yield Berth(ray.get_runtime_context().get_node_id(), os.getpid())
    yield from chunk_made(brief, jobs, grant_bytes)


def _felled(pid: int, comm: str) -> None:
    """End the process of a task that stands still, unless it is at another by now."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as its:  # noqa: PTH123 - Linux
        if its.read().strip() == comm:
            os.kill(pid, signal.SIGKILL)


def _comm(copy: int) -> str:
    """Return a name for a process, of which Linux keeps 15 characters."""
    return f"pixmill-{copy % 1_000_000}"


def main() -> None:
    """Join the cluster, say how that went, and serve."""
    words, address = Connection(int(sys.argv[1])), sys.argv[2]
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray would tell its makers of every run
    import ray  # noqa: PLC0415 - after the environment, and 0.5 s of CPU

    try:
        _join(ray, address)
    except OSError as error:
        words.send(Refused((error.strerror or str(error)).lower()))
        return
    except Exception as error:  # noqa: BLE001 - whatever Ray raises, it is the user's to read
        words.send(Refused(_said(error)))
        return
    words.send(Joined(tuple(_nodes(ray))))
    _Gateway(words, ray).run()
    ray.shutdown()


def _join(ray: Any, address: str) -> None:
    """Join the cluster at an address, or start one that ends with this process.

    Left to find one, Ray would take that of the last `ray start`, and wait for it where it is gone.
    """
    named: dict[str, Any] = {} if address else {"include_dashboard": False}
    if address not in {"", "auto"}:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), _ANSWER_S):
            pass  # where nobody listens, Ray would try for minutes
        if host.startswith(_LOOPBACK):  # Ray would look for a node at the machine's own address
            named["_node_ip_address"] = host
    ray.init(
        address=address or "local",
        log_to_driver=False,
        logging_level="ERROR",
        **named,
    )


def _nodes(ray: Any) -> Iterator[Node]:
    for each in ray.nodes():
        resources = each["Resources"]
        if each["Alive"] and resources.get("CPU"):
            memory_bytes = int(resources.get("memory", 0))
            yield Node(each["NodeID"], resources["CPU"], memory_bytes)


def _said(error: BaseException) -> str:
    """Return the last line of an error, which is where Ray says what happened."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


if __name__ == "__main__":
    main()
    os._exit(0)
