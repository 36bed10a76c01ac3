"""The fork server: a small process that has the codecs loaded and never evaluates an image.

Run as `python -c "from pixmill.executors.nursery import main; main()" DESCRIPTOR COORDINATOR`: `-m`
loads 4 ms of modules to find out what to run. Each worker is a fork of it, so workers share its
code pages and start in milliseconds; a fork of a process that has evaluated an image would deadlock
in libvips' thread pool, so this one never does. Python's own forkserver would run the user's main
module again in every worker and outlive the run, so pixmill has this one.

It speaks JSON over a sequenced-packet socket: `{"hatch": TOKEN}` with descriptors (the worker's
pipe, its note, memory for its words, and maybe a file for its note) is answered by
`{"hatched": TOKEN, "pid": PID}`; `{"kill": PID}` kills; every end is told as
`{"ended": PID, "status": STATUS}`. When the socket closes, or the coordinator has died while
another process of its making still holds the socket, all workers die.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from pixmill.executors.hearing import Voice
from pixmill.executors.note import mapped
from pixmill.executors.scratch import Scratch

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1
_MESSAGE_BYTES = 4096
_OOM_SCORE = "800"
_LOOK_S = 1.0
_DESCRIPTORS = 4


@dataclass(slots=True)
class _Nursery:
    control: socket.socket
    alarm: socket.socket
    coordinator: int
    scratch: Scratch
    pids: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Serve until the coordinator has gone, then leave nothing behind."""
        while True:
            ready, _, _ = select.select([self.control, self.alarm], [], [], _LOOK_S)
            if os.getppid() != self.coordinator:
                break
            if self.alarm in ready:
                self.alarm.recv(_MESSAGE_BYTES)
                self._reap()
            if self.control in ready and not self._obeyed():
                break
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
        for pid in self.pids:
            os.waitpid(pid, 0)
        self.scratch.close()

    def _obeyed(self) -> bool:
        try:
            content, descriptors, _, _ = socket.recv_fds(self.control, _MESSAGE_BYTES, _DESCRIPTORS)
        except ConnectionResetError:  # it closed with words of ours unread
            return False
        if not content:
            return False
        message = json.loads(content)
        if "hatch" in message:
            self._tell({"hatched": message["hatch"], **self._hatch(*descriptors)})
        elif message["kill"] in self.pids:  # not reaped yet, so the number is still this worker's
            os.kill(message["kill"], signal.SIGKILL)
        return True

    def _hatch(self, *descriptors: int) -> dict[str, int]:
        try:
            pid = os.fork()
        except OSError as error:
            for descriptor in descriptors:
                os.close(descriptor)
            return {"errno": error.errno or 0}
        if pid == 0:
            status = 1
            try:
                self.control.close()
                self.alarm.close()
                status = _work(*descriptors)
            finally:
                os._exit(status)
        self.pids.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        return {"pid": pid}

    def _reap(self) -> None:
        for pid in list(self.pids):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.pids.discard(pid)
                self.scratch.drop(pid)
                self._tell({"ended": pid, "status": status})

    def _tell(self, message: dict[str, int]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.control.send(json.dumps(message).encode())


def _work(pipe: int, note: int, words: int, hand: int = -1) -> int:
    """Be a worker until told to retire; return the exit status."""
    from pixmill.imaging.complaints import Ear  # noqa: PLC0415 - loaded long ago, by `main`
    from pixmill.worker import serve  # noqa: PLC0415 - likewise

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _die_with_parent()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write(_OOM_SCORE)  # out of memory, the kernel takes a worker, never the coordinator
    try:
        serve(Voice(Connection(pipe)), mapped(note, hand), Ear(words))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 0  # the coordinator has gone
    except BaseException:  # noqa: BLE001 - the process's edge: told, then seen as a lost worker
        traceback.print_exc()
        return 1
    return 0


def _die_with_parent() -> None:
    """Die with the nursery.

    The kernel means the thread that started a process. The nursery has one; a caller may end the
    thread in which its run began, so the nursery itself looks for its parent instead.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _load() -> None:
    """Load, once for all workers, what each would: left to them it took 34 ms of CPU a worker.

    What is compiled among it, which a confined worker may not open; never numpy, which may start
    threads, in the kernel's stead.
    """
    from pixmill import milling, worker  # noqa: F401, PLC0415 - after standard output was moved
    from pixmill.imaging import huffman  # noqa: PLC0415 - likewise
    from pixmill.perception import native  # noqa: PLC0415 - likewise
    from pixmill.registry import codecs  # noqa: PLC0415 - likewise

    codecs()
    native.loaded()
    huffman.recoder()


def main() -> None:
    """Load the codecs, then hatch workers on demand."""
    gc.disable()  # until all is loaded: it took 28 of 178 ms of CPU, and freed next to nothing
    control = socket.socket(fileno=int(sys.argv[1]))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # stdout is data, and the coordinator's alone
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the coordinator decides when workers end
    _load()
    from pixmill.imaging.confine import prepare_process  # noqa: PLC0415 - after standard output
    from pixmill.sandbox import library_paths  # noqa: PLC0415

    prepare_process()
    library_paths()  # asked once for all workers
    scratch = Scratch.made()
    scratch.adopt()
    alarm, bell = socket.socketpair()
    for end in (alarm, bell):
        end.settimeout(0)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
    gc.freeze()  # so that no collection in a worker touches, and so copies, shared pages
    gc.enable()
    _Nursery(control, alarm, int(sys.argv[2]), scratch).run()
    # Not to take apart all that was loaded, while the run waits: 15 of 178 ms of CPU.
    os._exit(0)
