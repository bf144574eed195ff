"""kit -> SetFit: its sentence-transformers body and a multi-output head of scikit-learn with the trained weights."""

from collections.abc import Sequence
from typing import Any

from driver_kit import Kit, PeerError, cores, make_system, versions
from sentence_peer import logistic

from mtl_bench.worker.system import Labels, SystemDriver


def open(*, kit: str) -> SystemDriver:
    """SetFitModel with ``multi_target_strategy="multi-output"`` on all allowed cores.

    Raises:
        PeerError: a task is not one label out of several, or a head is not linear.
    """
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel
    from sklearn.multioutput import MultiOutputClassifier

    torch.set_num_threads(cores())
    read = Kit.read(kit)
    if other := [task.name for task in read.tasks if task.kind != "single_label"]:
        raise PeerError(f"SetFit's multi-output head gives one label for each task, which these are not: {other}")
    estimators = [logistic(*read.linear(task), task.labels) for task in read.tasks]
    head = MultiOutputClassifier(estimators[0])
    head.estimators_, head.classes_ = estimators, [model.classes_ for model in estimators]
    body = SentenceTransformer(str(read.folder / "sentence-transformers"), device="cpu")
    model = SetFitModel(model_body=body, model_head=head, multi_target_strategy="multi-output")

    def answer(texts: Sequence[str], size: int | None) -> Labels:
        columns: Any = np.asarray(
            model.predict(list(texts), batch_size=size or 32, as_numpy=True, show_progress_bar=False)
        )
        return {task.name: columns[:, index].tolist() for index, task in enumerate(read.tasks)}

    facts = {"threads": str(cores()), **versions("setfit", "sentence-transformers", "torch", "scikit-learn")}
    return make_system(answer, facts)
