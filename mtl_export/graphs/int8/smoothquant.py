"""fp32 graph + ranges -> fp32 graph with the same answers that loses less in int8, and its ranges.

SmoothQuant (G. Xiao, J. Lin, M. Seznec, H. Wu, J. Demouth and S. Han, ICML 2023): channel j of a MatMul's input is
divided by s_j, and row j of the weight multiplied by it, with s_j = max|x_j|^alpha / max|w_j|^(1 - alpha). The paper
folds the division into the normalization before the matmul. In an encoder that normalizes after each block that
value is also the residual, so the division stays an operator here.
"""

import itertools
import logging
import math
import re
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mtl_export.graphs.graph_edits import initializer
from mtl_export.graphs.int8.activation_ranges import ActivationRange
from mtl_export.graphs.int8.matmuls import MatMul, find_matmuls
from mtl_runtime.core.work import planned_work, step_work

__all__ = ["ALPHAS", "SEARCH_WORK", "apply_smoothquant", "search_smoothquant"]

_log = logging.getLogger(__name__)

Loss = Callable[[ir.Model, Mapping[str, ActivationRange]], float]

# How much of the difficulty goes from the activations to the weights. Which is best depends on the model: the paper's
# usual 0.5 can be worse than no smoothing, see docs/quantization.md.
ALPHAS = (0.5, 0.65, 0.75, 0.85)
# Divisions are left out as long as the loss stays within this share of what it is with all of them.
_LOSS_TOLERANCE = 0.02
# A trial for each division would be most of an export's time, and leave out a few more.
_LEFT_OUT_AT_ONCE = 3
# A deep encoder has a hundred; the widest ones cost most.
_MOST_DIVISIONS = 48
# In sentences that cpu-fp32 answers: a trial, and the search as it is planned before the graph is known, of six layers.
_TRIAL_WORK = 100.0
SEARCH_WORK = 13 * _TRIAL_WORK
# A channel or row that is all zero asks for no scale.
_SMALLEST = 1e-5


def search_smoothquant(
    model: ir.Model, ranges: Mapping[str, ActivationRange], loss: Loss
) -> tuple[ir.Model, Mapping[str, ActivationRange]]:
    """``model`` with few divisions, and a ``loss`` within 2 % of what all of them reach at the best of :data:`ALPHAS`.

    Each division is an operator that takes time, and many change nothing for the better. So they are left out, three at
    a time, as long as the loss allows (of a deep encoder's, the first 48 are tried): those of the widest inputs and of
    the last layers first; all of them where it is as low without any.

    Args:
        model: an fp32 graph.
        ranges: of each MatMul's input, by channel.
        loss: what int8 MatMuls do to the answers of a graph with such ranges.

    Returns:
        The graph, which may be ``model`` itself, and the ranges of its MatMuls' inputs.
    """
    divisible = min(sum(map(_can_be_divided, _readers(model).values())), _MOST_DIVISIONS)
    trials = 1 + len(ALPHAS) + math.ceil(divisible / _LEFT_OUT_AT_ONCE)
    _log.info(
        "smoothing: looking for scales with which int8 changes fewer answers, in up to %d trials",
        trials,
        extra=planned_work(trials * _TRIAL_WORK - SEARCH_WORK),
    )
    measure = _log_trials(loss, trials)
    untouched = measure(model, ranges)
    losses = {alpha: measure(*apply_smoothquant(model, ranges, alpha=alpha)) for alpha in ALPHAS}
    alpha = min(losses, key=losses.__getitem__)
    most = (1 + _LOSS_TOLERANCE) * losses[alpha]
    if untouched <= most:
        _log.info("smoothing: none is needed", extra=planned_work((1 + len(ALPHAS) - trials) * _TRIAL_WORK))
        return model, ranges
    return _prune_scales(model, ranges, measure, alpha, most)


def _log_trials(loss: Loss, trials: int) -> Loss:
    """``loss``, with a line for each call that says how many there were and how many there will be at most."""
    numbers = itertools.count(1)

    def measure(model: ir.Model, ranges: Mapping[str, ActivationRange]) -> float:
        _log.info("smoothing: trial %d of up to %d", next(numbers), trials, extra=step_work(_TRIAL_WORK))
        return loss(model, ranges)

    return measure


def _prune_scales(
    model: ir.Model,
    ranges: Mapping[str, ActivationRange],
    loss: Loss,
    alpha: float,
    most: float,
) -> tuple[ir.Model, Mapping[str, ActivationRange]]:
    """``model`` smoothed, less the divisions without which its loss is at most ``most``."""
    best, plain = apply_smoothquant(model, ranges, alpha=alpha), frozenset[str]()
    ranked = _rank_divisions(model, ranges)[:_MOST_DIVISIONS]
    for start in range(0, len(ranked), _LEFT_OUT_AT_ONCE):
        more = plain | set(ranked[start : start + _LEFT_OUT_AT_ONCE])
        trial = apply_smoothquant(model, ranges, alpha=alpha, plain=more)
        if loss(*trial) <= most:
            best, plain = trial, more
    return best


def _rank_divisions(model: ir.Model, ranges: Mapping[str, ActivationRange]) -> Sequence[str]:
    """Names of the inputs that can be divided, in the order in which their divisions are left out.

    Wide ones come first, because they cost most; of those at the same place in their layers the last ones, because no
    further layer magnifies what they round off.
    """
    readers = {name: group for name, group in _readers(model).items() if _can_be_divided(group)}
    depth = {name: place for place, name in enumerate(readers)}
    place = {name: re.sub(r"\d+", "", group[0].name) for name, group in readers.items()}
    return sorted(readers, key=lambda name: (-ranges[name].low.size, place[name], -depth[name]))


def apply_smoothquant(
    model: ir.Model, ranges: Mapping[str, ActivationRange], *, alpha: float, plain: Container[str] = ()
) -> tuple[ir.Model, dict[str, ActivationRange]]:
    """A copy of ``model`` with one division per MatMul input, which MatMuls of the same input share.

    Args:
        model: an fp32 graph.
        ranges: of each MatMul's input, by channel.
        alpha: 0 leaves the spread over channels to the activations, 1 puts all of it into the weights.
        plain: names of inputs that stay as they are.

    Returns:
        The copy, and the ranges of its MatMuls' inputs.
    """
    result = model.clone()
    new_ranges = {}
    for name, group in _readers(result).items():
        if name in plain or not _can_be_divided(group):
            new_ranges[name] = ranges[name]
            continue
        scale = _scale(group, ranges[name], alpha)
        divided = _smooth(result.graph, group, scale)
        new_ranges[str(divided.name)] = ActivationRange(ranges[name].low / scale, ranges[name].high / scale)
    return RemoveUnusedNodesPass()(result).model, new_ranges


def _readers(model: ir.Model) -> Mapping[str, Sequence[MatMul]]:
    """The MatMuls of each input, by its name."""
    readers: dict[str, list[MatMul]] = defaultdict(list)
    for matmul in find_matmuls(model):
        readers[str(matmul.data.name)].append(matmul)
    return readers


def _can_be_divided(group: Sequence[MatMul]) -> bool:
    """Whether an input can have scales: a weight that layers share would be stored once for each of them."""
    return not any(len(matmul.weight.uses()) > 1 for matmul in group)


def _scale(group: Sequence[MatMul], seen: ActivationRange, alpha: float) -> NDArray[np.float32]:
    """s_j of the input that ``group`` shares, float32 (inputs,)."""
    rows = np.max([np.abs(matmul.matrix).max(axis=1) for matmul in group], axis=0)
    data = np.maximum(np.abs(seen.low), np.abs(seen.high))
    scale = np.maximum(data, _SMALLEST) ** alpha / np.maximum(rows, _SMALLEST) ** (1 - alpha)
    return np.asarray(scale, dtype=np.float32)


def _smooth(graph: ir.Graph, group: Sequence[MatMul], scale: NDArray[np.float32]) -> ir.Value:
    data = group[0].data
    inverse = initializer(graph, f"{data.name}.smoothing", np.asarray(1 / scale, dtype=np.float32))
    node = ir.node("Mul", [data, inverse], name=f"{group[0].name}.smooth")
    divided = node.outputs[0]
    divided.name, divided.type, divided.shape = f"{data.name}.smooth", data.type, data.shape
    graph.insert_before(group[0].node, node)
    for matmul in group:
        matrix = np.asarray(matmul.matrix * scale[:, None], dtype=np.float32)
        matmul.node.replace_input_with(0, divided)
        matmul.node.replace_input_with(1, initializer(graph, f"{matmul.name}.smooth_weight", matrix))
    return divided
