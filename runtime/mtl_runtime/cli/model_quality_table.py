"""TrainingSummary -> printed warnings, and a table of each task next to its majority and its probe."""

from mtl_runtime.bundle.training_summary import TrainingSummary
from mtl_runtime.cli.terminal import print_table

__all__ = ["print_model_quality"]

_COLUMNS = ("task", "metric", "majority", "probe", "this model", "rows", "this model is")


def print_model_quality(summary: TrainingSummary | None) -> None:
    """Print what training's validation rows say of the model; nothing where the bundle does not know."""
    if summary is None:
        return
    rows = [
        (name, metric, *(_cell(side.get(metric)) for side in (scores.majority, scores.probe, scores.model)), *rest)
        for name, scores in summary.validation.items()
        for metric, rest in zip(scores.tabulated_metrics, ((str(scores.rows), scores.rating), ("", "")), strict=True)
    ]
    print_table("Is the model good? (validation rows of training; verified means: as PyTorch)", _COLUMNS, rows)
    for finding in summary.findings:
        print_table(f"warning: {finding.text}", (), ())


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
