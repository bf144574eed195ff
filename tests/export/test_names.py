"""The names of mtl_export: a class has one meaning in the package, and no name uses a retired word."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

import mtl_export

ROOT = Path(mtl_export.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# Words that say nothing about what they name, or say it in a vocabulary that nobody else uses.
RETIRED = {
    "workshop",
    "made",
    "material",
    "materials",
    "product",
    "products",
    "narrowed",
    "smoothed",
    "repaired",
    "chosen",
    "kept",
    "told",
    "overflowing",
}
KEYS_OF_FILES = {"made_with"}  # checkpoint.json and manifest.json have this key


def words_of(name):
    """The words of a snake_case or CamelCase name, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def definitions(tree):
    """Names that a module defines at its top level and in its classes: constants, functions, classes, fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    yield statement.name
                elif isinstance(statement, ast.Assign | ast.AnnAssign):
                    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                    yield from (target.id for target in targets if isinstance(target, ast.Name))


def public_definitions(module):
    return {name for name in definitions(ast.parse(module.read_text("utf-8"))) if not name.startswith("_")}


def test_no_two_public_classes_share_a_name():
    modules = defaultdict(list)
    for module in MODULES:
        for node in ast.parse(module.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(str(module.relative_to(ROOT)))
    assert len(modules) > 40
    assert {name: places for name, places in modules.items() if len(places) > 1} == {}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_no_public_name_has_a_retired_word(module):
    names = {module.stem, *module.relative_to(ROOT).parts[:-1], *public_definitions(module)}
    assert {name for name in names - KEYS_OF_FILES if words_of(name) & RETIRED} == set()


def test_the_check_sees_the_words_of_every_kind_of_name():
    source = (
        "CHOSEN_ONE = 1\nfield: int = 0\ndef kept_rows(): ...\nclass ToldAll:\n  made: int\n  def narrowed(self): ...\n"
    )
    names = set(definitions(ast.parse(source)))
    assert {name for name in names if words_of(name) & RETIRED} == names - {"field"}
    assert words_of("ONNXProduct") == {"onnx", "product"}
