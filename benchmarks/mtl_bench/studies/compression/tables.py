"""results file -> the tables of docs/compress.md, between their markers.

python -m mtl_bench.studies.compression.tables benchmarks/results/compression.json docs/compress.md
"""

from collections.abc import Iterator

from mtl_bench.report.markdown_table import markdown_table, tables_command
from mtl_bench.studies.compression.results import CompressionResults, CompressionRun, TestedVariant
from mtl_export.compression.points import Point
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.teacher.outcomes import OUTCOME_WORDS

__all__ = ["page_tables"]


def page_tables(results: CompressionResults) -> dict[str, str]:
    """All tables by the name of their markers."""
    return {
        "students": _students(results),
        "trials": _trials(results),
        "circumstances": _circumstances(results),
    }


def _students(results: CompressionResults) -> str:
    """Each variant on the front, and the one that was taken: speed as found, losses on the test split."""
    rows = [row for run in results.runs.values() for row in _rows(run)]
    header = ["data", "model", "variant", "work", "texts/s", "speed", "p50, ms", "found", "on test", "by task, on test"]
    return markdown_table(header, rows, "lllrrrrrrl")


def _rows(run: CompressionRun) -> Iterator[list[str]]:
    tested = {(one.model, one.variant): one for one in run.tested}
    for point in run.found.fastest_first:
        taken = run.found.is_taken(point)
        if not (taken or point.on_front):
            continue
        mark = "**" if taken else ""
        on_test = tested[point.model, point.variant]
        yield [
            run.title,
            f"{mark}{point.model}{mark}",
            point.variant,
            f"{100 * point.work:.0f} %",
            f"{point.texts_per_second.median:,.0f}",
            _speed(point),
            f"{point.p50_milliseconds:.2f}",
            f"{-point.loss:+.2f}, {OUTCOME_WORDS[point.outcome]}",
            f"{-on_test.loss:+.2f}, {OUTCOME_WORDS[on_test.outcome]}",
            _by_task(on_test),
        ]


def _speed(point: Point) -> str:
    return f"{point.speed.median:.2f} ({point.speed.low:.2f} to {point.speed.high:.2f})"


def _by_task(variant: TestedVariant) -> str:
    """Such as ``sentiment: accuracy 0.772 (-0.21), macro-F1 0.721 (-0.30), same answer 93.1 %``."""
    parts = []
    for name, task in variant.tasks.items():
        metrics = [
            f"{METRICS[metric][0]} {value:.3f} ({100 * task.changes[metric]:+.2f})"
            for metric, value in task.metrics.items()
            if metric in ("accuracy", "macro_f1", "pearson")
        ]
        parts.append(f"{name}: {', '.join([*metrics, f'same answer {100 * task.agreement:.1f} %'])}")
    return "; ".join(parts)


def _trials(results: CompressionResults) -> str:
    """A row for each candidate, in the order in which they were tried, a column for each round."""
    rounds = sorted({trial.rung for run in results.runs.values() for trial in run.found.trials})
    rows = []
    for run in results.runs.values():
        made = {student.name for student in run.found.students}
        measured: dict[str, dict[int, float]] = {}
        for trial in run.found.trials:
            measured.setdefault(trial.candidate, {})[trial.rung] = trial.divergence
        for name, by_round in measured.items():
            cells = [f"{by_round[number]:.4f}" if number in by_round else "" for number in rounds]
            rows.append([run.title, f"**{name}**" if name in made else name, *cells])
    header = ["data", "candidate", *(f"round {number + 1}" for number in rounds)]
    return markdown_table(header, rows, "ll" + "r" * len(rounds))


def _circumstances(results: CompressionResults) -> str:
    rows = [
        [
            run.title,
            run.encoder,
            f"{run.training_rows:,}",
            f"{run.found.sentences:,}",
            f"{run.test_sentences:,}",
            f"{run.found.seconds / 60:.0f}",
            f"{run.found.machine.cpu}, {run.found.machine.cores_allowed} cores",
            run.measured_at[:10],
        ]
        for run in results.runs.values()
    ]
    header = ["data", "teacher's encoder", "training rows", "validation", "test", "minutes", "processor", "measured"]
    return markdown_table(header, rows, "llrrrrll")


if __name__ == "__main__":
    tables_command(CompressionResults, page_tables)()
