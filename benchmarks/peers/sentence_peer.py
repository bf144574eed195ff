"""kit -> sentence-transformers on one of its backends, and a scikit-learn head of the trained weights per task."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from driver_kit import GPU_SIZES, SIZES, Kit, PeerError, Task, cores, make_system, versions

from mtl_bench.worker.system import Labels, SystemDriver


def prepare(
    *,
    kit: str,
    folder: str,
    backend: str,
    level: str | None = None,
    int8: str | None = None,
    calibration: str | None = None,
    **_: Any,
) -> None:
    """Export the encoder for ``backend`` into ``folder``.

    Args:
        kit: folder that kit.py wrote.
        folder: to write.
        backend: onnx or openvino.
        level: onnx: of graph optimization, such as O3.
        int8: onnx: processor to quantize for dynamically, such as avx512_vnni.
        calibration: openvino: file of JSON lines with ``text``, to quantize statically with.
    """
    import sentence_transformers as library

    model = library.SentenceTransformer(_source(Kit.read(kit)), backend=backend, model_kwargs={"export": True})
    model.save_pretrained(folder)
    if level is not None:
        library.export_optimized_onnx_model(model, level, folder)
    if int8 is not None:
        library.export_dynamic_quantized_onnx_model(model, int8, folder)
    if calibration is not None:
        # datasets takes a folder for a data set, with all files in it.
        with tempfile.TemporaryDirectory() as texts:
            shutil.copy(calibration, Path(texts) / "train.jsonl")
            library.export_static_quantized_openvino_model(model, None, folder, texts, "default", "train", "text")


def open(
    *,
    kit: str,
    backend: str,
    precision: str,
    folder: str | None = None,
    file: str | None = None,
    device: str = "cpu",
    **_: Any,
) -> SystemDriver:
    """One encoder on all allowed cores, or on a GPU; it sorts texts by length itself.

    Args:
        kit: folder that kit.py wrote.
        backend: of sentence-transformers: torch, onnx or openvino.
        folder: that :func:`prepare` wrote; None: the kit's own, which torch reads.
        file: graph in it.
        precision: torch's name of its weights' type, or OpenVINO's of what it computes in; onnx: as the graph.
        device: torch's name of it.

    Raises:
        PeerError: the kit's pooling or a head cannot be expressed.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(cores())
    read = Kit.read(kit)
    model = SentenceTransformer(
        folder or _source(read), backend=backend, device=device, model_kwargs=_arguments(backend, file, precision)
    )
    heads = {task.name: sklearn_head(read, task) for task in read.tasks}

    def answer(texts: Sequence[str], size: int | None) -> Labels:
        # bfloat16 has no numpy type, and scikit-learn computes in double precision anyway.
        tensor = model.encode(list(texts), batch_size=size or 32, show_progress_bar=False, convert_to_tensor=True)
        embeddings = tensor.float().cpu().numpy()
        return {name: head(embeddings) for name, head in heads.items()}

    library = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}[backend]
    facts = {"threads": str(cores()), **versions("sentence-transformers", library, "scikit-learn", "transformers")}
    return make_system(answer, facts, sizes=SIZES if device == "cpu" else GPU_SIZES)


def _source(kit: Kit) -> str:
    folder = kit.folder / "sentence-transformers"
    if not folder.is_dir():
        raise PeerError(f"sentence-transformers has no pooling {kit.pooling!r}")
    return str(folder)


def _arguments(backend: str, file: str | None, precision: str) -> dict[str, Any]:
    import torch

    if backend == "torch":
        return {"dtype": getattr(torch, precision)}
    arguments: dict[str, Any] = {"file_name": file}
    if backend == "openvino":
        # By default it takes bf16 wherever the processor has it.
        arguments |= {"ov_config": {"INFERENCE_PRECISION_HINT": precision}}
    if backend == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        arguments |= {"provider": "CPUExecutionProvider", "session_options": options}
    return arguments


def sklearn_head(kit: Kit, task: Task) -> Callable[[Any], list[Any]]:
    """Embeddings (B, H) -> answers, through scikit-learn's linear models.

    Raises:
        PeerError: the head is no linear layer.
    """
    from sklearn.linear_model import LinearRegression

    weight, bias = kit.linear(task)
    if task.kind == "single_label":
        model = logistic(weight, bias, task.labels)
        return lambda embeddings: model.predict(embeddings).tolist()
    if task.kind == "regression":
        line = LinearRegression()
        line.coef_, line.intercept_, line.n_features_in_ = weight[0], bias[0], weight.shape[1]
        return lambda embeddings: [float(value) for value in line.predict(embeddings)]
    # decision_function is the logits; each label has a threshold of its own, which predict does not know.
    several = logistic(weight, bias, task.labels) if len(task.labels) > 2 else None
    return lambda embeddings: task.answers(
        several.decision_function(embeddings) if several is not None else embeddings @ weight.T + bias
    )


def logistic(weight: Any, bias: Any, labels: Sequence[str]) -> Any:
    """A fitted LogisticRegression that holds ``weight`` (width, H) and ``bias`` (width,)."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression()
    if len(labels) == 2:  # scikit-learn keeps the difference to the first class alone
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    model.classes_ = np.asarray(labels)
    model.coef_, model.intercept_, model.n_features_in_ = weight, bias, weight.shape[1]
    return model
