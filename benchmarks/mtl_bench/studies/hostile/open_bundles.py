"""A process that opens one bundle after another and says what became of each: a line of JSON each way.

Another process of its own, so that a crash or a hang of a bundle is an observation.
"""

import json
import sys
import traceback
from typing import Any

from mtl_runtime.errors import MtlError
from mtl_runtime.loading.load import load

__all__ = ["TEXTS", "open_bundle"]

TEXTS = ("the soup was good", "", "great goal and a great price", "unheard-of 中 words")


def open_bundle(path: str, variant: str, *, isolate: bool) -> dict[str, Any]:
    """``decisions`` by task for :data:`TEXTS`, or the ``refused`` line, or the ``traceback`` of anything else."""
    try:
        predictions = load(path, variant=variant, threads=1, isolate=isolate)(TEXTS)
    except MtlError as error:
        return {"refused": str(error)}
    except BaseException:  # noqa: BLE001 - whatever it is, it is the fault that is looked for
        return {"traceback": traceback.format_exc()[-2000:]}
    return {"decisions": [{task: repr(_decision(one[task])) for task in one} for one in predictions]}


def _decision(answer: Any) -> object:
    """A label, labels, or a number to three digits."""
    if hasattr(answer, "label"):
        return answer.label
    return answer.labels if hasattr(answer, "labels") else f"{answer.value:.3g}"


def _serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        answer = open_bundle(request["bundle"], request["variant"], isolate=request["isolate"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
