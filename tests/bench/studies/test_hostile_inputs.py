"""Odd files, streams, paths and options give right rows or one line; `make hostile` tries all of them."""

import traceback

import pytest
from click.testing import CliRunner

import mtl_runtime.loading.load
from mtl_bench.studies.hostile.attempt import Attempt, find_fault
from mtl_bench.studies.hostile.inputs import HOSTILE_INPUTS
from mtl_runtime.cli.app import main
from tests.runtime.conftest import TINY_BUNDLE

_EVERY = 5  # of the table is tried here, and all that are about size
_LARGE = ("columns", "keys", "without end", "depth", "long")


@pytest.fixture(scope="module")
def loaded_once():
    """Each set of options is loaded once: what is tried here is what happens to the rows."""
    load, classifiers = mtl_runtime.loading.load.load, {}

    def load_once(path, **options):
        key = str(sorted(options.items()))
        if key not in classifiers:
            classifiers[key] = load(path, **options)
        return classifiers[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mtl_runtime.loading.load, "load", load_once)
        yield


def smoke():
    names = list(HOSTILE_INPUTS)
    return [name for index, name in enumerate(names) if index % _EVERY == 0 or any(word in name for word in _LARGE)]


@pytest.mark.parametrize("name", smoke())
def test_a_hostile_input_gives_right_rows_or_one_line(name, loaded_once, tmp_path):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    attempt = HOSTILE_INPUTS[name](tmp_path)
    result = CliRunner().invoke(main, ["predict", str(TINY_BUNDLE), *attempt.arguments], input=attempt.stdin)
    stderr = result.stderr
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        stderr += "".join(traceback.format_exception(result.exception))
    assert find_fault(attempt, tmp_path, exit_code=result.exit_code, stderr=stderr) is None


def test_there_are_many_hostile_inputs_of_every_kind():
    kinds = {name.partition(":")[0] for name in HOSTILE_INPUTS}
    assert {"csv", "tsv", "jsonl", "txt", "parquet", "csv from stdin", "option", "path", "journal"} <= kinds
    assert len(HOSTILE_INPUTS) >= 300


@pytest.mark.parametrize(
    ("attempt", "code", "stderr", "fault"),
    [
        (Attempt(arguments=(), error="bad"), 1, "Traceback\nKeyError", "a traceback"),
        (Attempt(arguments=(), error="bad"), 0, "", "not one error"),
        (Attempt(arguments=(), error="bad"), 2, "error: worse\n", "another error"),
        (Attempt(arguments=(), error="bad"), 2, "error: bad\nerror: bad\n", "not one error"),
        (Attempt(arguments=(), error="bad"), 2, f"error: bad {'x' * 500}\n", "another error"),
        (Attempt(arguments=()), 2, "error: bad\n", "exit code 2"),
        (Attempt(arguments=(), texts=("good",)), 0, "", "other texts"),
    ],
)
def test_a_fault_is_found(tmp_path, attempt, code, stderr, fault):
    (tmp_path / "out.jsonl").write_text('{"text": "bad"}\n')
    assert find_fault(attempt, tmp_path, exit_code=code, stderr=stderr).startswith(fault)
