"""classifier + texts -> the batches that a call runs, in its order: what is to be timed without the rest."""

from collections.abc import Sequence

from mtl_runtime import Classifier
from mtl_runtime.inference.batching import plan_batches
from mtl_runtime.inference.classifier import CHUNK_TEXTS
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.text_chunks import TextChunk
from mtl_runtime.text.windows import flatten_windows

__all__ = ["batches_of"]


def batches_of(classifier: Classifier, texts: Sequence[str]) -> list[Batch]:
    """Tokenized, sorted, cut and padded as the classifier's own call does it."""
    chunk, _ = TextChunk.distinct(texts)
    batches = []
    for some in chunk.cut(CHUNK_TEXTS):
        windows, _ = flatten_windows(classifier.tokenize(some.texts))
        lengths, most = [len(text) for text in windows], classifier.pipeline.max_batch_size
        plan = plan_batches(lengths, max_batch_tokens=classifier.max_batch_tokens, max_batch_size=most)
        pad_id = classifier.manifest.encoder.pad_id
        batches += [Batch.of([windows[index] for index in indices], pad_id=pad_id) for indices in plan]
    return batches
