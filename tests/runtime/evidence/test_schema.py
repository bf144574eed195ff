"""Evidence of earlier versions is read into what is written now."""

from dataclasses import replace

from mtl_runtime.core import records
from mtl_runtime.evidence.schema import TaskEvidence
from tests.runtime.evidence.evidence_records import INT8_SENTIMENT


def test_the_accuracy_of_the_majority_was_once_written_among_the_metrics():
    earlier = records.to_dict(INT8_SENTIMENT)
    del earlier["majority_accuracy"]
    for side in ("metrics", "reference_metrics"):
        earlier[side]["majority"] = 0.4
    assert records.from_dict(TaskEvidence, earlier) == replace(INT8_SENTIMENT, majority_accuracy=0.4)
    assert records.from_json(TaskEvidence, records.to_json(INT8_SENTIMENT)) == INT8_SENTIMENT
