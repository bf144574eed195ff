"""bundle + a list of its tasks -> a bundle with one head for each task of the list, copied from that task's head."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TypeVar

from mtl_bench.extras.head_graph import Head, with_heads
from mtl_bench.systems.optional_onnx import import_onnx
from mtl_runtime.bundle.bundle import Bundle, write_manifest
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden, render_golden
from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, FileSpec, Manifest, logits_output
from mtl_runtime.errors import MtlError, UnknownTaskError, UnknownVariantError

__all__ = ["round_robin", "with_copied_heads"]

T = TypeVar("T")

_CARD = """# Made for timing

A bundle whose heads are copies of another bundle's, made by mtl_bench. Of its variants it has the timed one alone.
"""


def round_robin(tasks: Sequence[str], count: int) -> list[str]:
    """``count`` of ``tasks``, in order and from the beginning again."""
    return list(islice(cycle(tasks), count))


def with_copied_heads(bundle: Bundle, variant: str, sources: Sequence[str], target: Path) -> Bundle:
    """Write a bundle with the tasks t1, t2, ... to the folder ``target``; each answers like the task it is copied from.

    The encoder is stored once, and each head has weights of its own. One task makes the bundle of a separate model.
    onnxruntime's CPU provider computes every head. OpenVINO seems to merge equal ones: logits of
    openvino-bf16 are rounded once more where a task was taken twice, and differ from the original's by that much.

    Args:
        bundle: any.
        variant: of it, and the only one of the new bundle, whatever its provider: the graph is rewritten, not run.
        sources: a task of ``bundle`` for each head, in order; the same one any number of times.
        target: a folder that is not there yet.

    Raises:
        UnknownVariantError, UnknownTaskError: the bundle has no such variant, or task.
        MtlError: the graph's weights lie outside it, as they do above 2 GB.
        MissingPackageError: onnx is not installed.
        IntegrityError: a file's bytes do not have the hash in the manifest.
    """
    manifest = bundle.manifest
    if variant not in manifest.variants:
        raise UnknownVariantError(variant, manifest.variants)
    names = [task.name for task in manifest.tasks]
    if unknown := [source for source in sources if source not in names]:
        raise UnknownTaskError(unknown[0], names)
    copied_from = {f"t{number}": source for number, source in enumerate(sources, 1)}
    contents = {
        manifest.variants[variant].graph: _graph(bundle, variant, copied_from),
        "tokenizer.json": bundle.read("tokenizer.json"),
        GOLDEN_NAME: _golden(bundle, copied_from),
        "MODEL_CARD.md": _CARD.encode(),
    }
    target.mkdir(parents=True)
    for name, data in contents.items():
        (target / name).write_bytes(data)
    files = {name: FileSpec.of(data) for name, data in sorted(contents.items())}
    return write_manifest(target, _manifest(manifest, variant, copied_from, files))


def _graph(bundle: Bundle, variant: str, copied_from: Mapping[str, str]) -> bytes:
    onnx = import_onnx()
    name = bundle.manifest.variants[variant].graph
    if bundle.external_data(name):
        raise MtlError(
            f"{variant}: the weights of {name} lie outside it, as they do above 2 GB, and heads of such graphs are not "
            f"copied; take a variant with a smaller graph, such as cpu-int8"
        )
    heads = [
        Head(dataclasses.replace(bundle.manifest.task(source), name=task), source)
        for task, source in copied_from.items()
    ]
    model = with_heads(onnx.load_model_from_string(bundle.read(name)), heads)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _golden(bundle: Bundle, copied_from: Mapping[str, str]) -> bytes:
    golden = parse_golden(bundle.read(GOLDEN_NAME))
    return render_golden(
        dataclasses.replace(text, logits={task: text.logits[source] for task, source in copied_from.items()})
        for text in golden
    )


def _manifest(old: Manifest, variant: str, copied_from: Mapping[str, str], files: Mapping[str, FileSpec]) -> Manifest:
    spec = old.variants[variant]
    return dataclasses.replace(
        old,
        tasks=tuple(dataclasses.replace(old.task(source), name=task) for task, source in copied_from.items()),
        outputs=(*map(logits_output, copied_from), EMBEDDING_OUTPUT),
        variants={
            variant: dataclasses.replace(spec, calibration=_by_copy(spec.calibration, copied_from), golden_answers=None)
        },
        files=files,
        gate=dataclasses.replace(old.gate, tasks=_by_copy(old.gate.tasks, copied_from)),
    )


def _by_copy(by_task: Mapping[str, T], copied_from: Mapping[str, str]) -> dict[str, T]:
    """Values by task -> values by copy."""
    return {task: by_task[source] for task, source in copied_from.items() if source in by_task}
