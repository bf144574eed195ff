"""method and path -> the handler that answers, of whichever protocol."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.routing import compile_path

from mtl_runtime.server.failures import MethodNotAllowedError, NotFoundError
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.problems import Problem

__all__ = ["Handler", "Match", "Protocol", "Route", "RouteTable"]

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One way to ask a protocol."""

    method: str
    path: str  # with parameters in braces: /v2/models/{model}
    handler: Handler
    is_public: bool = False  # needs no API key
    # What the OpenAPI document says about it:
    body: Any = None  # type of the request's body, as msgspec describes it
    body_media_type: str = "application/json"
    answer: Any = None  # likewise of the answer's, if that is JSON
    media_types: tuple[str, ...] = ("application/json",)  # of the answer
    status: int = 200  # of the answer
    query: Mapping[str, str] = field(default_factory=dict)  # parameters in the URL, and what they say


@dataclass(frozen=True, slots=True)
class Protocol:
    """What clients of one kind speak."""

    name: str
    routes: tuple[Route, ...]
    render_problem: Callable[[Problem], Response]  # as its clients read errors
    problem_type: type  # msgspec type of that JSON, for the OpenAPI document
    problem_media_type: str = "application/json"
    prefix: str | None = None  # below it, errors at paths that no route has are written so too


class Match(NamedTuple):
    """A route, its protocol, and the parameters in the path that led to it."""

    route: Route
    protocol: Protocol
    parameters: Mapping[str, str]


class RouteTable:
    """All routes of all protocols; a slash at the end of a path changes nothing.

    Paths without parameters are found without a search.

    Args:
        protocols: no two routes have the same method and path. The first one answers for paths that nobody has.
    """

    def __init__(self, protocols: Iterable[Protocol]) -> None:
        self._fallback, *_ = protocols = tuple(protocols)
        self._prefixes = {protocol.prefix: protocol for protocol in protocols if protocol.prefix}
        self._fixed: dict[str, dict[str, Match]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Match]]] = {}
        for protocol in protocols:
            for route in protocol.routes:
                self._add(Match(route, protocol, {}))

    def find(self, method: str, path: str) -> Match:
        """The route for a request; HEAD is answered like GET.

        Raises:
            NotFoundError: no route has that path.
            MethodNotAllowedError: not with that method.
        """
        by_method, parameters = self._find_path(path)
        match = by_method.get("GET" if method == "HEAD" else method)
        if match is None:
            raise MethodNotAllowedError(method, by_method)
        return match if not parameters else match._replace(parameters=parameters)

    def protocol_of(self, method: str, path: str) -> Protocol:
        """The protocol whose errors a client that sent this understands; several may share a path."""
        try:
            by_method, _ = self._find_path(path)
        except NotFoundError:
            below = (protocol for prefix, protocol in self._prefixes.items() if path.startswith(prefix))
            return next(below, self._fallback)
        return by_method.get(method, next(iter(by_method.values()))).protocol

    def _add(self, match: Match) -> None:
        route = match.route
        if "{" not in route.path:
            by_method = self._fixed.setdefault(route.path, {})
        else:
            pattern, _, _ = compile_path(route.path)
            _, by_method = self._patterns.setdefault(route.path, (pattern, {}))
        if route.method in by_method:
            raise ValueError(f"two routes for {route.method} {route.path}")
        by_method[route.method] = match

    def _find_path(self, path: str) -> tuple[Mapping[str, Match], Mapping[str, str]]:
        for spelling in (path, path.rstrip("/") or "/"):
            if spelling in self._fixed:
                return self._fixed[spelling], {}
        path = path.rstrip("/")
        for pattern, by_method in self._patterns.values():
            if found := pattern.match(path):
                return by_method, found.groupdict()
        raise NotFoundError("this server has nothing at that path; /openapi.json lists what it has")
