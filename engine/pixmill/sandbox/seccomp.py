"""Seccomp: system calls that no codec needs end the process, with SIGSYS.

A list of what is refused, not of what is allowed: libraries change their calls with every release,
what an intruder needs does not. What Landlock cannot hold (names of files changed without opening
them, signals, other processes' memory) is on it. Calls newer than this list do not exist.
Numbers: `asm/unistd_64.h` and `asm-generic/unistd.h` of Linux 6.18.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass
from typing import Final

from pixmill.sandbox.kernel import called, machine

__all__ = ["has_seccomp", "refuse_calls"]

_LD, _JEQ, _JGT, _JSET, _RET = 0x20, 0x15, 0x25, 0x45, 0x06
_KILL, _ALLOW, _ERRNO = 0x8000_0000, 0x7FFF_0000, 0x0005_0000
_AT_NUMBER, _AT_MACHINE, _AT_ARGUMENTS = 0, 4, 16
_SET_FILTER, _HAS_ACTION = 1, 2
_EVERY_THREAD: Final = 1
_KEEP_SPECULATION: Final = 4
"""Before Linux 5.16 a filter slows every indirect branch down otherwise; no code is run here that
a guard against speculation would keep from this process's own memory."""
_NEWEST_KNOWN: Final = 462
_CLONE_THREAD: Final = 0x1_0000
_AF_UNIX: Final = 1
_TERMINAL_COMMANDS: Final = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: they type into a terminal


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers of one architecture: what has a rule of its own, and what is always refused."""

    machine: int
    seccomp: int
    clone: int
    socket: int
    ioctl: int
    utimensat: int
    prlimit: int
    signals: tuple[int, ...]
    refused: tuple[int, ...]


_CLONE3: Final = 435
_ALIKE: Final = (
    # The same everywhere: signals by descriptor, io_uring, the new calls that mount, descriptors
    # of processes, quotas, and a mode that is set by name.
    *(424, 425, 426, 427, 428, 429, 430, 431, 432, 433),
    *(434, 438, 440, 442, 443, 448, 452),
)
_NUMBERS: Final = {
    "x86_64": _Numbers(
        machine=0xC000_003E,
        seccomp=317,
        clone=56,
        socket=41,
        ioctl=16,
        utimensat=280,
        prlimit=302,
        signals=(62, 129, 234, 297),  # kill, rt_sigqueueinfo, tgkill, rt_tgsigqueueinfo
        refused=(
            *(59, 322, 57, 58),  # execve, execveat, fork, vfork
            *(101, 310, 311, 312, 200),  # ptrace, process_vm_*, kcmp, tkill
            *(42, 43, 44, 45, 46, 47, 49, 50, 53, 288, 299, 307),  # sockets, connected or not
            *(165, 166, 155, 161, 272, 308),  # mount, umount2, pivot_root, chroot, unshare, setns
            *(246, 320, 175, 313, 176, 169),  # kexec_*, modules, reboot
            *(321, 298, 323, 250, 248, 249),  # bpf, perf_event_open, userfaultfd, keys
            *(303, 304, 254, 300, 301),  # *_by_handle_at, inotify_add_watch, fanotify
            *(167, 168, 170, 171, 164, 227, 305, 159, 163, 179, 103),  # the machine's settings
            *(172, 173, 154, 135),  # iopl, ioperm, modify_ldt, personality
            *(105, 106, 113, 114, 116, 117, 119, 122, 123, 126),  # identity, capset
            *(133, 259, 90, 268, 92, 94, 260, 76),  # mknod, chmod, chown, truncate by name
            *(188, 189, 197, 198, 132, 235, 261),  # xattr and times by name
            *(29, 30, 31, 64, 65, 66, 68, 69, 70, 71, 240, 241),  # System V and POSIX queues
        ),
    ),
    "aarch64": _Numbers(
        machine=0xC000_00B7,
        seccomp=277,
        clone=220,
        socket=198,
        ioctl=29,
        utimensat=88,
        prlimit=261,
        signals=(129, 138, 131, 240),
        refused=(
            *(221, 281),
            *(117, 270, 271, 272, 130),
            *(203, 202, 206, 207, 211, 212, 200, 201, 199, 242, 243, 269),
            *(40, 39, 41, 51, 97, 268),
            *(104, 294, 105, 273, 106, 142),
            *(280, 241, 282, 219, 217, 218),
            *(264, 265, 27, 262, 263),
            *(224, 225, 161, 162, 170, 112, 266, 171, 89, 60, 116),
            *(92,),
            *(146, 144, 145, 143, 159, 147, 149, 151, 152, 91),
            *(33, 53, 54, 45),
            *(5, 6, 14, 15),
            *(194, 196, 195, 190, 193, 192, 186, 189, 188, 187, 180, 181),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction: a code, how far to jump if so and if not, and a constant."""

    code: int
    constant: int
    if_so: int = 0
    if_not: int = 0

    def packed(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_so, self.if_not, self.constant)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def has_seccomp() -> bool:
    """Return whether this kernel can end a process for a system call."""
    numbers = _NUMBERS.get(machine())
    if numbers is None:
        return False
    try:
        called(numbers.seccomp, _HAS_ACTION, 0, ctypes.byref(ctypes.c_uint32(_KILL)))
    except OSError:
        return False
    return True


def refuse_calls() -> None:
    """Give up, in every thread, the system calls that no codec needs.

    Raises:
        OSError: The kernel refuses.
    """
    numbers = _NUMBERS[machine()]
    steps = b"".join(step.packed() for step in _steps(numbers, os.getpid()))
    program = _Program(len(steps) // 8, steps)
    for flags in (_EVERY_THREAD | _KEEP_SPECULATION, _EVERY_THREAD):
        try:
            failed = called(numbers.seccomp, _SET_FILTER, flags, ctypes.byref(program))
        except OSError as error:
            if error.errno != errno.EINVAL or flags == _EVERY_THREAD:
                raise
        else:
            if failed:
                raise OSError(f"thread {failed} has a filter of its own")
            return


def _steps(numbers: _Numbers, pid: int) -> list[_Step]:
    """Return the program: each rule looks at the number and ends, or falls to the next."""
    return [
        _Step(_LD, _AT_MACHINE),
        _Step(_JEQ, numbers.machine, if_so=1),
        _Step(_RET, _KILL),
        _Step(_LD, _AT_NUMBER),
        *_rule(numbers.clone, [*_when_set(_CLONE_THREAD), _Step(_RET, _KILL)]),
        *_rule(_CLONE3, [_Step(_RET, _ERRNO | errno.ENOSYS)]),  # its flags cannot be seen: clone
        *_rule(numbers.socket, _answered(0, {_AF_UNIX: _ERRNO | errno.EACCES}, _KILL)),
        *_rule(numbers.ioctl, _answered(1, dict.fromkeys(_TERMINAL_COMMANDS, _KILL), _ALLOW)),
        *_rule(numbers.utimensat, _of_a_descriptor()),
        *_rule(numbers.prlimit, _answered(0, {0: _ALLOW, pid: _ALLOW}, _KILL)),
        *(
            step
            for number in numbers.signals
            for step in _rule(number, _answered(0, {pid: _ALLOW}, _KILL))
        ),
        *(
            step
            for number in (*numbers.refused, *_ALIKE)
            for step in _rule(number, [_Step(_RET, _KILL)])
        ),
        _Step(_JGT, _NEWEST_KNOWN, if_not=1),
        _Step(_RET, _ERRNO | errno.ENOSYS),
        _Step(_RET, _ALLOW),
    ]


def _rule(number: int, steps: list[_Step]) -> list[_Step]:
    return [_Step(_JEQ, number, if_not=len(steps)), *steps]


def _answered(argument: int, answers: dict[int, int], otherwise: int) -> list[_Step]:
    """Answer by the low half of an argument; what the kernel takes for an `int`.

    A Unix socket is refused without ending the process: glibc asks its name cache through one.
    """
    steps = [_Step(_LD, _AT_ARGUMENTS + 8 * argument)]
    for value, answer in answers.items():
        steps += [_Step(_JEQ, value, if_not=1), _Step(_RET, answer)]
    return [*steps, _Step(_RET, otherwise)]


def _when_set(flag: int) -> list[_Step]:
    return [_Step(_LD, _AT_ARGUMENTS), _Step(_JSET, flag, if_not=1), _Step(_RET, _ALLOW)]


def _of_a_descriptor() -> list[_Step]:
    """Allow times to be set where no name is given, only a descriptor."""
    return [
        _Step(_LD, _AT_ARGUMENTS + 8),
        _Step(_JEQ, 0, if_so=1),
        _Step(_RET, _KILL),
        _Step(_LD, _AT_ARGUMENTS + 12),
        _Step(_JEQ, 0, if_so=1),
        _Step(_RET, _KILL),
        _Step(_RET, _ALLOW),
    ]
