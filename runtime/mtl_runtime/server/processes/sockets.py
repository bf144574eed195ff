"""settings -> the sockets that a parent opens and its children inherit."""

from contextlib import ExitStack
from dataclasses import dataclass
from socket import socket
from typing import Self

from mtl_runtime.server.http.sockets import bind, hold_port
from mtl_runtime.server.processes.place import Place
from mtl_runtime.server.settings import ServerSettings

__all__ = ["ParentSockets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentSockets:
    """Open sockets; they are inherited by number, and gRPC's only keeps its port from others."""

    settings: ServerSettings
    main: socket
    admin: socket | None
    grpc: socket | None

    @classmethod
    def open(cls, settings: ServerSettings) -> Self:
        """Listen wherever the settings say.

        Raises:
            MtlError: somebody else listens there.
        """
        with ExitStack() as opened:
            sockets = cls(
                settings=settings,
                main=opened.enter_context(bind(settings.address)),
                admin=opened.enter_context(bind(settings.admin)) if settings.admin else None,
                grpc=opened.enter_context(hold_port(settings.grpc_address)) if settings.grpc_address else None,
            )
            opened.pop_all()
        return sockets

    def close(self) -> None:
        """Close the parent's own; children keep theirs."""
        for one in (self.main, self.admin, self.grpc):
            if one is not None:
                one.close()

    def place(self, number: int, threads: int) -> Place:
        """What the child of that number gets, but for its channel."""
        return Place(
            number=number,
            threads=threads,
            main=self.main.fileno(),
            admin=None if self.admin is None else self.admin.fileno(),
            grpc_port=None if self.grpc is None else self.grpc.getsockname()[1],
        )

    def describe(self) -> list[str]:
        """What is served where, a line for each socket."""
        settings, lines = self.settings, []
        if settings.admin is not None and self.admin is not None:
            lines.append(f"admin at {settings.admin.of(self.admin)}")
        if settings.grpc_address is not None and self.grpc is not None:
            lines.append(f"gRPC at {settings.grpc_address.host}, port {self.grpc.getsockname()[1]}")
        lines.append(f"{', '.join(settings.names)} at {settings.address.of(self.main)}")
        return lines
