"""classifier + its bundle's golden answers -> SelfTest: does the variant answer here as where it was verified?

What other kernels do to the answers was measured before the limits were chosen: docs/adr/0011.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import GateConfig, limits_for, logit_limit, precision_of
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden_answers, parse_golden_lines
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import BundleError, MtlError
from mtl_runtime.evidence.self_tests import AnswerDifference, SelfTest
from mtl_runtime.inference.settings import InputOptions
from mtl_runtime.providers.session import onnxruntime_version

if TYPE_CHECKING:  # loading/load.py imports this module before numpy
    import numpy as np
    from numpy.typing import NDArray

    from mtl_runtime.inference.classifier import Classifier

    Logits = NDArray[np.float32]

__all__ = ["failed_self_test", "run_self_test"]

# Mean |logit difference| that other kernels may cause, as a share of the variant's own mean distance from PyTorch.
# A last bit that differs moves an int8 activation by a whole step, and so an answer by part of what quantization costs;
# kernels that saturate cost as much as quantization itself. fp16 and bf16 round everywhere, each kernel elsewhere.
_MEAN_SHARE: Mapping[str, float] = {"fp32": 1.0, "fp16": 1.0, "bf16": 1.0, "int8": 0.25}


def run_self_test(classifier: "Classifier", bundle: Bundle) -> SelfTest:
    """Let ``classifier`` answer the golden texts of its variant, and compare.

    Args:
        classifier: of a variant that has golden answers, opened here.
        bundle: it was opened from.

    Raises:
        IntegrityError, RecordError, BundleError: the golden texts or answers are damaged.
    """
    variant = classifier.info.variant
    name = bundle.manifest.variants[variant].golden_answers
    if name is None:
        raise BundleError(
            f"{bundle.path} holds no golden answers of {variant}; export it again, or gate it here with `mtl verify`"
        )
    own = parse_golden_answers(bundle.read(name), where=name)
    golden = parse_golden_lines(bundle.read(GOLDEN_NAME), own.lines)
    # Golden texts with own answers fit the encoder, so that windows change nothing; limits of the caller's texts would.
    settings = dataclasses.replace(classifier.settings, inputs=InputOptions())
    logits = dataclasses.replace(classifier, settings=settings).logits([text.text for text in golden])
    tasks = {}
    for task in classifier.specs:
        reference = [text.logits.get(task.name, ()) for text in golden]
        rows = own.logits.get(task.name, ())
        if {len(row) for row in (*reference, *rows)} != {task.width}:
            raise BundleError(f"{name} or {GOLDEN_NAME} lacks logits of task {task.name!r}; export the bundle again")
        tasks[task.name] = _compare(task, variant, bundle.manifest.gate, reference, rows, logits[task.name])
    return SelfTest(
        variant=variant,
        onnxruntime=onnxruntime_version(),
        machine=machine_facts(),
        texts=len(golden),
        tasks=tasks,
        problem=_describe_problems(tasks),
    )


def failed_self_test(variant: str, error: MtlError) -> SelfTest:
    """The outcome for a variant that cannot even be opened here, or answers nothing."""
    return SelfTest(
        variant=variant,
        onnxruntime=onnxruntime_version(),
        machine=machine_facts(),
        problem=f"it cannot be tested here: {' '.join(str(error).split())}",
    )


def _compare(
    task: TaskSpec, variant: str, gate: GateConfig, reference: object, own: object, here: "Logits"
) -> AnswerDifference:
    import numpy as np

    from mtl_runtime.inference.decisions import changed_answers, decision_margins

    before, pytorch = np.asarray(own, np.float32), np.asarray(reference, np.float32)
    distance = np.abs(before.astype(np.float64) - pytorch)
    # What fp32 may differ by anywhere may differ here too.
    scale = float(np.abs(pytorch).max()) if task.kind == "regression" else 1.0
    floor = logit_limit(limits_for(gate, task.name, "fp32"), scale) or 0.0
    largest_allowed = float(distance.max()) + floor
    finite = np.isfinite(here).all(axis=1)
    difference = np.abs(here.astype(np.float64) - before)[finite]
    changed = changed_answers((task, before), (task, np.nan_to_num(here)))
    clear = decision_margins(task, before) > largest_allowed
    return AnswerDifference(
        mean=float(difference.mean()) if difference.size else 0.0,
        mean_allowed=_MEAN_SHARE[precision_of(variant)] * float(distance.mean()) + floor,
        largest=float(difference.max(initial=0.0)),
        largest_allowed=largest_allowed,
        flips=int((changed & clear & finite).sum()),
        not_finite=int((~finite).sum()),
    )


def _describe_problems(tasks: Mapping[str, AnswerDifference]) -> str | None:
    problems = [f"{name}: {problem}" for name, difference in tasks.items() for problem in _problems(difference)]
    return f"its golden answers do not hold here ({'; '.join(problems)})" if problems else None


def _problems(difference: AnswerDifference) -> Iterator[str]:
    if difference.not_finite:
        yield f"{difference.not_finite} answers are NaN or infinity"
    if difference.flips:
        yield f"{difference.flips} answers differ, ties aside"
    for what in ("mean", "largest"):
        value, allowed = getattr(difference, what), getattr(difference, f"{what}_allowed")
        if value > allowed:
            yield f"{what} logit difference {value:.2g}, rounding explains {allowed:.2g}"
