"""Settings of all tests: no network, one thread for torch, repeatable examples."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
# Tiny models on several threads only wait for each other; subprocesses inherit this.
os.environ["OMP_NUM_THREADS"] = "1"
# Tests that import onnxruntime themselves must not fill the developer's cache; test_telemetry.py removes this.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_report_header() -> str:
    """Versions of what results depend on."""
    from importlib import metadata

    names = ("torch", "transformers", "onnx", "onnxruntime", "tokenizers", "numpy")
    found = {entry.name.lower(): entry.version for entry in metadata.distributions() if entry.name}
    return ", ".join(f"{name} {found.get(name, 'absent')}" for name in names)
