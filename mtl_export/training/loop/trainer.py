"""Extend transformers' Trainer where it must know several tasks: sampler, normalizers, optimizer, metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from torch import nn
from transformers import EvalPrediction, Trainer, TrainingArguments

from mtl_export.checkpoint import TrainingPlan
from mtl_export.config import Config
from mtl_export.errors import ConfigError
from mtl_export.model import MultiTaskModel
from mtl_export.model.losses import MultiTaskLoss
from mtl_export.training.loop.history import LOSS, SCORE, SELECTION
from mtl_export.training.loop.sampler import MixedLengthSampler
from mtl_export.training.loop.selection import is_as_good, read_scores
from mtl_export.upstream import TRAINER_OVERRIDES, check_overrides
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import TaskMetrics, score, task_metrics
from mtl_runtime.dataset.targets import has_label

__all__ = ["MultiTaskTrainer", "TrainedModule", "training_arguments"]


class TrainedModule(nn.Module):
    """The model with its loss, as a single module: so learnt loss weights are trained, saved and synchronized too.

    Args:
        model: is trained in place.
        loss: of a step.
        dropout: as the model's config says; without it, the model stays in evaluation mode while it learns.
    """

    def __init__(self, model: MultiTaskModel, loss: MultiTaskLoss, *, dropout: bool = True) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.dropout = dropout

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation."""
        super().train(mode)
        self.model.train(mode and self.dropout)
        return self

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> dict[str, Any]:
        """Logits by task, in the shape that the Trainer gathers, and while training embeddings for the loss."""
        output = self.model(input_ids, attention_mask, token_type_ids)
        if self.training and self.loss.needs_embeddings:
            return {"logits": output.logits, "embeddings": output.sentence_embedding}
        return {"logits": output.logits}


class MultiTaskTrainer(Trainer):
    """Trainer with MixedLengthSampler, a loss normalizer per task, and learning rates for encoder and heads."""

    def __init__(self, *, config: Config, plan: TrainingPlan, tasks: Sequence[TaskSpec], **arguments: Any) -> None:
        check_overrides(Trainer, TRAINER_OVERRIDES)
        self._config = config
        self.plan = plan
        self.tasks = tuple(tasks)
        self.start_score: float | None = None  # of the model before the first step, where that is measured
        self.trained: TrainedModule = arguments["model"]
        super().__init__(compute_metrics=self._evaluate_predictions, compute_loss_func=self.trained.loss, **arguments)

    @property
    def validation_rows(self) -> int:
        """Labelled validation rows of the task that has the fewest."""
        dataset: Any = self.eval_dataset
        return min((int(has_label(of_task).sum()) for of_task in dataset.targets.values()), default=0)

    # The next two methods are private to transformers: see upstream.TRAINER_OVERRIDES.

    def _get_train_sampler(self, train_dataset: Any = None) -> MixedLengthSampler:
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        return MixedLengthSampler(
            [len(tokens) for tokens in rows.tokens],
            rows.sources,
            batch_size=self.plan.batch_size,
            seed=self._config.training.seed,
            temperature=self._config.data.temperature,
        )

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor | None:
        """Normalizers by task, over all micro-batches and all processes of an optimizer step."""
        if not batch_samples or "labels" not in batch_samples[0]:
            return None
        own = self.trained.loss.normalizers([batch["labels"] for batch in batch_samples]).to(device)
        if self.args.world_size == 1:
            return own
        total: torch.Tensor = self.accelerator.gather(own.unsqueeze(0)).sum(dim=0)
        return total

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW with two learning rates; biases and norms have no weight decay.

        Fused: one pass over weights, gradients and moments. torch's default makes a pass for each operation, which on
        a CPU takes a quarter of a step, most of it for the rows of the embedding table.
        """
        if self.optimizer is None:
            module = self.trained if model is None else model
            decayed = set(self.get_decay_parameter_names(module))
            groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
            for name, parameter in module.named_parameters():
                if parameter.requires_grad:
                    key = (".encoder." in f".{name}", name in decayed)
                    groups.setdefault(key, []).append(parameter)
            plan = self.plan
            self.optimizer = torch.optim.AdamW(
                [
                    {
                        "params": parameters,
                        "lr": plan.encoder_learning_rate if encoder else plan.head_learning_rate,
                        "weight_decay": self._config.training.weight_decay if decay else 0.0,
                    }
                    for (encoder, decay), parameters in sorted(groups.items(), key=lambda item: item[0])
                ],
                fused=True,
            )
        return self.optimizer

    def task_metrics(self, predictions: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, TaskMetrics]:
        """Metrics by task, from the logits and targets of all processes."""
        return {
            task.name: task_metrics(task, labels[task.name], np.asarray(predictions[task.name], dtype=np.float32))
            for task in self.tasks
        }

    def _evaluate_predictions(self, prediction: EvalPrediction) -> dict[str, float]:
        logits, targets = cast(tuple[Any, Any], (prediction.predictions, prediction.label_ids))
        values = self.flat_metrics(logits, targets)
        start = () if self.start_score is None else (self.start_score,)
        # Of evaluations that are as good the later one is kept: it has seen more.
        best = is_as_good(values[SCORE], [*start, *read_scores(self.state.log_history)], rows=self.validation_rows)
        return {**values, SELECTION: float(self.state.global_step) if best else -1.0}

    def flat_metrics(self, predictions: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, float]:
        """Scores of an evaluation in the Trainer's form: one for all tasks, and ``task.metric`` for each.

        Raises:
            ConfigError: the model does not answer with numbers any more, or its loss is infinite.
        """
        losses = self.trained.loss.by_task(_to_tensors(predictions), _to_tensors(labels))
        if not all(bool(np.isfinite(value).all()) for value in (*predictions.values(), *losses.values())):
            rates = f"encoder_learning_rate is {self.plan.encoder_learning_rate:g}"
            raise ConfigError(
                f"training diverged before step {self.state.global_step}: answers or losses are NaN or infinite; lower "
                f"the learning rates ([training] {rates}, head_learning_rate is {self.plan.head_learning_rate:g})"
            )
        by_task = self.task_metrics(predictions, labels)
        kinds = {task.name: task.kind for task in self.tasks}
        return {
            SCORE: score(by_task, kinds),
            **{f"{task}.{name}": value for task, metrics in by_task.items() for name, value in metrics.values.items()},
            **{f"{task}.{LOSS}": value for task, value in losses.items()},
        }


def _to_tensors(arrays: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}


def training_arguments(config: Config, plan: TrainingPlan, folder: Path, *, processes: int) -> TrainingArguments:
    """The Trainer's arguments for ``config``; resume points are saved below ``folder``."""
    training = config.training
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=plan.batch_size // processes,
        per_device_eval_batch_size=max(1, 64 // processes),
        gradient_accumulation_steps=training.gradient_accumulation,
        learning_rate=plan.encoder_learning_rate,
        warmup_steps=plan.warmup,
        lr_scheduler_type="linear",
        max_grad_norm=training.max_gradient_norm,
        bf16=plan.precision == "bf16",
        fp16=plan.precision == "fp16",
        seed=training.seed,
        # The best weights are selected at the ends of epochs (EvaluationSchedule); other resume points serve --resume.
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model=SELECTION,
        greater_is_better=True,
        # CompletionMark removes old resume points, because it knows which ones are complete.
        save_total_limit=None,
        restore_callback_states_from_checkpoint=True,
        label_names=["labels"],
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        ddp_backend="gloo" if processes > 1 and not torch.cuda.is_available() else None,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=50,
        report_to="none",
        disable_tqdm=True,
    )
