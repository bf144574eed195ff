"""The measurements of the runtime's speed on a tiny model: each one end to end, its results file and its page."""

import dataclasses
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from mtl_bench.effort import Effort
from mtl_bench.processes.interleave import round_ratios, run_interleaved
from mtl_bench.processes.worker_process import WorkerError, start_worker
from mtl_bench.report.markdown_table import fill_tables
from mtl_bench.results.files import read_results
from mtl_bench.studies.runtime import cold_start, command
from mtl_bench.studies.runtime.cold_start import cold_start_checks
from mtl_bench.studies.runtime.context import StudyContext, verified_variants
from mtl_bench.studies.runtime.results import (
    Circumstances,
    OverheadMeasurement,
    RuntimeResults,
    TargetCheck,
    ThroughputMeasurement,
    TimedSystemResult,
)
from mtl_bench.studies.runtime.sentences import label_accuracy, label_agreement, read_sentences
from mtl_bench.studies.runtime.soak import ragged_texts
from mtl_bench.studies.runtime.tables import check_rows, page_tables
from mtl_bench.studies.runtime.tasks import ALL, ONE, ONE_OF_MANY, measure_tasks
from mtl_bench.studies.runtime.throughput import (
    BASELINE,
    OURS,
    TimedSystem,
    check_targets,
    time_systems,
    timed_systems,
)
from mtl_bench.systems.batches import batches_of
from mtl_export.bundling.export_bundle import export_bundle
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import CheckFailedError
from mtl_runtime.evidence.schema import Estimate
from tests.bench.tiny_checkpoint import tiny_checkpoint

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results" / "runtime.json"
PAGE = ROOT / "docs" / "runtime-speed.md"
PEERS = """
from mtl_bench.worker.serve import Worker


def wrong(*, texts, **_):
    return Worker({"answer": lambda: {"sentiment": ["neutral"] * len(texts), "topic": ["nothing"] * len(texts)}})


def broken(*, texts):
    raise RuntimeError("no compiler here")


def talkative(*, text):
    print("a library says hello")
    return Worker({"echo": lambda: [text, print("and good-bye")]}, {"pid": __import__("os").getpid()})
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with checkpoint, bundle (cpu-fp32) and test.csv."""
    folder = tiny_checkpoint(tmp_path_factory.mktemp("project"), train=64)
    export_bundle(folder / "checkpoint", folder / "bundle", variants=["cpu-fp32"])
    return folder


@pytest.fixture
def context(trained, tmp_path):
    bundle = Bundle.open(trained / "bundle")
    return StudyContext(
        checkpoint=trained / "checkpoint",
        bundle=bundle,
        sentences=read_sentences(bundle, trained / "test.csv"),
        variants=verified_variants(bundle),
        folder=tmp_path,
        effort=Effort(rounds=2, short_calls=40, launches=1, soak_calls=40),
    )


@pytest.fixture
def peers(tmp_path, monkeypatch):
    """Functions that a worker process can prepare."""
    (tmp_path / "peers.py").write_text(PEERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return "peers"


def test_the_command_measures_what_is_asked_for_and_keeps_what_was_measured_before(trained, tmp_path):
    output = tmp_path / "results.json"
    arguments = [
        str(trained / "checkpoint"),
        str(trained / "bundle"),
        "--data",
        str(trained / "test.csv"),
        "-o",
        str(output),
    ]
    few = ["--rounds", "2", "--calls", "40", "--processes", "1", "--soak-calls", "40", "--sentences", "20"]
    done = CliRunner().invoke(
        command.main, [*arguments, *few, "--only", "kernel_bound,overhead"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    first = read_results(RuntimeResults, output)
    assert first.cold_start is None
    more = CliRunner().invoke(command.main, [*arguments, *few, "--only", "cold_start,soak"], catch_exceptions=False)
    assert more.exit_code == 0, more.output
    assert "memory after 40 calls" in more.output
    text = output.read_text("utf-8")
    assert str(trained) not in text
    assert "/tmp" not in text
    results = records.from_json(RuntimeResults, text)
    assert results.kernel_bound == first.kernel_bound
    assert len(results.kernel_bound.pipeline) == len(results.kernel_bound.kernel) == 2
    assert results.kernel_bound.circumstances.sentences == 20
    assert set(results.overhead.ours) == {"throughput", "latency"}
    assert results.overhead.calls == 40
    assert set(results.cold_start.ours) == set(results.cold_start.bare) == {"cpu-fp32"}
    assert (results.soak.calls, results.soak.early_calls, results.soak.wrong) == (40, 4, 0)
    assert 40 <= results.soak.texts <= 120
    assert results.soak.largest_difference < 1e-4
    measured_values = [*results.kernel_bound.pipeline, *results.kernel_bound.kernel, *results.soak.checks[0].values]
    measured_values += [*results.overhead.ours["latency"], *results.overhead.bare["latency"]]
    measured_values += [*results.cold_start.ours["cpu-fp32"], *results.cold_start.bare["cpu-fp32"]]
    assert all(math.isfinite(value) and value > 0 for value in measured_values)


def test_a_measurement_that_there_is_not_is_the_user_s_mistake(trained, tmp_path):
    arguments = [
        str(trained / "checkpoint"),
        str(trained / "bundle"),
        "--data",
        str(trained / "test.csv"),
        "-o",
        str(tmp_path / "r"),
    ]
    done = CliRunner().invoke(command.main, [*arguments, "--only", "speed"])
    assert done.exit_code == 2
    assert "kernel_bound" in done.output


def test_every_system_gives_the_same_labels_and_a_wrong_or_broken_one_is_shown_as_such(context, peers, tmp_path):
    systems = {name: system for name, system in timed_systems(context, tmp_path).items() if "compiled" not in name}
    assert set(systems) == {BASELINE, "torch-eager", OURS, f"{OURS}-cpu-fp32"}
    systems["wrong"] = TimedSystem("wrong", f"{peers}:wrong", {})
    systems["torch-compiled"] = TimedSystem("broken", f"{peers}:broken", {})
    measurement = time_systems(context, systems)
    assert list(measurement.systems) == list(systems)
    for name in (BASELINE, OURS, f"{OURS}-cpu-fp32"):
        assert measurement.systems[name].agreement == {"sentiment": 1.0, "topic": 1.0}
        assert measurement.systems[name].accuracy == measurement.systems[BASELINE].accuracy
        assert len(measurement.systems[name].seconds) == 2
        assert min(measurement.systems[name].seconds) > 0
    assert min(measurement.systems["torch-eager"].agreement.values()) >= 0.9
    assert measurement.systems["wrong"].agreement["topic"] == 0.0
    assert measurement.systems["torch-compiled"].error == "RuntimeError: no compiler here"
    (check,) = measurement.checks  # a system that failed has none
    assert check.values == round_ratios(measurement.systems[BASELINE].seconds, measurement.systems[OURS].seconds)
    table = page_tables(RuntimeResults(throughput=measurement))["systems"]
    assert "failed: RuntimeError: no compiler here" in table
    (row,) = [line for line in table.splitlines() if line.startswith("| wrong")]
    assert row.endswith("0.0% |")


def test_eight_tasks_and_one_are_exported_and_answer_alike(context):
    measurement = measure_tasks(context)
    assert set(measurement.seconds) == {ONE, ALL, ONE_OF_MANY}
    assert all(len(values) == 2 and min(values) > 0 for values in measurement.seconds.values())
    assert measurement.agreement == 1.0
    assert 0 < measurement.flops < measurement.parameters < 0.5
    assert measurement.checks[0].values == round_ratios(measurement.seconds[ALL], measurement.seconds[ONE])


def test_the_kernel_bound_runs_the_batches_that_the_pipeline_runs(context):
    classifier = load(context.bundle.path, max_batch_tokens=64)
    seen = []

    def run(batch, outputs):
        seen.append(batch.input_ids.tobytes())
        return classifier.run_batch(batch, outputs)

    texts = [*context.sentences.texts, context.sentences.texts[0]]
    dataclasses.replace(classifier, run_batch=run)(texts)
    ready = [batch.input_ids.tobytes() for batch in batches_of(classifier, texts)]
    assert sorted(seen) == sorted(ready)
    assert len(ready) > 2


def test_a_worker_keeps_the_output_of_libraries_away_from_its_replies(peers):
    with start_worker(f"{peers}:talkative", text="né\n") as process:
        assert process.run("echo").value == ["né\n", None]
        with pytest.raises(WorkerError, match="KeyError"):
            process.run("shout")


def test_every_run_takes_every_place_of_a_round_in_turn():
    order = []
    runs = {name: (lambda name=name: order.append(name) or len(order)) for name in "abc"}
    values = run_interleaved(runs, rounds=3)
    assert "".join(order) == "abccabbca"
    assert values == {"a": [1, 5, 9], "b": [2, 6, 7], "c": [3, 4, 8]}


def test_a_target_is_met_by_the_median_unless_there_is_a_warning():
    values = (0.5, 1.0, 1.25, 1.5, 1.75, 2.0)
    assert TargetCheck.of("x", "times", values, at_least=1.375).holds
    assert not TargetCheck.of("x", "times", values, at_least=1.38).holds
    assert TargetCheck.of("x", "s", values, at_most=1.375).holds
    assert not TargetCheck.of("x", "s", values, at_most=1.37).holds
    assert not TargetCheck.of("x", "times", values, at_least=1.0, warnings=("the answers are wrong",)).holds
    assert TargetCheck.of("x", "times", values, at_least=1.0).estimate == Estimate(median=1.375, low=0.5, high=2.0, n=6)


def test_a_comparison_with_wrong_answers_does_not_hold():
    right, wrong = {"topic": 0.99}, {"topic": 0.5}
    baseline = TimedSystemResult(title="two graphs", seconds=(30.0,), agreement={"topic": 1.0})
    fast = TimedSystemResult(title="ours", seconds=(1.0,), agreement=right)
    (check,) = check_targets({BASELINE: baseline, OURS: fast})
    assert check.holds
    (check,) = check_targets({BASELINE: baseline, OURS: dataclasses.replace(fast, agreement=wrong)})
    assert not check.holds
    assert check_rows([check])[0][-1] == "no; ours: topic has only 50.0 % of fp32's labels"


def test_sentences_without_a_label_do_not_count_in_accuracy_but_in_agreement():
    truth = {"topic": ["film", None, "food"], "mood": [None, None, None]}
    answers = {"topic": ["film", "film", "film"], "mood": ["a", "b", "c"]}
    assert label_accuracy(answers, truth) == {"topic": 0.5}
    assert label_agreement(answers, {"topic": ["film", "food", "food"]}) == {"topic": 1 / 3}


def test_ragged_texts_have_up_to_200_words_and_are_mostly_short():
    texts = ragged_texts(["a", "b"], 400)
    lengths = sorted(len(text.split()) for text in texts)
    assert (lengths[0], lengths[len(lengths) // 2] < 20, 150 < lengths[-1] <= 200) == (1, True, True)
    assert texts == ragged_texts(["a", "b"], 400)


def test_the_tables_show_exactly_what_the_records_hold():
    now = Circumstances(
        measured_at="2026-01-02T03:04:05+00:00",
        machine=dataclasses.replace(machine_facts(), cpu="A processor", cores_allowed=2),
        load=0.25,
        made_with={"onnxruntime": "1.2.3", "torch": "4.5"},
        bundle="0" * 64,
        data={"test.csv": FileSpec(bytes=1, sha256="0" * 64)},
        sentences=100,
    )
    ours = TimedSystemResult(
        title="**ours**", seconds=(1.0, 2.0, 4.0), accuracy={"topic": 0.75}, agreement={"topic": 0.995}
    )
    check = TargetCheck.of("throughput, times: two graphs", "times", (14.0, 15.0, 16.0), at_least=14.0)
    late = TargetCheck.of("overhead", "ms", (0.25,), at_most=0.15)
    results = RuntimeResults(
        throughput=ThroughputMeasurement(circumstances=now, checks=(check,), systems={OURS: ours}),
        overhead=OverheadMeasurement(circumstances=now, checks=(late,), text="a", calls=1, block=1, ours={}, bare={}),
    )
    assert records.from_json(RuntimeResults, records.to_json(results)) == results
    names = ("targets", "systems", "heads", "cold starts", "circumstances")
    page = "".join(f"<!-- {name}: start -->\nold\n<!-- {name}: end -->\n" for name in names)
    assert fill_tables(page, page_tables(results)) == (
        "<!-- targets: start -->\n"
        "| what | median | 95 % interval | wanted | holds |\n"
        "|---|--:|--:|--:|---|\n"
        "| throughput, times: two graphs | 15.00x | 14.00x to 16.00x | at least 14.00x | yes |\n"
        "| overhead | 0.250 ms |  | at most 0.150 ms | no |\n"
        "<!-- targets: end -->\n"
        "<!-- systems: start -->\n"
        "| system | sentences/s | topic: accuracy | topic: fp32's label |\n"
        "|---|--:|--:|--:|\n"
        "| **ours** | 50 | 0.750 | 99.5% |\n"
        "<!-- systems: end -->\n"
        "<!-- heads: start -->\n"
        "<!-- heads: end -->\n"
        "<!-- cold starts: start -->\n"
        "<!-- cold starts: end -->\n"
        "<!-- circumstances: start -->\n"
        "| measurement | at | processor | cores | load before | onnxruntime | torch |\n"
        "|---|---|---|--:|--:|---|---|\n"
        "| throughput | 2026-01-02T03:04:05+00:00 | A processor | 2 | 0.2 | 1.2.3 | 4.5 |\n"
        "| overhead | 2026-01-02T03:04:05+00:00 | A processor | 2 | 0.2 | 1.2.3 | 4.5 |\n"
        "<!-- circumstances: end -->\n"
    )


def test_the_tables_of_the_page_are_those_of_the_results_file():
    page = PAGE.read_text("utf-8")
    results = read_results(RuntimeResults, RESULTS) if RESULTS.is_file() else RuntimeResults()
    assert fill_tables(page, page_tables(results)) == page, "run `make runtime-speed`"


def test_a_first_answer_is_compared_with_each_script_on_its_own():
    ours = {"cpu-fp32": (0.5, 0.6), "openvino-bf16": (0.9, 0.9)}
    bare = {"cpu-fp32": (0.4, 0.4), "openvino-bf16": (0.8, 0.9)}
    fp32, plain, cached = cold_start_checks(ours, bare, {"openvino-bf16": (0.7, 0.7)})
    assert [check.values for check in (fp32, plain, cached)] == [
        pytest.approx((0.1, 0.2)),
        pytest.approx((0.1, 0.0)),
        pytest.approx((0.2, 0.2)),
    ]
    assert [check.holds for check in (fp32, plain, cached)] == [False, True, False]
    assert cached.what == "first answer of a fresh process above a bare script with a warm cache, openvino-bf16"


def test_only_a_provider_with_a_compile_cache_is_compared_with_a_script_that_has_one(trained, monkeypatch, tmp_path):
    bundle = Bundle.open(trained / "bundle")
    spec = dataclasses.replace(bundle.manifest.variants["cpu-fp32"], provider="openvino")
    variants = {**bundle.manifest.variants, "openvino-fp32": spec}
    bundle = dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, variants=variants))

    def loaded(_, *, variant):
        return SimpleNamespace(info=SimpleNamespace(variant=variant, threads=1, workers=2))

    monkeypatch.setattr(cold_start, "load", loaded)
    assert set(cold_start._commands(bundle, "cpu-fp32", tmp_path)) == {"ours", "bare"}
    compiled = cold_start._commands(bundle, "openvino-fp32", tmp_path)
    assert set(compiled) == {"ours", "bare", "bare with a warm cache"}
    plain, cached = (json.loads(compiled[side][3])["options"]["load_config"] for side in list(compiled)[1:])
    assert "CACHE_DIR" not in plain
    assert json.loads(cached)["CPU"]["CACHE_DIR"] == str(tmp_path / "openvino-fp32-cache")


def test_scripts_with_other_answers_than_ours_are_an_error():
    commands = {"cpu-fp32": {"ours": [], "bare": []}}
    cold_start._check_same_answers({"cpu-fp32 ours": [(0.1, "good")], "cpu-fp32 bare": [(0.2, "good")]}, commands)
    for other in ("bad", ""):
        answers = {"cpu-fp32 ours": [(0.1, "good")], "cpu-fp32 bare": [(0.2, other)]}
        with pytest.raises(CheckFailedError, match="cpu-fp32: different answers on the same graph"):
            cold_start._check_same_answers(answers, commands)


def test_each_script_keeps_its_own_seconds(context, monkeypatch):
    seconds = {"ours": 0.3, "bare": 0.2, "bare with a warm cache": 0.1}
    monkeypatch.setattr(cold_start, "_commands", lambda *_: {side: [side] for side in seconds})
    monkeypatch.setattr(cold_start, "time_first_answer", lambda command: (seconds[command[0]], "good"))
    measurement = cold_start.measure_cold_start(context)
    assert measurement.ours == dict.fromkeys(context.variants, (0.3,))
    assert measurement.bare == dict.fromkeys(context.variants, (0.2,))
    assert measurement.bare_with_cache == dict.fromkeys(context.variants, (0.1,))
    assert [check.values for check in measurement.checks] == [pytest.approx((0.1,))] * len(context.variants) + [
        pytest.approx((0.2,))
    ] * len(context.variants)
