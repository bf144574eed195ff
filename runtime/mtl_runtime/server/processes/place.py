"""What a parent gives one of its children: a number, a share of the threads, and sockets."""

import json
import socket
from dataclasses import asdict, dataclass
from typing import Self

from mtl_runtime.server.http.sockets import SharedListener

__all__ = ["Place", "share_threads"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a child stands; sockets are file descriptors that it inherits."""

    number: int  # of the child, from 0 on; the one that takes its place gets it too
    threads: int  # of the model
    main: int  # listens for clients
    channel: int = -1  # connected with the parent, once the child is started
    admin: int | None = None  # listens for operators
    grpc_port: int | None = None  # to listen on along with the others

    @classmethod
    def parse(cls, text: str) -> Self:
        """What :meth:`__str__` wrote."""
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @property
    def sockets(self) -> tuple[int, ...]:
        """File descriptors that the child needs."""
        return tuple(number for number in (self.channel, self.main, self.admin) if number is not None)

    def open_channel(self) -> socket.socket:
        """The inherited connection with the parent."""
        return socket.socket(fileno=self.channel)

    def open_listener(self, what: str) -> socket.socket:
        """The inherited socket for ``main`` or ``admin``."""
        listener = SharedListener(fileno=getattr(self, what))
        listener.setblocking(False)
        return listener


def share_threads(threads: int, processes: int) -> list[int]:
    """The threads of each process: all of them shared evenly, and at least one each."""
    each, rest = divmod(threads, processes)
    return [max(1, each + (number < rest)) for number in range(processes)]
