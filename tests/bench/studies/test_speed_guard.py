"""The guard for speed: it finds what became slower, and nothing where nothing did."""

import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mtl_bench.results.files import read_results
from mtl_bench.studies.speed_guard import command as guard
from mtl_bench.studies.speed_guard import measure, timed_runtime
from mtl_bench.studies.speed_guard.checkouts import checked_out, resolve_commit
from mtl_bench.studies.speed_guard.recording import MEASURES, Measure, Pair, SpeedRecording
from mtl_bench.studies.speed_guard.timed_runtime import prepare
from mtl_bench.studies.speed_guard.verdict import judge
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import MtlError

TINY_BUNDLE = Path(__file__).parents[2] / "runtime" / "data" / "tiny_bundle"
RECORDINGS = sorted((Path(__file__).parent / "speed_guard_recordings").glob("*.json"))
TYPICAL = {"kernel_bound": 0.4, "pipeline": 0.5, "overhead": 0.03, "cold_start": 0.4}  # seconds
MODEL = ("kernel_bound", "pipeline")  # what the model's time is in


def recording(pairs, slowdown=0.0):
    return SpeedRecording(
        base="a" * 40,
        candidate="a" * 40,
        slowdown=slowdown,
        measured_at="2026-01-01T00:00:00Z",
        machine=machine_facts(),
        variants={"base": "cpu-int8", "candidate": "cpu-int8"},
        pairs=tuple(pairs),
    )


def simulated(seed, *, slower=1.0, pairs=20):
    """Two sides of one speed but for ``slower``: noise of processes, of rounds, and moments in which all is slow."""
    generator = np.random.default_rng(seed)

    def side(measure, busy, factor):
        process = math.exp(generator.normal(0, 0.015))
        rounds = np.exp(generator.normal(0, 0.02, MEASURES[measure].rounds))
        hit = np.where(generator.random(len(rounds)) < 0.05, 1.6, 1.0)
        return tuple((TYPICAL[measure] * factor * process * rounds * hit * busy).tolist())

    def pair():
        busy = {name: np.exp(generator.normal(0, 0.1, MEASURES[name].rounds)) for name in MEASURES}
        sides = [
            {name: side(name, busy[name], factor if name in MODEL else 1.0) for name in MEASURES}
            for factor in (1.0, slower)
        ]
        return Pair(base=sides[0], candidate=sides[1])

    return recording([pair() for _ in range(pairs)])


def found_slower(recorded):
    return {verdict.measure for verdict in judge(recorded) if verdict.is_slower}


def test_a_commit_is_not_slower_than_itself_in_nine_of_ten_runs():
    alarms = sum(bool(found_slower(simulated(seed))) for seed in range(60))
    assert alarms <= 6


def test_a_model_that_takes_a_tenth_longer_is_found_and_only_where_the_model_runs():
    for seed in range(20):
        assert set(MODEL) <= found_slower(simulated(seed, slower=1.1))
        assert not any(verdict.is_faster for verdict in judge(simulated(seed, slower=1.1)))


def test_what_became_faster_is_no_alarm():
    verdicts = {verdict.measure: verdict for verdict in judge(simulated(0, slower=0.9))}
    assert all(verdicts[name].is_faster and not verdicts[name].is_slower for name in MODEL)


def test_a_difference_below_two_percent_is_no_alarm_however_sure():
    exact = {name: (1.0,) * measure.rounds for name, measure in MEASURES.items()}
    slower = {name: (1.015,) * measure.rounds for name, measure in MEASURES.items()}
    assert not found_slower(recording([Pair(base=exact, candidate=slower)] * 20))


def read_recordings(kind):
    """Real runs: "same" of one commit against itself, "slowed" of a model that a tenth was added to on purpose."""
    return [read_results(SpeedRecording, file) for file in RECORDINGS if file.stem.startswith(kind)]


def test_in_three_recorded_runs_the_slowed_model_is_found():
    recorded = read_recordings("slowed")
    assert [one.slowdown for one in recorded] == [0.1] * 3
    assert all(found_slower(one) >= set(MODEL) for one in recorded)


def test_of_ten_recorded_runs_of_one_commit_nine_find_nothing():
    recorded = read_recordings("same")
    assert len(recorded) == 10
    assert all((one.slowdown, one.candidate) == (0.0, one.base) for one in recorded)
    assert sum(bool(found_slower(one)) for one in recorded) <= 1


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit, whose runtime is this one."""
    folder = tmp_path / "repository"
    (folder / "runtime").mkdir(parents=True)
    package = Path(guard.ROOT / "runtime" / "mtl_runtime")
    subprocess.run(["cp", "-r", str(package), str(folder / "runtime")], check=True)
    git(tmp_path, "init", "-q", str(folder))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "First")
    return folder


def test_a_checkout_holds_the_commits_files_with_bytecode_and_is_gone_afterwards(repository, tmp_path):
    (repository / "runtime" / "mtl_runtime" / "errors.py").write_text("broken =")
    with checked_out(repository, resolve_commit(repository, "HEAD"), tmp_path / "base") as folder:
        assert "class MtlError" in (folder / "runtime" / "mtl_runtime" / "errors.py").read_text()
        assert list((folder / "runtime" / "mtl_runtime" / "__pycache__").glob("errors.*.pyc"))
    assert not (tmp_path / "base").exists()
    with pytest.raises(MtlError, match="git rev-parse failed"):
        resolve_commit(repository, "no-such-branch")


@pytest.fixture
def run_guard(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "ROOT", repository)
    file = tmp_path / "guard.json"

    def run(*options):
        command = ["HEAD", "--bundle", str(TINY_BUNDLE), "-o", str(file), "--pairs", "5", *options]
        return CliRunner().invoke(guard.main, command), read_results(SpeedRecording, file)

    return run


def test_both_sides_are_timed_in_processes_of_their_own_and_recorded(repository, run_guard, monkeypatch):
    few = {name: Measure(each.title, rounds=2) for name, each in MEASURES.items()}
    monkeypatch.setattr(measure, "MEASURES", few)
    done, recorded = run_guard("--slowdown", "3")
    # Which side is slower is not asked here: batches of microseconds are timed beside other tests.
    assert done.exit_code in {0, 1}, done.output
    assert "slowed by 300 % on purpose" in done.output
    assert recorded.base == resolve_commit(repository, "HEAD")
    sides = [side for pair in recorded.pairs for side in (pair.base, pair.candidate)]
    assert [{name: len(seconds) for name, seconds in side.items()} for side in sides] == [
        dict.fromkeys(MEASURES, 2)
    ] * 10
    assert all(second > 0 for side in sides for seconds in side.values() for second in seconds)


@pytest.mark.parametrize(("slower", "code"), [(1.0, 0), (1.1, 1)])
def test_the_exit_code_and_the_table_say_whether_this_tree_is_slower(run_guard, monkeypatch, slower, code):
    pairs = list(simulated(0, slower=slower).pairs)
    monkeypatch.setattr(guard, "measure_pairs", lambda *_: (pairs, {"base": "cpu-int8", "candidate": "cpu-int8"}))
    done, _ = run_guard()
    assert done.exit_code == code, done.output
    assert ("SLOWER" in done.output) == bool(code)


def test_a_model_that_is_slowed_on_purpose_sleeps_for_a_share_of_each_batch(monkeypatch):
    slept = []
    monkeypatch.setattr(timed_runtime.time, "sleep", slept.append)
    prepare(bundle=str(TINY_BUNDLE), texts=["good", "The soup was good."], slowdown=0.1).runs["kernel_bound"]()
    assert slept
    assert all(seconds > 0 for seconds in slept)


def test_a_side_that_imports_another_runtime_is_an_error(tmp_path):
    stranger = measure.Side(name="base", checkout=tmp_path, bundle=TINY_BUNDLE)
    with pytest.raises(MtlError, match=r"base imported .* in place of the runtime in"):
        measure.measure_pair([stranger], ["good"])


def test_what_is_timed_answers_as_a_call_does():
    worker = prepare(bundle=str(TINY_BUNDLE), texts=["good", "The soup was good."])
    assert set(worker.runs) == set(MEASURES) - {"cold_start"}
    for run in worker.runs.values():
        run()
