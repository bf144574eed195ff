"""The study of first loads and of rounding elsewhere, on the tiny bundle, in real processes."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from mtl_bench.results.files import read_results
from mtl_bench.studies.self_test import first_load, first_load_table, rounding, rounding_table
from mtl_bench.studies.self_test.results import FirstLoadResults, GoldenDifferences
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import CheckFailedError, MtlError
from tests.runtime.measured_bundle import add_evidence

TINY_BUNDLE = Path(__file__).parents[2] / "runtime" / "data" / "tiny_bundle"


@pytest.fixture
def bundle(tmp_path):
    """On which cpu-int8 is verified as the fastest."""
    path = shutil.copytree(TINY_BUNDLE, tmp_path / "bundle")
    add_evidence(path, {"cpu-fp32": 1.0, "cpu-int8": 2.5})
    return path


def test_three_kinds_of_fresh_processes_are_compared(bundle, tmp_path):
    output = tmp_path / "first_load.json"
    done = CliRunner().invoke(
        first_load.main, [str(bundle), "-o", str(output), "--processes", "2"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    results = read_results(FirstLoadResults, output)
    assert (results.variant, results.golden_texts) == ("cpu-int8", 6)
    assert {kind: len(seconds) for kind, seconds in results.seconds.items()} == {
        first_load.KNOWN: 2,
        first_load.FIRST: 2,
        first_load.LATER: 2,
    }
    assert [check.wanted for check in results.checks] == [first_load.FIRST_SECONDS, first_load.LATER_SECONDS]
    first, later = results.checks
    known = results.seconds[first_load.KNOWN]
    assert first.values == tuple(a - b for a, b in zip(results.seconds[first_load.FIRST], known, strict=True))
    assert later.values == tuple(a - b for a, b in zip(results.seconds[first_load.LATER], known, strict=True))
    assert "later load elsewhere" in first_load_table.page_tables(results)["first loads"]


def test_kinds_that_run_different_variants_are_not_compared(tmp_path):
    with pytest.raises(MtlError, match="cpu-fp32 is the fastest variant here"):
        first_load.measure_first_load(Bundle.open(TINY_BUNDLE), tmp_path, processes=1)


def test_each_variant_is_compared_with_its_golden_answers_and_earlier_runs_stay(bundle, tmp_path):
    output = tmp_path / "differences.json"
    for words in ("one", "two"):
        arguments = [str(bundle), "-o", str(output), "--emulator", f"{words}=nice", "--flags", "avx2,fma"]
        done = CliRunner().invoke(rounding.main, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    results = read_results(GoldenDifferences, output)
    here, one, two = results.kernels
    assert here.kernels == f"onnxruntime {here.self_tests[0].onnxruntime}"
    assert [(run.kernels, run.emulator, run.cpu_flags) for run in (one, two)] == [
        ("one", "nice", ("avx2", "fma")),
        ("two", "nice", ("avx2", "fma")),
    ]
    for run in results.kernels:
        assert [(test.variant, test.holds) for test in run.self_tests] == [("cpu-fp32", True), ("cpu-int8", True)]
    table = rounding_table.page_tables(results)["rounding"]
    assert table.count("| cpu-int8 |") == 9


def test_a_process_that_fails_is_an_error_with_its_command(bundle):
    with pytest.raises(CheckFailedError, match=r"false .*: cpu-fp32 fails with code 1"):
        rounding.measure_kernels(Bundle.open(bundle), variants=["cpu-fp32"], kernels="none", emulator="false")
