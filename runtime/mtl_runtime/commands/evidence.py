"""Evidence -> a printed table: a row for each variant and task, decisions first."""

from mtl_runtime.evidence import Evidence, TaskEvidence
from mtl_runtime.terminal import print_table

__all__ = ["print_evidence"]

_COLUMNS = ("variant", "task", "sentences", "accuracy", "macro-F1", "majority", "agreement", "max |Δ logit|", "gate")


def print_evidence(evidence: Evidence) -> None:
    """Print the metrics of every variant and task, how far each agrees with PyTorch, and the gate's verdict."""
    rows = [
        (variant, name, *_cells(task))
        for variant, measured in evidence.variants.items()
        for name, task in measured.tasks.items()
    ]
    print_table(f"Compared with PyTorch on {', '.join(evidence.data)} ({evidence.machine.name})", _COLUMNS, rows)


def _cells(task: TaskEvidence) -> tuple[str, ...]:
    metrics = (
        f"{task.metrics[name]:.3f}" if name in task.metrics else "" for name in ("accuracy", "macro_f1", "majority")
    )
    return (
        str(task.sentences),
        *metrics,
        f"{100 * task.agreement:.4g} %",
        f"{task.max_logit_difference:.1e}",
        "; ".join(task.problems) or "holds",
    )
