"""bundle and sentences -> how fast the library answers them in this process: the measure of the server.

python -m mtl_bench.studies.serving.library BUNDLE SENTENCES.json  -> JSON on stdout
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.load import load

__all__ = ["measure_library"]

_TEXTS_A_CALL = 64


def measure_library(
    classifier: Classifier, sentences: Sequence[str], *, seconds: float, calls: int
) -> dict[str, float]:
    """Texts a second in calls of 64, and the median seconds of a call with one."""
    blocks = [sentences[start : start + _TEXTS_A_CALL] for start in range(0, len(sentences), _TEXTS_A_CALL)]
    blocks = [block for block in blocks if len(block) == _TEXTS_A_CALL]
    for block in blocks[:4]:
        classifier(block)
    answered, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        classifier(blocks[answered // _TEXTS_A_CALL % len(blocks)])
        answered += _TEXTS_A_CALL
    rate = answered / (time.perf_counter() - begin)
    times = []
    for number in range(calls):
        started = time.perf_counter()
        classifier(sentences[number % len(sentences)])
        times.append(time.perf_counter() - started)
    return {"rate": rate, "alone": statistics.median(times)}


if __name__ == "__main__":
    bundle, file, duration, count = sys.argv[1:]
    texts = json.loads(Path(file).read_text("utf-8"))
    print(json.dumps(measure_library(load(bundle), texts, seconds=float(duration), calls=int(count))))
