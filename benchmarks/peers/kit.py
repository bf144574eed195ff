"""checkpoint + bundle -> build/peers/kit: the same trained weights in every form that the other systems read.

python benchmarks/peers/kit.py CHECKPOINT BUNDLE -o build/peers/kit

kit.json                          tasks, max_length, pooling; which bundle they belong to
encoder/                          what AutoModel and AutoTokenizer load
heads.safetensors                 <task>.<weight>
training_rows.jsonl               text and labels by task; absent where the checkpoint's files have changed since
multi-task/                       encoder and all heads, as remote code for AutoModel
sequence-classification/<task>/   encoder and one head, for AutoModelForSequenceClassification
sentence-transformers/            encoder and pooling; absent for the pooling "pooler", which they do not have
"""

import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import safetensors.torch
import torch

from mtl_export.checkpoint import Checkpoint, load_checkpoint
from mtl_export.errors import CheckpointError
from mtl_export.gate.comparison_data import data_from_checkpoint
from mtl_export.model import ModelSpec, MultiTaskModel
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.atomic_folder import atomic_folder
from mtl_runtime.errors import MtlError

_CODE = Path(__file__).with_name("modeling_kit.py")
_FAMILY_LINE = 'FAMILY = "bert"\n'
_PROBLEMS = {
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}
_ST_POOLINGS = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
# The names that published tokenizers give their special tokens; the vocabulary shows which of them it has.
_SPECIAL = {
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
}

Weights = Mapping[str, torch.Tensor]


def write_kit(checkpoint: Checkpoint, bundle: Bundle, target: Path) -> None:
    """Write the folder ``target``, completely or not at all; an earlier one is replaced.

    Raises:
        MtlError: bundle and checkpoint do not have the same tasks.
    """
    spec, state = checkpoint.record.model, checkpoint.model.state_dict()
    if [task.name for task in spec.tasks] != [task.name for task in bundle.manifest.tasks]:
        raise MtlError(f"{bundle.path} was not exported from {checkpoint.path}: their tasks differ")
    encoder = _rename(state, "encoder.", "")
    backbone = _rename(state, "encoder.", "backbone.")
    heads = {task.name: _in_unit(task, _rename(state, f"heads.task_{task.name}.", "")) for task in spec.tasks}
    with atomic_folder(target, replace=True) as folder:
        _write(folder / "kit.json", _facts(spec, bundle))
        by_name = {f"{task}.{name}": tensor for task, own in heads.items() for name, tensor in own.items()}
        _save(by_name, folder / "heads.safetensors")
        _write_training_rows(folder / "training_rows.jsonl", checkpoint)
        _model(folder / "encoder", checkpoint.model, encoder, {})
        _model(folder / "multi-task", checkpoint.model, {**backbone, **_heads(heads)}, _multi_task(spec))
        for task in spec.tasks:
            weights = {**backbone, **{f"head.{name}": tensor for name, tensor in heads[task.name].items()}}
            _model(folder / "sequence-classification" / task.name, checkpoint.model, weights, _one_task(spec, task))
        if spec.encoder.pooling in _ST_POOLINGS:
            _sentence_transformers(folder / "sentence-transformers", checkpoint.model, encoder)


def _facts(spec: ModelSpec, bundle: Bundle) -> Mapping[str, Any]:
    tasks = [
        {
            "name": task.name,
            "kind": task.kind,
            "labels": task.labels,
            "thresholds": task.thresholds,
            "temperature": task.temperature,
            "head": spec.heads[task.name].kind,
        }
        for task in spec.tasks
    ]
    encoder = spec.encoder
    facts = {"max_length": encoder.max_length, "pooling": encoder.pooling, "family": encoder.family}
    return {"bundle": bundle.digest, "tasks": tasks, **facts}


def _write_training_rows(file: Path, checkpoint: Checkpoint) -> None:
    """For a peer that is another model, and has to be trained on what this one was."""
    try:
        examples = data_from_checkpoint(checkpoint, "train").examples
    except CheckpointError:
        return
    rows = (json.dumps({"text": row.text, "labels": dict(row.labels)}, ensure_ascii=False) for row in examples)
    file.write_text("".join(f"{row}\n" for row in rows), "utf-8")


def _multi_task(spec: ModelSpec) -> Mapping[str, Any]:
    tasks = [{"name": task.name, "width": task.width, "head": spec.heads[task.name].kind} for task in spec.tasks]
    return {
        "architectures": ["MultiTaskClassifier"],
        "auto_map": {"AutoModel": "modeling_kit.MultiTaskClassifier"},
        "kit_pooling": spec.encoder.pooling,
        "kit_tasks": tasks,
    }


def _one_task(spec: ModelSpec, task: TaskSpec) -> Mapping[str, Any]:
    labels = task.labels or ("value",)
    return {
        "architectures": ["KitForSequenceClassification"],
        "auto_map": {"AutoModelForSequenceClassification": "modeling_kit.KitForSequenceClassification"},
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": _PROBLEMS[task.kind],
        "kit_pooling": spec.encoder.pooling,
        "kit_head": spec.heads[task.name].kind,
    }


def _model(folder: Path, model: MultiTaskModel, weights: Weights, changes: Mapping[str, Any]) -> None:
    """A folder as on the hub: config, weights, tokenizer, and the code where ``changes`` name a class of it."""
    folder.mkdir(parents=True)
    config = {**model.spec.encoder_config, **changes}
    for name in ("transformers_version", "_name_or_path"):
        config.pop(name, None)
    _write(folder / "config.json", config)
    _save(weights, folder / "model.safetensors")
    _tokenizer(folder, model)
    if "auto_map" in changes:
        code = _CODE.read_text("utf-8")
        own = code.replace(_FAMILY_LINE, f'FAMILY = "{model.spec.encoder.family}"\n')
        (folder / _CODE.name).write_text(own, "utf-8")


def _tokenizer(folder: Path, model: MultiTaskModel) -> None:
    content = model.tokenizer.to_json()
    (folder / "tokenizer.json").write_bytes(content)
    vocabulary = json.loads(content)["model"]["vocab"]
    by_id = {index: token for token, index in vocabulary.items()} if isinstance(vocabulary, dict) else {}
    pad = by_id.get(model.spec.encoder.pad_id, "[PAD]")
    special = {name: next((token for token in names if token in vocabulary), None) for name, names in _SPECIAL.items()}
    module: Any = model.encoder
    takes_types = "token_type_ids" in inspect.signature(module.forward).parameters
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": model.spec.encoder.max_length,
            "model_input_names": ["input_ids", "attention_mask", *(["token_type_ids"] if takes_types else [])],
            "pad_token": pad,
            **{name: token for name, token in special.items() if token is not None},
        },
    )


def _sentence_transformers(folder: Path, model: MultiTaskModel, encoder: Weights) -> None:
    spec = model.spec.encoder
    _model(folder, model, encoder, {})
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": spec.max_length, "do_lower_case": False})
    (folder / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{name}": pooling == spec.pooling for pooling, name in _ST_POOLINGS.items()}
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": spec.hidden_size, **modes})


def _heads(heads: Mapping[str, Weights]) -> Weights:
    return {f"heads.task_{task}.{name}": tensor for task, own in heads.items() for name, tensor in own.items()}


def _in_unit(task: TaskSpec, head: Weights) -> Weights:
    """The head with a regression's standardization in its last layer: peers take the logit for the number."""
    if (scale := task.standardization) is None:
        return head
    changed = {
        "output.weight": head["output.weight"] * scale.deviation,
        "output.bias": head["output.bias"] * scale.deviation + scale.mean,
    }
    return {**head, **changed}


def _rename(state: Weights, prefix: str, instead: str) -> Weights:
    return {instead + name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _save(weights: Weights, file: Path) -> None:
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file, {"format": "pt"})


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(checkpoint: Path, bundle: Path, output: Path) -> None:
    """Write the weights of CHECKPOINT, which BUNDLE was exported from, in the forms that peers read."""
    try:
        write_kit(load_checkpoint(checkpoint), Bundle.open(bundle), output)
    except MtlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    print(f"{output} is written")


if __name__ == "__main__":
    main()
