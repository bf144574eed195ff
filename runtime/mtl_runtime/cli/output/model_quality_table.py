"""TrainingSummary -> printed warnings, and a table of each task next to its probe and its majority."""

from mtl_runtime.bundle.training_summary import TrainingSummary
from mtl_runtime.cli.terminal import print_line, print_table
from mtl_runtime.report.comparison import METRICS

__all__ = ["BASELINES", "print_model_quality"]

_COLUMNS = ("task", "metric", "this model", "95 % interval", "rows", "probe", "majority", "this model is")
BASELINES = (
    "majority: always the most frequent answer (the mean, if it is a number); probe: linear heads on the encoder as "
    "it was published. What the interval says of other texts holds if these are like the validation rows."
)


def print_model_quality(summary: TrainingSummary | None, *, other_rows: str = "") -> None:
    """Print what training's validation rows say of the model; nothing where the bundle does not know.

    Args:
        summary: of the bundle.
        other_rows: the file whose rows stand in another table, which these are not to be taken for.
    """
    if summary is None:
        return
    rows = []
    for name, scores in summary.validation.items():
        first, last = (name, f"{scores.rows:,}"), scores.comparison
        for metric in scores.tabulated_metrics:
            model, probe, majority = (_cell(side.get(metric)) for side in (scores.model, scores.probe, scores.majority))
            bounds = scores.intervals.get(metric)
            interval = "" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
            rows.append((first[0], METRICS[metric][0], model, interval, first[1], probe, majority, last))
            first, last = ("", ""), ""
    apart = f", not those of {other_rows}" if other_rows else ""
    print_table(f"Is the model good? (validation rows of training{apart})", _COLUMNS, rows)
    print_line(BASELINES)
    print_line("")
    for finding in summary.findings:
        print_table(f"warning: {finding.text}", (), ())


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
