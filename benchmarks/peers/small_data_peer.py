"""few labelled texts -> labels of other texts, by logistic regressions on frozen embeddings or by SetFit.

    python small_data_peer.py REQUEST ANSWER

REQUEST (JSON) holds method, encoder (a folder), max_length, seed, train (texts), train_labels (by task, one for each
of them) and texts; ANSWER gets labels (by task, one for each of the texts) and facts.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from driver_kit import cores, versions

Labels = Mapping[str, Sequence[str]]  # by task
Facts = Mapping[str, str]

# SetFit's paper draws 2 x 20 pairs for each row (Tunstall et al., arXiv:2209.11055). SetFit now takes all pairs, whose
# number grows with the square of the rows.
_PAIRS_PER_ROW = 40
_BATCH_SIZE = 16  # SetFit's default


def probe(request: Mapping[str, Any]) -> tuple[Labels, Facts]:
    """scikit-learn's LogisticRegression for each task on the frozen encoder's mean-pooled embeddings."""
    from sklearn.linear_model import LogisticRegression

    body = _body(request)
    train, test = (body.encode(request[texts], show_progress_bar=False) for texts in ("train", "texts"))
    labels = {
        task: LogisticRegression(max_iter=1000).fit(train, of_task).predict(test).tolist()
        for task, of_task in request["train_labels"].items()
    }
    return labels, versions("scikit-learn", "sentence-transformers", "torch")


def setfit(request: Mapping[str, Any]) -> tuple[Labels, Facts]:
    """A SetFit model for each task with the defaults of its documentation: an epoch of pairs, a logistic regression."""
    labels: dict[str, list[str]] = {}
    facts: dict[str, str] = {}
    for task, of_task in request["train_labels"].items():
        labels[task], steps = _setfit_labels(request, of_task)
        facts[f"steps of {task}"] = str(steps)
    return labels, {**facts, **versions("setfit", "sentence-transformers", "transformers", "torch", "scikit-learn")}


def _setfit_labels(request: Mapping[str, Any], train_labels: Sequence[str]) -> tuple[list[str], int]:
    """Labels of one task, and the number of training steps."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from setfit.sampler import ContrastiveDataset
    from sklearn.linear_model import LogisticRegression

    texts, names = request["train"], sorted(set(train_labels))
    numbers = [names.index(label) for label in train_labels]
    pairs = len(ContrastiveDataset(texts, numbers, multilabel=False))
    steps = -(-min(pairs, _PAIRS_PER_ROW * len(texts)) // _BATCH_SIZE)
    model = SetFitModel(model_body=_body(request), model_head=LogisticRegression(), labels=names)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            seed=request["seed"],
            report_to="none",
            save_strategy="no",
            show_progress_bar=False,
        )
        dataset = Dataset.from_dict({"text": texts, "label": numbers})
        Trainer(model=model, args=arguments, train_dataset=dataset).train()
    answers = model.predict(request["texts"], as_numpy=True, show_progress_bar=False)
    return [str(label) for label in answers], steps


METHODS = {"probe": probe, "setfit": setfit}


def _body(request: Mapping[str, Any]) -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    transformer = Transformer(request["encoder"], max_seq_length=request["max_length"])
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    return SentenceTransformer(modules=[transformer, pooling], device="cpu")


def main() -> None:
    """Answer the request."""
    import torch

    torch.set_num_threads(cores())
    request = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    labels, facts = METHODS[request["method"]](request)
    Path(sys.argv[2]).write_text(json.dumps({"labels": labels, "facts": facts}), "utf-8")


if __name__ == "__main__":
    main()
