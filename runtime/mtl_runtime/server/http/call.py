"""One HTTP request as adapters see it: headers, query, body within the limits, and the client's patience."""

import math
import re
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec
from starlette.types import Receive, Scope

from mtl_runtime.inference.requests import Result
from mtl_runtime.server.failures import BadRequestError, UnsupportedEncodingError
from mtl_runtime.server.http.body import BufferedBytes, read_body, read_chunks
from mtl_runtime.server.http.disconnect import unless_gone
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.service import Service

__all__ = ["LIFT_DEADLINE", "Call", "decode_json"]

# In scope["extensions"]: a function that takes the deadline of the whole body off this request.
LIFT_DEADLINE = "mtl.lift_deadline"

T = TypeVar("T")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Call:
    """A request, read as far as an adapter asks for it.

    Args:
        scope: of ASGI.
        receive: of ASGI.
        service: answers it.
        buffered: holds its body.
    """

    __slots__ = (
        "_buffered",
        "_headers",
        "_query",
        "_receive",
        "_scope",
        "method",
        "parameters",
        "path",
        "request_id",
        "route",
        "service",
        "status",
        "texts",
    )

    def __init__(self, scope: Scope, receive: Receive, service: Service, buffered: BufferedBytes) -> None:
        self._scope, self._receive, self.service, self._buffered = scope, receive, service, buffered
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.route = "unknown"  # the path in the table of routes
        self.texts: int | None = None  # asked about, for the log
        self.status = 499  # of the answer; as long as there is none, of a client that has gone
        self.parameters: Mapping[str, str] = {}  # in the path, by their name in the route
        self._headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self._query: Mapping[str, list[str]] | None = None
        given = self.header("x-request-id") or ""
        self.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

    def header(self, name: str) -> str | None:
        """The value of a header (name in lower case), or None."""
        value = self._headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def query(self, name: str) -> str | None:
        """The first value of a parameter in the URL, or None."""
        if self._query is None:
            self._query = parse_qs(self._scope["query_string"].decode("latin-1"), keep_blank_values=True)
        values = self._query.get(name)
        return values[0] if values else None

    def describe_span(self) -> tuple[str, dict[str, str | int]]:
        """Name and attributes of its span, by the semantic conventions for HTTP, without the query."""
        attributes: dict[str, str | int] = {
            "http.request.method": self.method,
            "http.route": self.route,
            "http.response.status_code": self.status,
            "url.path": self.path[:200],
            "url.scheme": self._scope["scheme"],
            "mtl.request_id": self.request_id,
        }
        if self.texts is not None:
            attributes["mtl.texts"] = self.texts
        if self.status >= 500:
            attributes["error.type"] = str(self.status)
        return f"{self.method} {self.route}", attributes

    @property
    def timeout(self) -> float | None:
        """Seconds that the client waits for an answer, by its header X-Request-Timeout.

        Raises:
            BadRequestError: no positive number.
        """
        value = self.header("x-request-timeout")
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not seconds > 0:
            raise BadRequestError(f"X-Request-Timeout is {value[:40]!r}; it must be a positive number of seconds")
        return seconds

    async def predict(
        self,
        model: ServedModel,
        texts: Sequence[str],
        *,
        tasks: Iterable[str] | None = None,
        embed: bool = False,
        timeout: float | None = None,
    ) -> Result:
        """:meth:`Service.predict` until the client closes the connection; ``timeout`` or the header says how long.

        Raises:
            ClientGoneError: it did.
            Exception: as :meth:`Service.predict`.
        """
        self.texts = len(texts)
        seconds = self.timeout if timeout is None else timeout
        return await self.unless_gone(self.service.predict(model, texts, tasks=tasks, embed=embed, timeout=seconds))

    async def unless_gone(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, which is cancelled if the client closes the connection; after the body was read.

        Raises:
            ClientGoneError: it did.
        """
        return await unless_gone(work, self._receive)

    async def embed_token_ids(self, model: ServedModel, texts: Sequence[Sequence[int]]) -> Result:
        """:meth:`Service.embed_token_ids` until the client closes the connection.

        Raises:
            ClientGoneError: it did.
            Exception: as :meth:`Service.embed_token_ids`.
        """
        self.texts = len(texts)
        work = self.service.embed_token_ids(model, texts, timeout=self.timeout)
        return await unless_gone(work, self._receive)

    async def body(self) -> bytes:
        """The whole body, decompressed.

        Raises:
            BodyTooLargeError, UnsupportedEncodingError, OverloadedError, ClientGoneError, BadRequestError.
        """
        return await read_body(
            self._receive,
            limit=self.service.limits.max_body_bytes,
            buffered=self._buffered,
            encoding=self.header("content-encoding"),
            declared=self.header("content-length"),
        )

    def stream(self) -> AsyncIterator[bytes]:
        """The body as it comes, of any length. Between two chunks a client has the time of ``receive_seconds``.

        Raises:
            UnsupportedEncodingError: the body is compressed.
            ClientGoneError, SlowClientError: while iterating: it left, or sent nothing for so long.
        """
        if self.header("content-encoding") not in (None, "identity"):
            raise UnsupportedEncodingError("a stream is read as it comes, so it must not be compressed")
        if (lift := self._scope.get("extensions", {}).get(LIFT_DEADLINE)) is not None:
            lift()
        return read_chunks(self._receive, seconds=self.service.limits.receive_seconds)

    async def json(self, decoder: "msgspec.json.Decoder[Any]") -> Any:
        """The body as the type of ``decoder``.

        Raises:
            BadRequestError: the body is no JSON of that shape.
        """
        return decode_json(decoder, await self.body())


def decode_json(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    """Bytes of JSON -> a value of the decoder's type.

    Raises:
        BadRequestError: they are none.
    """
    try:
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        raise BadRequestError(f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise BadRequestError("the body is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise BadRequestError(f"the body does not fit: {error}") from None
