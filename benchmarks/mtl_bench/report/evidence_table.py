"""evidence files -> the README's table of variants, between its two markers.

    python -m mtl_bench.report.evidence_table README.md benchmarks/results/demo_evidence.json [more of the same bundle]

What a later file has verified replaces what an earlier one could not measure.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from mtl_bench.report.markdown_table import rewrite_page
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core import records
from mtl_runtime.evidence.schema import Evidence, TaskEvidence, VariantEvidence

__all__ = ["evidence_tables"]

_MARKER = "evidence table"
_NO_SPEED = {DEFAULT_VARIANT: "1x"}  # the baseline of the others' multiples
_HEAD = ("variant", "task", "same answer", "accuracy", "macro-F1", "speed")


def evidence_tables(evidence: Sequence[Evidence]) -> dict[str, str]:
    """The table by the name of its markers: PyTorch's figures, then a row for each variant and task."""
    variants = _best_measurements(evidence)
    reference = next(measured for measured in evidence[0].variants.values() if measured.tasks)
    rows = [*_reference_rows(reference), *(row for name, measured in variants.items() for row in _rows(name, measured))]
    lines = [_HEAD, ("---", "---", "--:", "--:", "--:", "--:"), *rows]
    return {_MARKER: "".join(f"| {' | '.join(cells)} |\n" for cells in lines)}


def _best_measurements(evidence: Sequence[Evidence]) -> dict[str, VariantEvidence]:
    """In the first file's order; a later file counts where it verified what an earlier one did not."""
    best = dict(evidence[0].variants)
    for later in evidence[1:]:
        for name, measured in later.variants.items():
            if measured.status == "verified" and best[name].status != "verified":
                best[name] = measured
    return best


def _reference_rows(measured: VariantEvidence) -> Iterator[tuple[str, ...]]:
    for name, task in measured.tasks.items():
        metrics = task.reference_metrics
        yield "PyTorch fp32", name, "", f"{metrics['accuracy']:.3f}", f"{metrics['macro_f1']:.3f}", ""


def _rows(variant: str, measured: VariantEvidence) -> Iterator[tuple[str, ...]]:
    without = "not measured" if measured.not_timed else _NO_SPEED.get(variant, measured.status)
    speed = f"{measured.speed.median:.2f}x" if measured.speed else without
    if not measured.tasks:
        yield f"`{variant}`", "", "", "", "", speed
    for name, task in measured.tasks.items():
        yield f"`{variant}`", name, *_cells(task), speed


def _cells(task: TaskEvidence) -> tuple[str, str, str]:
    same = f"{task.sentences - task.flips:,} of {task.sentences:,}"
    return same, f"{task.metrics['accuracy']:.3f}", f"{task.metrics['macro_f1']:.3f}"


@click.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(page: Path, files: Sequence[Path]) -> None:
    """Rewrite the table of PAGE from the evidence FILES."""
    evidence = [records.from_json(Evidence, file.read_bytes(), where=file.name) for file in files]
    rewrite_page(page, evidence_tables(evidence))


if __name__ == "__main__":
    main()
