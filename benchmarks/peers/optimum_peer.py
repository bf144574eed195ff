"""kit -> optimum-onnx: one ONNX graph for each task, optimized and quantized as its documentation shows."""

from pathlib import Path
from typing import Any

from driver_kit import Kit, answer_in_batches, cores, make_system, versions

from mtl_bench.worker.system import SystemDriver


def prepare(*, kit: str, folder: str, level: str | None = None, int8: bool = False, **_: Any) -> None:
    """Export each task's model into ``folder/<task>``, whose last graph is the one to be served.

    Args:
        kit: folder that kit.py wrote.
        folder: to write.
        level: of graph optimization, O1 to O3; None: as exported.
        int8: quantize dynamically for AVX-512 VNNI, after the optimization if there is one.
    """
    from optimum.onnxruntime import ORTModelForSequenceClassification, ORTOptimizer, ORTQuantizer
    from optimum.onnxruntime.configuration import AutoOptimizationConfig, AutoQuantizationConfig
    from transformers import AutoTokenizer

    read = Kit.read(kit)
    for task in read.tasks:
        target, source = Path(folder) / task.name, read.task_folder(task)
        model = ORTModelForSequenceClassification.from_pretrained(source, export=True, trust_remote_code=True)
        model.save_pretrained(target)
        AutoTokenizer.from_pretrained(source).save_pretrained(target)
        graph = target / "model.onnx"
        if level is not None:
            config = getattr(AutoOptimizationConfig, level)()
            ORTOptimizer.from_pretrained(model).optimize(save_dir=target, optimization_config=config)
            graph = _keep_newest(target, graph)
        if int8:
            config = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=False)
            quantizer = ORTQuantizer.from_pretrained(target, file_name=graph.name)
            quantizer.quantize(save_dir=target, quantization_config=config)
            _keep_newest(target, graph)


def _keep_newest(folder: Path, graph: Path) -> Path:
    """Remove the original graph, so that the new one is the only one."""
    (newest,) = (file for file in folder.glob("*.onnx") if file != graph)
    graph.unlink()
    return newest


def open(*, kit: str, folder: str, order: str, **_: Any) -> SystemDriver:
    """ORTModelForSequenceClassification for each task, on all allowed cores.

    Args:
        kit: folder that kit.py wrote.
        folder: that :func:`prepare` wrote.
        order: of texts in batches: ``arrival`` or ``by length``.
    """
    import onnxruntime
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer

    read = Kit.read(kit)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    models = {}
    for task in read.tasks:
        (graph,) = (Path(folder) / task.name).glob("*.onnx")
        models[task.name] = ORTModelForSequenceClassification.from_pretrained(
            graph.parent, file_name=graph.name, session_options=options
        )
    tokenizer = AutoTokenizer.from_pretrained(Path(folder) / read.tasks[0].name)

    def run(texts: list[str]) -> dict[str, Any]:
        inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="np")
        return {name: model(**inputs).logits for name, model in models.items()}

    facts = {"threads": str(cores()), "order": order, **versions("optimum-onnx", "onnxruntime", "transformers")}
    return make_system(answer_in_batches(read, run, by_length=order == "by length"), facts)
