"""A proxy of TCP that can cut uploads in the middle."""

import re
import socket
import threading
from contextlib import suppress

_UPLOAD = re.compile(rb"PUT \S*/part-")


class TearingProxy:
    """Forwards connections to a port of this machine; while ``tears`` is set, uploads of parts end half-way.

    Args:
        port: of the server.
    """

    def __init__(self, port):
        self.tears = False
        self.torn = 0
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for pair in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source, target, is_request):
        with suppress(OSError):
            while data := source.recv(2**14):
                if is_request and self.tears and _UPLOAD.search(data):
                    self.torn += 1
                    target.sendall(data[: len(data) - 40])  # the headers, and not all of a small body
                    break
                target.sendall(data)
        for connection in (source, target):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()
