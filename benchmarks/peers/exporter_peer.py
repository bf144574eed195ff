"""kit -> transformers' own ONNX exporter: one graph for all tasks, run by plain onnxruntime."""

from pathlib import Path
from typing import Any

from driver_kit import Kit, answer_in_batches, cores, make_system, versions

from mtl_bench.worker.system import SystemDriver


def prepare(*, kit: str, folder: str, int8: bool = False, **_: Any) -> None:
    """Export with the fusions for onnxruntime's CPU provider into ``folder``; ``int8``: quantize dynamically."""
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.exporters import OnnxConfig, OnnxExporter, OnnxRuntimeDynamicConfig, OnnxRuntimeQuantizer

    source = Kit.read(kit).folder / "multi-task"
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModel.from_pretrained(source, trust_remote_code=True).eval()
    # Several texts of several tokens, so that the export takes neither axis for a constant.
    inputs = dict(tokenizer(["a sentence", "and another, longer one"], padding=True, return_tensors="pt"))
    batch, sequence = torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC
    config = OnnxConfig(
        dynamic_shapes={name: {0: batch, 1: sequence} for name in inputs},
        ort_fusions="cpu",
        quantizer=OnnxRuntimeQuantizer(OnnxRuntimeDynamicConfig()) if int8 else None,
    )
    OnnxExporter().export(model, inputs, config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def open(*, kit: str, folder: str, order: str, **_: Any) -> SystemDriver:
    """One session on all allowed cores.

    Args:
        kit: folder that kit.py wrote.
        folder: that :func:`prepare` wrote.
        order: of texts in batches: ``arrival`` or ``by length``.
    """
    import onnxruntime
    from transformers import AutoTokenizer

    read = Kit.read(kit)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    session = onnxruntime.InferenceSession(Path(folder) / "model.onnx", options, providers=["CPUExecutionProvider"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    input_names = [value.name for value in session.get_inputs()]
    output_names = [value.name for value in session.get_outputs()]

    def run(texts: list[str]) -> dict[str, Any]:
        inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="np")
        return dict(zip(output_names, session.run(None, {name: inputs[name] for name in input_names}), strict=True))

    facts = {"threads": str(cores()), "order": order, **versions("transformers", "onnxruntime")}
    return make_system(answer_in_batches(read, run, by_length=order == "by length"), facts)
