"""The version ranges of pyproject.toml: the pins of constraints.txt lie inside, and what can break us is bounded."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
}
REQUIREMENTS = [
    Requirement(line)
    for line in (
        *PROJECT["dependencies"],
        *(line for lines in PROJECT["optional-dependencies"].values() for line in lines),
    )
]
CAN_BREAK_US = {
    "accelerate",
    "numpy",
    "onnx",
    "onnx-ir",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxscript",
    "optimum",
    "pyspark",
    "ray",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
}


@pytest.mark.parametrize("requirement", [r for r in REQUIREMENTS if canonicalize_name(r.name) in PINS], ids=str)
def test_a_pin_lies_inside_the_range(requirement):
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_the_newest_python_that_is_promised_and_the_newest_versions_are_tested_in_ci():
    pythons = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    newest = max(pythons, key=lambda version: int(version.removeprefix("3.")))
    steps = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert f"python313=python{newest}" in steps
    assert {'make test-wheel PYTHON="$python313"', "make test-newest"} <= set(steps)


def test_every_range_has_a_pin():
    ours = {"mtl-export"}
    assert {canonicalize_name(requirement.name) for requirement in REQUIREMENTS} - ours <= PINS.keys()


def test_what_can_break_us_has_an_upper_bound_wherever_it_is_required():
    bounded = {
        str(requirement): any(specifier.operator in ("<", "<=", "~=", "==") for specifier in requirement.specifier)
        for requirement in REQUIREMENTS
        if canonicalize_name(requirement.name) in CAN_BREAK_US
    }
    assert len(bounded) >= len(CAN_BREAK_US)
    assert [requirement for requirement, is_bounded in bounded.items() if not is_bounded] == []
