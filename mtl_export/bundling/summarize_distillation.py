"""training record of a student -> DistillationSummary: its teacher, what is left of it, and what that cost."""

from collections.abc import Iterator

from mtl_export.checkpoint import StudentOrigin, TrainingRecord
from mtl_runtime.bundle.distillation_summary import DistillationSummary

__all__ = ["describe_student", "summarize_distillation"]


def summarize_distillation(training: TrainingRecord) -> DistillationSummary | None:
    """Summarize where the model comes from; None: it was not distilled."""
    origin = training.student
    if origin is None:
        return None
    return DistillationSummary(
        teacher=origin.teacher,
        method=f"{describe_student(origin)}; distilled with {', '.join(_sources(origin))}",
        changes={
            task: {name: metrics.values[name] - value for name, value in of_teacher.values.items()}
            for task, of_teacher in origin.teacher_validation.items()
            if (metrics := training.validation.get(task)) is not None and metrics.rows
        },
    )


def describe_student(origin: StudentOrigin) -> str:
    """What is left of the teacher, in words."""
    layers = ", ".join(map(str, origin.layers))
    parts = [f"{len(origin.layers)} of {origin.teacher_layers} layers ({layers})"]
    if origin.heads is not None:
        parts.append(f"{origin.heads} heads each")
    if origin.neurons is not None:
        parts.append(f"{origin.neurons:,} feed-forward neurons each")
    return ", ".join(parts)


def _sources(origin: StudentOrigin) -> Iterator[str]:
    yield "the teacher's probabilities at temperature 2"
    yield "its embeddings"
    yield "the labels with weight 0.3"
    if origin.texts:
        yield f"{origin.texts:,} texts without labels"
