"""The measurements of the runtime's speed on a tiny model: each one end to end, its results file and its page."""

import dataclasses
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from mtl_bench.processes.interleave import interleaved, ratios
from mtl_bench.processes.worker_process import WorkerError, start_worker
from mtl_bench.studies.runtime import cold_start, command
from mtl_bench.studies.runtime.bench import Amounts, Bench, verified_here
from mtl_bench.studies.runtime.cold_start import cold_start_lines
from mtl_bench.studies.runtime.results import Circumstances, Line, Overhead, RuntimeSpeed, Throughput, WayResult
from mtl_bench.studies.runtime.sentences import accuracy, agreement, read_sentences
from mtl_bench.studies.runtime.soak import ragged_texts
from mtl_bench.studies.runtime.tables import filled, line_rows
from mtl_bench.studies.runtime.tasks import ALL, ONE, ONE_OF_MANY, tasks
from mtl_bench.studies.runtime.throughput import BASELINE, OURS, Way, compared, measured, ways
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
from mtl_bench.worker.child import Prepared


def wrong(*, texts, **_):
    return Prepared({"answer": lambda: {"sentiment": ["neutral"] * len(texts), "topic": ["nothing"] * len(texts)}})


def broken(*, texts):
    raise RuntimeError("no compiler here")


def talkative(*, text):
    print("a library says hello")
    return Prepared({"echo": lambda: [text, print("and good-bye")]}, {"pid": __import__("os").getpid()})
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with checkpoint, bundle (cpu-fp32) and test.csv."""
    folder = tiny_checkpoint(tmp_path_factory.mktemp("project"), train=64)
    export_bundle(folder / "checkpoint", folder / "bundle", variants=["cpu-fp32"])
    return folder


@pytest.fixture
def bench(made, tmp_path):
    bundle = Bundle.open(made / "bundle")
    return Bench(
        checkpoint=made / "checkpoint",
        bundle=bundle,
        sentences=read_sentences(bundle, made / "test.csv"),
        variants=verified_here(bundle),
        folder=tmp_path,
        amounts=Amounts(rounds=2, calls=40, processes=1, soak_calls=40),
        report=lambda _: None,
    )


@pytest.fixture
def peers(tmp_path, monkeypatch):
    """Functions that a child can be told to prepare."""
    (tmp_path / "peers.py").write_text(PEERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return "peers"


def test_the_command_measures_what_is_asked_for_and_keeps_what_was_measured_before(made, tmp_path):
    output = tmp_path / "results.json"
    given = [str(made / "checkpoint"), str(made / "bundle"), "--data", str(made / "test.csv"), "-o", str(output)]
    few = ["--rounds", "2", "--calls", "40", "--processes", "1", "--soak-calls", "40", "--sentences", "20"]
    done = CliRunner().invoke(command.main, [*given, *few, "--only", "kernel_bound,overhead"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    first = records.from_json(RuntimeSpeed, output.read_text("utf-8"))
    assert first.cold_start is None
    more = CliRunner().invoke(command.main, [*given, *few, "--only", "cold_start,soak"], catch_exceptions=False)
    assert more.exit_code == 0, more.output
    assert "memory after 40 calls" in more.output
    text = output.read_text("utf-8")
    assert str(made) not in text
    assert "/tmp" not in text
    found = records.from_json(RuntimeSpeed, text)
    assert found.kernel_bound == first.kernel_bound
    assert len(found.kernel_bound.pipeline) == len(found.kernel_bound.kernel) == 2
    assert found.kernel_bound.circumstances.sentences == 20
    assert set(found.overhead.ours) == {"throughput", "latency"}
    assert found.overhead.calls == 40
    assert set(found.cold_start.ours) == set(found.cold_start.bare) == {"cpu-fp32"}
    assert (found.soak.calls, found.soak.early_calls, found.soak.wrong) == (40, 4, 0)
    assert 40 <= found.soak.texts <= 120
    assert found.soak.largest_difference < 1e-4
    measured_values = [*found.kernel_bound.pipeline, *found.kernel_bound.kernel, *found.soak.lines[0].values]
    measured_values += [*found.overhead.ours["latency"], *found.overhead.bare["latency"]]
    measured_values += [*found.cold_start.ours["cpu-fp32"], *found.cold_start.bare["cpu-fp32"]]
    assert all(math.isfinite(value) and value > 0 for value in measured_values)


def test_a_measurement_that_there_is_not_is_the_user_s_mistake(made, tmp_path):
    given = [
        str(made / "checkpoint"),
        str(made / "bundle"),
        "--data",
        str(made / "test.csv"),
        "-o",
        str(tmp_path / "r"),
    ]
    done = CliRunner().invoke(command.main, [*given, "--only", "speed"])
    assert done.exit_code == 2
    assert "kernel_bound" in done.output


def test_every_way_gives_the_same_labels_and_a_wrong_or_broken_one_is_shown_as_such(bench, peers, tmp_path):
    rows = {name: way for name, way in ways(bench, tmp_path).items() if "compiled" not in name}
    assert set(rows) == {BASELINE, "torch-eager", OURS, f"{OURS}-cpu-fp32"}
    rows["wrong"] = Way("wrong", f"{peers}:wrong", {})
    rows["torch-compiled"] = Way("broken", f"{peers}:broken", {})
    found = measured(bench, rows)
    assert list(found.ways) == list(rows)
    for name in (BASELINE, OURS, f"{OURS}-cpu-fp32"):
        assert found.ways[name].agreement == {"sentiment": 1.0, "topic": 1.0}
        assert found.ways[name].accuracy == found.ways[BASELINE].accuracy
        assert len(found.ways[name].seconds) == 2
        assert min(found.ways[name].seconds) > 0
    assert min(found.ways["torch-eager"].agreement.values()) >= 0.9
    assert found.ways["wrong"].agreement["topic"] == 0.0
    assert found.ways["torch-compiled"].error == "RuntimeError: no compiler here"
    (line,) = found.lines  # that which failed cannot be compared with
    assert line.values == ratios(found.ways[BASELINE].seconds, found.ways[OURS].seconds)
    page = filled("<!-- table: ways -->\n<!-- end of table -->", RuntimeSpeed(throughput=found))
    assert "failed: RuntimeError: no compiler here" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| wrong")]
    assert row.endswith("0.0% |")


def test_eight_tasks_and_one_are_exported_and_answer_alike(bench):
    found = tasks(bench)
    assert set(found.seconds) == {ONE, ALL, ONE_OF_MANY}
    assert all(len(values) == 2 and min(values) > 0 for values in found.seconds.values())
    assert found.agreement == 1.0
    assert 0 < found.flops < found.parameters < 0.5
    assert found.lines[0].values == ratios(found.seconds[ALL], found.seconds[ONE])


def test_the_kernel_bound_runs_the_batches_that_the_pipeline_runs(bench):
    classifier = load(bench.bundle.path, max_batch_tokens=64)
    seen = []

    def run(batch, outputs):
        seen.append(batch.input_ids.tobytes())
        return classifier.run(batch, outputs)

    texts = [*bench.sentences.texts, bench.sentences.texts[0]]
    dataclasses.replace(classifier, run=run)(texts)
    ready = [batch.input_ids.tobytes() for batch in batches_of(classifier, texts)]
    assert sorted(seen) == sorted(ready)
    assert len(ready) > 2


def test_a_child_keeps_what_libraries_print_away_from_its_answers(peers):
    with start_worker(f"{peers}:talkative", text="né\n") as process:
        assert process.run("echo").value == ["né\n", None]
        with pytest.raises(WorkerError, match="KeyError"):
            process.run("shout")


def test_every_way_takes_every_place_of_a_round_in_turn():
    order = []
    runs = {name: (lambda name=name: order.append(name) or len(order)) for name in "abc"}
    done = interleaved(runs, rounds=3)
    assert "".join(order) == "abccabbca"
    assert done == {"a": [1, 5, 9], "b": [2, 6, 7], "c": [3, 4, 8]}


def test_a_line_holds_by_its_median_unless_something_stands_against_it():
    values = (0.5, 1.0, 1.25, 1.5, 1.75, 2.0)
    assert Line.of("x", "times", values, at_least=1.375).holds
    assert not Line.of("x", "times", values, at_least=1.38).holds
    assert Line.of("x", "s", values, at_most=1.375).holds
    assert not Line.of("x", "s", values, at_most=1.37).holds
    assert not Line.of("x", "times", values, at_least=1.0, doubts=("the answers are wrong",)).holds
    assert Line.of("x", "times", values, at_least=1.0).found == Estimate(median=1.375, low=0.5, high=2.0, n=6)


def test_a_comparison_with_wrong_answers_does_not_hold():
    right, wrong = {"topic": 0.99}, {"topic": 0.5}
    baseline = WayResult(title="two graphs", seconds=(30.0,), agreement={"topic": 1.0})
    fast = WayResult(title="ours", seconds=(1.0,), agreement=right)
    (line,) = compared({BASELINE: baseline, OURS: fast})
    assert line.holds
    (line,) = compared({BASELINE: baseline, OURS: dataclasses.replace(fast, agreement=wrong)})
    assert not line.holds
    assert line_rows([line])[0][-1] == "no; ours: topic has only 50.0 % of fp32's labels"


def test_sentences_without_a_label_do_not_count_in_accuracy_but_in_agreement():
    truth = {"topic": ["film", None, "food"], "mood": [None, None, None]}
    given = {"topic": ["film", "film", "film"], "mood": ["a", "b", "c"]}
    assert accuracy(given, truth) == {"topic": 0.5}
    assert agreement(given, {"topic": ["film", "food", "food"]}) == {"topic": 1 / 3}


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
    ours = WayResult(title="**ours**", seconds=(1.0, 2.0, 4.0), accuracy={"topic": 0.75}, agreement={"topic": 0.995})
    line = Line.of("throughput, times: two graphs", "times", (14.0, 15.0, 16.0), at_least=14.0)
    late = Line.of("overhead", "ms", (0.25,), at_most=0.15)
    speed = RuntimeSpeed(
        throughput=Throughput(circumstances=now, lines=(line,), ways={OURS: ours}),
        overhead=Overhead(circumstances=now, lines=(late,), text="a", calls=1, block=1, ours={}, bare={}),
    )
    assert records.from_json(RuntimeSpeed, records.to_json(speed)) == speed
    page = "".join(
        f"<!-- table: {name} -->\nold\n<!-- end of table -->\n" for name in ("lines", "ways", "circumstances")
    )
    assert filled(page, speed) == (
        "<!-- table: lines -->\n"
        "| what | median | 95 % interval | wanted | holds |\n"
        "|---|--:|--:|--:|---|\n"
        "| throughput, times: two graphs | 15.00x | 14.00x to 16.00x | at least 14.00x | yes |\n"
        "| overhead | 0.250 ms |  | at most 0.150 ms | no |\n"
        "<!-- end of table -->\n"
        "<!-- table: ways -->\n"
        "| way | sentences/s | topic: accuracy | topic: fp32's label |\n"
        "|---|--:|--:|--:|\n"
        "| **ours** | 50 | 0.750 | 99.5% |\n"
        "<!-- end of table -->\n"
        "<!-- table: circumstances -->\n"
        "| measurement | at | processor | cores | load before | onnxruntime | torch |\n"
        "|---|---|---|--:|--:|---|---|\n"
        "| throughput | 2026-01-02T03:04:05+00:00 | A processor | 2 | 0.2 | 1.2.3 | 4.5 |\n"
        "| overhead | 2026-01-02T03:04:05+00:00 | A processor | 2 | 0.2 | 1.2.3 | 4.5 |\n"
        "<!-- end of table -->\n"
    )


def test_the_tables_of_the_page_are_those_of_the_results_file():
    page = PAGE.read_text("utf-8")
    speed = records.from_json(RuntimeSpeed, RESULTS.read_text("utf-8")) if RESULTS.is_file() else RuntimeSpeed()
    assert filled(page, speed) == page, "run `make runtime-speed`"


def test_a_first_answer_is_compared_with_each_script_on_its_own():
    ours = {"cpu-fp32": (0.5, 0.6), "openvino-bf16": (0.9, 0.9)}
    bare = {"cpu-fp32": (0.4, 0.4), "openvino-bf16": (0.8, 0.9)}
    fp32, plain, cached = cold_start_lines(ours, bare, {"openvino-bf16": (0.7, 0.7)})
    assert [line.values for line in (fp32, plain, cached)] == [
        pytest.approx((0.1, 0.2)),
        pytest.approx((0.1, 0.0)),
        pytest.approx((0.2, 0.2)),
    ]
    assert [line.holds for line in (fp32, plain, cached)] == [False, True, False]
    assert cached.what == "first answer of a fresh process above a bare script with a warm cache, openvino-bf16"


def test_only_a_provider_that_can_keep_what_it_compiled_is_set_beside_a_script_that_does(made, monkeypatch, tmp_path):
    bundle = Bundle.open(made / "bundle")
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


def test_scripts_that_answer_otherwise_than_ours_are_no_comparison():
    commands = {"cpu-fp32": {"ours": [], "bare": []}}
    cold_start._check_alike({"cpu-fp32 ours": [(0.1, "good")], "cpu-fp32 bare": [(0.2, "good")]}, commands)
    for other in ("bad", ""):
        answers = {"cpu-fp32 ours": [(0.1, "good")], "cpu-fp32 bare": [(0.2, other)]}
        with pytest.raises(CheckFailedError, match="cpu-fp32: different answers on the same graph"):
            cold_start._check_alike(answers, commands)


def test_each_script_keeps_its_own_seconds(bench, monkeypatch):
    told = {"ours": 0.3, "bare": 0.2, "bare with a warm cache": 0.1}
    monkeypatch.setattr(cold_start, "_commands", lambda *_: {side: [side] for side in told})
    monkeypatch.setattr(cold_start, "_first_answer", lambda command: (told[command[0]], "good"))
    found = cold_start.cold_start(bench)
    assert found.ours == dict.fromkeys(bench.variants, (0.3,))
    assert found.bare == dict.fromkeys(bench.variants, (0.2,))
    assert found.bare_with_cache == dict.fromkeys(bench.variants, (0.1,))
    assert [line.values for line in found.lines] == [pytest.approx((0.1,))] * len(bench.variants) + [
        pytest.approx((0.2,))
    ] * len(bench.variants)
