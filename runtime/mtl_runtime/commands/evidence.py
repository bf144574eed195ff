"""Evidence -> a rich table: a row for each variant and task, decisions first."""

from rich import box
from rich.table import Table

from mtl_runtime.evidence import Evidence, TaskEvidence

__all__ = ["evidence_table"]


def evidence_table(evidence: Evidence) -> Table:
    """Metrics of every variant and task, how far each agrees with PyTorch, and the gate's verdict."""
    title = f"compared with PyTorch on {', '.join(evidence.data)} ({evidence.machine.cpu})"
    table = Table(title=title, box=box.SIMPLE, pad_edge=False)
    for heading in ("variant", "task"):
        table.add_column(heading, no_wrap=True)
    for heading in ("n", "accuracy", "macro-F1", "majority", "agree", "max |Δ|"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("gate")
    for variant, measured in evidence.variants.items():
        for name, task in measured.tasks.items():
            table.add_row(variant, name, *_cells(task))
    table.caption = "n: sentences; agree: same answer as PyTorch; max |Δ|: largest logit difference"
    return table


def _cells(task: TaskEvidence) -> tuple[str, ...]:
    return (
        str(task.sentences),
        *(f"{task.metrics[name]:.3f}" if name in task.metrics else "" for name in ("accuracy", "macro_f1", "majority")),
        f"{100 * task.agreement:.4g} %",
        f"{task.max_logit_difference:.1e}",
        "; ".join(task.problems) or "holds",
    )
