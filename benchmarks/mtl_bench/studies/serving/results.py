"""benchmarks/results/serve_speed.json <-> ServingResults: rounds of all servers, and what abuse did to ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_runtime.core.machine import MachineFacts

__all__ = [
    "SCHEMA_VERSION",
    "CancellationResult",
    "LibraryRound",
    "OverloadResult",
    "ServerResult",
    "ServerRound",
    "ServingResults",
    "SlowClientsResult",
    "SpeedResult",
]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryRound:
    """A fresh process of the library on the server's core."""

    rate: float  # texts a second, in calls of 64
    alone: float  # seconds of a call with one text, median


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRound:
    """A fresh process of a server on its core, its clients on another."""

    rate: float  # sentences a second for 64 clients, each of which waits for its answer
    p50: float  # seconds of these
    p99: float
    alone: float  # seconds of a sentence on an idle server, median
    resident_bytes: int  # of the process and its children, afterwards
    failures: Mapping[str, int]  # statuses other than 200, and how often; 0: the connection was closed


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerResult:
    """One server in all rounds."""

    title: str
    docs: str | None
    versions: Mapping[str, str]  # of the packages that matter
    rounds: tuple[ServerRound, ...] = ()
    error: str | None = None  # why it could not be started


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedResult:
    """Library and servers, interleaved."""

    clients: int
    seconds: float  # of a measurement
    library: tuple[LibraryRound, ...]
    servers: Mapping[str, ServerResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadResult:
    """Ours at a multiple of the rate that it sustains."""

    sustained: float  # sentences a second for 64 clients, just before
    offered: float  # requests a second
    seconds: float
    statuses: Mapping[str, int]  # of all requests; 0: the connection was closed
    goodput: float  # 200s a second
    p99: float  # seconds of these, counted from when a request was due
    resident_before: int  # bytes
    resident_peak: int
    recovery: float  # seconds after the last request was sent, until one was answered as fast as on an idle server


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationResult:
    """Ours while many clients hang up before they are answered."""

    requests: int
    cancelled: int
    right: int  # answers equal to the library's
    wrong: int
    failures: Mapping[str, int]  # statuses other than 200 of requests that were not cancelled
    pending_texts: int  # in the queue a second after the last request
    pending_requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClientsResult:
    """Ours next to connections that send slowly or nothing."""

    slow_senders: int
    idle_sockets: int
    offered: float  # requests a second of healthy clients
    p99_without: tuple[float, ...]  # seconds of healthy requests, by round
    p99_with: tuple[float, ...]
    receive_seconds: float  # limit for a request's headers
    idle_seconds: float  # limit between requests
    slowest_sender_closed: float  # seconds after it was opened; the limit of the wait if never
    slowest_idle_closed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingResults:
    """Content of the results file; a part that was not measured is absent."""

    schema_version: int = SCHEMA_VERSION
    measured_at: str = ""  # UTC, ISO 8601
    machine: MachineFacts | None = None
    made_with: Mapping[str, str] = field(default_factory=dict)
    bundle: str = ""  # SHA-256 of the manifest
    variant: str = ""
    sentences: int = 0
    speed: SpeedResult | None = None
    overload: OverloadResult | None = None
    cancellations: CancellationResult | None = None
    slow_clients: SlowClientsResult | None = None
