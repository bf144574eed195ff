"""ServingContext: what all parts of the study need, and how they start a server."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_bench.studies.serving.http_client import HOST
from mtl_bench.studies.serving.server_process import ServerProcess, serving
from mtl_bench.studies.serving.servers import OURS, SERVERS, ComparedServer, ServedBundle

__all__ = ["ServingContext"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingContext:
    """One run of the command."""

    served: ServedBundle
    sentences: Sequence[str]
    core: int  # of the server or the library
    folder: Path  # for temporary files
    rounds: int
    seconds: float  # of a measurement

    def requests_of(self, server: ComparedServer) -> list[list[bytes]]:
        """For each sentence the bytes of its requests."""
        return [[request.encode() for request in server.requests(self.served, sentence)] for sentence in self.sentences]

    @contextlib.contextmanager
    def start(self, name: str = OURS, *, options: Sequence[str] = ()) -> Iterator[ServerProcess]:
        """A running server.

        Args:
            name: of :data:`~mtl_bench.studies.serving.servers.SERVERS`.
            options: added to its command line.

        Raises:
            CheckFailedError: it does not start.
        """
        server, port = SERVERS[name], _free_port()
        with serving(
            [*server.command(self.served, port), *options],
            port=port,
            core=self.core,
            probe=[request.encode() for request in server.requests(self.served, self.sentences[0])],
            log=self.folder / f"{name}.log",
            variables=server.variables,
        ) as process:
            yield process


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
