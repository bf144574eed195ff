"""Results files: every one that is committed can still be read, by the records that it was written from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mtl_bench.results import by_processor
from mtl_bench.results.by_processor import describe_processor, processor_file, read_by_processor
from mtl_bench.results.files import read_report, read_results, write_results
from mtl_bench.results.schema import Report
from mtl_bench.studies.bulk_files import BulkFilesResults
from mtl_bench.studies.compression.results import CompressionResults
from mtl_bench.studies.hostile.results import HostileResults
from mtl_bench.studies.joint_training import JointTrainingResults
from mtl_bench.studies.quantization.results import QuantizationResults
from mtl_bench.studies.runtime.results import RuntimeResults
from mtl_bench.studies.scale.simulation import ScaleSimulation
from mtl_bench.studies.scale.speed import ShardSpeedResults
from mtl_bench.studies.scale.worker_memory import WorkerMemoryResults
from mtl_bench.studies.self_test.results import FirstLoadResults, GoldenDifferences
from mtl_bench.studies.serving.results import ServingResults
from mtl_bench.studies.small_data.results import SmallDataResults
from mtl_bench.studies.training_cost.results import TrainingCostResults
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError
from mtl_runtime.evidence.schema import Evidence

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results"
RECORDED = sorted((ROOT / "tests" / "bench" / "compare" / "data").glob("*/*.json"))
KINDS = {
    "bulk.json": BulkFilesResults,
    "compression.json": CompressionResults,
    "demo_evidence.json": Evidence,
    "demo_evidence_cuda.json": Evidence,
    "demo_evidence_openvino.json": Evidence,
    "first_load.json": FirstLoadResults,
    "golden_differences.json": GoldenDifferences,
    "joint_vs_single.json": JointTrainingResults,
    "quantization.json": QuantizationResults,
    "runtime.json": RuntimeResults,
    "runtime_openvino.json": RuntimeResults,
    "hostile.json": HostileResults,
    "scale.json": ScaleSimulation,
    "scale_speed.json": ShardSpeedResults,
    "serve_speed.json": ServingResults,
    "small_data.json": SmallDataResults,
    "training_cost.json": TrainingCostResults,
    "worker_memory.json": WorkerMemoryResults,
}
# Earlier names of keys, which are read and no longer written.
RENAMED = {"token_budget": "max_batch_tokens", "majority": "majority_accuracy"}


def keys_of(content):
    """All keys of a document, wherever they are."""
    if isinstance(content, dict):
        return set(content) | set().union(*map(keys_of, content.values()))
    return set().union(*map(keys_of, content)) if isinstance(content, list) else set()


BENCH = {f"bench/{file.name}": Report for file in sorted((RESULTS / "bench").glob("*.json"))}
KINDS |= BENCH
EPYC = "bench/amd-epyc-2c-avx512-vnni.json"


def test_every_committed_results_file_has_a_record():
    assert {file.relative_to(RESULTS).as_posix() for file in RESULTS.rglob("*.json")} == set(KINDS)


@pytest.mark.parametrize("name", BENCH)
def test_a_benchmarks_file_is_named_after_the_processor_that_it_measured(name):
    assert name == f"bench/{processor_file(read_report(RESULTS / name).machine)}"
    assert describe_processor(read_report(RESULTS / EPYC).machine) == "AMD EPYC with AVX-512 VNNI, 2 cores"


def test_results_are_added_and_replace_those_of_the_same_kind_of_processor_alone(tmp_path):
    report, folder = read_report(RESULTS / EPYC), tmp_path / "bench"
    machines = [
        report.machine,
        replace(report.machine, cpu_flags=("avx2", "fma")),
        replace(report.machine, cpu_flags=("avx2", "fma", "avx512f")),
        replace(report.machine, cores_allowed=8),
        report.machine,
    ]
    for machine in machines:
        write_results(replace(report, machine=machine), tmp_path / "results.json")
        done = CliRunner().invoke(by_processor.main, [str(tmp_path / "results.json"), str(folder)])
        assert done.exit_code == 0, done.output
    assert len(read_by_processor(folder)) == len(list(folder.iterdir())) == 4
    assert "AMD EPYC with AVX2 without VNNI, 2 cores" in read_by_processor(folder)
    with pytest.raises(MtlError, match="holds no results"):
        read_by_processor(tmp_path / "nothing")


@pytest.mark.parametrize("name", KINDS)
def test_a_committed_results_file_is_read_by_its_own_record_and_written_with_the_same_keys(name):
    results = read_results(KINDS[name], RESULTS / name)
    assert records.from_json(KINDS[name], records.to_json(results)) == results
    written = keys_of(json.loads(records.to_json(results)))
    committed = keys_of(json.loads((RESULTS / name).read_bytes()))
    assert [key for key in committed if key not in written and RENAMED.get(key) not in written] == []


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_recorded_run_is_read_and_written_with_the_same_keys(file):
    written = keys_of(json.loads(records.to_json(read_report(file))))
    assert keys_of(json.loads(file.read_bytes())) <= written


def test_the_benchmarks_results_file_has_warnings_under_the_key_that_it_always_had():
    content = json.loads((RESULTS / EPYC).read_bytes())
    report = read_report(RESULTS / EPYC)
    assert [list(result.warnings) for result in report.systems.values()] == [
        row["doubts"] for row in content["systems"].values()
    ]
    assert any(result.warnings for result in report.systems.values())
    assert report.workload.scored == content["workload"]["judged"]
    assert records.to_dict(report)["doubts"] == content["doubts"]


def test_a_study_s_file_is_read_as_it_was_written(tmp_path):
    write_results(RuntimeResults(), tmp_path / "runtime.json")
    assert read_results(RuntimeResults, tmp_path / "runtime.json") == RuntimeResults()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"results\.json cannot be read \(No such file or directory\); name the results file of a study"),
        ("no json", r"results\.json: not valid JSON"),
        ('{"machine": 3}', r"results\.json\.machine: unknown key"),
    ],
)
def test_a_file_that_is_no_study_s_is_refused_in_one_line(tmp_path, content, message):
    file = tmp_path / "results.json"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(MtlError, match=message):
        read_results(RuntimeResults, file)
