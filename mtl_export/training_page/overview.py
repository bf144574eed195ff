"""CheckpointRecord -> the top of its page: title, the best step, findings, and facts about model and run."""

from collections.abc import Iterator, Sequence

from mtl_export.checkpoint import CheckpointRecord, Evaluation, TrainingRecord
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import HEADLINE, score
from mtl_runtime.report import number_format
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.html import Content, Markup, join, tag

__all__ = ["overview"]

# Checkpoints of earlier versions have no findings because nobody looked for any.
_FIRST_VERSION_WITH_FINDINGS = 2


def overview(record: CheckpointRecord, trained: Sequence[TaskSpec], *, title: str) -> Markup:
    """Make the header of the page."""
    facts = [tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(record)]
    return tag(
        "header",
        tag("p", "Training", class_="kind"),
        tag("h1", title),
        tag("p", _verdict(record, trained), class_="verdict"),
        _findings(record),
        tag("dl", facts, class_="facts"),
    )


def _verdict(record: CheckpointRecord, trained: Sequence[TaskSpec]) -> str:
    training = record.training
    value = score(training.validation, {task.name: task.kind for task in trained})
    names = list(dict.fromkeys(METRICS[HEADLINE[task.kind]][0] for task in trained))
    over = f"mean of {' and '.join(names)} over {len(trained)} tasks" if len(trained) > 1 else names[0]
    rows = min((training.validation[task.name].rows for task in trained), default=0)
    return (
        f"The weights are those of step {number_format.count(training.best_step)} of "
        f"{number_format.count(training.steps)}{_why_this_step(training, trained)}: on {number_format.count(rows)} "
        f"validation rows their score is {number_format.share(value)}, {over}."
    )


def _why_this_step(training: TrainingRecord, trained: Sequence[TaskSpec]) -> str:
    """What the rule of selection went by: the highest score, or the latest of those that these rows cannot tell apart.

    Empty where the history does not have the step's own evaluation.
    """
    scores = {evaluation.step: _score(evaluation, trained) for evaluation in training.history}
    if training.best_step not in scores:
        return ""
    own, highest = scores[training.best_step], max(scores.values())
    ties = sum(score == highest for score in scores.values())
    if own == highest:
        return ", the latest of " + f"{ties} evaluations with the best score" if ties > 1 else ", which scored best"
    return (
        f", the latest evaluation whose score, {number_format.share(own)}, so few rows cannot tell from the best one, "
        f"{number_format.share(highest)}"
    )


def _score(evaluation: Evaluation, trained: Sequence[TaskSpec]) -> float:
    """The mean headline metric, as :func:`mtl_runtime.dataset.metrics.score`."""
    pairs = [(evaluation.metrics.get(task.name, {}), HEADLINE[task.kind]) for task in trained]
    values = [metrics[name] for metrics, name in pairs if name in metrics]
    return sum(values) / len(values) if values else 0.0


def _findings(record: CheckpointRecord) -> Markup:
    findings = record.training.findings
    if findings:
        heading = number_format.plural(len(findings), "finding") + (
            ", the most serious first:" if findings[1:] else ":"
        )
        items = tag("ul", [tag("li", finding.text) for finding in findings], class_="problem")
        return join(tag("p", tag("strong", heading)), items)
    if record.format_version < _FIRST_VERSION_WITH_FINDINGS:
        return tag("p", "Trained by a version that did not look for problems of data and model.", class_="quiet")
    return tag(
        "p",
        "Nothing conspicuous was found in the data and the figures; how sure these are, the intervals say.",
        class_="quiet",
    )


def _facts(record: CheckpointRecord) -> Iterator[tuple[str, Content]]:
    encoder, training = record.model.encoder, record.training
    yield "Encoder", f"{encoder.source} ({encoder.family}, {number_format.count(encoder.hidden_size)} dimensions)"
    yield "Pooling", encoder.pooling
    yield "Longest text", f"{number_format.count(encoder.max_length)} tokens"
    yield "Tasks", ", ".join(f"{task.name} ({task.kind})" for task in record.model.tasks)
    if training.base is not None:
        yield "Started from the checkpoint with weights (SHA-256)", tag("code", training.base)
    if training.newly_initialized:
        yield "Encoder weights that started at random", ", ".join(training.newly_initialized)
    yield "Made with", ", ".join(f"{package} {version}" for package, version in record.made_with.items())
