"""The servers that are compared: how each is started, and what it is asked for a sentence."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_bench.studies.serving.http_client import Request

__all__ = ["OURS", "SERVERS", "ComparedServer", "ServedBundle"]

_PEERS = Path(__file__).parents[3] / "peers"
_ENVIRONMENTS = Path(__file__).parents[4] / "build" / "peers"
OURS = "mtl-serve"


@dataclass(frozen=True, slots=True)
class ServedBundle:
    """What all servers serve."""

    bundle: Path
    kit: Path  # the same weights for other servers, as benchmarks/peers/kit.py writes it
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedServer:
    """One row: with the settings that its documentation recommends, on one core."""

    title: str
    docs: str | None  # page of the settings; None: ours
    packages: Path | None  # environment; None: this one
    command: Callable[[ServedBundle, int], Sequence[str]]  # bundle and port -> command line
    requests: Callable[[ServedBundle, str], Sequence[Request]]  # sentence -> requests that answer all of its tasks
    variables: Mapping[str, str]


def _ours(served: ServedBundle, port: int) -> Sequence[str]:
    start = "from mtl_runtime.cli.app import main; main()"
    return (sys.executable, "-c", start, "serve", str(served.bundle), "--port", str(port))


def _script(environment: str, name: str) -> Callable[[ServedBundle, int], Sequence[str]]:
    def command(served: ServedBundle, port: int) -> Sequence[str]:
        python = _ENVIRONMENTS / environment / "bin" / "python"
        return (str(python), str(_PEERS / "servers" / name), str(served.kit), str(port))

    return command


def _infinity(served: ServedBundle, port: int) -> Sequence[str]:
    models = [
        part
        for task in served.tasks
        for part in (
            *("--model-id", str(served.kit / "sequence-classification" / task), "--served-model-name", task),
            *("--engine", "torch", "--device", "cpu", "--dtype", "float32", "--batch-size", "64"),
            *("--trust-remote-code", "--no-bettertransformer"),
        )
    ]
    python = _ENVIRONMENTS / "infinity" / "bin" / "python"
    return (str(python), "-m", "infinity_emb.cli", "v2", "--host", "127.0.0.1", "--port", str(port), *models)


def _predict(_: ServedBundle, sentence: str) -> Sequence[Request]:
    return [Request("/predict", {"text": sentence})]


# Of the libraries of numbers, which would otherwise start a thread for each core of the machine.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}

SERVERS: Mapping[str, ComparedServer] = {
    OURS: ComparedServer(
        title="`mtl serve`",
        docs=None,
        packages=None,
        command=_ours,
        requests=lambda _, sentence: [Request("/v1/predict", {"texts": [sentence]})],
        variables={},
    ),
    "fastapi-pipeline": ComparedServer(
        title="FastAPI with a transformers pipeline per task",
        docs="https://huggingface.co/docs/transformers/main/en/pipeline_webserver",
        packages=_ENVIRONMENTS / "serving",
        command=_script("serving", "fastapi_server.py"),
        requests=_predict,
        variables=_ONE_THREAD,
    ),
    "litserve": ComparedServer(
        title="LitServe, batches of up to 64, a PyTorch model per task",
        docs="https://lightning.ai/docs/litserve/features/batching",
        packages=_ENVIRONMENTS / "serving",
        command=_script("serving", "litserve_server.py"),
        requests=_predict,
        variables=_ONE_THREAD,
    ),
    "infinity": ComparedServer(
        title="infinity on torch, a model per task, a request each",
        docs="https://michaelfeil.eu/infinity/latest/cli_v2/",
        packages=_ENVIRONMENTS / "infinity",
        command=_infinity,
        requests=lambda served, sentence: [
            Request("/classify", {"model": task, "input": [sentence]}) for task in served.tasks
        ],
        variables=_ONE_THREAD,
    ),
}
