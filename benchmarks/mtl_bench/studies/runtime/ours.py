"""bundle -> this project's classifier; texts -> labels by task."""

from collections.abc import Sequence

from mtl_bench.worker.child import Worker
from mtl_runtime import load

__all__ = ["prepare"]


def prepare(*, bundle: str, texts: Sequence[str], variant: str | None = None) -> Worker:
    """The classifier that ``load`` gives, with whatever it chooses itself."""
    classifier = load(bundle, variant=variant)

    def answer() -> dict[str, list[str]]:
        predictions = classifier(texts)
        return {task: [prediction[task].label for prediction in predictions] for task in classifier.tasks}

    info = classifier.info
    pace = f"{info.workers} x {info.threads} threads, batches of {info.max_batch_tokens} tokens"
    return Worker({"answer": answer}, {"variant": info.variant, "pace": pace})
