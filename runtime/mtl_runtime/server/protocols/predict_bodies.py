"""Results -> the bodies of the server's own JSON API."""

from collections.abc import Mapping

from mtl_runtime.inference.decode import Answer, MultiLabelAnswer, Prediction, RegressionAnswer, SingleLabelAnswer
from mtl_runtime.inference.requests import Result
from mtl_runtime.server.problems import Problem
from mtl_runtime.server.protocols.predict_types import ModelVersion, ProblemDetails, TaskAnswer, TextAnswer
from mtl_runtime.server.served_model import ServedModel

__all__ = ["model_version", "problem_details", "text_answers"]


def text_answers(result: Result, model: ServedModel) -> list[TextAnswer]:
    """Predictions, embeddings and the model's thresholds -> an answer for each text."""
    thresholds = {
        task.name: dict(zip(task.labels, task.thresholds, strict=True))
        for task in model.classifier.specs
        if task.kind == "multi_label"
    }
    answers = [_text_answer(prediction, thresholds) for prediction in result.predictions]
    if result.embeddings is not None:
        for answer, row in zip(answers, result.embeddings.tolist(), strict=True):
            answer.embedding = row
    return answers


def model_version(model: ServedModel) -> ModelVersion:
    """What answers under a model's name."""
    return ModelVersion(model.name, model.variant, model.digest)


def problem_details(problem: Problem) -> ProblemDetails:
    """A problem in the shape of RFC 9457, with facts for programs as further members."""
    return ProblemDetails(
        type=f"urn:mtl-export:problem:{problem.kind}",
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        **problem.facts,
    )


def _text_answer(prediction: Prediction, thresholds: Mapping[str, dict[str, float]]) -> TextAnswer:
    answers = {task: _task_answer(answer, thresholds.get(task)) for task, answer in prediction.answers.items()}
    return TextAnswer(answers, prediction.tokens, prediction.truncated, prediction.windows)


def _task_answer(answer: Answer, thresholds: dict[str, float] | None) -> TaskAnswer:
    match answer:
        case SingleLabelAnswer():
            return TaskAnswer(
                label=answer.label, probability=answer.probability, probabilities=dict(answer.probabilities)
            )
        case MultiLabelAnswer():
            return TaskAnswer(
                labels=list(answer.labels), probabilities=dict(answer.probabilities), thresholds=thresholds
            )
        case RegressionAnswer():
            return TaskAnswer(value=answer.value)
