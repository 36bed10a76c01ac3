"""Where worker processes come from: forks of a nursery on Linux, fresh interpreters elsewhere."""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Protocol

from pixmill.errors import RunError
from pixmill.executors.hearing import Voice
from pixmill.executors.note import SharedNote, mapped
from pixmill.executors.scratch import Scratch
from pixmill.executors.words import Words, mapped_words, words_made
from pixmill.machine import parent_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.process import BaseProcess

__all__ = ["Hatchery", "Hatchling", "NurseryHatchery", "SpawnHatchery", "default_hatchery"]

_HATCH_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 5.0
_DYING_S = 1.0
_STALL_S = 10  # a message takes microseconds; one that stands still for this long never ends
_MESSAGE_BYTES = 4096
# A decoder that was taken over could put what it knows into a picture that the world is served.
_ACCESS = ("AWS_", "AZURE_", "GOOGLE_")


class Hatchling(Protocol):
    """A worker process, as the coordinator holds it."""

    @property
    def connection(self) -> Connection[Any, Any]:
        """The coordinator's end of its pipe; it ends when the worker does."""

    @property
    def note(self) -> SharedNote:
        """What it has in hand."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def kill(self) -> None:
        """End it at once."""

    def exit_code(self) -> int | None:
        """Wait for its end and return its status, negative for a signal, `None` if unknown."""

    def reason(self) -> str:
        """Wait for its end and return how it ended, for a person."""


class Hatchery(Protocol):
    """Starts worker processes."""

    def hatch(self, hand: int | None = None) -> Hatchling:
        """Start one.

        Args:
            hand: Descriptor of a file in which it is to note what it holds; stays the caller's.
                Default: it notes it in memory alone.

        Raises:
            RunError: The system does not let one start.
        """

    def processes(self) -> list[int]:
        """Return the process ids of helpers that are no workers."""

    def close(self) -> None:
        """End every process it has started."""


@dataclass(slots=True)
class _Fork:
    connection: Connection[Any, Any]
    note: SharedNote
    words: Words
    pid: int
    hatchery: NurseryHatchery
    nursery: subprocess.Popen[bytes] | None
    _code: int | None = None

    def kill(self) -> None:
        self.hatchery.kill(self.pid, self.nursery)

    def exit_code(self) -> int | None:
        if self._code is None:
            status = self.hatchery.status_of(self.pid, self.nursery)
            self._code = None if status is None else os.waitstatus_to_exitcode(status)
        return self._code

    def reason(self) -> str:
        reason, last = _spelled(self.exit_code()), self.words.last
        return f"{reason}; it last said: {last}" if last else reason


@dataclass(slots=True)
class NurseryHatchery:
    """Forks workers off one small process that has the codecs loaded."""

    _process: subprocess.Popen[bytes] | None = None
    _control: socket.socket | None = None
    _token: int = 0
    _ended: dict[int, int] = field(default_factory=dict)

    def hatch(self, hand: int | None = None) -> Hatchling:
        """Fork a worker; the first one starts the nursery, and a dead nursery is replaced once.

        So is one that stands still, whose workers end with it.
        """
        try:
            try:
                return self._forked(hand)
            except TimeoutError:
                self._end()
            except OSError:
                if not self._has_ended():
                    raise
            return self._forked(hand)
        except OSError as error:
            raise RunError(f"cannot start a worker: {error.strerror or error}") from error

    def _forked(self, hand: int | None) -> Hatchling:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._open()
        ours, theirs = socket.socketpair()
        for side in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, side, struct.pack("ll", _STALL_S, 0))
        note = os.memfd_create("pixmill-note")
        words = -1
        try:
            os.ftruncate(note, os.sysconf("SC_PAGE_SIZE"))
            words = words_made()
            pid = self._hatched(theirs.fileno(), note, words, *(() if hand is None else (hand,)))
            shared, said = mapped(note), mapped_words(words)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(note)
            if words >= 0:
                os.close(words)
        return _Fork(Connection(ours.detach()), shared, said, pid, self, self._process)

    def _has_ended(self) -> bool:
        """Whether the nursery has died, which its closed socket may tell before its status does."""
        try:
            return self._process is None or self._process.wait(_DYING_S) is not None
        except subprocess.TimeoutExpired:
            return False

    def processes(self) -> list[int]:
        """Return the nursery's process id."""
        return [] if self._process is None else [self._process.pid]

    def kill(self, pid: int, nursery: subprocess.Popen[bytes] | None) -> None:
        """Kill a worker, or have it killed; a nursery that has died has taken its workers along."""
        if self._control is None or nursery is None or nursery is not self._process:
            return
        if not _is_killed(pid, nursery.pid):
            with contextlib.suppress(OSError):
                self._control.send(json.dumps({"kill": pid}).encode())

    def status_of(self, pid: int, nursery: subprocess.Popen[bytes] | None) -> int | None:
        """Wait a moment for the exit status of a worker; nobody knows that of a dead nursery's."""
        if nursery is not self._process:
            return None
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        while pid not in self._ended and self._listen(deadline_s) is not None:
            pass
        return self._ended.pop(pid, None)

    def close(self) -> None:
        """Close the control socket: the nursery kills its workers, reaps them and ends."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self._control = None
        self._ended.clear()

    def _end(self) -> None:
        """End a nursery that does not do so by itself."""
        if self._process is not None:
            self._process.kill()
        self.close()

    def _open(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = _without_access(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        environment["VIPS_CONCURRENCY"] = "1"
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module by our own interpreter
                [
                    sys.executable,
                    *("-c", "from pixmill.executors.nursery import main; main()"),
                    str(theirs.fileno()),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,  # so that Ctrl-C reaches the coordinator alone
            )
        self._control = ours

    def _hatched(self, *descriptors: int) -> int:
        if self._control is None:
            raise ConnectionResetError("the nursery is closed")
        self._token += 1
        request = json.dumps({"hatch": self._token}).encode()
        socket.send_fds(self._control, [request], [*descriptors])
        deadline_s = time.monotonic() + _HATCH_TIMEOUT_S
        while message := self._listen(deadline_s):
            if message.get("hatched") == self._token and "errno" in message:
                raise OSError(message["errno"], os.strerror(message["errno"]))
            if message.get("hatched") == self._token:
                return message["pid"]
        if time.monotonic() >= deadline_s:
            raise TimeoutError(errno.ETIMEDOUT, "the nursery does not answer")
        raise ConnectionResetError("the nursery ended")

    def _listen(self, deadline_s: float) -> dict[str, int] | None:
        """Return the nursery's next message, or nothing once it has ended or time is up."""
        if self._control is None:
            return None
        self._control.settimeout(max(0.001, deadline_s - time.monotonic()))
        try:
            content = self._control.recv(_MESSAGE_BYTES)
        except OSError:
            return None
        if not content:
            return None
        message: dict[str, int] = json.loads(content)
        if "ended" in message:
            self._ended[message["ended"]] = message["status"]
        return message


@dataclass(slots=True)
class _Spawned:
    connection: Connection[Any, Any]
    note: SharedNote
    process: BaseProcess

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def kill(self) -> None:
        self.process.kill()

    def exit_code(self) -> int | None:
        self.process.join(_END_TIMEOUT_S)
        return self.process.exitcode

    def reason(self) -> str:
        return _spelled(self.exit_code())


@dataclass(slots=True)
class SpawnHatchery:
    """Starts each worker as a fresh interpreter: slower and larger, and possible everywhere."""

    _started: list[_Spawned] = field(default_factory=list)
    _scratch: Scratch | None = None

    def hatch(self, hand: int | None = None) -> Hatchling:
        """Start an interpreter that becomes a worker; a note in a file is not for it."""
        del hand  # a descriptor cannot be handed to one everywhere
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        shared = context.RawArray("B", 8)
        self._scratch = self._scratch or Scratch.made()
        process = context.Process(
            target=_spawned, args=(theirs, shared, self._scratch.path), daemon=True
        )
        try:
            process.start()
        except OSError as error:
            raise RunError(f"cannot start a worker: {error.strerror or error}") from error
        theirs.close()
        self._started = [each for each in self._started if each.process.is_alive()]
        worker = _Spawned(ours, SharedNote(memoryview(shared).cast("B")), process)
        self._started.append(worker)
        return worker

    def processes(self) -> list[int]:
        """Return none: multiprocessing's resource tracker is the calling program's own."""
        return []

    def close(self) -> None:
        """Kill and reap every worker."""
        for worker in self._started:
            worker.process.kill()
        for worker in self._started:
            worker.process.join(_END_TIMEOUT_S)
        self._started.clear()
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None


def _is_killed(pid: int, parent: int) -> bool:
    """Kill a child of another process, if it still is one, and return whether that was done.

    The nursery may stand still. But it alone knows whether the number is still the child's, so the
    kernel is asked to hold on to it before it is looked at whose child that is.
    """
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux, or an old one; or there is none
        return False
    try:
        if parent_of(pid) == parent:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return True
    except OSError:
        pass
    finally:
        os.close(handle)
    return False


def _without_access(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what gives access to object stores: the ferry has it."""
    return {name: value for name, value in environment.items() if not name.startswith(_ACCESS)}


def default_hatchery() -> Hatchery:
    """Return the best that this system allows: the nursery needs Linux."""
    return NurseryHatchery() if sys.platform == "linux" else SpawnHatchery()


def _spawned(connection: Connection[Any, Any], shared: Any, scratch: str) -> None:
    """Be a worker in a fresh interpreter."""
    Scratch(scratch).adopt()
    os.environ["VIPS_CONCURRENCY"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from pixmill.imaging.confine import prepare_process  # noqa: PLC0415 - after the environment
    from pixmill.worker import serve  # noqa: PLC0415

    prepare_process()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        serve(Voice(connection), SharedNote(memoryview(shared).cast("B")))


def _spelled(code: int | None) -> str:
    if code is None:
        return "an unknown end"
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
