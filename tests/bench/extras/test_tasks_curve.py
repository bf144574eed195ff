"""The curve over the number of tasks: its measurement, its bundles and its figures."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_bench.analysis.extra_figures import multiples_of_one_task
from mtl_bench.extras import tasks_curve as module
from mtl_bench.extras.many_heads import round_robin, with_copied_heads
from mtl_bench.extras.tasks_curve import PASSES, measure_tasks_curve, prepare_one_graph, prepare_separate
from mtl_bench.results.extras import TasksCurve
from mtl_runtime import Classifier, load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError

TINY = Path(__file__).parents[2] / "runtime" / "data" / "tiny_bundle"
TASKS = ("sentiment", "topics", "stars")
TEXTS = ["The soup was good.", "the match was awful", "a goal"]
EXECUTION = {"variant": "cpu-int8", "workers": 2, "threads": 2, "max_batch_tokens": 64}
LENGTHS = st.floats(0.1, 10.0)


@pytest.fixture
def asked(monkeypatch):
    """The classifiers that were called, in order, each with its texts."""
    calls = []

    def remember(classifier, texts, **_):
        calls.append((classifier, list(texts)))

    monkeypatch.setattr(Classifier, "__call__", remember)
    return calls


def curve_of(one_graph, separate):
    counts = tuple(range(1, len(one_graph) + 1))
    return TasksCurve(variant="cpu-int8", counts=counts, one_graph=one_graph, separate=separate, texts=3)


def copied_bundle(folder, sources):
    return str(with_copied_heads(Bundle.open(TINY), "cpu-int8", sources, folder).path)


def test_every_count_is_timed_in_every_round_on_both_sides(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    curve = measure_tasks_curve(Bundle.open(TINY), "cpu-int8", [*TEXTS, TEXTS[0]], rounds=2, folder=tmp_path)
    assert (curve.variant, curve.counts, curve.texts) == ("cpu-int8", (1, 2, 3, 4, 5, 6, 7, 8), 3)
    for side, runs in ((curve.one_graph, 2 * PASSES), (curve.separate, 2)):
        assert [len(seconds) for seconds in side] == [runs] * 8
        assert all(second > 0 for seconds in side for second in seconds)
    for one_round in zip(*curve.separate, strict=True):
        assert list(one_round) == sorted(one_round)  # N models have answered after the first N - 1 of them
    assert "tasks curve, round 2 of 2" in caplog.messages
    assert records.from_json(TasksCurve, records.to_json(curve)) == curve
    kinds = [task.kind for task in Bundle.open(tmp_path / "tasks-8").manifest.tasks]
    assert kinds == round_robin(["single_label", "multi_label", "regression"], 8)
    assert sorted(path.name for path in tmp_path.glob("only-*")) == ["only-sentiment", "only-stars", "only-topics"]


def test_a_run_of_one_graph_asks_the_one_classifier_that_has_so_many_tasks(tmp_path, asked):
    bundles = [copied_bundle(tmp_path / str(count), round_robin(TASKS, count)) for count in (1, 4)]
    worker = prepare_one_graph(bundles=bundles, texts=TEXTS, **EXECUTION)
    assert set(worker.runs) == {"1", "4"}
    (seconds,) = worker.runs["4"]()
    ((classifier, texts),) = asked
    assert seconds >= 0
    assert (len(classifier.tasks), texts) == (4, TEXTS)


def test_a_run_of_separate_models_asks_each_once_and_another_first_each_time(tmp_path, asked):
    bundles = [copied_bundle(tmp_path / task, [task]) for task in TASKS]
    worker = prepare_separate(bundles=[*bundles, bundles[0]], texts=TEXTS, **EXECUTION)
    (run,) = worker.runs.values()
    firsts = []
    for _ in range(4):
        asked.clear()
        laps = run()
        assert len(laps) == len({id(classifier) for classifier, _ in asked}) == 4
        assert laps == sorted(laps)
        assert all(texts == TEXTS for _, texts in asked)
        firsts.append(id(asked[0][0]))
    assert len(set(firsts)) == 4


def test_both_sides_open_their_classifiers_with_the_same_settings(tmp_path, asked):
    sources = {"one": round_robin(TASKS, 2), "other": ["stars"]}
    bundles = [copied_bundle(tmp_path / name, tasks) for name, tasks in sources.items()]
    for prepare in (prepare_one_graph, prepare_separate):
        for run in prepare(bundles=bundles, texts=TEXTS, **EXECUTION).runs.values():
            run()
    infos = [classifier.info for classifier, _ in asked]
    assert len(infos) == 4
    assert {(info.variant, info.workers, info.threads, info.max_batch_tokens) for info in infos} == {
        ("cpu-int8", 2, 1, 64)
    }


@given(
    st.lists(st.lists(LENGTHS, min_size=14, max_size=14), min_size=1, max_size=8),
    st.lists(st.lists(LENGTHS, min_size=7, max_size=7), min_size=1, max_size=8),
    st.floats(0.25, 4.0),
)
def test_the_curve_starts_at_one_and_does_not_depend_on_the_machine_s_speed(passes, laps, factor):
    multiples = multiples_of_one_task(curve_of(passes, laps))
    first = multiples["one graph"][0]
    assert (first.low, first.median, first.high) == (1.0, 1.0, 1.0)
    slower = multiples_of_one_task(
        curve_of(*([[factor * second for second in row] for row in side] for side in (passes, laps)))
    )
    for fast, slow in zip(sum(multiples.values(), ()), sum(slower.values(), ()), strict=True):
        assert slow.median == pytest.approx(fast.median)
        assert slow.low <= slow.median <= slow.high


def test_a_pass_that_was_slow_as_a_whole_does_not_show():
    one, many = multiples_of_one_task(curve_of([[1.0, 9.0, 1.0], [1.5, 13.5, 1.5]], [[2.0, 18.0, 2.0]])).values()
    assert (one[1].low, one[1].median, one[1].high) == (1.5, 1.5, 1.5)
    assert (many[0].low, many[0].median, many[0].high) == (2.0, 2.0, 2.0)


def test_separate_models_are_compared_with_the_median_pass_of_their_round():
    _, (first, second) = multiples_of_one_task(
        curve_of([[1.0, 2.0, 9.0, 3.0, 3.0, 30.0]], [[2.0, 3.0], [4.0, 6.0]])
    ).values()
    assert (first.median, second.median) == (1.0, 2.0)


def test_more_open_graphs_than_memory_holds_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_available_bytes", lambda: 1000)
    with pytest.raises(MtlError, match=r"16 open graphs of cpu-int8 take about .* of memory are free"):
        measure_tasks_curve(Bundle.open(TINY), "cpu-int8", TEXTS, rounds=1, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_available_memory_is_read_where_the_system_reports_it(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16 kB\nMemAvailable:        3 kB\n")
    assert module._available_bytes(meminfo) == 3072
    assert module._available_bytes(tmp_path / "absent") is None


def test_the_copies_run_with_the_settings_that_load_chooses_for_the_bundle_itself():
    info = load(TINY, variant="cpu-int8").info
    settings = module._execution_settings(load(TINY, variant="cpu-int8"))
    again = load(TINY, **settings).info
    assert (again.workers, again.threads, again.max_batch_tokens) == (info.workers, info.threads, info.max_batch_tokens)
