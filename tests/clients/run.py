"""Clients as their makers publish them against a server: each in an environment of its own, none skipped.

``python -m tests.clients.run [NAME...]`` runs all, or those named. A client is a file with its packages, pytest among
them, in requirements/ and a module test_NAME.py. The module finds the server's addresses in MTL_TEST_URL and
MTL_TEST_GRPC, and what the library answers in the JSON file that MTL_TEST_EXPECTED names; see :func:`expected_answers`.
Environments stay in build/clients until their packages change.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_runtime import load
from tests.environments import ROOT, find_modules, prepare_environment, run_tests

HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "clients"
BUNDLE = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"
SECONDS_TO_START = 60
TEXTS = ["A great soup, and a good match!", "", "awful", "naïve 😀 中", "the bank " * 40, "good\n\tprice"]


def main(names: Sequence[str]) -> None:
    clients = find_modules(HERE, "client")
    if unknown := sorted(set(names) - set(clients)):
        raise SystemExit(f"no client {unknown[0]!r}; there are: {', '.join(clients)}")
    pythons = {
        name: prepare_environment(BUILD / name, HERE / "requirements" / f"{name}.txt") for name in names or clients
    }
    expected = BUILD / "expected.json"
    expected.write_text(json.dumps(expected_answers()), "utf-8")
    with running_server(BUILD / "server.log") as addresses:
        environment = {**os.environ, **addresses, "MTL_TEST_EXPECTED": str(expected)}
        modules = {name: HERE / f"test_{name}.py" for name in pythons}
        failed = [name for name, python in pythons.items() if not run_tests(python, modules[name], environment)]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; the server's log is {BUILD / 'server.log'}")


def expected_answers() -> Mapping[str, Any]:
    """What the library answers to TEXTS."""
    classifier = load(BUNDLE, threads=1)
    predictions = classifier(TEXTS)
    tasks: dict[str, Any] = {
        spec.name: {
            "kind": spec.kind,
            "labels": list(spec.labels),
            "answers": [prediction[spec.name].value for prediction in predictions],
            "logits": [list(prediction[spec.name].logits) for prediction in predictions],
        }
        for spec in classifier.specs
    }
    for name, task in tasks.items():
        if task["labels"]:
            task["probabilities"] = [list(prediction[name].probabilities.values()) for prediction in predictions]
    return {
        "texts": TEXTS,
        "tasks": tasks,
        "token_ids": [text.ids for text in classifier.tokenize(TEXTS)],
        "embeddings": classifier.embed(TEXTS).tolist(),
        "unit_embeddings": classifier.embed(TEXTS, normalize=True).tolist(),
    }


@contextlib.contextmanager
def running_server(log: Path) -> Iterator[dict[str, str]]:
    """``mtl serve`` as a process, until the end of the block; gives the variables that lead to it."""
    port, grpc_port = (str(number) for number in find_free_ports())
    url = f"http://127.0.0.1:{port}"
    mtl = Path(sys.executable).with_name("mtl")
    command = [mtl, "serve", f"bundle={BUNDLE}", "--port", port, "--grpc-port", grpc_port]
    with running(command, url, log):
        yield {"MTL_TEST_URL": url, "MTL_TEST_GRPC": f"127.0.0.1:{grpc_port}"}


@contextlib.contextmanager
def running(command: Sequence[object], url: str, log: Path, **options: Any) -> Iterator[None]:
    """A server as a process, from when it says at ``url`` that it is ready until the end of the block."""
    with (
        log.open("w") as stream,
        subprocess.Popen([*map(str, command)], stdout=stream, stderr=subprocess.STDOUT, **options) as server,
    ):
        try:
            wait_until_ready(url, server, log)
            yield
        finally:
            server.terminate()
        if code := server.wait(SECONDS_TO_START):
            raise SystemExit(f"the server ended with {code} after SIGTERM; its log is {log}")


def find_free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + SECONDS_TO_START
    while server.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5):
            return
        time.sleep(0.1)
    raise SystemExit(f"the server does not get ready:\n{log.read_text('utf-8')}")


if __name__ == "__main__":
    main(sys.argv[1:])
