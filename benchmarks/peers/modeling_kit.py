"""config -> a classifier that transformers loads as remote code: the encoder, a pooling and one head, or one per task.

kit.py copies this file next to the weights and writes the encoder's family into it. It imports transformers and torch
alone and runs on transformers 4.57 and 5.
"""

import inspect
from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING, MODEL_MAPPING, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

FAMILY = "bert"


def _mean(output: Any, mask: torch.Tensor) -> torch.Tensor:
    weights = mask.unsqueeze(-1).to(output.last_hidden_state.dtype)
    return (output.last_hidden_state * weights).sum(1) / weights.sum(1).clamp(min=1)


def _cls(output: Any, _mask: torch.Tensor) -> torch.Tensor:
    return output.last_hidden_state[:, 0]


def _max(output: Any, mask: torch.Tensor) -> torch.Tensor:
    hidden = output.last_hidden_state
    return hidden.masked_fill(mask.unsqueeze(-1) == 0, torch.finfo(hidden.dtype).min).amax(1)


def _pooler(output: Any, _mask: torch.Tensor) -> torch.Tensor:
    return output.pooler_output


POOLINGS = {"mean": _mean, "cls": _cls, "max": _max, "pooler": _pooler}


def head(kind: str, hidden: int, width: int) -> nn.Sequential:
    """A head (B, hidden) -> (B, width) whose weights are named as in training; dropout does nothing here."""
    inner = max(1, hidden // 2)
    parts = {
        "linear": lambda: OrderedDict(output=nn.Linear(hidden, width)),
        "layernorm": lambda: OrderedDict(norm=nn.LayerNorm(hidden), output=nn.Linear(hidden, width)),
        "mlp": lambda: OrderedDict(
            hidden=nn.Linear(hidden, inner), activation=nn.ReLU(), output=nn.Linear(inner, width)
        ),
    }
    return nn.Sequential(parts[kind]())


class _Pooled(PreTrainedModel):
    """input_ids, attention_mask (B, T) -> sentence embedding (B, H)."""

    config_class = CONFIG_MAPPING[FAMILY]
    base_model_prefix = "backbone"
    _supports_sdpa = True

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        encoder = MODEL_MAPPING[type(config)]
        has_choice = "add_pooling_layer" in inspect.signature(encoder).parameters
        arguments = {"add_pooling_layer": config.kit_pooling == "pooler"} if has_choice else {}
        self.backbone = encoder(config, **arguments)
        self.takes_types = "token_type_ids" in inspect.signature(encoder.forward).parameters

    def embed(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> torch.Tensor:
        extra = {"token_type_ids": token_type_ids} if self.takes_types and token_type_ids is not None else {}
        output = self.backbone(input_ids=input_ids, attention_mask=attention_mask, **extra)
        return POOLINGS[self.config.kit_pooling](output, attention_mask)


class KitForSequenceClassification(_Pooled):
    """One task: -> logits (B, width), as AutoModelForSequenceClassification gives them."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.head = head(config.kit_head, config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.head(self.embed(input_ids, attention_mask, token_type_ids)))


class MultiTaskClassifier(_Pooled):
    """All tasks in one pass: -> logits (B, width) by task."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.heads = nn.ModuleDict(
            {f"task_{task['name']}": head(task["head"], config.hidden_size, task["width"]) for task in config.kit_tasks}
        )
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
        **_: Any,
    ) -> dict[str, torch.Tensor]:
        embedding = self.embed(input_ids, attention_mask, token_type_ids)
        return {task["name"]: self.heads[f"task_{task['name']}"](embedding) for task in self.config.kit_tasks}
