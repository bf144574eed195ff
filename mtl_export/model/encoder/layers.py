"""encoder -> its transformer layers, and what comes before and after one of them."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import nn

from mtl_export.errors import EncoderError

__all__ = ["encoder_layers", "split_after"]


def encoder_layers(encoder: nn.Module) -> nn.ModuleList:
    """The transformer layers of an encoder, lowest first.

    Raises:
        EncoderError: there is no list of separate layers (albert, for example, has one layer that it repeats; xlm has
            one list for the attentions of its layers and others for the rest).
    """
    config: Any = encoder.config
    count = getattr(config, "num_hidden_layers", None)
    for parent in encoder.modules():
        lists = [child for child in parent.children() if isinstance(child, nn.ModuleList) and len(child) == count]
        if len(lists) == 1:
            return lists[0]
        if lists:
            break
    raise EncoderError(
        f"{config.model_type} has no list of {count} separate layers, so single layers can be neither "
        f"frozen (use freeze_encoder, or no freezing) nor left out"
    )


def split_after(
    layer: nn.Module, encoder: nn.Module, forward: Callable[[], object]
) -> tuple[list[nn.Module], list[nn.Module]]:
    """The modules of ``encoder`` up to ``layer``, with all that several layers share, and those above it.

    Above are those that ``forward`` starts for the first time after ``layer`` has returned. What a family calls its
    parts, and in which order it registers them, says nothing: the norm of some comes before the layers, that of others
    after them.
    """
    started: set[int] = set()
    above: list[nn.Module] = []
    returned = False

    def note_start(module: nn.Module, _: Any) -> None:
        if returned and id(module) not in started:
            above.append(module)
        started.add(id(module))

    def note_return(*_: Any) -> None:
        nonlocal returned
        returned = True

    with ExitStack() as hooks:
        hooks.callback(layer.register_forward_hook(note_return).remove)
        for module in encoder.modules():
            hooks.callback(module.register_forward_pre_hook(note_start).remove)
        forward()
    return _largest_parts_without({id(part) for module in above for part in module.modules()}, encoder), above


def _largest_parts_without(excluded: set[int], module: nn.Module) -> list[nn.Module]:
    if excluded.isdisjoint(map(id, module.modules())):
        return [module]
    return [part for child in module.children() for part in _largest_parts_without(excluded, child)]
