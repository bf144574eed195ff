"""classifier + texts -> the batches that a call runs, in its order."""

from collections.abc import Sequence

from mtl_runtime import Classifier
from mtl_runtime.inference.batching import plan_batches
from mtl_runtime.inference.classifier import CHUNK_TEXTS
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.text_chunks import TextChunk
from mtl_runtime.text.windows import flatten_windows

__all__ = ["batches_of"]


def batches_of(classifier: Classifier, texts: Sequence[str]) -> list[Batch]:
    """Batches that are tokenized, sorted, cut and padded as in the classifier's own call."""
    settings = classifier.settings
    distinct, _ = TextChunk.distinct(texts)
    batches = []
    for chunk in distinct.cut(CHUNK_TEXTS):
        windows, _ = flatten_windows(classifier.tokenize(chunk.texts))
        plan = plan_batches(
            [len(window) for window in windows],
            max_batch_tokens=settings.execution.max_batch_tokens,
            max_batch_size=settings.max_batch_size,
            batch_overhead=settings.batch_overhead,
        )
        batches += [Batch.of([windows[index] for index in indices], pad_id=settings.pad_id) for indices in plan]
    return batches
