"""One driver works on an output folder at a time: it holds a lease, which it renews, and which ends when it dies.

A lock of the operating system would be released at once, but no object store has one, and on a shared filesystem not
every machine sees it. Two drivers would lose or double no row; they would compute the same parts twice.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mtl_runtime.cluster.job_folder import LEASE, JobFolder
from mtl_runtime.cluster.processes import is_gone
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError, RecordError

__all__ = ["LEASE_SECONDS", "hold_lease", "read_lease"]

_log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
_RENEWALS = 4  # before it would end


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who works on a folder, and until when nobody else may."""

    holder: str  # a random name
    host: str
    pid: int
    until: float  # seconds since 1970

    @property
    def is_over(self) -> bool:
        """Whether its holder has died: as far as can be known from here, or since it was not renewed."""
        if self.until < time.time():
            return True
        return is_gone(self.host, self.pid)


def read_lease(folder: JobFolder) -> Lease | None:
    """The lease of the driver that works on ``folder``; None if there is none that holds."""
    lease = _read(folder)
    return None if lease is None or lease.is_over else lease


def _read(folder: JobFolder) -> Lease | None:
    data = folder.store.read(LEASE)
    try:
        return None if data is None else records.from_json(Lease, data)
    except RecordError:
        return None


@contextmanager
def hold_lease(folder: JobFolder, *, seconds: float = LEASE_SECONDS) -> Iterator[None]:
    """Hold the lease of ``folder`` during the block.

    Raises:
        MtlError: another driver holds it.
    """
    mine = _take(folder, seconds)
    stop = threading.Event()
    thread = threading.Thread(target=_renew, args=(folder, mine, seconds, stop), name="mtl-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if _is_mine(folder, mine):
            folder.store.remove(LEASE)


def _take(folder: JobFolder, seconds: float) -> Lease:
    mine = Lease(holder=os.urandom(8).hex(), host=socket.gethostname(), pid=os.getpid(), until=time.time() + seconds)
    data = records.to_json(mine).encode()
    if folder.store.create(LEASE, data):
        return mine
    if (other := read_lease(folder)) is not None:
        raise _busy(folder, other)
    folder.store.write(LEASE, data)  # of two that do so in this moment, the last one has it
    time.sleep(seconds / 100)
    if not _is_mine(folder, mine):
        raise _busy(folder, read_lease(folder))
    return mine


def _busy(folder: JobFolder, other: Lease | None) -> MtlError:
    who = "another driver" if other is None else f"another driver (process {other.pid} on {other.host})"
    wait = LEASE_SECONDS if other is None else max(1, round(other.until - time.time()))
    return MtlError(f"{who} is writing {folder.name}; wait until it ends, or if it was lost, try again in {wait:.0f} s")


def _is_mine(folder: JobFolder, mine: Lease) -> bool:
    lease = _read(folder)
    return lease is not None and lease.holder == mine.holder


def _renew(folder: JobFolder, mine: Lease, seconds: float, stop: threading.Event) -> None:
    while not stop.wait(seconds / _RENEWALS):
        renewed = Lease(holder=mine.holder, host=mine.host, pid=mine.pid, until=time.time() + seconds)
        try:
            folder.store.write(LEASE, records.to_json(renewed).encode())
        except (MtlError, OSError) as error:  # the next time, perhaps
            _log.warning("the lease of %s could not be renewed: %s", folder.name, error)
