"""Everything that a server is told, checked before anything is loaded."""

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtl_runtime.errors import MtlError
from mtl_runtime.server.limits import Limits

__all__ = ["Address", "ServerSettings", "name_bundles"]

# In URLs and metrics; clients of the Open Inference Protocol do not escape a slash.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens."""

    host: str = "127.0.0.1"
    port: int = 8000
    unix_socket: Path | None = None  # instead of host and port
    certificate: Path | None = None  # PEM: TLS with this certificate chain ...
    private_key: Path | None = None  # ... and this key

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.private_key is None):
            raise MtlError("TLS needs a certificate and its private key; give both, or neither")

    @property
    def is_local(self) -> bool:
        """Only this machine can reach it."""
        if self.unix_socket is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name
            return False

    def of(self, listener: socket.socket) -> "Address":
        """The same, with the port that the system chose for port 0."""
        return self if self.unix_socket else replace(self, port=listener.getsockname()[1])

    def __str__(self) -> str:
        if self.unix_socket is not None:
            return f"unix:{self.unix_socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What to serve, where, to whom, and how much at most."""

    bundles: Mapping[str, Path]  # by the name that clients use; the first answers where a client names none
    load_options: Mapping[str, Any] = field(default_factory=dict)  # of mtl_runtime.load
    address: Address = field(default_factory=Address)
    limits: Limits = field(default_factory=Limits)
    api_keys: Path | None = None  # file with a key in each line; None: everybody may ask
    page_data: bool | None = None  # whether the page shows sentences of the bundles; None: where strangers cannot ask

    @property
    def has_page_data(self) -> bool:
        """The page shows golden texts and evidence, which are rows of somebody's validation data."""
        if self.page_data is not None:
            return self.page_data
        return self.address.is_local or self.api_keys is not None


def name_bundles(arguments: Iterable[str]) -> dict[str, Path]:
    """``NAME=FOLDER`` or ``FOLDER`` -> folders by name; without one, a bundle is called like its folder.

    Raises:
        MtlError: a name cannot stand in a URL, or two bundles have the same.
    """
    bundles: dict[str, Path] = {}
    for argument in arguments:
        given, equals, folder = argument.partition("=")
        path = Path(folder if equals else argument)
        name = given if equals else path.absolute().name
        if not _NAME.fullmatch(name):
            raise MtlError(
                f"{name!r} cannot be the name of a model: use letters, digits, dots, dashes and underscores, at most "
                f"128, and begin with a letter or a digit (NAME={path})"
            )
        if name in bundles:
            raise MtlError(f"two bundles are called {name!r}; name them apart with NAME=FOLDER")
        bundles[name] = path
    return bundles
