"""Run Python code in a process that the kernel ends when anything in it opens a socket or changes a file.

python run_guarded.py CODE

A filter of system calls (seccomp, Linux) also holds for native code and for threads, unlike patched Python functions.
The process ends with SIGSYS.
"""

import ctypes
import os
import platform
import struct
import sys

# Numbers from the kernel's tables of system calls; what an architecture lacks is left out.
_SYSTEM_CALLS = {
    "x86_64": {
        "audit": 0xC000003E,
        "open": 2,  # its flags are the second argument
        "openat": 257,  # the third
        "forbidden": (
            *(41, 425),  # socket, io_uring_setup (which can make sockets and open files)
            *(
                76,
                77,
                82,
                83,
                84,
                85,
                86,
                87,
                88,
            ),  # truncate, ftruncate, rename, mkdir, rmdir, creat, link, unlink, symlink
            *(258, 263, 264, 265, 266, 316, 437),  # mkdirat, unlinkat, renameat, linkat, symlinkat, renameat2, openat2
        ),
    },
    "aarch64": {
        "audit": 0xC00000B7,
        "openat": 56,
        "forbidden": (
            *(198, 425),  # socket, io_uring_setup
            *(34, 35, 36, 37, 38, 45, 46, 276, 437),  # as above: the variants that end in "at", and openat2
        ),
    },
}
MACHINES = tuple(_SYSTEM_CALLS)

_LOAD, _EQUAL, _AND_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF: ld [k]; jeq k; jset k; ret k
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def forbid_sockets_and_writing():
    """Install the filter; threads and processes that are started later have it too."""
    calls = _SYSTEM_CALLS[platform.machine()]
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    kill = _instruction(_RETURN, _KILL_PROCESS)
    code = [_instruction(_LOAD, _ARCHITECTURE), _instruction(_EQUAL, calls["audit"], yes=1), kill]
    for number in calls["forbidden"]:
        code += [_instruction(_LOAD, _NUMBER), _instruction(_EQUAL, number, no=1), kill]
    for name, position in (("open", 1), ("openat", 2)):
        if name in calls:
            flags = _instruction(_LOAD, _ARGUMENTS + 8 * position)
            opens = _instruction(_EQUAL, calls[name], no=3)
            code += [_instruction(_LOAD, _NUMBER), opens, flags, _instruction(_AND_BITS, writing, no=1), kill]
    code.append(_instruction(_RETURN, _ALLOW))
    libc = ctypes.CDLL(None, use_errno=True)
    program = ctypes.byref(_Program(len(code), b"".join(code)))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, program, 0, 0):
        raise OSError(ctypes.get_errno(), "the filter of system calls was refused")


def _instruction(operation, value, *, yes=0, no=0):
    """A struct sock_filter: the two numbers say how many instructions are left out where the test holds or not."""
    return struct.pack("HBBI", operation, yes, no, value)


if __name__ == "__main__":
    forbid_sockets_and_writing()
    exec(sys.argv[1])
