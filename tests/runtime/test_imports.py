"""What importing the runtime may and may not load."""

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "transformers",
    "onnx",
    "onnxruntime",
    "click",
    "rich",
    "pyarrow",
    "mtl_export",
    "mtl_bench",
}


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_importing_the_library_loads_nothing_heavy():
    assert modules_after("import mtl_runtime, mtl_runtime.files, mtl_runtime.verification") & HEAVY == set()


def test_the_imports_of_the_library_itself_are_seen():
    assert {"mtl_runtime", "numpy", "tokenizers"} <= modules_after("import mtl_runtime")


@pytest.mark.parametrize("argv", [["--help"], ["predict", "--help"], ["verify", "--help"]])
def test_help_loads_neither_torch_nor_onnxruntime(argv):
    code = f"from mtl_runtime.cli import main\nassert main({argv!r}, standalone_mode=False) == 0"
    loaded = modules_after(code)
    assert "click" in loaded
    assert loaded & (HEAVY - {"click", "rich"}) == set()
