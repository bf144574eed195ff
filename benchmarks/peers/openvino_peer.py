"""bundle -> OpenVINO's own API on its portable graph: several requests at a time, hint for throughput."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from driver_kit import Kit, batches_by_length, collect_labels, make_system, versions

from mtl_bench.worker.system import Labels, SystemDriver

_FIELDS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}


def prepare(*, kit: str, folder: str, graph: str, calibration: str | None = None, **_: Any) -> None:
    """Convert the graph into ``folder``.

    Args:
        kit: folder that kit.py wrote.
        folder: to write.
        graph: the bundle's portable graph.
        calibration: file of JSON lines with ``text``, to quantize with by NNCF's defaults for transformers; None: no.
    """
    import openvino as ov

    model = ov.convert_model(graph)
    if calibration is not None:
        import nncf

        lines = Path(calibration).read_text("utf-8").splitlines()
        encodings = Kit.read(kit).token_ids()([json.loads(line)["text"] for line in lines])
        names = [port.any_name for port in model.inputs]
        feeds = [_feed(names, [encoding]) for encoding in encodings]
        model = nncf.quantize(
            model,
            nncf.Dataset(feeds),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(feeds),
        )
    ov.save_model(model, Path(folder) / "model.xml", compress_to_fp16=False)


def open(*, kit: str, folder: str, precision: str, **_: Any) -> SystemDriver:
    """One compiled model and OpenVINO's queue of requests, as many as it chooses itself, batches sorted by length.

    Args:
        kit: folder that kit.py wrote.
        folder: that :func:`prepare` wrote.
        precision: of what is not int8: f32 or bf16.
    """
    import openvino as ov

    read = Kit.read(kit)
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}
    compiled = ov.Core().compile_model(Path(folder) / "model.xml", "CPU", settings)
    queue = ov.AsyncInferQueue(compiled)
    names = [port.any_name for port in compiled.inputs]
    encode = read.token_ids()

    def answer(texts: Sequence[str], size: int | None) -> Labels:
        encodings = encode(texts)
        done: list[tuple[Sequence[int], dict[str, Any]]] = []

        def collect(request: Any, indices: Sequence[int]) -> None:
            rows = {task.name: request.get_tensor(f"logits.{task.name}").data.copy() for task in read.tasks}
            done.append((indices, rows))

        queue.set_callback(collect)
        for indices in batches_by_length([len(encoding) for encoding in encodings], size):
            queue.start_async(_feed(names, [encodings[index] for index in indices]), indices)
        queue.wait_all()
        return collect_labels(read, len(texts), done)

    facts = {
        "requests": str(len(queue)),
        "streams": str(compiled.get_property("NUM_STREAMS")),
        "computes in": str(compiled.get_property("INFERENCE_PRECISION_HINT")),
        **versions("openvino"),
    }
    return make_system(answer, facts)


def _feed(names: Sequence[str], encodings: Sequence[Any]) -> dict[str, Any]:
    """The graph's inputs, int64 (B, T), padded with zeros on the right."""
    import numpy as np

    return {name: np.array(list(_pad(encodings, _FIELDS[name])), np.int64) for name in names}


def _pad(encodings: Sequence[Any], field: str) -> Iterator[list[int]]:
    width = max(len(encoding) for encoding in encodings)
    for encoding in encodings:
        values = getattr(encoding, field)
        yield values + [0] * (width - len(values))
