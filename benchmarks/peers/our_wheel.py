"""bundle -> its evidence for the onnxruntime in this environment: a variant's status and execution settings."""

from pathlib import Path

from mtl_runtime.gate.verify import verify


def verify_here(*, bundle: str, variant: str) -> None:
    """Gate the variant, as `mtl verify` does; the evidence stays in the bundle.

    Raises:
        RuntimeError: a check failed.
    """
    failed = [check for check in verify(Path(bundle), variants=[variant]).checks if check.passed is False]
    if failed:
        raise RuntimeError("; ".join(f"{check.name}: {check.detail}" for check in failed))
