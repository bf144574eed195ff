"""variants -> ColdStart: seconds from a fresh process to its first answer, ours beside a bare script."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mtl_runtime.inference.options import ClassifierInfo

from mtl_bench.processes.interleave import interleaved
from mtl_bench.studies.runtime.bench import Bench
from mtl_bench.studies.runtime.overhead import SHORT_TEXT
from mtl_bench.studies.runtime.results import ColdStart, Line, circumstances
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import logits_output
from mtl_runtime.errors import CheckFailedError
from mtl_runtime.providers.registry import PROVIDERS

__all__ = ["WANTED_SECONDS", "cold_start", "cold_start_lines"]

WANTED_SECONDS = 0.12

Seconds = Mapping[str, Sequence[float]]

# What is started.
_OURS, _BARE, _BARE_WITH_CACHE = "ours", "bare", "bare with a warm cache"

_OUR_SCRIPT = """
import sys
from mtl_runtime import load
bundle, variant, text = sys.argv[1:]
prediction = load(bundle, variant=variant)(text)
print(*(prediction[task].label for task in prediction), sep="\\t", flush=True)
"""
# What someone writes who knows the graph: nothing is checked, onnxruntime's settings are as they come. The provider's
# options are those of the variant, for another precision would be another graph.
_BARE_SCRIPT = """
import json, sys
import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer
given, text = json.loads(sys.argv[1]), sys.argv[2]
options, chosen = ort.SessionOptions(), {"providers": [(given["provider"], given["options"])]}
if given["provider"] not in ort.get_available_providers():
    import importlib
    plugin = importlib.import_module(given["plugin"])
    ort.register_execution_provider_library(given["plugin"], plugin.get_library_path())
    device = next(d for d in ort.get_ep_devices() if d.ep_name == given["provider"])
    options.add_provider_for_devices([device], given["options"])
    chosen = {}
session = ort.InferenceSession(given["graph"], options, **chosen)
encoding = Tokenizer.from_file(given["tokenizer"]).encode(text)
fields = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask, "token_type_ids": encoding.type_ids}
feed = {name: np.array([fields[name]], dtype=np.int64) for name in given["inputs"]}
rows = session.run(given["outputs"], feed)
print(*(labels[row[0].argmax()] for labels, row in zip(given["labels"], rows)), sep="\\t", flush=True)
"""


def cold_start(bench: Bench) -> ColdStart:
    """Start fresh processes of all kinds in turn; the first of each only fills the caches."""
    now = circumstances(bench.sentences)
    commands = {variant: _commands(bench.bundle, variant, bench.folder) for variant in bench.variants}
    named = {
        f"{variant} {side}": partial(_first_answer, command)
        for variant, sides in commands.items()
        for side, command in sides.items()
    }
    bench.report(f"fresh processes: {', '.join(named)}")
    _check_alike(interleaved(named, rounds=1), commands)
    done = interleaved(named, rounds=bench.amounts.processes, report=bench.report)
    seconds = {
        side: {
            variant: tuple(seconds for seconds, _ in done[f"{variant} {side}"])
            for variant, sides in commands.items()
            if side in sides
        }
        for side in (_OURS, _BARE, _BARE_WITH_CACHE)
    }
    return ColdStart(
        circumstances=now,
        lines=tuple(cold_start_lines(seconds[_OURS], seconds[_BARE], seconds[_BARE_WITH_CACHE])),
        text=SHORT_TEXT,
        ours=seconds[_OURS],
        bare=seconds[_BARE],
        bare_with_cache=seconds[_BARE_WITH_CACHE],
    )


def cold_start_lines(ours: Seconds, bare: Seconds, bare_with_cache: Seconds) -> Iterator[Line]:
    """How much later the first answer comes than a bare script's; all three: variant -> seconds by round."""
    for script, theirs in (("a bare script", bare), ("a bare script with a warm cache", bare_with_cache)):
        for variant, others in theirs.items():
            above = tuple(one - other for one, other in zip(ours[variant], others, strict=True))
            what = f"first answer of a fresh process above {script}, {variant}"
            yield Line.of(what, "s", above, at_most=WANTED_SECONDS)


def _commands(bundle: Bundle, variant: str, folder: Path) -> dict[str, list[str]]:
    info = load(bundle.path, variant=variant).info

    def bare(more: Mapping[str, str]) -> list[str]:
        return [sys.executable, "-c", _BARE_SCRIPT, json.dumps(_given(bundle, info, more)), SHORT_TEXT]

    commands = {_OURS: [sys.executable, "-c", _OUR_SCRIPT, str(bundle.path), variant, SHORT_TEXT], _BARE: bare({})}
    option = PROVIDERS[bundle.manifest.variants[variant].provider].cache_option
    if option is not None:
        commands[_BARE_WITH_CACHE] = bare({option: str(folder / f"{variant}-cache")})
    return commands


def _given(bundle: Bundle, info: ClassifierInfo, more: Mapping[str, str]) -> Mapping[str, Any]:
    """All that the bare script knows beforehand; ``more`` are further options of the provider."""
    manifest, spec = bundle.manifest, bundle.manifest.variants[info.variant]
    row = PROVIDERS[spec.provider]
    return {
        "provider": row.ort_name,
        "plugin": row.plugin,
        "options": row.encode({**row.defaults, **spec.provider_options, **more}, info.threads, info.workers),
        "graph": str(bundle.path / spec.graph),
        "tokenizer": str(bundle.path / "tokenizer.json"),
        "inputs": manifest.inputs,
        "outputs": [logits_output(task.name) for task in manifest.tasks],
        "labels": [task.labels for task in manifest.tasks],
    }


def _first_answer(command: Sequence[str]) -> tuple[float, str]:
    """Seconds from the start of the process to its answer, and the answer; its end is not counted."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        answer = process.stdout.readline().strip()
        seconds = time.perf_counter() - start
    if process.returncode:
        raise CheckFailedError(f"a fresh process failed with code {process.returncode}; see stderr")
    return seconds, answer


def _check_alike(
    first: Mapping[str, Sequence[tuple[float, str]]], commands: Mapping[str, Mapping[str, Sequence[str]]]
) -> None:
    for variant, sides in commands.items():
        answers = {side: first[f"{variant} {side}"][0][1] for side in sides}
        if len(set(answers.values())) != 1 or not all(answers.values()):
            raise CheckFailedError(f"{variant}: different answers on the same graph: {answers}")
