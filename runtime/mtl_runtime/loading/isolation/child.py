"""The program of the child: stdin, a bundle and its limits -> stdout, the problems of its variants.

It limits itself before it imports anything that parses a bundle.
"""

import json
import math
import os
import sys
from typing import Any

__all__ = ["main"]

# Spaces, letters with marks, other scripts and an emoji: what normalizers and pre-tokenizers treat on their own.
_TEXT = "The café's battery died after 2 days — nobody answers. Привет, 你好 😀"


def main() -> None:
    """Read the request from stdin and write the answer to stdout, which nothing else may write to."""
    request = json.load(sys.stdin)
    _limit(request["cpu_seconds"], request["memory"])
    answers = os.dup(sys.stdout.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    answer = _open_variants(request)
    with os.fdopen(answers, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)
    # The destructors of a hostile session need not run.
    os._exit(0)


def _limit(cpu_seconds: float, memory: int | None) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is the only limit
        return
    seconds = max(1, math.ceil(cpu_seconds))
    wanted = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_AS: memory, resource.RLIMIT_CORE: 0}
    for kind, most in wanted.items():
        if most is None:
            continue
        hard = resource.getrlimit(kind)[1]
        try:
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
        except (ValueError, OSError):  # macOS does not limit address space
            continue


def _open_variants(request: dict[str, Any]) -> dict[str, dict[str, str]]:
    from mtl_runtime.errors import BundleError, CheckFailedError, MissingPackageError, MtlError, ProviderError
    from mtl_runtime.loading.load import load

    problems = {}
    for name in request["variants"]:
        try:
            classifier = load(request["path"], variant=name, threads=1)
            if classifier.source.digest != request["digest"]:
                problems[name] = {"error": BundleError.__name__, "message": "the bundle was changed meanwhile"}
                continue
            classifier.logits([_TEXT])
        except MtlError as error:
            kinds = (MissingPackageError, ProviderError, CheckFailedError, BundleError)
            kind = next((kind for kind in kinds if isinstance(error, kind)), BundleError)
            problems[name] = {"error": kind.__name__, "message": " ".join(str(error).split())}
    return problems


if __name__ == "__main__":
    main()
