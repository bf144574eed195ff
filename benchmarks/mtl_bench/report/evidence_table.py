"""evidence files -> the README's table of variants, between its two markers.

    python -m mtl_bench.report.evidence_table README.md benchmarks/results/demo_evidence.json [more of the same bundle]

What a later file has verified takes the place of what an earlier one could not measure.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from mtl_bench.report.markdown_table import with_table
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core import records
from mtl_runtime.evidence.schema import Evidence, TaskEvidence, VariantEvidence

__all__ = ["MARKERS", "evidence_table"]

MARKERS = "evidence table"

_NO_SPEED = {DEFAULT_VARIANT: "1x"}  # what the others are multiples of
_HEAD = ("variant", "task", "same answer", "accuracy", "macro-F1", "speed")


def evidence_table(found: Sequence[Evidence]) -> str:
    """Markdown: PyTorch's figures, then a row for each variant and task."""
    variants = _best(found)
    reference = next(measured for measured in found[0].variants.values() if measured.tasks)
    rows = [*_reference_rows(reference), *(row for name, measured in variants.items() for row in _rows(name, measured))]
    lines = [_HEAD, ("---", "---", "--:", "--:", "--:", "--:"), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _best(found: Sequence[Evidence]) -> dict[str, VariantEvidence]:
    """In the first file's order; a later file's word counts where it verified what an earlier one did not."""
    best = dict(found[0].variants)
    for evidence in found[1:]:
        for name, measured in evidence.variants.items():
            if measured.status == "verified" and best[name].status != "verified":
                best[name] = measured
    return best


def _reference_rows(measured: VariantEvidence) -> Iterator[tuple[str, ...]]:
    for task, found in measured.tasks.items():
        metrics = found.reference_metrics
        yield "PyTorch fp32", task, "", f"{metrics['accuracy']:.3f}", f"{metrics['macro_f1']:.3f}", ""


def _rows(name: str, measured: VariantEvidence) -> Iterator[tuple[str, ...]]:
    speed = f"{measured.speed.median:.2f}x" if measured.speed else _NO_SPEED.get(name, measured.status)
    if not measured.tasks:
        yield f"`{name}`", "", "", "", "", speed
    for task, found in measured.tasks.items():
        yield f"`{name}`", task, *_cells(found), speed


def _cells(task: TaskEvidence) -> tuple[str, str, str]:
    same = f"{task.sentences - task.flips:,} of {task.sentences:,}"
    return same, f"{task.metrics['accuracy']:.3f}", f"{task.metrics['macro_f1']:.3f}"


@click.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(page: Path, files: Sequence[Path]) -> None:
    """Rewrite the table of PAGE from the evidence FILES."""
    found = [records.from_json(Evidence, file.read_bytes(), where=file.name) for file in files]
    page.write_text(with_table(page.read_text("utf-8"), MARKERS, evidence_table(found)), "utf-8")


if __name__ == "__main__":
    main()
