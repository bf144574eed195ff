"""input_ids, attention_mask -> logits by task and the sentence embedding, as a plain nn.Module."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mtl_export.config import Auto
from mtl_export.errors import ConfigError, EncoderError
from mtl_export.model.encoder import PaddingMask, encoder_layers, load_encoder, rebuild_encoder, split_after
from mtl_export.model.heads import HEADS
from mtl_export.model.layer_parts import narrow_attention
from mtl_export.model.pooling import POOLINGS
from mtl_export.model.spec import HeadSpec, ModelSpec
from mtl_runtime.bundle.manifest import Pooling, TaskSpec
from mtl_runtime.inference.batching import DEFAULT_MAX_BATCH_TOKENS, plan_batches
from mtl_runtime.inference.decode import Prediction, assemble_predictions
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText, Tokenizer
from mtl_runtime.text.validation import validate_texts

__all__ = ["MultiTaskModel", "MultiTaskOutput"]


class MultiTaskOutput(NamedTuple):
    """Result of a forward pass over B sentences."""

    logits: dict[str, torch.Tensor]  # (B, width) by task, in the tasks' order
    sentence_embedding: torch.Tensor  # (B, hidden_size)


class MultiTaskModel(nn.Module):
    """One shared encoder, one pooling, a head for each task.

    Created by :meth:`from_encoder`, by training, and by :func:`mtl_export.load_checkpoint`.
    """

    def __init__(self, spec: ModelSpec, encoder: nn.Module, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.spec = spec
        self.tokenizer = tokenizer
        self.encoder = encoder
        # Without the prefix, a task named "type" or "keys" would clash with an attribute of ModuleDict.
        self.heads = nn.ModuleDict(
            {
                f"task_{task.name}": HEADS[spec.heads[task.name].kind](
                    spec.encoder.hidden_size, task.width, spec.heads[task.name].dropout
                )
                for task in spec.tasks
            }
        )
        self._padding_mask = PaddingMask(encoder)
        self._pool = POOLINGS[spec.encoder.pooling]
        self._frozen_modules: list[nn.Module] = []
        self.newly_initialized: tuple[str, ...] = ()  # of the encoder: missing in its source, so they start at random

    @classmethod
    def from_encoder(
        cls,
        source: str,
        tasks: Sequence[TaskSpec],
        *,
        heads: Mapping[str, HeadSpec] | HeadSpec | None = None,
        pooling: Pooling | Auto = "auto",
        max_length: int | Auto = "auto",
    ) -> Self:
        """Load a pretrained encoder and give it new heads, ready to be trained.

        Args:
            source: hub id or folder of a Hugging Face encoder.
            tasks: each becomes one output, in this order.
            heads: shape of the heads, the same for all or by task name; default: linear.
            pooling: how token vectors become a sentence embedding; "auto": as published, else the mean.
            max_length: longest input in tokens, special ones included; longer texts are truncated; "auto": as
                published, else 128.

        Raises:
            EncoderError: the encoder cannot be loaded, or lacks what ``pooling`` or ``max_length`` needs.
            ConfigError: ``heads`` names a task that is not among ``tasks``.
        """
        default = heads if isinstance(heads, HeadSpec) else HeadSpec()
        by_task = heads if isinstance(heads, Mapping) else {}
        if unknown := by_task.keys() - {task.name for task in tasks}:
            raise ConfigError(f"heads name tasks that do not exist: {', '.join(sorted(unknown))}")
        encoder = load_encoder(source, pooling=pooling, max_length=max_length)
        spec = ModelSpec(
            encoder=encoder.spec,
            encoder_config=encoder.config,
            tasks=tuple(tasks),
            heads={task.name: by_task.get(task.name, default) for task in tasks},
            token_types=any(any(text.type_ids) for text in encoder.tokenizer.encode(["a sentence", ""])),
        )
        model = cls(spec, encoder.module, encoder.tokenizer)
        model.newly_initialized = tuple(f"encoder.{name}" for name in encoder.newly_initialized)
        return model

    @classmethod
    def rebuild(cls, spec: ModelSpec, tokenizer: Tokenizer, *, attention: str | None = None) -> Self:
        """Build the model of ``spec`` without its weights; ``attention`` is transformers' attn_implementation."""
        encoder = rebuild_encoder(spec.encoder_config, pooling=spec.encoder.pooling, attention=attention)
        if spec.attention_heads is not None:
            narrow_attention(encoder, spec.attention_heads)
        return cls(spec, encoder, tokenizer)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> MultiTaskOutput:
        """Compute the logits of every task.

        Args:
            input_ids: int64 (B, T).
            attention_mask: int64 (B, T), 1 for a token and 0 for padding.
            token_type_ids: int64 (B, T); only where the spec has ``token_types``.
        """
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        self._padding_mask.set(attention_mask)
        output = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **extra)
        embedding = self._pool(output, attention_mask)
        logits = {task.name: self.head(task.name)(embedding) for task in self.spec.tasks}
        return MultiTaskOutput(logits, embedding)

    def head(self, task: str) -> nn.Module:
        """The head of ``task``; a KeyError if there is none."""
        return self.heads[f"task_{task}"]

    @overload
    def predict(self, texts: str, *, tasks: Iterable[str] | None = None) -> Prediction: ...
    @overload
    def predict(
        self, texts: list[str] | tuple[str, ...], *, tasks: Iterable[str] | None = None
    ) -> list[Prediction]: ...
    def predict(
        self, texts: str | list[str] | tuple[str, ...], *, tasks: Iterable[str] | None = None
    ) -> Prediction | list[Prediction]:
        """Answer ``tasks`` (default: all) for each text; the runtime decodes logits with the same code.

        Raises:
            InvalidTextError, NonFiniteError: as the runtime's classifier does.
            KeyError: there is no such task.
        """
        tokenized = self.tokenize([texts] if isinstance(texts, str) else texts)
        logits, _ = self._compute(tokenized)
        specs = {task.name: task for task in self.spec.tasks}
        names = list(specs) if tasks is None else list(tasks)
        decoded = assemble_predictions([specs[name] for name in names], [logits[name] for name in names], tokenized)
        return decoded[0] if isinstance(texts, str) else decoded

    def encode(self, texts: str | Iterable[str]) -> NDArray[np.float32]:
        """Sentence embeddings, float32 (N, hidden_size); (hidden_size,) for a bare str."""
        _, embeddings = self._compute(self.tokenize([texts] if isinstance(texts, str) else texts))
        return embeddings[0] if isinstance(texts, str) else embeddings

    def encode_tokens(self, texts: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Sentence embeddings of texts from :meth:`tokenize`, float32 (N, hidden_size)."""
        return self._compute(texts)[1]

    def logits_of_tokens(self, texts: Sequence[TokenizedText]) -> dict[str, NDArray[np.float32]]:
        """Raw logits by task of texts from :meth:`tokenize`, float32 (N, width)."""
        return self._compute(texts)[0]

    def answer_tokens(
        self, texts: Sequence[TokenizedText]
    ) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
        """Both of :meth:`logits_of_tokens` and :meth:`encode_tokens`, from one pass."""
        return self._compute(texts)

    def logits(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Raw logits by task, float32 (N, width)."""
        return self._compute(self.tokenize(texts))[0]

    def tokenize(self, texts: Iterable[str]) -> list[TokenizedText]:
        """Token ids of each text, validated and truncated as in the runtime."""
        return self.tokenizer.encode(validate_texts(texts))

    def tensors(self, texts: Sequence[TokenizedText]) -> dict[str, torch.Tensor]:
        """Pad texts to a batch: the keyword arguments of :meth:`forward`, on the CPU."""
        batch = Batch.of(texts, pad_id=self.spec.encoder.pad_id)
        return {name: torch.from_numpy(array) for name, array in batch.feed(self.inputs).items()}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the arguments of :meth:`forward`, which are the inputs of the graph."""
        names = ("input_ids", "attention_mask")
        return (*names, "token_type_ids") if self.spec.token_types else names

    def freeze(self, *modules: nn.Module) -> None:
        """Freeze ``modules``: no gradients, and evaluation mode (no dropout) even while training."""
        for module in modules:
            module.requires_grad_(requires_grad=False)
            module.eval()
        self._frozen_modules.extend(modules)

    def freeze_encoder(self, lowest: int | None = None) -> None:
        """Freeze the whole encoder, or its ``lowest`` layers with the embeddings and everything that layers share.

        Raises:
            ConfigError: the encoder has fewer layers.
            EncoderError: its layers share their weights or are not a plain list, or the pooler that the pooling needs
                started at random and would never learn.
        """
        if lowest is None:
            if self.newly_initialized and self.spec.encoder.pooling == "pooler":
                raise EncoderError(
                    f"{self.spec.encoder.source} has no weights for its pooler, which a frozen encoder would keep at "
                    f"random; set [encoder] pooling to mean or cls, or train the encoder"
                )
            self.freeze(self.encoder)
            return
        layers = encoder_layers(self.encoder)
        if lowest > len(layers):
            raise ConfigError(f"training.freeze_layers is {lowest}; the encoder has {len(layers)} layers")
        below, above = split_after(layers[lowest - 1], self.encoder, lambda: self.logits(["a text"]))
        trainable = {id(parameter) for module in above for parameter in module.parameters()}
        for parameter in self.encoder.parameters():
            if id(parameter) not in trainable:
                parameter.requires_grad = False
        self.freeze(*below)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self._frozen_modules:
            module.eval()
        return self

    def _compute(self, texts: Sequence[TokenizedText]) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
        """Logits and embeddings of all texts, in the order of the texts, computed in evaluation mode."""
        logits = {task.name: np.empty((len(texts), task.width), np.float32) for task in self.spec.tasks}
        embeddings = np.empty((len(texts), self.spec.encoder.hidden_size), np.float32)
        device = next(self.parameters()).device
        was_training = self.training
        self.eval()
        with torch.inference_mode():
            for indices in plan_batches([len(text) for text in texts], max_batch_tokens=4 * DEFAULT_MAX_BATCH_TOKENS):
                batch = self.tensors([texts[index] for index in indices])
                output = self(**{name: tensor.to(device) for name, tensor in batch.items()})
                embeddings[indices] = output.sentence_embedding.float().cpu().numpy()
                for name, rows in output.logits.items():
                    logits[name][indices] = rows.float().cpu().numpy()
        self.train(was_training)
        return logits, embeddings
