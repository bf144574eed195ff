"""Two runs compared: on made-up and recorded runs of one machine, by laws, and through the command."""

import dataclasses
import itertools
import json
import math
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_bench.analysis.students_t import critical_value, import_stats, two_sided_p
from mtl_bench.commands.compare import compare as command
from mtl_bench.compare.comparison import compare_reports
from mtl_bench.compare.costs import COSTS, Sample
from mtl_bench.compare.text import comparison_markdown, headline
from mtl_bench.compare.welch import contrast, holm_levels
from mtl_bench.results.schema import Report
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.cli.app import main
from mtl_runtime.core import records
from mtl_runtime.errors import MissingPackageError, MtlError
from tests.bench.compare.noisy_runs import noisy_report, on_slower_machine, slowed, with_rows

RECORDED = Path(__file__).parent / "data" / "same_machine"
OURS = "cpu-int8"
TRIES = 40
SEEDS = st.integers(0, 10_000)
FACTORS = st.floats(0.9, 1.1)


def recorded_pairs():
    """Every pair of recorded runs that measured one bundle on one machine."""
    return [(a, b) for a, b in itertools.combinations(recorded(RECORDED), 2) if of_what(a) == of_what(b)]


def recorded(folder):
    return [records.from_json(Report, file.read_bytes(), where=file.name) for file in sorted(folder.glob("*.json"))]


def of_what(run):
    return run.machine, run.digest, run.workload.sha256


def made_up_pairs(*, phases):
    return [(noisy_report([seed, 0], phases=phases), noisy_report([seed, 1], phases=phases)) for seed in range(TRIES)]


def changed(comparison):
    return {
        (change.system, change.cost): change.verdict
        for change in comparison.costs
        if change.verdict in ("better", "worse")
    }


def share(outcomes):
    outcomes = list(outcomes)
    return sum(outcomes) / len(outcomes)


MADE_UP = {"quiet": lambda: made_up_pairs(phases=False), "slow phases": lambda: made_up_pairs(phases=True)}
PAIRS = {**MADE_UP, "recorded": recorded_pairs}


@pytest.mark.parametrize("pairs", PAIRS.values(), ids=PAIRS)
def test_two_runs_of_one_bundle_on_one_machine_do_not_differ_in_nine_of_ten_tries(pairs):
    assert share(headline(compare_reports(a, b)) == "no significant difference" for a, b in pairs()) >= 0.9


@pytest.mark.parametrize("pairs", MADE_UP.values(), ids=MADE_UP)
def test_a_variant_slowed_by_15_percent_is_caught(pairs):
    def caught(a, b):
        slow = next(name for name in (OURS, *b.systems) if name in b.systems and b.systems[name].offline)
        return any(name == slow for name, _ in changed(compare_reports(a, slowed(b, slow, 1.15))))

    assert share(caught(a, b) for a, b in pairs()) >= 0.95


def test_a_variant_that_really_computed_15_percent_longer_is_caught_in_every_recorded_pair():
    """Runs of the same machine and minutes, whose driver waited 15 % of its time after each answer."""
    runs, slow = recorded(RECORDED), recorded(RECORDED.parent / "slowed")
    verdicts = [changed(compare_reports(run, other)).get((OURS, "offline")) for run in runs for other in slow]
    assert verdicts == ["worse"] * len(runs) * len(slow)
    assert len(verdicts) >= 10


def test_a_slower_phase_that_hit_one_whole_run_is_no_regression():
    a, b = noisy_report(1), noisy_report(2)
    assert not changed(compare_reports(a, on_slower_machine(b, 1.15)))
    bare = [dataclasses.replace(run, reference_seconds=()) for run in (a, on_slower_machine(b, 1.3))]
    # Without a reference, a slower machine looks like slower code.
    assert (OURS, "offline") in changed(compare_reports(*bare))


def test_a_much_slower_machine_is_refused_and_compared_as_measured_where_that_is_wanted():
    a = noisy_report(1)
    b = on_slower_machine(noisy_report(1), 5)
    for pair, times in (((a, b), "5.00"), ((b, a), "0.20")):
        with pytest.raises(MtlError, match=rf"took {times} times as long .* during B as during A.*--across-machines"):
            compare_reports(*pair)
    comparison = compare_reports(a, b, across=["machines"])
    assert all(change.ratio == pytest.approx(5) for change in comparison.costs if COSTS[change.cost].timed)
    assert any(note.startswith("values are as measured") for note in comparison.notes)


def test_many_rounds_do_not_stand_in_for_processes():
    """One process that is slow for all of its many rounds is one slow process."""

    def rounds(*by_process):
        run = noisy_report(1, processes=2)
        row = run.systems[OURS]
        offline = dataclasses.replace(row.offline, seconds=tuple((seconds,) * 200 for seconds in by_process))
        return dataclasses.replace(
            with_rows(run, cpu_int8=dataclasses.replace(row, offline=offline)), reference_seconds=((0.05,) * 200,) * 2
        )

    (offline,) = (
        change
        for change in compare_reports(rounds(0.50, 0.51), rounds(0.51, 0.60)).costs
        if (change.system, change.cost) == (OURS, "offline")
    )
    assert offline.processes == (2, 2)
    assert offline.verdict == "same"


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0.7, 1.4), FACTORS)
def test_law_a_machine_that_is_slower_for_everything_changes_no_verdict(seed, change, factor):
    a, b = noisy_report([seed, 0]), slowed(noisy_report([seed, 1]), OURS, change)
    before, after = compare_reports(a, b), compare_reports(a, on_slower_machine(b, factor))
    assert [change.verdict for change in before.costs] == [change.verdict for change in after.costs]
    for change, other in zip(before.costs, after.costs, strict=True):
        assert change.ratio == pytest.approx(other.ratio)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 6))
def test_law_a_run_does_not_differ_from_itself(seed, processes):
    run = noisy_report(seed, processes=processes)
    comparison = compare_reports(run, run)
    assert not changed(comparison)
    assert not comparison.regressed
    assert all(change.ratio == 1 for change in comparison.costs)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0.7, 1.4))
def test_law_swapping_the_runs_inverts_ratios_and_verdicts(seed, change):
    a, b = noisy_report([seed, 0]), slowed(noisy_report([seed, 1]), OURS, change)
    opposite = {"better": "worse", "worse": "better"}
    for there, back in zip(compare_reports(a, b).costs, compare_reports(b, a).costs, strict=True):
        assert there.ratio == pytest.approx(1 / back.ratio)
        assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low))
        assert opposite.get(there.verdict, there.verdict) == back.verdict


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0.7, 1.4))
def test_law_an_interval_holds_1_exactly_where_nothing_is_significant(seed, factor):
    for change in compare_reports(noisy_report([seed, 0]), slowed(noisy_report([seed, 1]), OURS, factor)).costs:
        assert (change.low <= 1 <= change.high) == (change.verdict == "same")
        assert change.low < change.ratio < change.high
        assert change.detectable > 1.05


def test_what_would_be_found_is_found_about_four_times_in_five():
    pairs = PAIRS["quiet"]()
    sizes = [
        next(c.detectable for c in compare_reports(*pair).costs if (c.system, c.cost) == (OURS, "offline"))
        for pair in pairs
    ]
    typical = sorted(sizes)[TRIES // 2]
    caught = share((OURS, "offline") in changed(compare_reports(a, slowed(b, OURS, typical))) for a, b in pairs)
    assert 0.6 <= caught <= 0.97


def test_a_significant_difference_below_the_threshold_does_not_count():
    a, b = noisy_report(1, phases=False), slowed(noisy_report(2, phases=False), OURS, 1.3)
    verdicts = {threshold: compare_reports(a, b, threshold=threshold) for threshold in (0.05, 0.6)}
    assert changed(verdicts[0.05])[OURS, "offline"] == "worse"
    assert not changed(verdicts[0.6])
    assert "small" in {change.verdict for change in verdicts[0.6].costs}


@pytest.mark.parametrize("processes", [1, 2])
def test_too_few_processes_are_noted(processes):
    comparison = compare_reports(noisy_report(1, processes=processes), noisy_report(2, processes=processes))
    assert (
        f"too few fresh processes to show anything but very large differences: {processes} where 5"
        in comparison.notes[0]
    )


def test_a_run_of_one_process_shows_nothing_and_says_so():
    comparison = compare_reports(noisy_report(1, processes=1), slowed(noisy_report(2, processes=1), OURS, 3))
    assert {change.verdict for change in comparison.costs} == {"unknown"}
    assert headline(comparison) == "too few processes to show a difference in time or memory"
    assert "| too few processes |" in comparison_markdown(comparison)


def test_fewer_right_answers_are_a_regression_beyond_their_own_tolerance():
    a = noisy_report(1)

    def right(accuracy):
        row = a.systems[OURS]
        answers = dataclasses.replace(row.answers, metrics={"sentiment": {"accuracy": accuracy, "mse": 7.0}})
        return compare_reports(a, with_rows(a, cpu_int8=dataclasses.replace(row, answers=answers)))

    assert not right(0.8055).regressed
    assert not right(0.9).regressed
    worse = right(0.8)
    assert [(change.system, change.score, change.task) for change in worse.regressions] == [
        (OURS, "accuracy", "sentiment")
    ]
    assert headline(worse) == "1 regression: cpu-int8 (sentiment: accuracy)"


def test_one_text_may_change_its_answer_however_few_there_are():
    a = noisy_report(1)
    a = dataclasses.replace(a, workload=dataclasses.replace(a.workload, texts=5, scored=20))

    def agreeing(texts):
        row = a.systems[OURS]
        answers = dataclasses.replace(row.answers, agreement={"sentiment": texts / 20})
        return with_rows(a, cpu_int8=dataclasses.replace(row, answers=answers))

    assert not compare_reports(agreeing(20), agreeing(19)).regressed
    assert compare_reports(agreeing(20), agreeing(18)).regressed


def test_more_memory_is_a_regression():
    a = noisy_report(1)
    row = a.systems[OURS]
    larger = dataclasses.replace(row.memory, peak=tuple(int(1.2 * size) for size in row.memory.peak))
    comparison = compare_reports(a, with_rows(a, cpu_int8=dataclasses.replace(row, memory=larger)))
    assert changed(comparison) == {(OURS, "peak_memory"): "worse"}


def test_memory_is_not_compared_where_the_sweeps_chose_other_batches():
    a = noisy_report(1)
    row = a.systems[OURS]
    larger = dataclasses.replace(row.memory, peak=tuple(int(1.4 * size) for size in row.memory.peak))
    other = dataclasses.replace(row, memory=larger, offline=dataclasses.replace(row.offline, size=8192))
    comparison = compare_reports(a, with_rows(a, cpu_int8=other))
    assert not comparison.regressed
    assert "cpu-int8: fastest batch: 4096 tokens in A, 8192 tokens in B" in comparison.notes


def test_a_peer_that_failed_in_one_run_is_called_failed_and_nothing_else_is_said_of_it():
    a, b = noisy_report(1), noisy_report(2)
    failed = dataclasses.replace(
        a.systems["peer"],
        error="OSError: no file\nmore",
        offline=None,
        single_stream=None,
        cold_start=None,
        memory=None,
    )
    for pair, side in (((with_rows(a, peer=failed), b), "A"), ((a, with_rows(b, peer=failed)), "B")):
        comparison = compare_reports(*pair)
        assert not comparison.regressed
        assert [note for note in comparison.notes if note.startswith("peer")] == [
            f"peer failed in {side}: OSError: no file"
        ]


def test_a_peer_that_became_slower_is_shown_and_no_regression_of_ours():
    comparison = compare_reports(noisy_report(1), slowed(noisy_report(2), "peer", 1.5))
    assert {system for system, _ in changed(comparison)} == {"peer"}
    assert not comparison.regressed


def test_a_variant_that_no_longer_runs_is_a_regression():
    a = noisy_report(1)
    broken = dataclasses.replace(
        a.systems[OURS], error="ProviderError: no such kernel", offline=None, single_stream=None, cold_start=None
    )
    comparison = compare_reports(a, with_rows(a, cpu_int8=broken))
    assert comparison.regressed
    assert headline(comparison) == "1 regression: cpu-int8 (no longer measured)"
    assert "cpu-int8 was measured in A, and is not in B: ProviderError: no such kernel" in comparison_markdown(
        comparison
    )


@pytest.mark.parametrize(
    ("b", "why"),
    [
        (lambda a: dataclasses.replace(with_rows(a, cpu_int8=None), skipped={OURS: "no provider"}), "no provider"),
        (lambda a: with_rows(a, cpu_int8=None), "it was not measured"),
        (
            lambda a: with_rows(a, cpu_int8=dataclasses.replace(a.systems[OURS], offline=None, answers=None)),
            "without answers, offline",
        ),
    ],
)
def test_a_system_without_figures_in_b_does_not_count_as_unchanged(b, why):
    a = noisy_report(1)
    comparison = compare_reports(a, b(a))
    assert comparison.regressed
    assert comparison.broken == {OURS: why}


def test_other_labels_and_other_scored_texts_are_refused():
    a = noisy_report(1)
    for change in ({"scored": 7}, {"files": {"data.csv": FileSpec.of(b"other")}}):
        b = dataclasses.replace(a, workload=dataclasses.replace(a.workload, **change))
        with pytest.raises(MtlError, match=r"scored: 400 texts in A, .* in B; .*--across-workloads"):
            compare_reports(a, b)


@pytest.mark.parametrize("field", ["stream_reference_seconds", "cold_reference_seconds"])
def test_no_reference_of_any_kind_may_be_0(field):
    a = noisy_report(1)
    with pytest.raises(MtlError, match="without a time of the reference above 0"):
        compare_reports(a, dataclasses.replace(a, **{field: ((0.0,),) * 5}))


def test_a_system_that_lost_a_process_is_compared_by_what_is_left():
    a, b = noisy_report(1), noisy_report(2)
    row = b.systems[OURS]
    offline = dataclasses.replace(row.offline, seconds=row.offline.seconds[:-1])
    comparison = compare_reports(a, with_rows(b, cpu_int8=dataclasses.replace(row, offline=offline)))
    assert next(
        change.processes for change in comparison.costs if (change.system, change.cost) == (OURS, "offline")
    ) == (5, 4)
    assert not changed(comparison)


MACHINE = noisy_report(0).machine


@pytest.mark.parametrize(
    ("change", "named", "across"),
    [
        (
            {"machine": dataclasses.replace(MACHINE, cpu="Other")},
            "machine: some-cpu-2c in A, other-2c in B",
            "machines",
        ),
        ({"machine": dataclasses.replace(MACHINE, cores=64)}, "cores: 4 in A, 64 in B", "machines"),
        ({"machine": dataclasses.replace(MACHINE, architecture="arm64")}, "architecture: x86_64 in A", "machines"),
        ({"digest": "d" * 64}, "bundle's digest: aaaaaaaaaaaa in A, dddddddddddd in B", "bundles"),
        (
            {"workload": dataclasses.replace(noisy_report(0).workload, sha256="e" * 64)},
            "texts: 400 of texts (bbbbbbbbbbbb) in A, 400 of texts (eeeeeeeeeeee) in B",
            "workloads",
        ),
    ],
)
def test_runs_that_did_not_measure_the_same_are_refused_unless_that_is_wanted(change, named, across):
    a, b = noisy_report(1), dataclasses.replace(noisy_report(2), **change)
    with pytest.raises(MtlError, match=f"--across-{across}$") as refused:
        compare_reports(a, b)
    assert named in str(refused.value)
    comparison = compare_reports(a, b, across=[across])
    assert any(named in note for note in comparison.notes)


def test_across_machines_nothing_is_divided_out():
    a = noisy_report(1)
    b = dataclasses.replace(on_slower_machine(a, 3.0), machine=dataclasses.replace(MACHINE, cpu="Other"))
    comparison = compare_reports(a, b, across=["machines"])
    assert all(change.ratio == pytest.approx(3) for change in comparison.costs if COSTS[change.cost].timed)
    assert any(note.startswith("values are as measured") for note in comparison.notes)


def test_versions_and_settings_of_a_system_are_noted_and_not_refused():
    a = noisy_report(1)
    row = dataclasses.replace(a.systems[OURS], facts={"threads": "1"}, provider="openvino", warnings=("wrong answers",))
    b = dataclasses.replace(
        with_rows(a, cpu_int8=row, peer=None), made_with={"onnxruntime": "1.24.0"}, warnings=("it was throttled",)
    )
    notes = compare_reports(a, b).notes
    assert "onnxruntime: 1.23.0 in A, 1.24.0 in B" in notes
    assert "cpu-int8: threads: none in A, 1 in B" in notes
    assert "cpu-int8: provider: cpu in A, openvino in B" in notes
    assert "cpu-int8: warning in B: wrong answers" in notes
    assert "warning in B: it was throttled" in notes
    assert "only in A: peer" in notes


@given(st.floats(0, 1e4), st.integers(1, 2))
def test_law_students_t_has_its_closed_forms(t, degrees):
    closed = {1: 1 - 2 / math.pi * math.atan(t), 2: 1 - t / math.sqrt(2 + t * t)}[degrees]
    assert two_sided_p(t, degrees) == pytest.approx(closed, abs=1e-12)


@given(st.floats(1e-6, 0.999), st.floats(1, 200))
def test_law_a_critical_value_has_the_probability_asked_for(level, degrees):
    assert two_sided_p(critical_value(level, degrees), degrees) == pytest.approx(level, rel=1e-6)


@pytest.mark.parametrize(
    ("level", "degrees", "printed"), [(0.05, 4, 2.776), (0.01, 10, 3.169), (0.001, 30, 3.646), (0.1, 1, 6.314)]
)
def test_critical_values_are_those_of_printed_tables(level, degrees, printed):
    assert critical_value(level, degrees) == pytest.approx(printed, abs=5e-4)


SAMPLES = st.lists(st.floats(-3, 3), min_size=2, max_size=9).filter(lambda values: max(values) - min(values) > 0.01)


@given(SAMPLES, SAMPLES, st.floats(0.001, 0.2))
def test_law_a_contrast_is_scipys_welch_test_where_the_whole_reference_is_divided_out(a, b, level):
    ours = contrast(*(Sample(raw=(), logs=tuple(values)) for values in (a, b)))
    scipys = import_stats().ttest_ind(b, a, equal_var=False)
    interval = scipys.confidence_interval(1 - level)
    assert ours.p == pytest.approx(scipys.pvalue)
    assert ours.degrees == pytest.approx(scipys.df)
    assert ours.difference - ours.margin(level) == pytest.approx(interval.low)
    assert ours.difference + ours.margin(level) == pytest.approx(interval.high)


def test_without_scipy_the_extra_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingPackageError, match=r"scipy cannot be imported .*pip install 'mtl-export\[bench\]'"):
        compare_reports(noisy_report(1), noisy_report(2))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_law_holm_finds_what_bonferroni_finds_and_nothing_that_no_correction_would_not(ps):
    levels = holm_levels(ps, 0.05)
    assert all(0.05 / len(ps) <= level <= 0.05 for level in levels)
    significant = [p for p, level in zip(ps, levels, strict=True) if p <= level]
    assert not significant or max(significant) <= min([p for p in ps if p not in significant], default=1)


def test_holm_stops_at_the_first_that_fails():
    assert holm_levels([0.04, 0.001, 0.9, 0.03], 0.05) == pytest.approx([0.05 / 3, 0.05 / 4, 0.05 / 3, 0.05 / 3])


@pytest.fixture
def run(tmp_path):
    def run(a, b, *options):
        files = []
        for name, content in (("a.json", a), ("b.json", b)):
            files.append(tmp_path / name)
            files[-1].write_text(content if isinstance(content, str) else records.to_json(content), "utf-8")
        return CliRunner().invoke(command, [*map(str, files), *options])

    return run


def test_the_command_exits_0_without_a_regression_and_1_with_one(run):
    a, b = noisy_report(1), noisy_report(2)
    calm, slow, fast = run(a, b), run(a, slowed(b, OURS, 1.25)), run(a, slowed(b, OURS, 0.8))
    assert [done.exit_code for done in (calm, slow, fast)] == [0, 1, 0]
    assert "no significant difference" in calm.stdout
    assert "1 regression: cpu-int8 (offline)" in slow.stdout
    assert "no regression, 1 improvement: cpu-int8 (offline)" in fast.stdout


def test_a_run_is_not_compared_with_itself(run):
    a = noisy_report(1)
    error = run(a, a).exception
    assert isinstance(error, MtlError)
    assert error.exit_code == 2
    assert "a.json and" in str(error)
    assert f"hold the same run, of {a.conditions.started_at}" in str(error)


def test_the_threshold_is_in_per_cent_and_the_tolerance_in_points(run):
    a, b = noisy_report(1), slowed(noisy_report(2), OURS, 1.5)
    assert run(a, b, "--threshold", "80").exit_code == 0
    row = a.systems[OURS]
    answers = dataclasses.replace(row.answers, agreement={"sentiment": 0.9})
    b = with_rows(a, cpu_int8=dataclasses.replace(row, answers=answers))
    assert [run(a, b, "--tolerance", points).exit_code for points in ("8", "10")] == [1, 0]


def test_json_holds_what_the_table_shows(run):
    done = run(noisy_report(1), slowed(noisy_report(2), OURS, 1.25), "--json")
    comparison = json.loads(done.stdout)
    assert (done.exit_code, comparison["regressed"], comparison["headline"]) == (
        1,
        True,
        "1 regression: cpu-int8 (offline)",
    )
    (offline,) = [change for change in comparison["costs"] if (change["system"], change["cost"]) == (OURS, "offline")]
    assert offline["verdict"] == "worse"
    assert offline["low"] < offline["ratio"] < offline["high"]


def test_markdown_shows_what_changed_and_folds_the_rest(run):
    done = run(noisy_report(1), slowed(noisy_report(2), OURS, 1.5), "--markdown")
    shown, _, folded = done.stdout.partition("<details>")
    assert "| cpu-int8 | offline |" in shown
    assert "| SLOWER |" in shown
    assert "cpu-fp32" not in shown
    assert folded.count("\n| ") == 1 + 3 * len(COSTS)
    assert "the same in both runs: 9 scores" in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "a.json: not valid JSON"),
        ('{"schema_version": 1, "systems": {"a": 1e400}}', "1e400 is too large"),
        ("[]", "a.json is not a benchmark's results file; name a results file that `mtl bench BUNDLE` wrote"),
        ('{"schema_version": 1, "variants": {}}', "a.json is not a benchmark's results file"),
        ('{"schema_version": 7, "systems": {}}', "a.json has schema version 7, this mtl-export reads 1; measure again"),
        ('{"schema_version": 1, "systems": {}}', "a.json.command: this key is required and missing"),
    ],
)
def test_a_file_that_is_no_report_is_refused_in_one_line(run, content, message):
    error = run(content, noisy_report(1)).exception
    assert isinstance(error, MtlError)
    assert error.exit_code == 2
    assert message in str(error)


def test_a_file_that_is_not_there_and_a_time_of_0_are_the_users_mistake(run, tmp_path):
    missing = CliRunner().invoke(command, [str(tmp_path / "none.json"), str(tmp_path / "none.json")])
    assert "none.json cannot be read (No such file or directory)" in str(missing.exception)
    a = noisy_report(1)
    comparison = run(a, slowed(a, OURS, 0.0)).exception
    assert "cpu-int8: a value of offline is not above 0; measure that run again" in str(comparison)


@pytest.mark.parametrize("launch", [(), (0.0,)])
def test_a_reference_that_nothing_can_be_divided_by_is_refused(launch):
    a = noisy_report(1)
    with pytest.raises(MtlError, match=r"^B holds a launch without a time of the reference above 0; measure"):
        compare_reports(a, dataclasses.replace(a, reference_seconds=(*a.reference_seconds[1:], launch)))


@pytest.mark.parametrize("option", ["--threshold", "--tolerance"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_counts_as_a_difference_is_a_number(run, option, value):
    assert run(noisy_report(1), noisy_report(2), option, value).exit_code == 2


def test_markdown_and_json_exclude_each_other(run):
    assert run(noisy_report(1), noisy_report(2), "--json", "--markdown").exit_code == 2


@pytest.mark.parametrize("options", [[], ["--markdown"], ["--json"]])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_comparison_is_shown_on_a_console_that_is_not_utf_8(tmp_path, encoding, options):
    after = shutil.copy(RECORDED / "run2.json", tmp_path / "run → 2.json")
    argv = ["compare", str(RECORDED / "run1.json"), str(after), *options]
    result = CliRunner(charset=encoding).invoke(main, argv)
    assert result.exit_code == 0, result.output
    shown = result.stdout_bytes.decode(encoding)
    assert r"run \u2192 2.json" in shown
    assert "no significant difference" in shown
