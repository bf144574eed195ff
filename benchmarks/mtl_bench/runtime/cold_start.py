"""variants -> ColdStart: seconds from a fresh process to its first answer, ours beside a bare script."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mtl_bench.rounds import interleaved
from mtl_bench.runtime.bench import Bench
from mtl_bench.runtime.overhead import SHORT_TEXT
from mtl_bench.runtime.results import ColdStart, Line, circumstances
from mtl_runtime import load
from mtl_runtime.bundle import Bundle
from mtl_runtime.errors import CheckFailedError
from mtl_runtime.manifest import logits_output
from mtl_runtime.providers import PROVIDERS

__all__ = ["WANTED_SECONDS", "cold_start"]

WANTED_SECONDS = 0.12

_OURS = """
import sys
from mtl_runtime import load
bundle, variant, text = sys.argv[1:]
prediction = load(bundle, variant=variant)(text)
print(*(prediction[task].label for task in prediction), sep="\\t", flush=True)
"""
# What someone writes who knows the graph: nothing is checked, onnxruntime's settings are as they come. The provider's
# options are those of the variant, for another precision would be another graph.
_BARE = """
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
    named = {
        f"{variant} {side}": partial(_first_answer, command)
        for variant in bench.variants
        for side, command in _commands(bench.bundle, variant, bench.folder).items()
    }
    bench.report(f"fresh processes: {', '.join(named)}")
    _check_alike(interleaved(named, rounds=1), bench.variants)
    done = interleaved(named, rounds=bench.amounts.processes, report=bench.report)
    ours = {variant: tuple(seconds for seconds, _ in done[f"{variant} ours"]) for variant in bench.variants}
    bare = {variant: tuple(seconds for seconds, _ in done[f"{variant} bare"]) for variant in bench.variants}
    return ColdStart(
        circumstances=now,
        lines=tuple(_line(variant, ours[variant], bare[variant]) for variant in bench.variants),
        text=SHORT_TEXT,
        ours=ours,
        bare=bare,
    )


def _line(variant: str, ours: Sequence[float], bare: Sequence[float]) -> Line:
    above = tuple(one - other for one, other in zip(ours, bare, strict=True))
    return Line.of(
        f"first answer of a fresh process above a bare script, {variant}", "s", above, at_most=WANTED_SECONDS
    )


def _commands(bundle: Bundle, variant: str, folder: Path) -> dict[str, list[str]]:
    given = json.dumps(_given(bundle, variant, folder))
    return {
        "ours": [sys.executable, "-c", _OURS, str(bundle.path), variant, SHORT_TEXT],
        "bare": [sys.executable, "-c", _BARE, given, SHORT_TEXT],
    }


def _given(bundle: Bundle, variant: str, folder: Path) -> Mapping[str, Any]:
    """All that the bare script knows beforehand."""
    manifest, spec = bundle.manifest, bundle.manifest.variants[variant]
    row = PROVIDERS[spec.provider]
    info = load(bundle.path, variant=variant).info
    options = {**row.defaults, **spec.provider_options}
    if row.cache_option is not None:
        options[row.cache_option] = str(folder / f"{variant}-cache")
    return {
        "provider": row.ort_name,
        "plugin": row.plugin,
        "options": row.encode(options, info.threads, info.workers),
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


def _check_alike(first: Mapping[str, Sequence[tuple[float, str]]], variants: Sequence[str]) -> None:
    for variant in variants:
        ((_, ours),), ((_, bare),) = first[f"{variant} ours"], first[f"{variant} bare"]
        if ours != bare or not ours:
            raise CheckFailedError(f"{variant}: ours answers {ours!r}, the bare script {bare!r}, on the same graph")
