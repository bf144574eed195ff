"""Shards on this machine, in processes of their own: one that is killed takes one shard with it."""

import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from mtl_runtime.cluster.engines.engine import EngineOptions
from mtl_runtime.cluster.worker import Outcome, WorkerTask
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.errors import MtlError

__all__ = ["run_on_processes"]

_WORKER = ("-m", "mtl_runtime.cluster.engines.local_worker")
_SECONDS_TO_END = 10.0


def run_on_processes(task: WorkerTask, shards: deque[int], options: EngineOptions) -> Iterator[Outcome]:
    """Run shards on ``options.processes`` processes, by default as many as the cores have room for.

    A process is started afresh, and loads the bundle by itself: none is forked from one with threads.

    Raises:
        MtlError: while iterating: no process can be started.
    """
    fitting = max(1, allowed_cores() // options.threads)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    count = len(shards)
    while shards:
        waiting.put(shards.popleft())
    outcomes: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
    workers = [_WorkerThread(task, waiting, outcomes) for _ in range(min(options.processes or fitting, count))]
    try:
        for worker in workers:
            worker.start()
        for _ in range(count):
            outcome = outcomes.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join()


class _WorkerThread(threading.Thread):
    """Gives shards to a process one by one, and starts another one after its end.

    Args:
        task: what processes are started with.
        waiting: numbers of shards.
        outcomes: get an outcome for each shard, or the error that ends all.
    """

    def __init__(
        self,
        task: WorkerTask,
        waiting: "queue.SimpleQueue[int]",
        outcomes: "queue.SimpleQueue[Outcome | BaseException]",
    ) -> None:
        super().__init__(name="mtl-worker", daemon=True)
        self._task, self._waiting, self._outcomes = task, waiting, outcomes
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # of the two below
        self._is_stopping = False

    def run(self) -> None:
        try:
            while not self._is_stopping:
                try:
                    shard = self._waiting.get_nowait()
                except queue.Empty:
                    break
                self._outcomes.put(self._run(shard))
        except BaseException as error:  # noqa: BLE001 - it is raised where outcomes are taken
            self._outcomes.put(error)
        finally:
            self.stop()
            self._close_pipes()

    def stop(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            self._is_stopping = True
            if self._process is not None:
                self._process.kill()
                self._process.wait(_SECONDS_TO_END)

    def _close_pipes(self) -> None:
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(BrokenPipeError):
                    _pipe(stream).close()

    def _run(self, shard: int) -> Outcome:
        process = self._process if self._process is not None and self._process.poll() is None else self._start()
        requests, replies = _pipe(process.stdin), _pipe(process.stdout)
        with suppress(BrokenPipeError):
            requests.write(b"%d\n" % shard)
            requests.flush()
        line = replies.readline()
        if line.endswith(b"\n"):
            return Outcome.from_line(line)
        code = process.wait(_SECONDS_TO_END)
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return Outcome.lost(shard, f"worker process {process.pid} {how} while it ran this shard")

    def _start(self) -> "subprocess.Popen[bytes]":
        if not sys.executable:
            raise MtlError("this program is no Python interpreter, so it cannot start worker processes")
        self._close_pipes()
        with self._lock:
            if self._is_stopping:
                raise MtlError("the job is stopping")
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter with our own module
                    [sys.executable, "-P", *_WORKER],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
                )
            except OSError as error:
                raise MtlError(f"no worker process can be started: {error}") from error
        requests = _pipe(self._process.stdin)
        with suppress(BrokenPipeError):
            requests.write(self._task.to_line())
            requests.flush()
        return self._process


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise MtlError("a worker process has no pipe")
    return stream
