"""Private and unstable interfaces of torch and transformers: all that this package uses are here.

Each entry names the version in which it was last seen and the reason why no public interface serves.
tests/export/test_upstream.py checks every entry against the installed packages; the upper bounds in pyproject.toml keep
out versions that nobody has tried.
"""

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mtl_export.errors import IncompatiblePackageError

__all__ = [
    "NAME_SCOPES",
    "RESUME_POINT_PREFIX",
    "TRAINER_OVERRIDES",
    "Override",
    "check_overrides",
    "encoder_class",
    "find_file",
    "is_bidirectional",
    "is_failed_write",
    "scope_path",
    "visible_pairs",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A private method of another package's class that a subclass here replaces by its name.

    Where that package renames the method, Python still accepts the subclass, and nobody calls its method any more.
    """

    name: str
    parameters: tuple[str, ...]  # after self, in their order
    seen_in: str


TRAINER_OVERRIDES = (
    # The public train_sampling_strategy selects one of transformers' own samplers. The public get_train_dataloader
    # could be replaced, but then its handling of workers, seeds and several processes would have to be copied.
    Override(name="_get_train_sampler", parameters=("train_dataset",), seen_in="transformers 5.23"),
    # The public compute_loss_func receives num_items_in_batch, which is one number for all labels, or None where labels
    # are not a tensor. Each task needs a normalizer of its own, over all micro-batches and processes of a step.
    Override(name="_get_num_items_in_batch", parameters=("batch_samples", "device"), seen_in="transformers 5.23"),
)


def check_overrides(owner: type, overrides: Sequence[Override]) -> None:
    """Refuse a class that lacks a method of ``overrides``, or takes other parameters there.

    Raises:
        IncompatiblePackageError: the message names the method and a version that works.
    """
    for override in overrides:
        method = getattr(owner, override.name, None)
        parameters = tuple(inspect.signature(method).parameters)[1:] if method else ()
        if parameters != override.parameters:
            raise IncompatiblePackageError(
                f"the installed {owner.__module__.partition('.')[0]} has no {owner.__name__}.{override.name}"
                f"({', '.join(override.parameters)}), which mtl-export overrides; install {override.seen_in}"
            )


# transformers 5.23: the Trainer saves step n in the folder "checkpoint-n". The name is a constant in its code and in no
# documentation; TrainerCallback.on_save receives the folder of the run alone.
RESUME_POINT_PREFIX = "checkpoint-"


def is_failed_write(error: Exception) -> bool:
    """Whether torch.save or safetensors could not write a file.

    torch 2.13, safetensors 0.8: neither raises an OSError. torch raises a RuntimeError whose message names its writer
    or that writer's source file, safetensors a SafetensorError whose message quotes the system's error.
    """
    return any(mark in str(error) for mark in ("PytorchStreamWriter", "inline_container.cc", "os error"))


def encoder_class(config: Any) -> type | None:
    """Class that AutoModel builds from ``config``; None where AutoModel does not know the config.

    transformers 5.23: MODEL_MAPPING is exported without documentation. AutoModel has no public method that answers
    with the class without building the model. Families with several base models have a tuple of classes there.
    """
    from transformers import MODEL_MAPPING

    classes: Any = MODEL_MAPPING.get(type(config), None)
    first: type | None = classes[0] if isinstance(classes, tuple) else classes
    return first


def find_file(source: str, name: str) -> Path | None:
    """A file of the hub repository or folder ``source``, downloaded where necessary; None where there is no such file.

    Offline, a file that was not downloaded before is None too.

    transformers 5.23: cached_file is public and raises the same OSError for a missing file, a missing repository and
    a repository that needs a login; only its private argument makes an exception of the missing file.

    Raises:
        OSError: the repository does not exist, needs a login, or cannot be read.
    """
    from transformers.utils.hub import cached_file

    file = cached_file(source, name, _raise_exceptions_for_missing_entries=False)
    return None if file is None else Path(file)


def is_bidirectional(mask_function: Callable[..., Any]) -> bool:
    """Whether a layer hides padding alone, so that each token attends to every other token.

    transformers 5.23: a mask that is registered with the public AttentionMaskInterface receives a ``mask_function``
    that describes the layer. Which functions there are is not documented.
    """
    from transformers.masking_utils import bidirectional_mask_function

    return mask_function is bidirectional_mask_function


def visible_pairs(*, attention_mask: torch.Tensor, mask_function: Callable[..., Any], **layer: Any) -> torch.Tensor:
    """Which keys each query of a layer may see.

    transformers 5.23: sdpa_mask is documented as a mask to register, not as a function to call, and its parameters
    have changed between minor versions; ``layer`` passes on whatever transformers gave.

    Args:
        attention_mask: int64 (B, T), 1 for a token and 0 for padding.
        mask_function: of the layer, see :func:`is_bidirectional`.
        layer: the other arguments that transformers passed to the registered mask.

    Returns:
        bool (B, 1, T, T).
    """
    from transformers.masking_utils import sdpa_mask

    # With the skip, a batch without padding has None in place of a mask.
    arguments = {**layer, "allow_is_bidirectional_skip": False}
    pairs: Any = sdpa_mask(attention_mask=attention_mask, mask_function=mask_function, **arguments)
    assert isinstance(pairs, torch.Tensor)  # noqa: S101 - None only with the skip
    return pairs


# torch 2.13: under this key of a node's metadata, torch.onnx.export notes where the node was traced: a list of names as
# a Python literal, the modules from the outermost to the innermost, then the operation. Neither the key nor the form
# is documented, and the names that torch gives its nodes (node_MatMul_12) do not contain the module.
NAME_SCOPES = "pkg.torch.onnx.name_scopes"


def scope_path(metadata: Mapping[str, str]) -> str:
    """Path of the module in which a node was traced, from the node's metadata; "" outside all modules."""
    scopes = ast.literal_eval(metadata.get(NAME_SCOPES, "[]"))
    return str(scopes[-2]) if len(scopes) > 1 else ""
