"""variants -> ColdStartMeasurement: seconds from a fresh process to its first answer, ours and a bare script's."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mtl_bench.processes.interleave import run_interleaved
from mtl_bench.studies.runtime.context import StudyContext
from mtl_bench.studies.runtime.overhead import SHORT_TEXT
from mtl_bench.studies.runtime.results import ColdStartMeasurement, TargetCheck, current_circumstances
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import logits_output
from mtl_runtime.errors import CheckFailedError
from mtl_runtime.inference.settings import ClassifierInfo
from mtl_runtime.providers.registry import PROVIDERS

__all__ = ["TARGET_SECONDS", "cold_start_checks", "measure_cold_start", "time_first_answer"]

TARGET_SECONDS = 0.12

Seconds = Mapping[str, Sequence[float]]
Commands = Mapping[str, Mapping[str, Sequence[str]]]  # by variant and side

_log = logging.getLogger(__name__)
_OURS, _BARE, _BARE_WITH_CACHE = "ours", "bare", "bare with a warm cache"

_OUR_SCRIPT = """
import sys
from mtl_runtime import load
bundle, variant, text = sys.argv[1:]
prediction = load(bundle, variant=variant)(text)
print(*(prediction[task].label for task in prediction), sep="\\t", flush=True)
"""
# The script of somebody who knows the graph: nothing is checked, onnxruntime has its default settings. The provider's
# options are those of the variant, for another precision would be another graph.
_BARE_SCRIPT = """
import json, sys
import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer
arguments, text = json.loads(sys.argv[1]), sys.argv[2]
options, providers = ort.SessionOptions(), {"providers": [(arguments["provider"], arguments["options"])]}
if arguments["provider"] not in ort.get_available_providers():
    import importlib
    plugin = importlib.import_module(arguments["plugin"])
    ort.register_execution_provider_library(arguments["plugin"], plugin.get_library_path())
    device = next(d for d in ort.get_ep_devices() if d.ep_name == arguments["provider"])
    options.add_provider_for_devices([device], arguments["options"])
    providers = {}
session = ort.InferenceSession(arguments["graph"], options, **providers)
encoding = Tokenizer.from_file(arguments["tokenizer"]).encode(text)
fields = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask, "token_type_ids": encoding.type_ids}
feed = {name: np.array([fields[name]], dtype=np.int64) for name in arguments["inputs"]}
rows = session.run(arguments["outputs"], feed)
print(*(labels[row[0].argmax()] for labels, row in zip(arguments["labels"], rows)), sep="\\t", flush=True)
"""


def measure_cold_start(context: StudyContext) -> ColdStartMeasurement:
    """Start fresh processes of all kinds in turn; the first of each only fills the caches."""
    circumstances = current_circumstances(context.sentences)
    commands = {variant: _commands(context.bundle, variant, context.folder) for variant in context.variants}
    runs = {
        f"{variant} {side}": partial(time_first_answer, command)
        for variant, sides in commands.items()
        for side, command in sides.items()
    }
    _log.info("cold start: fresh processes: %s", ", ".join(runs))
    _check_same_answers(run_interleaved(runs, rounds=1), commands)
    starts = run_interleaved(runs, rounds=context.effort.launches, stage="cold start")
    seconds = {
        side: {
            variant: tuple(seconds for seconds, _ in starts[f"{variant} {side}"])
            for variant, sides in commands.items()
            if side in sides
        }
        for side in (_OURS, _BARE, _BARE_WITH_CACHE)
    }
    return ColdStartMeasurement(
        circumstances=circumstances,
        checks=tuple(cold_start_checks(seconds[_OURS], seconds[_BARE], seconds[_BARE_WITH_CACHE])),
        text=SHORT_TEXT,
        ours=seconds[_OURS],
        bare=seconds[_BARE],
        bare_with_cache=seconds[_BARE_WITH_CACHE],
    )


def cold_start_checks(ours: Seconds, bare: Seconds, bare_with_cache: Seconds) -> Iterator[TargetCheck]:
    """How much later the first answer comes than a bare script's; all three: variant -> seconds by round."""
    for script, by_variant in (("a bare script", bare), ("a bare script with a warm cache", bare_with_cache)):
        for variant, seconds in by_variant.items():
            delays = tuple(own - other for own, other in zip(ours[variant], seconds, strict=True))
            what = f"first answer of a fresh process above {script}, {variant}"
            yield TargetCheck.of(what, "s", delays, at_most=TARGET_SECONDS)


def _commands(bundle: Bundle, variant: str, folder: Path) -> dict[str, list[str]]:
    info = load(bundle.path, variant=variant).info

    def bare(options: Mapping[str, str]) -> list[str]:
        arguments = json.dumps(_script_arguments(bundle, info, options))
        return [sys.executable, "-c", _BARE_SCRIPT, arguments, SHORT_TEXT]

    commands = {_OURS: [sys.executable, "-c", _OUR_SCRIPT, str(bundle.path), variant, SHORT_TEXT], _BARE: bare({})}
    option = PROVIDERS[bundle.manifest.variants[variant].provider].cache_option
    if option is not None:
        commands[_BARE_WITH_CACHE] = bare({option: str(folder / f"{variant}-cache")})
    return commands


def _script_arguments(bundle: Bundle, info: ClassifierInfo, options: Mapping[str, str]) -> Mapping[str, Any]:
    """Everything that the bare script knows beforehand; ``options`` are further ones of the provider."""
    manifest, spec = bundle.manifest, bundle.manifest.variants[info.variant]
    provider = PROVIDERS[spec.provider]
    all_options = {**provider.defaults, **spec.provider_options, **options}
    return {
        "provider": provider.ort_name,
        "plugin": provider.plugin,
        "options": provider.encode(all_options, info.threads, info.workers),
        "graph": str(bundle.path / spec.graph),
        "tokenizer": str(bundle.path / "tokenizer.json"),
        "inputs": manifest.inputs,
        "outputs": [logits_output(task.name) for task in manifest.tasks],
        "labels": [task.labels for task in manifest.tasks],
    }


def time_first_answer(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Seconds from the start of the process to its answer, and the answer; its end is not counted."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment) as process:
        assert process.stdout is not None  # noqa: S101 - Popen was asked for a pipe
        answer = process.stdout.readline().strip()
        seconds = time.perf_counter() - start
    if process.returncode:
        raise CheckFailedError(f"a fresh process failed with code {process.returncode}; see stderr")
    return seconds, answer


def _check_same_answers(first: Mapping[str, Sequence[tuple[float, str]]], commands: Commands) -> None:
    for variant, sides in commands.items():
        answers = {side: first[f"{variant} {side}"][0][1] for side in sides}
        if len(set(answers.values())) != 1 or not all(answers.values()):
            raise CheckFailedError(f"{variant}: different answers on the same graph: {answers}")
