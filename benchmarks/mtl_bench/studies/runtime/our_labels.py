"""bundle + texts -> Worker: this project's classifier answers them all."""

from collections.abc import Sequence

from mtl_bench.worker.serve import Worker
from mtl_runtime import load

__all__ = ["prepare"]


def prepare(*, bundle: str, texts: Sequence[str], variant: str | None = None) -> Worker:
    """The classifier that ``load`` gives, with the settings that it chooses itself."""
    classifier = load(bundle, variant=variant)

    def answer() -> dict[str, list[str]]:
        predictions = classifier(texts)
        return {task: [prediction[task].label for prediction in predictions] for task in classifier.tasks}

    info = classifier.info
    execution = f"{info.workers} x {info.threads} threads, batches of {info.max_batch_tokens} tokens"
    return Worker({"answer": answer}, {"variant": info.variant, "pace": execution})
