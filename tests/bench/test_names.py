"""Names of the package: one name has one meaning."""

import ast
from collections import defaultdict
from pathlib import Path

import mtl_bench

PACKAGE = Path(mtl_bench.__path__[0])


def public_classes():
    """Modules by the name of a public class that they define."""
    modules = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(str(file.relative_to(PACKAGE)))
    return modules


def test_no_two_public_classes_share_a_name():
    modules = public_classes()
    assert {"Report", "Effort", "StudyContext", "RunComparison"} <= modules.keys()
    assert {name: files for name, files in modules.items() if len(files) > 1} == {}


def test_no_folder_has_more_than_sixteen_modules():
    counts = {
        str(folder.relative_to(PACKAGE)): len(list(folder.glob("*.py")))
        for folder in (PACKAGE, *PACKAGE.rglob("*"))
        if folder.is_dir()
    }
    assert {folder: count for folder, count in counts.items() if count > 16} == {}
