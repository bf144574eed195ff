"""API keys, of which a request must bring one."""

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from mtl_runtime.errors import MtlError
from mtl_runtime.server.failures import UnauthorizedError

__all__ = ["ApiKeys", "HasHeaders"]


class HasHeaders(Protocol):
    """A request of HTTP, or a call of gRPC."""

    def header(self, name: str, /) -> str | None:
        """The value of a header (name in lower case), or None."""


class ApiKeys:
    """Keys that clients may use; without any, everybody may ask.

    Args:
        keys: as clients send them, in ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``.
        file: with further ones, one in each line; empty lines and lines that begin with # are left out.

    Raises:
        MtlError: the file cannot be read, or holds none.
    """

    def __init__(self, keys: Iterable[str] = (), file: Path | None = None) -> None:
        self._given, self._file = tuple(keys), file
        self._digests: list[bytes] = []
        self.reload()

    def reload(self) -> None:
        """Read the file again.

        Raises:
            MtlError: it cannot be read, or holds none; the keys are those of before.
        """
        keys = self._given if self._file is None else (*self._given, *_read(self._file))
        # Digests have one length, so that comparing them tells nothing about the length of a key.
        self._digests = [_digest(key) for key in dict.fromkeys(keys)]

    def __len__(self) -> int:
        return len(self._digests)

    def check(self, call: HasHeaders) -> None:
        """Let the call pass if there are no keys, or if it has one of them.

        Raises:
            UnauthorizedError: it has none.
        """
        if not self._digests:
            return
        scheme, _, token = (call.header("authorization") or "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else call.header("x-api-key") or ""
        digest = _digest(given)
        # All are compared, so that the time does not tell which one fits.
        fitting = [known for known in self._digests if hmac.compare_digest(digest, known)]
        if not fitting:
            raise UnauthorizedError("this server wants an API key: send it as `Authorization: Bearer KEY`")


def _read(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except OSError as error:
        raise MtlError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise MtlError(f"{path} is not UTF-8; write one API key in each line") from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise MtlError(f"{path} holds no API key; write one in each line")
    return keys


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
