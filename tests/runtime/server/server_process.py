"""`mtl serve` as a process of its own, clients that load it, and bundles that replace each other."""

import http.client
import json
import os
import queue
import re
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

from mtl_runtime.bundle.bundle import Bundle

COMMAND = [sys.executable, "-c", "from mtl_runtime.cli.app import main; main()", "serve"]
WAIT = 120


class Process:
    def __init__(self, arguments):
        # A busy machine gives the child that opens a bundle first little of a core.
        environment = {"MTL_ISOLATION_SCALE": "10", **os.environ}
        self._process = subprocess.Popen(
            [*COMMAND, "--port", "0", *arguments], stderr=subprocess.PIPE, text=True, env=environment
        )
        self.lines, self._new = [], queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        with self._process.stderr as lines:
            for line in lines:
                self._new.put(line)
        self._new.put(None)

    def wait_for(self, pattern):
        """The first match in what the server logs from now on."""
        while True:
            line = self._new.get(timeout=WAIT)
            assert line is not None, self.lines
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    @property
    def pid(self):
        return self._process.pid

    def send(self, number):
        self._process.send_signal(number)

    def wait(self):
        return self._process.wait(WAIT)

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._reader.join(WAIT)


@contextmanager
def serving(*arguments):
    process = Process([str(argument) for argument in arguments])
    try:
        yield process
    finally:
        process.kill()


def port_of(process, name="bundle"):
    return int(process.wait_for(rf"serving {name} at http://127\.0\.0\.1:(\d+)")[1])


def ask(port, method="POST", path="/v1/predict", body=b'{"texts": ["the soup was good"]}', **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@contextmanager
def load_on(port, clients=4, pause=0.0):
    """Ask again and again meanwhile, after so many seconds each; yields the list of statuses and digests."""
    answers, stop = [], threading.Event()

    def ask_on():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        while not stop.is_set():
            try:
                connection.request("POST", "/v1/predict", b'{"texts": ["the soup was good"]}')
                response = connection.getresponse()
                body = json.loads(response.read())
            except (OSError, http.client.HTTPException) as error:
                answers.append((type(error).__name__, None))
                break
            answers.append((response.status, body.get("model", {}).get("digest")))
            stop.wait(pause)
        connection.close()

    threads = [threading.Thread(target=ask_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT)


def point_to(link, folder):
    new = link.with_name("new")
    new.symlink_to(folder)
    new.replace(link)


def digest(folder):
    return Bundle.open(folder).digest


def children_of(pid):
    """Process ids of the children of all threads of a process; needs Linux."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # of a thread that has ended since
            found += map(int, file.read_text().split())
    return found
