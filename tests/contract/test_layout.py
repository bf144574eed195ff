"""The layout of the three packages: small folders, layers that no module can avoid, and no import cycle."""

import tomllib
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"mtl_runtime": "runtime/mtl_runtime", "mtl_export": "mtl_export", "mtl_bench": "benchmarks/mtl_bench"}
MOST_MODULES = 16


@pytest.fixture(scope="module")
def imports():
    """Module -> the modules it imports, at its top, in functions and for type checkers alone."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_module_imports_itself_through_others(imports):
    assert len(imports) > 250
    TopologicalSorter(imports).prepare()


def test_a_cycle_would_be_found(imports):
    closed = {**imports, "mtl_runtime.errors": {"mtl_runtime.loading.load"}}
    with pytest.raises(CycleError):
        TopologicalSorter(closed).prepare()


@pytest.mark.parametrize("folder", PACKAGES.values())
def test_no_folder_holds_more_modules_than_a_reader_can_scan(folder):
    modules = Counter(path.parent for path in (ROOT / folder).rglob("*.py"))
    assert {str(path): count for path, count in modules.items() if count > MOST_MODULES} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_its_layer(package):
    """import-linter then fails on a module that no layer names."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract for contract in contracts if contract.get("containers") == [package])
    assert layers["exhaustive"]
    assert package != "mtl_runtime" or len(layers["layers"]) <= 10
