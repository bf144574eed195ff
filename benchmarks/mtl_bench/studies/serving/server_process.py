"""command -> a server on some cores that answers, for the time of a block."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_bench.processes.process_tree import find_children, resident_bytes
from mtl_bench.studies.serving.http_client import HOST, Connection
from mtl_runtime.errors import CheckFailedError

__all__ = ["ServerProcess", "confined", "cores_of_both_sides", "serving"]

_START_SECONDS = 180.0  # in which a server must answer: some import torch and compile first
_END_SECONDS = 30.0
_LAST_CHARACTERS = 1_000  # of its output that an error shows


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that answers."""

    pid: int
    port: int

    @property
    def resident_bytes(self) -> int:
        """Memory of the process and its children."""
        return sum(resident_bytes(pid) for pid in (self.pid, *find_children(self.pid)))


def cores_of_both_sides() -> tuple[int, int]:
    """The core of the server or library, and that of the load generator.

    Raises:
        CheckFailedError: this process may use one core only.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise CheckFailedError("a server and its load generator need a core each; this process may use one only")
    return cores[0], cores[1]


@contextlib.contextmanager
def confined(cores: Collection[int]) -> Iterator[None]:
    """Within the block this process runs on ``cores``; processes that it starts stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def serving(
    command: Sequence[str], *, port: int, core: int, probe: Sequence[bytes], log: Path, variables: Mapping[str, str]
) -> Iterator[ServerProcess]:
    """Start a server, wait until it answers, and end it with the block.

    Args:
        command: that listens on ``port``.
        port: of this machine.
        core: on which alone it runs.
        probe: requests that it must answer with 200.
        log: file for its output.
        variables: added to the environment.

    Raises:
        CheckFailedError: it ended or did not answer in time.
    """
    with confined({core}), log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, **variables}, start_new_session=True
        )
    try:
        _wait_for_answer(process, command, port, probe, log)
        yield ServerProcess(process.pid, port)
    finally:
        _end(process)


def _wait_for_answer(
    process: "subprocess.Popen[bytes]", command: Sequence[str], port: int, probe: Sequence[bytes], log: Path
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not asyncio.run(_answers(port, probe)):
        if process.poll() is not None or time.monotonic() > deadline:
            output = log.read_bytes().decode("utf-8", "replace")[-_LAST_CHARACTERS:]
            raise CheckFailedError(f"{' '.join(command)} does not answer on {HOST}:{port}: {output}")
        time.sleep(0.2)


async def _answers(port: int, probe: Sequence[bytes]) -> bool:
    try:
        connection = await Connection.open(port)
        statuses = [(await connection.send(request)).status for request in probe]
    except (OSError, asyncio.IncompleteReadError):
        return False
    connection.close()
    return set(statuses) == {200}


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask the whole session to end, as some servers have processes of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
