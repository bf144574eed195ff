"""Library and servers, each in a fresh process on the same core, round by round -> SpeedResult."""

import asyncio
import dataclasses
import json
import logging
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mtl_bench.studies.serving.context import ServingContext
from mtl_bench.studies.serving.load import LoadResult, run_clients, time_alone
from mtl_bench.studies.serving.results import LibraryRound, ServerResult, ServerRound, SpeedResult
from mtl_bench.studies.serving.server_process import confined
from mtl_bench.studies.serving.servers import SERVERS, ComparedServer
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.errors import CheckFailedError

__all__ = ["CLIENTS", "failures_of", "measure_speed"]

CLIENTS = 64
_WARM_UP = 2.0  # seconds
_CALLS_ALONE = 2_000  # of the library and of ours
_PEERS_CALLS_ALONE = 200  # each takes ten times as long
_PACKAGES = ("mtl-export", "onnxruntime", "torch", "transformers", "fastapi", "uvicorn", "litserve", "infinity-emb")
_log = logging.getLogger(__name__)


def measure_speed(context: ServingContext, names: tuple[str, ...]) -> SpeedResult:
    """Measure the library and the servers ``names`` in turn, ``context.rounds`` times."""
    library: list[LibraryRound] = []
    servers = {name: _describe(SERVERS[name]) for name in names}
    for number in range(1, context.rounds + 1):
        _log.info("round %d of %d: the library", number, context.rounds)
        library.append(_measure_library(context))
        for name, result in servers.items():
            if result.error is None:
                _log.info("round %d of %d: %s", number, context.rounds, name)
                servers[name] = _measure_server(context, name, result)
    return SpeedResult(clients=CLIENTS, seconds=context.seconds, library=tuple(library), servers=servers)


def failures_of(load: LoadResult) -> Mapping[str, int]:
    """Statuses other than 200, as a results file has them."""
    return {str(status): count for status, count in sorted(load.statuses.items()) if status != 200}


def _describe(server: ComparedServer) -> ServerResult:
    return ServerResult(title=server.title, docs=server.docs, versions=_versions(server.packages))


def _versions(environment: Path | None) -> Mapping[str, str]:
    if environment is None:
        return installed_versions(_PACKAGES)
    found = (folder.name.split("-") for folder in environment.glob("lib/python*/site-packages/*.dist-info"))
    versions = {parts[0].replace("_", "-").lower(): parts[1].removesuffix(".dist") for parts in found}
    return {package: versions[package] for package in _PACKAGES if package in versions}


def _measure_library(context: ServingContext) -> LibraryRound:
    file = context.folder / "sentences.json"
    file.write_text(json.dumps(list(context.sentences)), "utf-8")
    arguments = (context.served.bundle, file, context.seconds, _CALLS_ALONE)
    with confined({context.core}):
        process = subprocess.run(
            [sys.executable, "-m", "mtl_bench.studies.serving.library", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
    if process.returncode:
        raise CheckFailedError(f"the library failed: {process.stderr[-500:]}")
    return LibraryRound(**json.loads(process.stdout))


def _measure_server(context: ServingContext, name: str, result: ServerResult) -> ServerResult:
    requests = context.requests_of(SERVERS[name])
    calls = _CALLS_ALONE if result.docs is None else _PEERS_CALLS_ALONE
    try:
        with context.start(name) as server:
            load = asyncio.run(
                run_clients(
                    server.port,
                    lambda number: requests[number % len(requests)],
                    clients=CLIENTS,
                    warm_up=_WARM_UP,
                    seconds=context.seconds,
                )
            )
            alone = asyncio.run(time_alone(server.port, lambda number: requests[number % len(requests)], count=calls))
            measured = ServerRound(
                rate=load.rate,
                p50=load.latency(50),
                p99=load.latency(99),
                alone=statistics.median(alone),
                resident_bytes=server.resident_bytes,
                failures=failures_of(load),
            )
    except CheckFailedError as error:
        return dataclasses.replace(result, error=str(error))
    return dataclasses.replace(result, rounds=(*result.rounds, measured))
