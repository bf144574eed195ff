"""The program of a worker process: stdin, a task and then numbers of shards -> stdout, an outcome for each.

It ends with its stdin, in the middle of a shard if need be: then whoever started it is gone.
"""

import os
import queue
import signal
import socket
import sys
import threading

from mtl_runtime.cluster.worker import Outcome, ShardWorker, WorkerTask
from mtl_runtime.errors import MtlError

__all__ = ["main"]


def main() -> None:
    """Answer each number on stdin with a line on stdout, which nothing else may write to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the driver ends this one
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    task = WorkerTask.from_line(sys.stdin.buffer.readline())
    shards: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Thread(target=_read_numbers, args=(shards,), daemon=True).start()
    worker: ShardWorker | None = None
    while True:
        shard = shards.get()
        try:
            worker = worker or ShardWorker(task)
            outcome = worker.run(shard)
        except MtlError as error:
            outcome = Outcome(shard=shard, error=str(error), stops_job=True, host=socket.gethostname())
        replies.write(outcome.to_line())


def _read_numbers(shards: "queue.SimpleQueue[int]") -> None:
    while line := sys.stdin.buffer.readline():
        shards.put(int(line))
    os._exit(0)


if __name__ == "__main__":
    main()
