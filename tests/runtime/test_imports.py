"""What importing the runtime may and may not load."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import mtl_runtime

TINY_BUNDLE = Path(__file__).parent / "data" / "tiny_bundle"
HEAVY = {
    "torch",
    "transformers",
    "onnx",
    "onnxruntime",
    "filelock",
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
    assert modules_after("import mtl_runtime, mtl_runtime.bulk.predict_file, mtl_runtime.gate.verify") & HEAVY == set()


def test_only_a_job_between_files_imports_the_locks(tmp_path):
    bundle, source, target = TINY_BUNDLE, tmp_path / "in.txt", tmp_path / "out.csv"
    source.write_text("good\n")
    predict = f"from mtl_runtime.cli.app import main\nmain(['predict', {str(bundle)!r}, %s], standalone_mode=False)"
    assert "filelock" not in modules_after("import mtl_runtime.bulk.work_folder")
    assert "filelock" not in modules_after(predict % "'--text', 'good'")
    assert "filelock" not in modules_after(predict % f"{str(source)!r}")
    assert "filelock" in modules_after(predict % f"{str(source)!r}, '-o', {str(target)!r}")


def test_the_imports_of_the_library_itself_are_seen():
    assert {"mtl_runtime", "numpy", "tokenizers"} <= modules_after("from mtl_runtime import Classifier")


@pytest.mark.parametrize("code", ["import mtl_runtime", "from mtl_runtime import load, Info, MtlError"])
def test_load_itself_needs_the_standard_library_alone(code):
    before = modules_after("")  # what the interpreter loads by itself, such as hooks of packages
    assert modules_after(code) - before - sys.stdlib_module_names == {"mtl_runtime"}


def test_each_public_name_is_the_one_that_its_module_defines():
    for name in mtl_runtime.__all__:
        module = import_module(f"mtl_runtime.{mtl_runtime._MODULES.get(name, 'errors')}")
        assert getattr(mtl_runtime, name) is getattr(module, name)
    assert set(mtl_runtime.__all__) == {*mtl_runtime._MODULES, "MtlError"} == set(dir(mtl_runtime))


def test_a_function_that_was_replaced_in_its_module_is_the_one_that_the_package_gives(monkeypatch):
    monkeypatch.setattr("mtl_runtime.loading.load.load", print)
    assert mtl_runtime.load is print


def test_errors_can_be_named_before_anything_is_loaded():
    before = modules_after("")
    assert modules_after("import mtl_runtime; mtl_runtime.errors.IntegrityError") - before <= {
        "mtl_runtime",
        *sys.stdlib_module_names,
    }


def test_type_checkers_see_the_same_places():
    tree = ast.parse(Path(mtl_runtime.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert "__getattr__" not in functions, "a type checker would take any name for granted"
    declared = {alias.name: node.module for node in block.body for alias in node.names}
    assert declared == {name: f"mtl_runtime.{module}" for name, module in mtl_runtime._MODULES.items()}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'mtl_runtime' has no attribute 'laod'"):
        mtl_runtime.laod  # noqa: B018


@pytest.mark.parametrize("argv", [["--help"], ["predict", "--help"], ["verify", "--help"]])
def test_help_loads_neither_torch_nor_onnxruntime(argv):
    code = f"from mtl_runtime.cli.app import main\nassert main({argv!r}, standalone_mode=False) == 0"
    loaded = modules_after(code)
    assert "click" in loaded
    assert loaded & (HEAVY - {"click", "rich"}) == set()
