"""Evidence -> a printed table with a row for each variant and task."""

from collections.abc import Iterator

from mtl_runtime.cli.terminal import print_table
from mtl_runtime.evidence.schema import Evidence, TaskEvidence, VariantEvidence

__all__ = ["print_evidence"]

_COLUMNS = (
    "variant",
    "task",
    "sentences",
    "accuracy",
    "macro-F1",
    "majority",
    "agreement",
    "max logit difference",
    "speed",
    "gate",
)


def print_evidence(evidence: Evidence) -> None:
    """Print, for each variant and task, metrics, agreement with the reference, and the gate's decision."""
    rows = [row for name, measured in evidence.variants.items() for row in _rows(name, measured)]
    rows += [row for name, measured in evidence.refused.items() for row in _rows(f"{name} (refused)", measured)]
    data = ", ".join(evidence.data) or "the golden texts"
    print_table(f"Compared with {evidence.reference} on {data} ({evidence.machine.name})", _COLUMNS, rows)
    for name, measured in {**evidence.variants, **evidence.refused}.items():
        for problem in measured.problems:
            print_table(f"{name}: {problem}", (), ())


def _rows(name: str, measured: VariantEvidence) -> Iterator[tuple[str, ...]]:
    speed = f"{measured.speed.median:.2f}x" if measured.speed else ""
    if not measured.tasks:
        yield (name, *[""] * (len(_COLUMNS) - 2), measured.status)
    for task, evidence in measured.tasks.items():
        yield (name, task, *_cells(evidence), speed, "; ".join(evidence.problems) or measured.status)


def _cells(task: TaskEvidence) -> tuple[str, ...]:
    scores = (task.metrics.get("accuracy"), task.metrics.get("macro_f1"), task.majority_accuracy)
    shares = ("" if score is None else f"{score:.3f}" for score in scores)
    sentences = str(task.sentences) + (f" ({task.labelled} labelled)" if task.labelled < task.sentences else "")
    return sentences, *shares, f"{100 * task.agreement:.4g} %", f"{task.max_logit_difference:.1e}"
