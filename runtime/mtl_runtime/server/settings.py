"""Everything that a server is told, checked before anything is loaded."""

import ipaddress
import math
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtl_runtime.bundle.model_name import MODEL_NAME_RULE, is_model_name
from mtl_runtime.errors import MtlError
from mtl_runtime.server.limits import Limits

__all__ = ["Address", "BundleSource", "ServerSettings", "Shadow", "Split", "name_bundles", "split_keys"]


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

    @classmethod
    def parse(cls, text: str) -> "Address":
        """``HOST:PORT``, with an IPv6 address in brackets.

        Raises:
            MtlError: it has another form.
        """
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise MtlError(f"{text!r} is no address; write HOST:PORT, such as 127.0.0.1:8001")
        return cls(host=host.strip("[]"), port=int(port))

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


@dataclass(frozen=True, slots=True)
class BundleSource:
    """Which graph a model runs."""

    path: Path
    variant: str | None = None  # None: the fastest that can be trusted here

    @classmethod
    def parse(cls, text: str) -> "BundleSource":
        """``FOLDER`` or ``FOLDER@VARIANT``; a folder whose own name has an @ stays what it is."""
        folder, at, variant = text.rpartition("@")
        if at and not Path(text).exists():
            return cls(Path(folder), variant)
        return cls(Path(text))


@dataclass(frozen=True, slots=True)
class Split:
    """Requests for one name, shared among models."""

    name: str
    weights: Mapping[str, float]  # by model

    @classmethod
    def parse(cls, text: str) -> "Split":
        """``NAME=MODEL:WEIGHT,MODEL:WEIGHT``.

        Raises:
            MtlError: it has another form, or a weight is no positive number.
        """
        name, _, rest = text.partition("=")
        weights = {
            model: _positive(weight, text) for model, _, weight in (part.partition(":") for part in rest.split(","))
        }
        if not is_model_name(name) or len(weights) < 2:
            raise MtlError(f"{text!r} is no split; write NAME=MODEL:WEIGHT,MODEL:WEIGHT")
        return cls(name, weights)


@dataclass(frozen=True, slots=True)
class Shadow:
    """A model that answers a share of another's requests too; its answers are compared and thrown away."""

    of: str
    model: str
    share: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "Shadow":
        """``MODEL=SHADOW`` or ``MODEL=SHADOW:SHARE``.

        Raises:
            MtlError: it has another form, or the share is not above 0 and at most 1.
        """
        of, _, rest = text.partition("=")
        model, _, share = rest.partition(":")
        number = _positive(share or "1", text)
        if not of or not model or of == model or number > 1:
            raise MtlError(f"{text!r} is no shadow; write MODEL=SHADOW or MODEL=SHADOW:SHARE with a share up to 1")
        return cls(of, model, number)


def _positive(text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise MtlError(f"{text!r} in {whole!r} is no positive number")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What to serve, where, to whom, and how much at most."""

    bundles: Mapping[str, BundleSource]  # by the name that clients use
    splits: Sequence[Split] = ()
    shadows: Sequence[Shadow] = ()
    load_options: Mapping[str, Any] = field(default_factory=dict)  # of mtl_runtime.load
    address: Address = field(default_factory=Address)
    admin: Address | None = None  # where reloads are asked for
    watch: bool = False  # reload a bundle when its folder, or the folder that its link names, holds another
    grpc_port: int | None = None  # on the same host and with the same certificate; None: no gRPC
    limits: Limits = field(default_factory=Limits)
    api_keys: Path | None = None  # file with a key in each line
    environment_keys: Sequence[str] = field(default=(), repr=False)  # further keys; without any, everybody may ask
    page_data: bool | None = None  # whether the page shows sentences of the bundles; None: where strangers cannot ask

    @property
    def names(self) -> tuple[str, ...]:
        """All names that clients may use, the default one first."""
        return (*(split.name for split in self.splits), *self.bundles)

    @property
    def grpc_address(self) -> Address | None:
        """Where gRPC is answered."""
        if self.grpc_port is None:
            return None
        return replace(self.address, port=self.grpc_port, unix_socket=None)

    @property
    def needs_api_key(self) -> bool:
        """Only clients with an API key are answered."""
        return self.api_keys is not None or bool(self.environment_keys)

    @property
    def has_page_data(self) -> bool:
        """The page shows golden texts and evidence, which are rows of somebody's validation data."""
        if self.page_data is not None:
            return self.page_data
        return self.address.is_local or self.needs_api_key

    @property
    def is_for_local_pages(self) -> bool:
        """Strangers are kept out only by the address, which a page of theirs in a browser of this machine can reach."""
        return self.page_data is None and not self.needs_api_key and self.address.unix_socket is None

    def __post_init__(self) -> None:
        if self.admin is not None and not self.admin.is_local and not self.needs_api_key:
            raise MtlError(
                f"everybody who reaches {self.admin} could reload bundles; add --api-keys, or let --admin be local"
            )
        for split in self.splits:
            if split.name in self.bundles:
                raise MtlError(f"{split.name!r} names both a bundle and a split; choose another name for the split")
        asked = [model for split in self.splits for model in split.weights]
        asked += [name for shadow in self.shadows for name in (shadow.of, shadow.model)]
        for name in asked:
            if name not in self.bundles:
                raise MtlError(f"no bundle is called {name!r}; there are: {', '.join(self.bundles)}")


def split_keys(text: str) -> tuple[str, ...]:
    """API keys with spaces or commas between them -> each of them.

    Raises:
        MtlError: there is none.
    """
    if keys := tuple(text.replace(",", " ").split()):
        return keys
    raise MtlError("MTL_API_KEYS is set, but holds no API key; unset it, or write keys with spaces between them")


def name_bundles(arguments: Iterable[str]) -> dict[str, BundleSource]:
    """``[NAME=]FOLDER[@VARIANT]`` -> bundles by name; without one, a bundle is called like its folder.

    Raises:
        MtlError: a name cannot stand in a URL, or two bundles have the same.
    """
    bundles: dict[str, BundleSource] = {}
    for argument in arguments:
        given, equals, rest = argument.partition("=")
        source = BundleSource.parse(rest if equals else argument)
        name = given if equals else source.path.absolute().name
        if not is_model_name(name):
            raise MtlError(f"{name!r} cannot be the name of a model: {MODEL_NAME_RULE} (NAME={source.path})")
        if name in bundles:
            raise MtlError(f"two bundles are called {name!r}; name them apart with NAME=FOLDER")
        bundles[name] = source
    return bundles
