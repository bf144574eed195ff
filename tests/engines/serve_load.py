"""Clients that ask a server over HTTP without pause, and count what becomes of their requests."""

import json
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager


class Clients:
    """Threads that ask for the answers to the same texts; ``check`` gets each answer.

    Args:
        url: of the endpoint.
        texts: of each request.
        check: raises if an answer is not right.
        count: of threads, and so of requests at the same time.
    """

    def __init__(self, url, texts, check, count=4):
        self.count = count
        self.answered, self.failures = 0, []
        self._url, self._check = url, check
        self._body = json.dumps({"texts": texts}).encode()
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(count)]

    @contextmanager
    def asking(self):
        for thread in self._threads:
            thread.start()
        try:
            self.wait(3 * self.count)
            yield self
            self.wait(3 * self.count)
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def wait(self, more):
        """Until so many further requests are answered."""
        goal, give_up = self.answered + more, time.monotonic() + 60
        while self.answered < goal and time.monotonic() < give_up:
            time.sleep(0.05)
        assert self.answered >= goal, self.failures

    def _ask_on(self):
        while not self._stop.is_set():
            try:
                request = urllib.request.Request(self._url, self._body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=30) as answer:
                    self._check(json.load(answer))
                with self._lock:
                    self.answered += 1
            except (OSError, ValueError, AssertionError) as error:
                with self._lock:
                    self.failures.append(repr(error))
                time.sleep(0.2)
