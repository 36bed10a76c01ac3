"""A cluster of Ray on loopback: a head without CPUs and nodes of one each, in a process of its own.

Run as a script it starts the head and obeys line by line: `N MB LEAST_BYTES` adds the node
127.0.0.N with so many megabytes, and answers with the process id of its raylet. Where LEAST_BYTES
is not 0, Ray kills for want of memory once the machine has less than that. All ends with the input.
Each node has an address of its own, since Ray takes 127.0.0.1 for the machine's real one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Nodes", "nodes"]

_HEAD: Final = "127.0.0.2"
_STORE_BYTES: Final = 80_000_000
_END_S: Final = 20.0
_THRESHOLD: Final = "RAY_memory_usage_threshold"
_LOOK: Final = "RAY_memory_monitor_refresh_ms"
_LOOK_MS: Final = 100
"""How often Ray looks how much memory there is, instead of every 250 ms."""
_MARK: Final = "PIXMILL_TEST_NODES"
"""Environment variable that names the cluster to all that runs on its nodes."""
_TESTS: Final = Path(__file__).parents[1]


@dataclass(slots=True)
class Nodes:
    """The cluster, as a test holds it.

    Attributes:
        address: Where its head is.
        mark: Its name in the environment of all that runs on its nodes.
        raylets: Process ids of the nodes' raylets, whose children everything on a node is.
    """

    script: subprocess.Popen[str]
    address: str
    mark: str
    raylets: list[int] = field(default_factory=list)
    _next: int = 3

    def add(self, memory_mb: int, *, least_bytes: int = 0) -> psutil.Process:
        """Add a node; return its raylet."""
        self._ask(f"{self._next} {memory_mb} {least_bytes}\n")
        self._next += 1
        self.raylets.append(int(self._answer()))
        return psutil.Process(self.raylets[-1])

    def on(self, raylet: psutil.Process) -> list[psutil.Process]:
        """Return every process of a node, its raylet first, as one that fails takes all along."""
        return [raylet, *raylet.children(recursive=True)]

    def at_work(self) -> list[psutil.Process]:
        """Return pixmill's processes on all nodes, among them those whose parent has died."""
        return [each for each in psutil.process_iter() if self._is_at_work(each)]

    def _is_at_work(self, process: psutil.Process) -> bool:
        try:
            is_ours = "pixmill.executors" in " ".join(process.cmdline())
            return is_ours and process.environ().get(_MARK) == self.mark
        except psutil.Error:  # it has just ended, or is somebody else's
            return False

    def _ask(self, line: str) -> None:
        assert self.script.stdin is not None
        self.script.stdin.write(line)
        self.script.stdin.flush()

    def _answer(self) -> str:
        assert self.script.stdout is not None
        return self.script.stdout.readline().strip()


@contextmanager
def nodes(**environment: str) -> Iterator[Nodes]:
    """Start a cluster without nodes, and end every process of it that is left."""
    mark = os.urandom(8).hex()
    script = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment, _MARK: mark, "PYTHONPATH": str(_TESTS)},
    )
    assert script.stdin is not None
    assert script.stdout is not None
    try:
        yield Nodes(script, script.stdout.readline().strip(), mark)
    finally:
        script.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            script.wait(_END_S)
        script.kill()
        script.wait()
        script.stdout.close()


def main() -> None:
    """Start the head, add nodes as asked, end them all."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ[_LOOK] = str(_LOOK_MS)
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - after the environment

    head = {"num_cpus": 0, "node_ip_address": _HEAD, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    print(cluster.address, file=answers, flush=True)
    for line in sys.stdin:
        number, megabytes, least_bytes = map(int, line.split())
        if least_bytes:
            os.environ[_THRESHOLD] = str(1 - least_bytes / psutil.virtual_memory().total)
        node = cluster.add_node(
            num_cpus=1,
            node_ip_address=f"127.0.0.{number}",
            memory=megabytes * 1_000_000,
            object_store_memory=_STORE_BYTES,
        )
        (raylet,) = node.all_processes["raylet"]
        print(raylet.process.pid, file=answers, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
