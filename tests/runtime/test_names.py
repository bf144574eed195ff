"""Public names of the runtime: a class name has one meaning, and no name uses a retired word."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import mtl_runtime

ROOT = Path(mtl_runtime.__file__).parent
MODULES = {path.relative_to(ROOT).with_suffix(""): path for path in sorted(ROOT.rglob("*.py"))}

# Words that say nothing to a reader who does not know this project's history.
RETIRED = {
    "amounts",
    "beginnings",
    "contender",
    "doubts",
    "drive",
    "lasting",
    "narrowed",
    "opening",
    "pace",
    "repaired",
    "sittings",
    "smoothed",
    "told",
    "verdict",
    "workshop",
}


def is_public(name):
    return not name.startswith("_")


def public_definitions(body):
    """Public names that the statements of a module or a class define, imports aside."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        elif isinstance(node, ast.AnnAssign):
            names = [ast.unparse(node.target)]
        elif isinstance(node, ast.If | ast.Try):
            yield from public_definitions([*node.body, *node.orelse])
            continue
        else:
            continue
        for name in filter(is_public, names):
            yield name, node


def public_names(tree):
    """Public names of a module, with the members of its public classes and the parameters of its public functions."""
    for name, node in public_definitions(tree.body):
        yield name
        if isinstance(node, ast.ClassDef):
            yield from (member for member, _ in public_definitions(node.body))
        functions = [node] if isinstance(node, ast.FunctionDef) else []
        functions += [member for _, member in public_definitions(getattr(node, "body", [])) if hasattr(member, "args")]
        for function in functions:
            yield from (argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg))


def words(name):
    """``default_execution`` and ``DefaultExecution`` -> {"default", "execution"}."""
    spaced = "".join(f"_{letter}" if letter.isupper() else letter for letter in name) if not name.isupper() else name
    return set(spaced.lower().split("_"))


def test_no_two_public_classes_share_a_name():
    homes = defaultdict(list)
    for module, path in MODULES.items():
        for name, node in public_definitions(ast.parse(path.read_text("utf-8")).body):
            if isinstance(node, ast.ClassDef):
                homes[name].append(str(module))
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}
    assert len(homes) > 50


@pytest.mark.parametrize("module", list(MODULES), ids=str)
def test_no_module_and_no_public_name_uses_a_retired_word(module):
    names = [*module.parts, *public_names(ast.parse(MODULES[module].read_text("utf-8")))]
    assert [name for name in names if words(name) & RETIRED] == []


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("def told(): pass", "told"),
        ("def find(told): pass", "told"),
        ("class Verdict: pass", "Verdict"),
        ("class Reader:\n    opening: int", "opening"),
        ("class Reader:\n    def drive(self): pass", "drive"),
        ("class Reader:\n    def run(self, *, pace): pass", "pace"),
        ("DEFAULT_PACE = 1", "DEFAULT_PACE"),
        ("smoothed_portable: int = 1", "smoothed_portable"),
        ("if True:\n    class BestContender: pass", "BestContender"),
    ],
)
def test_retired_words_are_found_wherever_a_public_name_is_defined(code, name):
    assert [public for public in public_names(ast.parse(code)) if words(public) & RETIRED] == [name]


@pytest.mark.parametrize("code", ["_told = 1", "def _told(pace): pass", "import told", "x = 'pace'", "spaces = 1"])
def test_private_names_imports_strings_and_longer_words_are_left_alone(code):
    assert [name for name in public_names(ast.parse(code)) if words(name) & RETIRED] == []
